"""Meters by IEC 62056-21 that are read out in modes A, B and C, and P1 telegrams; with encoders of their own, sans-I/O.

Written from the standards, apart from the driver. `OpticalMeter` is a talker of `simulators.field_wire`; on a
pseudo-terminal `OpticalPty` lets it speak and hear at its own speed only.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Final

from simulators.field_wire import FieldPty, Talker
from simulators.speeds import heard

MAX_BUFFER: Final = 300
MOST_DUE: Final = 16
CHARACTER_BITS: Final = 10
SPEEDS: Final = {
    **dict(zip("0123456", (300, 600, 1200, 2400, 4800, 9600, 19200), strict=True)),
    **dict(zip("ABCDEF", (600, 1200, 2400, 4800, 9600, 19200), strict=True)),
}
_NAK: Final = b"\x15"

Registers = Callable[[], Sequence[tuple[str, str]]]
"""Addresses and what stands in their parentheses, `123.4*kWh`."""


def even(data: bytes) -> bytes:
    """Give each seven-bit character its even parity as the eighth bit."""
    return bytes(byte + 128 if byte.bit_count() % 2 else byte for byte in data)


def checked(data: bytes) -> bytes:
    """Return data between STX and ETX, and its block check character."""
    body = data + b"\x03"
    return b"\x02" + body + bytes([reduce(xor, body)])


@dataclass
class OpticalMeter:
    """One meter under an optical head, or on a pair of wires."""

    registers: Registers
    manufacturer: str = "LGZ"
    speed_char: str = "5"
    """Digits are mode C, A to F mode B, anything else mode A."""
    name: str = "ZMF100AC.M26"
    address: str = ""
    initial: int = 300
    parity: bool = False
    """True where the port is 8N1 and the meter is 7E1: the eighth bit is the parity."""
    bcc: bool = True
    echo: bool = False
    """The head hands back what is sent to it."""
    line_end: bytes = b"\r\n"
    noise: bytes = b""
    """Comes before each identification, as 7F does from some meters."""
    spoil: Callable[[bytes], bytes] | None = None
    """Damages a readout on its way."""
    readouts: int = 0
    due: deque[tuple[int, int, bool]] = field(init=False, default_factory=deque)
    """For each message that is said: its speed, how many characters were heard before it, and whether it follows
    another that nobody has answered."""
    _heard: int = field(init=False, default=0)
    _buffer: bytearray = field(init=False, default_factory=bytearray)
    _waits: bool = field(init=False, default=False)

    def feed(self, data: bytes) -> Sequence[bytes]:
        """Take bytes in any portions; return what is said now, message by message."""
        said, self._heard = [data] if self.echo else [], len(data)
        if self.echo:
            self._due(self.initial)
        self._buffer += bytes(byte & 127 for byte in data) if self.parity else data
        while b"\n" in self._buffer:
            line, _, rest = bytes(self._buffer).partition(b"\n")
            self._buffer[:] = rest
            said += [self._out(part) for part in self._line(line.rstrip(b"\r"))]
        del self._buffer[:-MAX_BUFFER]
        return said

    def _due(self, speed: int, *, unasked: bool = False) -> None:
        self.due.append((speed, self._heard, unasked))
        while len(self.due) > MOST_DUE:  # nobody asks for the speeds: a port without any
            self.due.popleft()

    def _out(self, data: bytes) -> bytes:
        return even(data) if self.parity else data

    def _line(self, line: bytes) -> list[bytes]:
        _, asked, address = line.rpartition(b"/?")
        if asked and address.endswith(b"!"):
            return self._asked(address[:-1].decode("ascii", "replace"))
        if self._waits and line[:1] == b"\x06":
            return self._agreed(line[1:].decode("ascii", "replace"))
        return []

    def _asked(self, address: str) -> list[bytes]:
        self._waits = False
        if address and address.lstrip("0") != self.address.lstrip("0"):
            return []
        head = f"/{self.manufacturer}{self.speed_char}{self.name}".encode("ascii") + self.line_end
        self._due(self.initial)
        if self.speed_char.isdigit():
            self._waits = True
            return [self.noise + head]
        self._due(SPEEDS.get(self.speed_char, self.initial), unasked=True)
        return [self.noise + head, self._readout()]

    def _agreed(self, three: str) -> list[bytes]:
        self._waits = False
        speed = SPEEDS.get(three[1:2])
        if len(three) != 3 or three[::2] != "00" or speed is None or three[1] > self.speed_char:
            self._due(self.initial)
            return [_NAK]
        self._due(speed)
        return [self._readout()]

    def _readout(self) -> bytes:
        self.readouts += 1
        lines = b"".join(f"{at}({value})".encode("ascii") + self.line_end for at, value in self.registers())
        data = lines + b"!" + self.line_end
        data = checked(data) if self.bcc else data
        return self.spoil(data) if self.spoil else data


class OpticalPty(FieldPty):
    """A pseudo-terminal on which a meter is heard, and hears, only at the speed that it is at itself."""

    def __init__(
        self, meter: OpticalMeter, path: Path, *, turnaround: float = 0.03, talker: Talker | None = None
    ) -> None:
        """`talker` stands between the wire and the meter where somebody must hear what is asked."""
        super().__init__(talker or meter, path, turnaround=turnaround)
        self._meter = meter
        self._reaction = turnaround
        self._timers: set[asyncio.TimerHandle] = set()

    async def __aexit__(self, *exc: object) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        await super().__aexit__(*exc)

    def _came(self, data: bytes) -> bytes:
        initial = self._meter.initial
        return heard(data, self.speed() or initial, initial)

    def _say(self, part: bytes) -> None:
        # A pseudo-terminal takes no time: a meter hears the end of a question only when its characters have passed,
        # and between two messages it lets its reaction time pass, in which both sides change over.
        speed, characters, unasked = self._meter.due.popleft()
        wait = characters * CHARACTER_BITS / self._meter.initial + (self._reaction if unasked else 0.0)

        def ring() -> None:
            self._timers.discard(timer)
            self._speak(part, speed)

        timer = asyncio.get_running_loop().call_later(wait, ring)
        self._timers.add(timer)

    def _speak(self, part: bytes, speed: int) -> None:
        self.write(heard(part, speed, self.speed() or speed))


class PushPty(FieldPty):
    """A pseudo-terminal on which something is said unasked; what is sent to it is not heard."""

    def __init__(self, path: Path) -> None:
        super().__init__(self, path)

    def feed(self, data: bytes) -> Sequence[bytes]:
        """Hear nothing."""
        del data
        return ()

    def push(self, data: bytes) -> bool:
        """Say something; return whether all of it found room where nobody may be reading."""
        return self.write(data) == len(data)


def telegram(name: str, registers: Sequence[tuple[str, str]], *, crc: bool = True) -> bytes:
    """Return a P1 telegram: what stands in the parentheses is given without the outermost pair."""
    lines = "".join(f"{at}({value})\r\n" for at, value in registers)
    body = f"/{name}\r\n\r\n{lines}!".encode("ascii")
    return body + (f"{crc_arc(body):04X}" if crc else "").encode("ascii") + b"\r\n"


def crc_arc(data: bytes) -> int:
    """Return CRC-16/ARC, worked out on the bits as the polynomial 8005 says, most significant first."""
    rest = 0
    for byte in data:
        rest ^= int(f"{byte:08b}"[::-1], 2) << 8
        for _ in range(8):
            rest = (rest << 1 ^ 0x8005) & 0xFFFF if rest & 0x8000 else rest << 1
    return int(f"{rest:016b}"[::-1], 2)
