"""Frames of DL/T 645 (both editions share the link layer): built, found in a stream of bytes, and judged; sans-I/O.

FE… 68 A0…A5 68 C L DATA CS 16: the address is sent low byte first, each byte of DATA has 33H added, CS is the sum of
all bytes from the first 68H on. 68H and 16H occur inside of frames: only lengths and sums part them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from drivers.errors import FrameDamaged

START: Final = 0x68
END: Final = 0x16
WAKE_UP: Final = 0xFE
OFFSET: Final = 0x33
HEAD: Final = 10  # 68 A0…A5 68 C L
SHORTEST: Final = HEAD + 2
MAX_DATA: Final = 255
LONGEST: Final = SHORTEST + MAX_DATA
WILDCARD: Final = "AA" * 6
BROADCAST: Final = "99" * 6

FROM_METER: Final = 0x80
ABNORMAL: Final = 0x40
MORE: Final = 0x20
FUNCTION: Final = 0x1F


class Function(IntEnum):
    """Function codes of both editions; 08 is the only one that they share."""

    READ_1997 = 0x01
    READ_NEXT_1997 = 0x02
    REREAD_1997 = 0x03
    WRITE_1997 = 0x04
    BROADCAST_TIME = 0x08
    WRITE_ADDRESS_1997 = 0x0A
    CHANGE_RATE_1997 = 0x0C
    CHANGE_PASSWORD_1997 = 0x0F
    CLEAR_DEMAND_1997 = 0x10
    READ = 0x11
    READ_NEXT = 0x12
    READ_ADDRESS = 0x13
    WRITE = 0x14
    WRITE_ADDRESS = 0x15
    FREEZE = 0x16
    CHANGE_RATE = 0x17
    CHANGE_PASSWORD = 0x18
    CLEAR_DEMAND = 0x19
    CLEAR_METER = 0x1A
    CLEAR_EVENTS = 0x1B
    CONTROL = 0x1C
    MULTI_TERMINAL = 0x1D


@dataclass(frozen=True, slots=True)
class Frame:
    """One sound frame: `address` as on the nameplate, `data` without the 33H."""

    address: str
    control: int
    data: bytes = b""
    wake_up: int = 0

    @property
    def function(self) -> int:
        """The function code, whichever the direction."""
        return self.control & FUNCTION

    @property
    def from_meter(self) -> bool:
        """True for an answer."""
        return bool(self.control & FROM_METER)

    @property
    def abnormal(self) -> bool:
        """True for an answer that refuses."""
        return bool(self.control & ABNORMAL)

    @property
    def more(self) -> bool:
        """True where more frames follow, to be asked for."""
        return bool(self.control & MORE)

    @property
    def edition(self) -> int | None:
        """The edition of the standard by the function code; None where both have it."""
        if self.function == Function.BROADCAST_TIME:
            return None
        return 1997 if self.function <= Function.CLEAR_DEMAND_1997 else 2007

    def encode(self) -> bytes:
        """Return the bytes for the wire; raise `ValueError` for what fits in no frame."""
        if len(self.data) > MAX_DATA:
            raise ValueError(f"{len(self.data)} bytes of data do not fit in a frame")
        plus = bytes((byte + OFFSET) & 0xFF for byte in self.data)
        body = b"".join(
            (bytes((START,)), wire_address(self.address), bytes((START, self.control, len(plus))), plus)
        )
        return bytes((WAKE_UP,)) * self.wake_up + body + bytes((sum(body) & 0xFF, END))


def wire_address(address: str) -> bytes:
    """Return the six bytes of an address as they are sent, low byte first; raise `ValueError`."""
    raw = bytes.fromhex(address)
    if len(raw) != 6:
        raise ValueError(f"{address!r} is no address of 12 digits")
    return raw[::-1]


def shown_address(raw: bytes | bytearray | memoryview) -> str:
    """Return an address of the wire as the nameplate has it."""
    return bytes(raw)[::-1].hex().upper()


def minus_33(raw: bytes | bytearray | memoryview) -> bytes:
    """Take the 33H off each byte."""
    return bytes((byte - OFFSET) & 0xFF for byte in raw)


def checksum(raw: bytes | bytearray | memoryview) -> int:
    """Return the sum of bytes modulo 256."""
    return sum(raw) & 0xFF


def parse(raw: bytes) -> Frame:
    """Return the one frame that these bytes are, wake-up bytes before it allowed; raise `FrameDamaged`."""
    body = raw.lstrip(bytes((WAKE_UP,)))
    wake_up = len(raw) - len(body)
    if len(body) < SHORTEST:
        raise FrameDamaged(f"{len(body)} bytes are no frame: the shortest has {SHORTEST}")
    if body[0] != START or body[7] != START:
        raise FrameDamaged("a frame has 68H at its beginning and again after the address")
    length = SHORTEST + body[9]
    if len(body) != length:
        raise FrameDamaged(f"the length byte says {length} bytes, there are {len(body)}")
    if body[-1] != END:
        raise FrameDamaged(f"the last byte is {body[-1]:02X}, not 16")
    found = checksum(body[:-2])
    if body[-2] != found:
        raise FrameDamaged(f"checksum: the frame has {body[-2]:02X}, its bytes add up to {found:02X}")
    return Frame(shown_address(body[1:7]), body[8], minus_33(body[HEAD:-2]), wake_up)


def length_at(buffer: bytes | bytearray, place: int) -> int:
    """Return how long the frame is that may begin at `place`, as far as its head has come; 0 where none can."""
    if buffer[place] != START:
        return 0
    if len(buffer) - place > 7 and buffer[place + 7] != START:
        return 0
    return SHORTEST + buffer[place + 9] if len(buffer) - place >= HEAD else HEAD


def sound(raw: bytes | bytearray | memoryview) -> bool:
    """Say whether bytes of a right length are a frame: both 68H, the sum, and 16H."""
    return (
        len(raw) >= SHORTEST
        and raw[0] == START
        and raw[7] == START
        and raw[-1] == END
        and raw[-2] == checksum(raw[:-2])
    )


def frames_in(raw: bytes) -> Iterator[Frame]:
    """Yield every sound frame among some bytes, one after the other; noise is passed over."""
    place, wake_up = 0, 0
    while place < len(raw):
        length = length_at(raw, place)
        if length >= SHORTEST and sound(raw[place : place + length]):
            yield parse(bytes((WAKE_UP,)) * wake_up + raw[place : place + length])
            place, wake_up = place + length, 0
            continue
        wake_up = wake_up + 1 if raw[place] == WAKE_UP else 0
        place += 1
