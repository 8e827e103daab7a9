"""The payload of a read: one segment (control, length, data) for each frame of the conversation.

A single answer is one segment, so that what the reader returns is a payload already. A segment of control 00 is our
own: the moment, in milliseconds since 1970, at which the meter's clock was read.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Final

from drivers.dlt645.frames import ABNORMAL, FROM_METER, FUNCTION, MORE, Function

STAMP: Final = 0x00
_STAMP_BYTES: Final = 8
_READS: Final[Mapping[int, int]] = {
    Function.READ: 4,
    Function.READ_NEXT: 4,
    Function.READ_1997: 2,
    Function.READ_NEXT_1997: 2,
}
EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017


def parts(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield control and data of each segment; what is cut off at the end is left out."""
    place = 0
    while place + 2 <= len(payload):
        control, size = payload[place], payload[place + 1]
        data = payload[place + 2 : place + 2 + size]
        if len(data) < size:
            return
        yield control, data
        place += 2 + size


def more(segment: bytes) -> bool:
    """Say whether the answer has a follow-up frame."""
    return bool(segment and segment[0] & (MORE | ABNORMAL) == MORE)


def sequence(segment: bytes) -> int:
    """Return the number at the end of a follow-up answer of 2007."""
    return segment[-1]


def reads(payload: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield identifier and whole data of each read, follow-up frames put together, in the order of the conversation."""
    di, held = "", b""
    for control, data in parts(payload):
        function = control & FUNCTION
        answers = control & (FROM_METER | ABNORMAL) == FROM_METER
        size = _READS.get(function, 0) if answers else 0
        if not size or len(data) < size:
            continue
        name, rest = data[:size][::-1].hex().upper(), data[size:]
        if function == Function.READ_NEXT:
            rest = rest[:-1]
        if function in {Function.READ, Function.READ_1997} or name != di:
            if di:
                yield di, held
            di, held = name, b""
        held += rest
    if di:
        yield di, held


def stamp(at: datetime) -> bytes:
    """Return our own segment."""
    return bytes((STAMP, _STAMP_BYTES)) + ((at - EPOCH) // timedelta(milliseconds=1)).to_bytes(
        _STAMP_BYTES, "big"
    )


def stamped(payload: bytes) -> datetime | None:
    """Return the moment of the last stamp in a payload; None where there is none that can be."""
    found = None
    for control, data in parts(payload):
        if control == STAMP and len(data) == _STAMP_BYTES:
            found = int.from_bytes(data, "big")
    limit = (datetime.max.replace(tzinfo=EPOCH.tzinfo) - EPOCH) // timedelta(milliseconds=1)
    return None if found is None or found > limit else EPOCH + timedelta(milliseconds=found)
