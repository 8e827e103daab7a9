"""Messages in several parts (SIA OSDP 2.2): total, offset and size of the part, two bytes each, LSB first."""

from dataclasses import dataclass
from typing import Final

from drivers.errors import FrameDamaged
from drivers.osdp.codes import Reply

MOST_WHOLE: Final = 4096
IN_PARTS: Final = frozenset({Reply.PIVDATAR, Reply.GENAUTHR, Reply.CRAUTHR})
_HEAD: Final = 6


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a message."""

    total: int
    offset: int
    data: bytes


def part(data: bytes) -> Part:
    """Take one part apart; raise `FrameDamaged` for one that cannot be."""
    if len(data) < _HEAD:
        raise FrameDamaged(f"{len(data)} bytes are too few for a part of a message")
    total, offset, size = (int.from_bytes(data[place : place + 2], "little") for place in (0, 2, 4))
    if size != len(data) - _HEAD:
        raise FrameDamaged(f"a part says {size} bytes and has {len(data) - _HEAD}")
    if offset + size > total:
        raise FrameDamaged(f"a part ends at {offset + size}, and the whole has {total} bytes")
    return Part(total, offset, data[_HEAD:])


class Assembler:
    """Puts the parts of one message together; holds `most` bytes at most."""

    def __init__(self, most: int = MOST_WHOLE) -> None:
        self._most = most
        self._code = self._total = 0
        self._have = b""

    def add(self, code: int, data: bytes) -> bytes | None:
        """Take a part; return the whole with its last one, None before.

        Raises `FrameDamaged` for a part that does not go on where the last one ended; what was there is forgotten.
        """
        have, self._have = self._have, b""
        new = part(data)
        if new.total > self._most:
            raise FrameDamaged(f"a message of {new.total} bytes: {self._most} at most")
        if new.offset == 0:
            have, self._code, self._total = b"", code, new.total
        if (code, new.total, new.offset) != (self._code, self._total, len(have)):
            raise FrameDamaged("a part of another message, or one that was left out")
        have += new.data
        if len(have) == new.total:
            return have
        if not new.data:
            raise FrameDamaged("an empty part of a message that is not whole")
        self._have = have
        return None
