"""OSDP frames (SIA OSDP 2.2, clause 5): made, taken apart, and found in a stream of bytes; sans-I/O.

SOM 53, address (bit 7: reply), length of the whole in two bytes LSB first, control, security block, code, data,
MAC, and a CRC-16 or an 8-bit checksum. A mark byte FF may stand before it and is no part of it.
"""

import binascii
from dataclasses import dataclass
from typing import Final

from drivers.errors import FrameDamaged
from drivers.osdp.codes import ENCRYPTED, WITH_MAC, Block

SOM: Final = 0x53
MARK: Final = 0xFF
REPLY: Final = 0x80
BROADCAST: Final = 0x7F
MAX_FRAME: Final = 1440
MAC_BYTES: Final = 4
_HEADER: Final = 5
_SHORTEST: Final = 7  # a header, a code, a checksum
_SEQUENCE, _CRC, _SECURE = 0x03, 0x04, 0x08


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; `data` is as on the wire, so still encrypted where the security block says so."""

    address: int
    reply: bool
    sequence: int
    code: int
    data: bytes = b""
    crc: bool = True
    block: int | None = None
    block_data: bytes = b""
    mac: bytes = b""

    @property
    def encrypted(self) -> bool:
        """Whether `data` is encrypted."""
        return self.block in ENCRYPTED


@dataclass(frozen=True, slots=True)
class Dissected:
    """What bytes are: a frame, or as much of its head as can be said, and the fault."""

    mark: bool
    fault: str = ""
    frame: Frame | None = None
    address: int | None = None
    reply: bool = False
    sequence: int = 0
    crc: bool = False
    secure: bool = False


def crc16(data: bytes | bytearray | memoryview) -> int:
    """Return the CRC: polynomial 1021, start 1D0F, not reflected; sent low byte first."""
    return binascii.crc_hqx(data, 0x1D0F)


def checksum(data: bytes | bytearray | memoryview) -> int:
    """Return the byte that makes the sum of all bytes zero."""
    return -sum(data) & 0xFF


def head(frame: Frame) -> bytes:
    """Return a frame from SOM to the end of its data, the length being that of the whole: what a MAC is made over."""
    block = b"" if frame.block is None else bytes((2 + len(frame.block_data), frame.block)) + frame.block_data
    mac = MAC_BYTES if frame.block in WITH_MAC else 0
    size = _HEADER + len(block) + 1 + len(frame.data) + mac + (2 if frame.crc else 1)
    if size > MAX_FRAME:
        raise ValueError(f"a frame of {size} bytes: {MAX_FRAME} at most")
    control = frame.sequence | (_CRC if frame.crc else 0) | (_SECURE if block else 0)
    address = frame.address | (REPLY if frame.reply else 0)
    return (
        bytes((SOM, address))
        + size.to_bytes(2, "little")
        + bytes((control,))
        + block
        + bytes((frame.code,))
        + frame.data
    )


def build(frame: Frame, *, mark: bool = False) -> bytes:
    """Return the bytes of a frame for the wire; raise `ValueError` for one that is too long."""
    if (frame.block in WITH_MAC) != (len(frame.mac) == MAC_BYTES):
        raise ValueError("a MAC of four bytes belongs to the security blocks 15 to 18, and to no others")
    body = head(frame) + frame.mac
    tail = crc16(body).to_bytes(2, "little") if frame.crc else bytes((checksum(body),))
    return (b"\xff" if mark else b"") + body + tail


def dissect(raw: bytes) -> Dissected:
    """Take one frame apart, with or without its mark byte; never raises."""
    mark = raw[:2] == bytes((MARK, SOM))
    body = raw[1:] if mark else raw
    if not body or body[0] != SOM:
        return Dissected(mark, "no SOM")
    if len(body) < _HEADER:
        return Dissected(mark, f"{len(body)} bytes are too few for a header")
    size = int.from_bytes(body[2:4], "little")
    if size != len(body):
        return Dissected(mark, f"length field {size}, bytes {len(body)}")
    if not _SHORTEST <= size <= MAX_FRAME:
        return Dissected(mark, f"length field {size}: must be {_SHORTEST} to {MAX_FRAME}")
    control = body[4]
    fault = "" if _check_ok(body) else "check"
    frame = None
    if not fault:
        try:
            frame = _frame(body)
        except FrameDamaged as err:
            fault = str(err)
    return Dissected(
        mark,
        fault,
        frame,
        body[1] & ~REPLY,
        bool(body[1] & REPLY),
        control & _SEQUENCE,
        bool(control & _CRC),
        bool(control & _SECURE),
    )


def parse(raw: bytes) -> Frame:
    """Take one whole and sound frame apart; raise `FrameDamaged` saying what is wrong."""
    found = dissect(raw)
    if found.frame is None:
        raise FrameDamaged("wrong CRC or checksum" if found.fault == "check" else found.fault)
    return found.frame


def _check_ok(body: bytes) -> bool:
    if body[4] & _CRC:
        return crc16(body[:-2]) == int.from_bytes(body[-2:], "little")
    return sum(body) & 0xFF == 0


def _frame(body: bytes) -> Frame:
    control, place = body[4], _HEADER
    end = len(body) - (2 if control & _CRC else 1)
    block, block_data, mac = None, b"", b""
    if control & _SECURE:
        size = body[place]
        if size < 2 or place + size >= end:
            raise FrameDamaged(f"security block of {size} bytes")
        block, block_data = body[place + 1], body[place + 2 : place + size]
        if not Block.SCS_11 <= block <= Block.SCS_18:
            raise FrameDamaged(f"security block of the unknown type {block:02X}")
        place += size
    if block in WITH_MAC:
        end -= MAC_BYTES
        mac = body[end : end + MAC_BYTES]
    if place >= end:
        raise FrameDamaged("no room for a code")
    return Frame(
        address=body[1] & ~REPLY,
        reply=bool(body[1] & REPLY),
        sequence=control & _SEQUENCE,
        code=body[place],
        data=body[place + 1 : end],
        crc=bool(control & _CRC),
        block=block,
        block_data=block_data,
        mac=mac,
    )


class Finder:
    """Finds the sound replies of one device in a stream of bytes; holds one frame's length at most."""

    def __init__(self, address: int, most: int = MAX_FRAME) -> None:
        self._start = bytes((SOM, address | REPLY))
        self._most = min(most, MAX_FRAME)
        self._buffer = bytearray()
        self.passed = 0
        """How many bytes were no part of such a frame."""

    @property
    def pending(self) -> int:
        """How many bytes may be the beginning of a frame."""
        return len(self._buffer)

    @property
    def needs(self) -> int:
        """How many more bytes must come, at the least, before a frame can be whole."""
        return max(1, self._size() - len(self._buffer))

    def feed(self, data: bytes) -> list[tuple[Frame, bytes]]:
        """Take bytes in any portions; return each whole frame with its bytes from SOM to the check, in order."""
        found = []
        view = memoryview(data)
        while view or self._buffer:
            room = self._most - len(self._buffer)
            self._buffer += view[:room]
            view = view[room:]
            taken = self._next()
            if taken is not None:
                found.append(taken)
            elif not view:
                break
        return found

    def _next(self) -> tuple[Frame, bytes] | None:
        while self._buffer:
            size = self._size()
            if size == 0:
                del self._buffer[0]
                self.passed += 1
                continue
            if size > len(self._buffer):
                return None
            raw = bytes(self._buffer[:size])
            frame = dissect(raw).frame
            if frame is None:
                del self._buffer[0]
                self.passed += 1
                continue
            del self._buffer[:size]
            return frame, raw
        return None

    def _size(self) -> int:
        """Return the length of the frame that may begin here, 0 where none can."""
        buffer = self._buffer
        if not self._start.startswith(bytes(buffer[:2])):
            return 0
        if len(buffer) < 4:
            return _SHORTEST
        size = int.from_bytes(buffer[2:4], "little")
        return size if _SHORTEST <= size <= self._most else 0
