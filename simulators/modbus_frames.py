"""Requests found in a stream of bytes, and replies framed: the server half of RTU, ASCII and MBAP, sans-I/O."""

import struct
from dataclasses import dataclass
from typing import Protocol

MAX_FRAME = 260
MAX_ASCII = 513
_DIGITS = frozenset(b"0123456789ABCDEF")
_FIXED = frozenset({1, 2, 3, 4, 5, 6})
_COUNTED = frozenset({15, 16})


class NotModbus(ValueError):
    """Bytes that no Modbus TCP client sends; the connection is of no use any more."""


@dataclass(frozen=True, slots=True)
class Request:
    """One whole request; `size` is what it took on the wire."""

    unit: int
    pdu: bytes
    size: int
    transaction: int = 0


class Framing(Protocol):
    """One direction in, the other out."""

    skipped: int
    """How many bytes were passed over because they were part of no request."""

    @property
    def begun(self) -> bool:
        """True while a request has begun and is not whole."""

    def feed(self, data: bytes) -> list[Request]:
        """Take bytes in any portions and return the requests that are whole now."""

    def silence(self) -> list[Request]:
        """Say that the line fell silent: what is not whole by now never will be."""

    def wrap(self, request: Request, pdu: bytes) -> bytes:
        """Frame a reply."""


class RtuFraming:
    """RTU requests by length and checksum; garbage before a frame is passed over."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.skipped = 0

    @property
    def begun(self) -> bool:
        """True while a request has begun and is not whole."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Request]:
        """Take bytes in any portions and return the requests that are whole now."""
        self._buffer += data
        found = self._take()
        self.skipped += max(0, len(self._buffer) - MAX_FRAME)
        del self._buffer[:-MAX_FRAME]
        return found

    def silence(self) -> list[Request]:
        """Try each start once more; a whole frame of a function that is unknown here is a request too."""
        found: list[Request] = []
        while len(self._buffer) >= 4:
            if crc16(self._buffer) == 0:
                found.append(Request(self._buffer[0], bytes(self._buffer[1:-2]), len(self._buffer)))
                self._buffer.clear()
                break
            del self._buffer[0]
            self.skipped += 1
            found.extend(self._take())
        self.skipped += len(self._buffer)
        self._buffer.clear()
        return found

    def wrap(self, request: Request, pdu: bytes) -> bytes:
        """Frame a reply with unit and checksum, low byte first."""
        body = bytes([request.unit]) + pdu
        return body + struct.pack("<H", crc16(body))

    def _take(self) -> list[Request]:
        found: list[Request] = []
        while (size := _request_size(self._buffer)) is not None and len(self._buffer) >= size:
            frame = bytes(self._buffer[:size])
            if crc16(frame) == 0:
                found.append(Request(frame[0], frame[1:-2], size))
                del self._buffer[:size]
            else:
                del self._buffer[0]
                self.skipped += 1
        return found


class AsciiFraming:
    """Modbus ASCII: a colon, hexadecimal digits with a longitudinal redundancy check, CR and LF."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.skipped = 0

    @property
    def begun(self) -> bool:
        """True while a request has begun and is not whole."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Request]:
        """Take bytes in any portions and return the requests that are whole now."""
        self._buffer += data
        found: list[Request] = []
        while (end := self._buffer.find(b"\r\n")) >= 0:
            frame = bytes(self._buffer[: end + 2])
            del self._buffer[: end + 2]
            start = frame.rfind(b":")
            self.skipped += max(0, start)
            body = _unhexed(frame[start + 1 : -2]) if start >= 0 else None
            if body is None or len(body) < 3 or sum(body) & 0xFF:
                self.skipped += len(frame) - max(0, start)
            else:
                found.append(Request(body[0], body[1:-1], len(frame) - start))
        self.skipped += max(0, len(self._buffer) - MAX_ASCII)
        del self._buffer[:-MAX_ASCII]
        return found

    def silence(self) -> list[Request]:
        """Forget what began: no more than a second may pass between two characters."""
        self.skipped += len(self._buffer)
        self._buffer.clear()
        return []

    def wrap(self, request: Request, pdu: bytes) -> bytes:
        """Frame a reply: capital digits, and the check that makes the sum of all bytes zero."""
        body = bytes([request.unit]) + pdu
        return b":" + (body + bytes([-sum(body) & 0xFF])).hex().upper().encode() + b"\r\n"


class MbapFraming:
    """Modbus TCP: the header says how long the request is."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.skipped = 0

    @property
    def begun(self) -> bool:
        """True while a request has begun and is not whole."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Request]:
        """Take bytes in any portions; raise `NotModbus` for a header that is none."""
        self._buffer += data
        found: list[Request] = []
        while len(self._buffer) >= 7:
            transaction, protocol, length, unit = struct.unpack(">HHHB", self._buffer[:7])
            if protocol != 0 or not 2 <= length <= 254:
                raise NotModbus(f"protocol {protocol}, length {length}")
            if len(self._buffer) < 6 + length:
                break
            found.append(Request(unit, bytes(self._buffer[7 : 6 + length]), 6 + length, transaction))
            del self._buffer[: 6 + length]
        return found

    def silence(self) -> list[Request]:
        """Silence means nothing here: a request may come in portions."""
        return []

    def wrap(self, request: Request, pdu: bytes) -> bytes:
        """Frame a reply under the transaction of its request."""
        return struct.pack(">HHHB", request.transaction, 0, len(pdu) + 1, request.unit) + pdu


def framing(name: str) -> Framing:
    """Return a new framing by its name in a site file."""
    if name == "ascii":
        return AsciiFraming()
    return RtuFraming() if name == "rtu" else MbapFraming()


def _unhexed(digits: bytes) -> bytes | None:
    """Read pairs of capital digits, and nothing that `bytes.fromhex` is generous about."""
    if len(digits) % 2 or not set(digits) <= _DIGITS:
        return None
    return bytes.fromhex(digits.decode())


def _request_size(buffer: bytearray) -> int | None:
    """How long the request at the start of the buffer is, or None while that cannot be known."""
    if len(buffer) < 2:
        return None
    if buffer[1] in _FIXED:
        return 8
    if buffer[1] in _COUNTED:
        return 9 + buffer[6] if len(buffer) > 6 else None
    return None


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ 0xA001 if byte & 1 else byte >> 1  # noqa: PLW2901 - the register of the standard
        table.append(byte)
    return tuple(table)


_CRC = _crc_table()


def crc16(data: bytes | bytearray) -> int:
    """CRC-16 of the serial line specification V1.02, clause 6.2; 0 over a frame that holds its own."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC[(crc ^ byte) & 0xFF]
    return crc
