"""CJ/T 188 meters that answer: water, heat and gas, with an encoder of their own; sans-I/O.

Written from the standard, apart from the driver, so that a mistake in one cannot hide in the other. `SimBus` is a
talker of `simulators.field_wire`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from simulators.shared_wires import SharedWires, frames_in

OPEN, CLOSED, FAULTY = 0, 1, 3
_READ, _WRITE, _ASK_ADDRESS = 0x01, 0x04, 0x03
_CURRENT, _VALVE, _ADDRESS = b"\x1f\x90", b"\x17\xa0", b"\x0a\x81"
_ORDERS: Final = {0x55: OPEN, 0x99: CLOSED}
CODES: Final = {
    "Wh": 0x02,
    "kWh": 0x05,
    "MWh": 0x08,
    "MJ": 0x0E,
    "GJ": 0x11,
    "W": 0x14,
    "kW": 0x17,
    "MW": 0x1A,
    "L": 0x29,
    "m³": 0x2C,
    "L/h": 0x32,
    "m³/h": 0x35,
}


@dataclass(frozen=True, slots=True)
class Heard:
    """A request on the wire; all but the type as the bytes came."""

    kind: int
    address: bytes
    control: int
    data: bytes
    awake: int


def bcd(value: Decimal | int, size: int, decimals: int = 0) -> bytes:
    """Return a number's digits two a byte, the low byte first; what does not fit starts again at 0."""
    text = str(int(Decimal(value) * 10**decimals))[-2 * size :].zfill(2 * size)
    return bytes(int(text[place : place + 2], 16) for place in range(2 * size - 2, -1, -2))


def framed(kind: int, address: bytes, control: int, data: bytes, *, awake: int = 3) -> bytes:
    """Return a frame for the wire; `address` is as it is sent."""
    body = bytes([0x68, kind, *address, control, len(data), *data])
    return b"\xfe" * awake + body + bytes([sum(body) % 256, 0x16])


def requests_in(buffer: bytearray) -> Iterator[Heard]:
    """Take the whole requests off the front of a buffer; what is part of none is dropped."""
    for frame, awake in frames_in(buffer, length_at=10):
        yield Heard(frame[1], frame[2:9], frame[9], frame[11:-2], awake)


@dataclass
class SimMeter:
    """One meter: what it counts, what it froze at its settlement dates, and what is wrong with it."""

    address: str
    now: Callable[[], datetime]
    """The meter's own clock, in its own zone."""
    kind: int = 0x10
    total: Decimal | None = Decimal(0)
    """Volume, or heat energy of a heat meter; None: it has no value, and says so."""
    unit: str = "m³"
    settled: list[Decimal] = field(default_factory=list)
    """Totals at past settlement dates, the last one first."""
    volume: Decimal = Decimal(0)
    power: Decimal = Decimal(0)
    flow: Decimal = Decimal(0)
    flow_decimals: int = 4
    temperatures: tuple[Decimal, Decimal] = (Decimal("55.00"), Decimal("45.00"))
    hours: int = 0
    valve: int = OPEN
    stuck: bool = False
    """The valve takes orders and does not move."""
    valve_takes: timedelta = timedelta(0)
    """How long the valve is on its way: until it is there the meter shows where it was."""
    battery_low: bool = False
    second_status: int = 0
    decimals: int = 2
    high_first: bool = False
    """It sends the high byte of a data identification first."""
    unit_first: bool = False
    own_ser: int | None = None
    """It does not repeat the request's SER, but says this."""
    answers_as: int | None = None
    """The type that it puts into its answers."""
    wake_up: int = 0
    """So many FE must come before a request, or it is not heard."""
    refuses: set[str] = field(default_factory=set)
    """Data identifications, as the standard writes them, that it answers as abnormal."""
    silent: bool = False
    orders: list[int] = field(default_factory=list)
    """Valve orders that it has taken."""
    _turning: tuple[int, datetime] | None = None

    @property
    def wire(self) -> bytes:
        """The address as it is sent."""
        return bytes.fromhex(self.address)[::-1]

    def settle(self) -> None:
        """Copy the total for the books, as at a settlement date."""
        self.settled = [self.total or Decimal(0), *self.settled][:12]

    def hears(self, request: Heard) -> bool:
        """Tell whether a request is meant for this meter, and wakes it."""
        mine = request.address in {self.wire, b"\xaa" * 7}
        kind = request.kind == 0xAA or request.kind >> 4 == self.kind >> 4
        return mine and kind and request.awake >= self.wake_up and not self.silent

    def answer(self, request: Heard) -> bytes | None:
        """Return the whole answer, None where there is none."""
        if len(request.data) < 3 or request.control & 0x80:
            return None
        di, ser = request.data[:2], request.data[2]
        low_first = di[::-1] if self.high_first else di
        ser = ser if self.own_ser is None else self.own_ser
        body = None if low_first[::-1].hex().upper() in self.refuses else self._do(request, low_first)
        if body is None:
            return self._say(request.control | 0xC0, bytes([ser]) + self.status)
        return self._say(request.control | 0x80, di + bytes([ser]) + body)

    def _say(self, control: int, data: bytes) -> bytes:
        kind = self.kind if self.answers_as is None else self.answers_as
        return framed(kind, self.wire, control, data)

    def _do(self, request: Heard, di: bytes) -> bytes | None:
        if request.control == _ASK_ADDRESS and di == _ADDRESS:
            return b""
        if request.control == _WRITE and di == _VALVE:
            return self._move(request.data[3:])
        if request.control != _READ:
            return None
        if di == _CURRENT:
            return self._heat() if self.kind >> 4 == 2 else self._water()
        month = di[0] - 0x20
        if di[1] == 0xD1 and 0 <= month < 12 and month < len(self.settled):
            return self._quantity(self.settled[month], self.unit, self.decimals)
        return None

    def _move(self, data: bytes) -> bytes | None:
        if len(data) != 1 or data[0] not in _ORDERS:
            return None
        self.orders.append(data[0])
        if not self.stuck:
            self._turning = _ORDERS[data[0]], self.now() + self.valve_takes
        return self.status

    @property
    def status(self) -> bytes:
        """Both bytes of ST: valve in the two lowest bits, the battery above."""
        if self._turning is not None and self.now() >= self._turning[1]:
            self.valve, self._turning = self._turning[0], None
        return bytes([self.valve | self.battery_low << 2, self.second_status])

    def _quantity(self, value: Decimal | None, unit: str, decimals: int) -> bytes:
        digits, code = b"\xff" * 4 if value is None else bcd(value, 4, decimals), bytes([CODES[unit]])
        return code + digits if self.unit_first else digits + code

    def _last_settled(self) -> bytes:
        return self._quantity(self.settled[0] if self.settled else Decimal(0), self.unit, self.decimals)

    def _clock(self) -> bytes:
        at = self.now()
        return bytes(int(at.strftime(word), 16) for word in ("%S", "%M", "%H", "%d", "%m")) + bcd(at.year, 2)

    def _water(self) -> bytes:
        current = self._quantity(self.total, self.unit, self.decimals)
        return current + self._last_settled() + self._clock() + self.status

    def _heat(self) -> bytes:
        parts = [
            self._last_settled(),
            self._quantity(self.total, self.unit, self.decimals),
            self._quantity(self.power, "kW", 2),
            self._quantity(self.flow, "m³/h", self.flow_decimals),
            self._quantity(self.volume, "m³", 2),
            *(bcd(celsius, 3, 2) for celsius in self.temperatures),
            bcd(self.hours, 3),
            self._clock(),
            self.status,
        ]
        return b"".join(parts)


class SimBus(SharedWires[Heard]):
    """The meters on one pair of wires."""

    def __init__(self, meters: Iterable[SimMeter]) -> None:
        super().__init__(meters, requests_in)
