"""Lines of a vector file against this driver: a body, the profile that reads it, and what happens by it."""

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from drivers.errors import DriverError
from drivers.http_push.body import parse, read
from drivers.http_push.meaning import Meaning, Told, records_in
from drivers.listen_check import NOW, words
from drivers.profile import Profile
from drivers.profile_check import same
from drivers.profiles_store import load_library
from messages.text import printable

Row = Mapping[str, Any]


def check_vector(row: Row) -> str | None:
    """Return None where our decoder agrees with the row, else the disagreement."""
    wanted = row.get("expected")
    if not isinstance(wanted, Mapping):
        return "expected: must be an object"
    profile = _library().get(str(row.get("profile")))
    if profile is None or profile.protocol != "http-push":
        return "profile: names none of a device that pushes"
    try:
        return next(_faults(_told(row, profile), wanted), None)
    except (DriverError, ValueError, TypeError) as err:
        return printable(f"{type(err).__name__}: {err}", 200)


def _told(row: Row, profile: Profile) -> Told:
    meaning = Meaning(profile, {"credential": "clear"})
    body = row.get("body", row.get("text"))
    raw = body.encode() if isinstance(body, str) else json.dumps(body, default=str).encode()
    options = meaning.options
    kind = row.get("content_type")
    message = (
        read(raw, kind, options.part, options.charset)
        if isinstance(kind, str)
        else parse(raw, options.charset)
    )
    return meaning.tell(message, records_in(message, options), NOW)


def _faults(told: Told, wanted: Row) -> Iterator[str]:
    found: dict[str, Any] = {
        "happens": words(told.happenings),
        "parts": [it.part for it in told.happenings],
        "numbers": [it.number for it in told.happenings],
        "at": [it.at.isoformat() if it.at else None for it in told.happenings],
        "details": [it.detail for it in told.happenings],
    }
    for key, want in wanted.items():
        if key == "readings" and isinstance(want, Mapping):
            for name, value in want.items():
                reading = told.readings.get(name)
                if reading is None or not same(reading.value, value):
                    yield f"readings.{printable(str(name), 40)}: we find {reading and reading.value}, expected {value}"
        elif key not in found:
            yield f"{printable(str(key), 40)}: is nothing that we decode here"
        elif found[key] != want:
            yield f"{key}: we find {printable(repr(found[key]), 120)}, expected {printable(repr(want), 120)}"


@functools.cache
def _library() -> Mapping[str, Profile]:
    return load_library()
