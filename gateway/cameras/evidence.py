"""Pictures that alarms rest on: a ring of them for each camera, named so that an event can point at one."""

import os
import re
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

PREFIX: Final = "picture:"
_REFERENCE: Final = re.compile(
    r"picture:([A-Za-z0-9][A-Za-z0-9._-]{0,63})/([0-9]{8}T[0-9]{9}Z-[a-z_]{1,48}\.jpg)"
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Keeps the last `most` pictures of each camera below a folder that only we can read."""

    folder: Path
    most: int = 20

    def keep(self, device: str, why: str, at: datetime, picture: bytes) -> str:
        """Keep a picture; return its reference. Raises `OSError`."""
        place = self.folder / device
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%S") + f"{at.microsecond // 1000:03d}Z"
        name = f"{stamp}-{why}.jpg"
        write_whole(place / name, picture)
        for old in sorted(each.name for each in place.glob("*.jpg"))[: -self.most]:
            (place / old).unlink(missing_ok=True)
        return f"{PREFIX}{device}/{name}"

    def read(self, reference: str) -> bytes | None:
        """Return the picture that a reference names, None where it is gone or none of ours."""
        match = _REFERENCE.fullmatch(reference)
        if match is None or ".." in match[1]:
            return None
        try:
            return (self.folder / match[1] / match[2]).read_bytes()
        except OSError:
            return None


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, readable by us alone."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
