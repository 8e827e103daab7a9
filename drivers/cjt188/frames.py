"""CJ/T 188 frames (CJ/T 188-2004, clause 7): 68 T A0…A6 C L data CS 16, the address low byte first; sans-I/O.

Bytes 68 and 16 occur inside of frames, so the length decides where one ends. Nothing is believed whose
checksum is wrong.
"""

from dataclasses import dataclass
from typing import Final

from drivers.errors import DeviceRefused, FrameDamaged

START: Final = 0x68
END: Final = 0x16
WAKE: Final = 0xFE
ANY: Final = 0xAA
ANY_ADDRESS: Final = "AA" * 7
FROM_METER: Final = 0x80
ABNORMAL: Final = 0x40
READ: Final = 0x01
WRITE: Final = 0x04
READ_ADDRESS: Final = 0x03
HEAD: Final = 11
"""Bytes before the data."""
MAX_DATA: Final = 0xFF
MAX_NOISE: Final = 4096
_HEAD_OF_DATA: Final = 3  # DI0 DI1 SER


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: `address` is written as on the nameplate, highest byte first."""

    meter_type: int
    address: str
    control: int
    data: bytes
    wakeup: int = 0
    """How many FE came before it."""

    @property
    def from_meter(self) -> bool:
        """Whether a meter sent it."""
        return bool(self.control & FROM_METER)

    @property
    def abnormal(self) -> bool:
        """Whether it is a meter's refusal."""
        return self.from_meter and bool(self.control & ABNORMAL)

    @property
    def di_on_wire(self) -> str:
        """The data identification in the order of the wire; empty where the frame has none."""
        return self.data[:2].hex().upper() if len(self.data) >= _HEAD_OF_DATA and not self._bare else ""

    @property
    def ser(self) -> int | None:
        """The sequence number that a reply repeats; None where there is none."""
        if not self.data:
            return None
        if self._bare:
            return self.data[0]
        return self.data[2] if len(self.data) >= _HEAD_OF_DATA else None

    @property
    def body(self) -> bytes:
        """What follows the data identification and the sequence number."""
        return self.data[1:] if self._bare else self.data[_HEAD_OF_DATA:]

    @property
    def _bare(self) -> bool:
        # A refusal of three bytes is SER and the status word, without a data identification.
        return self.abnormal and len(self.data) == 3


def checksum(data: bytes | bytearray | memoryview) -> int:
    """Return the sum of all bytes from 68 on, modulo 256."""
    return sum(data) & 0xFF


def encode(meter_type: int, address: str, control: int, data: bytes, *, wakeup: int = 0) -> bytes:
    """Write one frame; raise `ValueError` for what does not fit into one."""
    raw = bytes.fromhex(address)
    if len(raw) != 7 or len(data) > MAX_DATA:
        raise ValueError("an address has 7 bytes, and data at most 255")
    head = bytes((START, meter_type)) + raw[::-1] + bytes((control, len(data)))
    return bytes((WAKE,)) * wakeup + head + data + bytes((checksum(head + data), END))


def parse(raw: bytes) -> Frame:
    """Read one frame, with FE before it or not; raise `FrameDamaged` saying what is wrong."""
    wakeup = len(raw) - len(raw.lstrip(bytes((WAKE,))))
    frame = raw[wakeup:]
    if len(frame) < HEAD + 2 or frame[0] != START:
        raise FrameDamaged("no frame: it begins with 68 and has 13 bytes at least")
    length = HEAD + frame[10] + 2
    if len(frame) != length:
        raise FrameDamaged(f"length {len(frame)} vs {length}: data length L is {frame[10]}")
    if frame[-2] != checksum(frame[:-2]):
        raise FrameDamaged(f"checksum is {frame[-2]:02X}, right would be {checksum(frame[:-2]):02X}")
    if frame[-1] != END:
        raise FrameDamaged(f"end is {frame[-1]:02X}, not 16")
    return Frame(frame[1], frame[8:1:-1].hex().upper(), frame[9], frame[HEAD:-2], wakeup)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reply must repeat; None where any will do."""

    control: int
    meter_type: int
    address: str
    di: str = ""
    """In the order of the standard's tables, `901F`; a reply may have it in either order."""
    ser: int | None = None

    def suits(self, head: bytes | bytearray) -> bool:
        """Say whether the beginning of a frame, from 68 on, may be that of the reply."""
        if len(head) > 1 and not _same_kind(self.meter_type, head[1]):
            return False
        wanted = bytes.fromhex(self.address)[::-1]
        if self.address != ANY_ADDRESS and head[2:9] != wanted[: len(head[2:9])]:
            return False
        return len(head) < 10 or head[9] & ~ABNORMAL == self.control | FROM_METER

    def answered_by(self, frame: Frame) -> bool:
        """Say whether a sound frame is the reply."""
        if self.ser is not None and frame.ser != self.ser:
            return False
        if not self.di or (frame.abnormal and not frame.di_on_wire):
            return True
        return frame.di_on_wire in {self.di, swapped(self.di)}


def swapped(di: str) -> str:
    """Return a data identification with its two bytes in the other order."""
    return di[2:] + di[:2]


def _same_kind(asked: int, found: int) -> bool:
    # Heat meters are asked as 20 and answer as 25 (a vendor's own kind of heat meter): the tens are the class.
    return ANY in {asked, found} or asked >> 4 == found >> 4


class ReplyFinder:
    """Finds the one reply to one request among noise, FE, the request's echo and frames of others."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._buffer = bytearray()
        self._passed = 0

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes in any portions; return the reply, from 68 to 16, when whole, None while more is needed.

        Raises `DeviceRefused` for an abnormal reply, `FrameDamaged` after too much noise.
        """
        self._buffer += data
        while self._buffer:
            length = self._candidate()
            if length > len(self._buffer):
                return None
            if length:
                found = self._take(length)
                if found is not None:
                    return found
            del self._buffer[0]
            self._passed += 1
            if self._passed > MAX_NOISE:
                raise FrameDamaged(
                    f"{self._passed} bytes without an answer of {self._asked.address} among them"
                )
        return None

    @property
    def pending(self) -> int:
        """How many bytes of a frame that is not whole yet are held."""
        return len(self._buffer)

    def _candidate(self) -> int:
        """Return the length of the frame that may begin here; 0 where none can."""
        if self._buffer[0] != START or not self._asked.suits(self._buffer[:HEAD]):
            return 0
        if len(self._buffer) < HEAD:
            return len(self._buffer) + 1
        return HEAD + self._buffer[10] + 2

    def _take(self, length: int) -> bytes | None:
        raw = bytes(self._buffer[:length])
        try:
            frame = parse(raw)
        except FrameDamaged:
            return None
        if not self._asked.answered_by(frame):
            return None
        del self._buffer[:length]
        if frame.abnormal:
            raise refusal(frame)
        return raw


def refusal(frame: Frame) -> DeviceRefused:
    """Return the error that an abnormal reply is."""
    status = frame.body
    said = f" with status {status.hex().upper()}" if status else ""
    code = int.from_bytes(status[:2], "big")
    return DeviceRefused(f"meter {frame.address} answers {frame.control:02X} abnormal{said}", code=code)
