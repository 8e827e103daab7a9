"""Frames of GB/T 26875.3-2011: `@@`, a control unit of 25 bytes, the application data unit, its sum, `##`.

Numbers are little-endian, the addresses too; time labels are second, minute, hour, day, month, year.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from drivers.errors import FrameDamaged

START, END = b"@@", b"##"
HEADER: Final = 27
TAIL: Final = 3
MAX_ADU: Final = 1024
MAX_FRAME: Final = HEADER + MAX_ADU + TAIL

CONTROL, SEND, ACK, REQUEST, REPLY, DENY = range(1, 7)
COMMANDS: Final = {
    CONTROL: "control",
    SEND: "send data",
    ACK: "ack",
    REQUEST: "request",
    REPLY: "reply",
    DENY: "deny",
}

TimeForm = Literal["binary", "bcd"]
NO_TIME: Final = bytes(6)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; the addresses as twelve hex digits, highest byte first, the time as the six bytes it is."""

    serial: int
    version: tuple[int, int]
    time: bytes
    source: str
    dest: str
    command: int
    adu: bytes
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Damaged:
    """A frame of the right length whose sum is wrong: what it says of itself is doubtful."""

    frame: Frame
    right_sum: int


def check_sum(raw: bytes) -> int:
    """Return the sum of a frame's control unit and application data unit, modulo 256."""
    return sum(raw[2:-TAIL]) & 0xFF


def encode(frame: Frame) -> bytes:
    """Build the bytes of a frame; raise `ValueError` for what does not fit."""
    if len(frame.adu) > MAX_ADU:
        raise ValueError(f"an application data unit has at most {MAX_ADU} bytes, this has {len(frame.adu)}")
    body = b"".join(
        (
            frame.serial.to_bytes(2, "little"),
            bytes(frame.version),
            frame.time,
            bytes.fromhex(frame.source)[::-1],
            bytes.fromhex(frame.dest)[::-1],
            len(frame.adu).to_bytes(2, "little"),
            bytes((frame.command,)),
            frame.adu,
        )
    )
    if len(body) != HEADER - 2 + len(frame.adu):
        raise ValueError("a time or an address has not six bytes")
    return START + body + bytes((sum(body) & 0xFF,)) + END


def parse(raw: bytes) -> Frame:
    """Read exactly one frame; raise `FrameDamaged` for anything else."""
    if len(raw) < HEADER + TAIL or raw[:2] != START:
        raise FrameDamaged(f"no frame: it begins with @@ and has at least {HEADER + TAIL} bytes")
    size = _adu_bytes(raw, 0)
    if size > MAX_ADU or len(raw) != HEADER + size + TAIL:
        raise FrameDamaged(f"the length field says {size} bytes of data, the frame has {len(raw) - 30}")
    if raw[-2:] != END:
        raise FrameDamaged("the frame does not end with ##")
    found = check_sum(raw)
    if raw[-TAIL] != found:
        raise FrameDamaged(f"the checksum is {raw[-TAIL]:02X}, right would be {found:02X}")
    return _frame(raw)


def label_time(raw: bytes, form: TimeForm = "binary") -> datetime | None:
    """Read a time label as the panel's own wall clock, without a zone; None where it is no time."""
    if form == "bcd":
        if any(byte >> 4 > 9 or byte & 15 > 9 for byte in raw):
            return None
        raw = bytes(10 * (byte >> 4) + (byte & 15) for byte in raw)
    second, minute, hour, day, month, year = raw
    try:
        # The label has no zone; whoever knows the panel's gives it.
        return datetime(2000 + year, month, day, hour, minute, second)  # noqa: DTZ001
    except ValueError:
        return None


def time_label(at: datetime, form: TimeForm = "binary") -> bytes:
    """Write a wall clock as a time label."""
    parts = (at.second, at.minute, at.hour, at.day, at.month, at.year % 100)
    return bytes(part // 10 << 4 | part % 10 for part in parts) if form == "bcd" else bytes(parts)


class FrameReader:
    """Finds frames in a stream: noise is passed over, and no length field keeps a later frame waiting."""

    def __init__(self) -> None:
        self._kept = b""

    def feed(self, data: bytes) -> list[Frame | Damaged]:
        """Take bytes in any portions; return the frames that are whole. Keeps less than one longest frame."""
        data = self._kept + data
        found: list[Frame | Damaged] = []
        place = 0
        while (start := data.find(START, place)) >= 0:
            size = _whole(data, start)
            if size < 0:  # no frame begins here
                place = start + 1
            elif size == 0:  # not all of it has come; unless what follows shows that it never will
                later = _next_sound(data, start + 1)
                if later < 0:
                    self._kept = data[start:]
                    return found
                place = later
            else:
                raw = data[start : start + size]
                frame, right = _frame(raw), check_sum(raw)
                place = start + size
                if right == raw[-TAIL]:
                    found.append(frame)
                    continue
                found.append(Damaged(frame, right))
                inner = _next_sound(data, start + 1)  # a wrong length field may have swallowed a sound frame
                place = inner if 0 <= inner < place else place
        self._kept = data[max(place, len(data) - 1) :] if data.endswith(START[:1]) else b""
        return found


def _whole(data: bytes, start: int) -> int:
    """Return the length of the frame that begins at `start`, 0 if more must come, -1 if none begins there."""
    if len(data) - start < HEADER:
        return 0
    size = HEADER + _adu_bytes(data, start) + TAIL
    if size > MAX_FRAME:
        return -1
    if len(data) - start < size:
        return 0
    return size if data[start + size - 2 : start + size] == END else -1


def _next_sound(data: bytes, place: int) -> int:
    while (start := data.find(START, place)) >= 0:
        size = _whole(data, start)
        if size > 0 and data[start + size - TAIL] == check_sum(data[start : start + size]):
            return start
        place = start + 1
    return -1


def _adu_bytes(data: bytes, start: int) -> int:
    return int.from_bytes(data[start + 24 : start + 26], "little")


def _frame(raw: bytes) -> Frame:
    return Frame(
        serial=int.from_bytes(raw[2:4], "little"),
        version=(raw[4], raw[5]),
        time=raw[6:12],
        source=raw[17:11:-1].hex().upper(),
        dest=raw[23:17:-1].hex().upper(),
        command=raw[26],
        adu=raw[HEADER:-TAIL],
        raw=raw,
    )
