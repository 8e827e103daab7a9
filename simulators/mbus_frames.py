"""M-Bus frames as a slave makes them: link layer and data records, written by the standard; sans-I/O."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

ACK = b"\xe5"
MORE = b"\x1f"

Coding = Literal[
    "int8", "int16", "int24", "int32", "int48", "int64", "real32", "bcd2", "bcd4", "bcd6", "bcd8", "bcd12"
]
_CODES: dict[str, tuple[int, int]] = {
    "int8": (0x01, 1),
    "int16": (0x02, 2),
    "int24": (0x03, 3),
    "int32": (0x04, 4),
    "real32": (0x05, 4),
    "int48": (0x06, 6),
    "int64": (0x07, 8),
    "bcd2": (0x09, 1),
    "bcd4": (0x0A, 2),
    "bcd6": (0x0B, 3),
    "bcd8": (0x0C, 4),
    "bcd12": (0x0E, 6),
}
_FUNCTIONS = {"inst": 0x00, "max": 0x10, "min": 0x20, "error": 0x30}


@dataclass(frozen=True, slots=True)
class Value:
    """One record to send: a count, how it is coded, and the value information bytes that say what it is."""

    vib: bytes
    count: int
    coding: Coding = "int32"
    function: Literal["inst", "max", "min", "error"] = "inst"
    storage: int = 0
    tariff: int = 0
    subunit: int = 0


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a slave is: its number of eight digits, and the rest of its secondary address."""

    number: str
    maker: str = "GHS"
    version: int = 1
    medium: int = 4

    @property
    def wire(self) -> bytes:
        """The eight bytes as they stand in a header and in a selection."""
        code = 0
        for letter in self.maker:
            code = code << 5 | ord(letter) - 64
        return (
            bytes.fromhex(self.number)[::-1] + code.to_bytes(2, "little") + bytes((self.version, self.medium))
        )


def record(value: Value) -> bytes:
    """Return the bytes of one record, with as many DIFEs as its place needs."""
    code, size = _CODES[value.coding]
    storage, tariff, subunit = value.storage, value.tariff, value.subunit
    head = [code | _FUNCTIONS[value.function] | (storage & 1) << 6]
    storage >>= 1
    while storage or tariff or subunit:
        head[-1] |= 0x80
        head.append(storage & 0x0F | (tariff & 3) << 4 | (subunit & 1) << 6)
        storage, tariff, subunit = storage >> 4, tariff >> 2, subunit >> 1
    return bytes(head) + value.vib + data(value.count, value.coding, size)


def counted(value: Value) -> bytes:
    """Return the bytes of a record's count alone."""
    return data(value.count, value.coding, _CODES[value.coding][1])


def data(count: int, coding: Coding, size: int) -> bytes:
    """Return a count as it is coded; raise `OverflowError` where it does not fit."""
    if coding == "real32":
        return struct.pack("<f", count)
    if coding.startswith("int"):
        return count.to_bytes(size, "little", signed=True)
    text = f"{abs(count):0{2 * size}d}"
    if count < 0:  # the highest digit is given up for the sign
        text = "F" + text[1:] if text.startswith("0") else text + "?"
    if len(text) > 2 * size:
        raise OverflowError(f"{count} has more than {2 * size} digits")
    return bytes.fromhex(text)[::-1]


def long_frame(control: int, address: int, ci: int, body: bytes) -> bytes:
    """Return a frame with data."""
    content = bytes((control, address, ci)) + body
    return bytes((0x68, len(content), len(content), 0x68)) + content + bytes((sum(content) & 0xFF, 0x16))


def response(address: int, who: Identity, access: int, status: int, body: bytes) -> bytes:
    """Return the answer to REQ_UD2 with the long header and records."""
    return long_frame(0x08, address, 0x72, who.wire + bytes((access, status, 0, 0)) + body)


def telegrams(values: Sequence[Value], room: int) -> list[bytes]:
    """Put records into as many telegrams as they need, each but the last ending with "more follows"."""
    found = [b""]
    for value in values:
        made = record(value)
        if len(found[-1]) + len(made) + len(MORE) > room and found[-1]:
            found.append(b"")
        found[-1] += made
    return [body + (MORE if place < len(found) - 1 else b"") for place, body in enumerate(found)]


@dataclass(frozen=True, slots=True)
class Request:
    """What a master asks: the control field, whom, and what a frame with data holds."""

    control: int
    address: int
    ci: int | None = None
    body: bytes = b""


@dataclass(slots=True)
class Requests:
    """Requests found in a stream of bytes; whatever is none is passed over, and no more is kept than one frame has."""

    skipped: int = 0
    _buffer: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> list[Request]:
        """Take bytes in any portions and return the requests that are whole now."""
        self._buffer += data
        found = []
        while self._buffer:
            size = self._size()
            if size > len(self._buffer):
                break
            one = _request(bytes(self._buffer[:size])) if size else None
            if one is not None:
                found.append(one)
                del self._buffer[:size]
            else:
                del self._buffer[0]
                self.skipped += 1
        return found

    def _size(self) -> int:
        head = self._buffer
        if head[0] == 0x10:
            return 5
        if head[0] != 0x68 or (len(head) > 2 and head[1] != head[2]):
            return 0
        return 4 if len(head) < 4 else (head[1] + 6 if head[3] == 0x68 and head[1] >= 3 else 0)


def _request(raw: bytes) -> Request | None:
    if raw[-1] != 0x16:
        return None
    content = raw[1:-2] if raw[0] == 0x10 else raw[4:-2]
    if sum(content) & 0xFF != raw[-2]:
        return None
    if raw[0] == 0x10:
        return Request(content[0], content[1])
    return Request(content[0], content[1], content[2], content[3:])
