"""DL/T 645 meters that answer: the server half of both editions, with an encoder of its own; sans-I/O.

Written from the standard, apart from the driver, so that a mistake in one cannot hide in the other.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

from simulators.shared_wires import SharedWires, frames_in

_PLUS: Final = 0x33
_NOBODY: Final = b"\xaa" * 6
_ALL: Final = b"\x99" * 6
LOG: Final = 10
SETTLEMENTS: Final = 12
DAYS: Final = 62
KEPT: Final = 1000
_OTHER, _NO_DATA, _PASSWORD = 0x01, 0x02, 0x04
_TIME_OFF: Final = timedelta(minutes=5)

Energies = dict[int, list[Decimal]]
"""By the standard's number of the quantity (1 forward active, 2 reverse active, …): the total, then the tariffs."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A request on the wire, with how many FE woke the line before it."""

    address: bytes
    control: int
    data: bytes
    awake: int


def packed(value: Decimal | int, size: int, decimals: int = 0) -> bytes:
    """Return a number as BCD, low byte first, its sign in the top bit."""
    counts = int(abs(Decimal(value)) * 10**decimals)
    digits = str(counts % 10 ** (2 * size)).zfill(2 * size)
    raw = bytearray(int(digits[i : i + 2], 16) for i in range(2 * size - 2, -1, -2))
    if value < 0:
        raw[-1] |= 0x80
    return bytes(raw)


def instant(at: datetime | None, form: str) -> bytes:
    """Return a moment by `strftime` words, the last of them sent first; None is all zeros."""
    words = form.split()
    if at is None:
        return bytes(len(words))
    return bytes(int(at.strftime(word), 16) for word in reversed(words))


def framed(address: bytes, control: int, data: bytes, *, awake: int = 4) -> bytes:
    """Return a frame for the wire; `address` is as it is sent."""
    body = bytearray(b"\x68" + address + b"\x68")
    body += bytes((control, len(data)))
    body += bytes((one + _PLUS) % 256 for one in data)
    return b"\xfe" * awake + bytes(body) + bytes((sum(body) % 256, 0x16))


def requests_in(buffer: bytearray) -> Iterator[Heard]:
    """Take the whole requests off the front of a buffer; what is part of none is dropped."""
    for frame, awake in frames_in(buffer, length_at=9, sound=lambda frame: frame[7] == 0x68):
        yield Heard(frame[1:7], frame[8], bytes((one - _PLUS) % 256 for one in frame[10:-2]), awake)


@dataclass
class SimMeter:
    """One meter: what it counts and measures, what it froze and logged, and what is wrong with it."""

    address: str
    now: Callable[[], datetime]
    """The meter's own clock, in its own zone."""
    edition: Literal[1997, 2007] = 2007
    energies: Energies = field(default_factory=lambda: {1: [Decimal(0)] * 5})
    volts: Sequence[Decimal] = (Decimal(230), Decimal(230), Decimal(230))
    amps: Sequence[Decimal] = (Decimal(1), Decimal(1), Decimal(1))
    kilowatts: Sequence[Decimal] = (Decimal("0.69"), Decimal("0.23"), Decimal("0.23"), Decimal("0.23"))
    factor: Decimal = Decimal("0.98")
    hertz: Decimal = Decimal(50)
    settlement_day: tuple[int, int] = (1, 0)
    """Day and hour at which the registers are copied for the books."""
    demand: tuple[Decimal, datetime | None] = (Decimal(0), None)
    relay_open: bool = False
    password: str = ""
    """Level and six digits; empty: no order is taken."""
    wake_up: int = 0
    """So many FE must come before a request, or it is not heard."""
    longest: int = 200
    """The most bytes of data in one frame: what is longer comes in several."""
    own_address: bool = True
    """False: it answers under the wildcard, as some meters of 1997 do."""
    lacking: set[str] = field(default_factory=set)
    """Identifiers that it refuses."""
    not_digits: set[str] = field(default_factory=set)
    """Identifiers whose data are no BCD."""
    silent: bool = False
    offset: timedelta = timedelta(0)
    """What its clock was set by."""
    power_losses: list[tuple[datetime, datetime | None]] = field(default_factory=list)
    openings: list[tuple[datetime, datetime | None]] = field(default_factory=list)
    settled: list[Energies] = field(default_factory=list)
    frozen: list[tuple[datetime, Energies]] = field(default_factory=list)
    asked: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT))
    """The identifiers that were read lately, in order."""
    due: Callable[[], None] = field(default=lambda: None, repr=False)
    """Called before each answer: what its clock has brought by then has happened, and is told."""
    _set_on: object = None
    _rest: tuple[bytes, bytes, int] = (b"", b"", 0)

    @property
    def wire(self) -> bytes:
        """The address as it is sent."""
        return bytes.fromhex(self.address.zfill(12))[::-1]

    @property
    def clock(self) -> datetime:
        """What the meter's clock shows."""
        return self.now() + self.offset

    def copy(self) -> Energies:
        """Return what the registers show now."""
        return {number: list(shown) for number, shown in self.energies.items()}

    def settle(self) -> None:
        """Copy the registers for the books, as at the settlement instant."""
        self.settled = [self.copy(), *self.settled][:SETTLEMENTS]

    def freeze(self, at: datetime | None = None) -> None:
        """Freeze the registers, as at midnight."""
        self.frozen = [(at or self.clock, self.copy()), *self.frozen][:DAYS]

    def hears(self, request: Heard) -> bool:
        """Say whether a request is for this meter."""
        mine = all(asked in (0xAA, own) for asked, own in zip(request.address, self.wire, strict=True))
        return not self.silent and request.awake >= self.wake_up and (mine or request.address == _ALL)

    def answer(self, request: Heard) -> bytes | None:
        """Return the answer to a request that it hears; None where it says nothing."""
        self.due()
        if request.address == _ALL:
            if request.control == 0x08 and len(request.data) == 6:
                self._set_clock(request.data)
            return None
        new = self.edition == 2007
        if request.control == (0x11 if new else 0x01):
            return self._read(request)
        if request.control == (0x12 if new else 0x02):
            return self._following(request)
        if new and request.control == 0x13 and request.address == _NOBODY:
            return self._say(0x93, self.wire)
        if new and request.control == 0x1C:
            return self._order(request.data)
        return self._say(request.control | 0xC0, bytes((_OTHER,)))

    def _say(self, control: int, data: bytes) -> bytes:
        return framed(self.wire if self.own_address else _NOBODY, control, data)

    def _read(self, request: Heard) -> bytes:
        size = 4 if self.edition == 2007 else 2
        wanted = request.data[:size]
        di = wanted[::-1].hex().upper()
        self.asked.append(di)
        data = None if di in self.lacking or len(wanted) < size else self.data(di)
        if data is None:
            return self._say(request.control | 0xC0, bytes((_NO_DATA,)))
        if di in self.not_digits:
            data = bytes((data[0] | 0x0F,)) + data[1:]
        return self._part(wanted, data, request.control | 0x80, 0)

    def _part(self, wanted: bytes, data: bytes, control: int, number: int) -> bytes:
        here, rest = data[: self.longest], data[self.longest :]
        self._rest = (wanted, rest, number + 1)
        tail = bytes((number,)) if number and self.edition == 2007 else b""
        return self._say(control | (0x20 if rest else 0), wanted + here + tail)

    def _following(self, request: Heard) -> bytes:
        wanted, rest, number = self._rest
        asked = request.data[: len(wanted)]
        right = bool(rest) and asked == wanted
        if self.edition == 2007:
            right = right and request.data[len(wanted) :] == bytes((number,))
        if not right:
            return self._say(request.control | 0xC0, bytes((_NO_DATA,)))
        return self._part(wanted, rest, request.control | 0x80, number)

    def _set_clock(self, data: bytes) -> None:
        """Take the time once a day, and only where it is not far off, as the standard wants."""
        try:
            given = datetime.strptime(data[::-1].hex(), "%y%m%d%H%M%S").replace(tzinfo=self.clock.tzinfo)
        except ValueError:  # no digits, or none of a time
            return
        if abs(given - self.clock) <= _TIME_OFF and self._set_on != self.clock.date():
            self._set_on = self.clock.date()
            self.offset += given - self.clock

    def _order(self, data: bytes) -> bytes:
        """Switch the relay: level and password, operator, order, its validity."""
        if len(data) < 16 or not self.password or data[0:1] + data[3:0:-1] != bytes.fromhex(self.password):
            return self._say(0xDC, bytes((_PASSWORD,)))
        until = data[15:9:-1].hex()
        if not until.isdecimal() or until < self.clock.strftime("%y%m%d%H%M%S"):
            return self._say(0xDC, bytes((_OTHER,)))
        switched = {0x1A: True, 0x1B: False, 0x1C: False}.get(data[8])
        if switched is None:
            return self._say(0xDC, bytes((_OTHER,)))
        self.relay_open = switched
        return self._say(0x9C, b"")

    # What each identifier holds.

    def data(self, di: str) -> bytes | None:
        """Return the data of an identifier; None for one that this meter does not have."""
        if self.edition == 1997:
            return self._data_1997(di)
        group = di[:2]
        if group == "00":
            return self._energy(int(di[2:4], 16), di[4:6], int(di[6:8], 16))
        if group == "01" and di == "01010000":
            return packed(self.demand[0], 3, 4) + instant(self.demand[1], "%y %m %d %H %M")
        if group == "02":
            return self._variable(di)
        if group == "03":
            return self._logged(di)
        if group == "04":
            return self._parameter(di)
        return self._freeze(di) if group == "05" else None

    def _energy(self, number: int, tariff: str, settlement: int) -> bytes | None:
        if settlement > len(self.settled):
            return None
        shown = (self.settled[settlement - 1] if settlement else self.energies).get(number)
        return None if shown is None else _registers(shown, tariff)

    def _variable(self, di: str) -> bytes | None:
        volts = [packed(value, 2, 1) for value in self.volts]
        amps = [packed(value, 3, 3) for value in self.amps]
        powers = [packed(value, 3, 4) for value in self.kilowatts]
        table = {
            "0201": (volts, 1),
            "0202": (amps, 1),
            "0203": (powers, 0),
            "0206": ([packed(self.factor, 2, 3)] * 4, 0),
        }
        if di == "02800002":
            return packed(self.hertz, 2, 2)
        found = table.get(di[:4])
        if found is None or di[6:] != "00":
            return None
        items, first = found
        if di[4:6] == "FF":
            return b"".join(items)
        place = int(di[4:6], 16) - first
        return items[place] if 0 <= place < len(items) else None

    def _logged(self, di: str) -> bytes | None:
        log = {"0311": self.power_losses, "0330": self.openings}.get(di[:4])
        if log is None or (di[:4] == "0330" and di[4:6] != "0D"):
            return None
        number = int(di[6:], 16)
        if number == 0:
            return packed(len(log), 3)
        if number > min(len(log), LOG):
            return None
        began, ended = log[-number]
        words = "%y %m %d %H %M %S"
        data = instant(began, words) + instant(ended, words)
        return data if di[:4] == "0311" else data + bytes(48)

    def _parameter(self, di: str) -> bytes | None:
        clock = self.clock
        day, hour = self.settlement_day
        weekday = bytes((clock.isoweekday() % 7,))
        return {
            "04000101": weekday + instant(clock, "%y %m %d"),
            "04000102": instant(clock, "%H %M %S"),
            "04000401": self.wire,
            "04000402": self.wire,
            "04000503": (int(self.relay_open) << 4).to_bytes(2, "little"),
            "04000B01": bytes((int(str(hour), 16), int(str(day), 16))),
        }.get(di)

    def _freeze(self, di: str) -> bytes | None:
        number = int(di[6:], 16)
        if di[:4] != "0506" or not 1 <= number <= len(self.frozen):
            return None
        at, energies = self.frozen[number - 1]
        what = int(di[4:6], 16)
        if what == 0:
            return instant(at, "%y %m %d %H %M")
        shown = energies.get(what)
        return None if shown is None else _registers(shown, "FF")

    def _data_1997(self, di: str) -> bytes | None:
        group, low = bytes.fromhex(di)
        if group in {0x90, 0x94, 0x98}:
            ago = (group >> 2) & 3
            shown = (
                self.energies if not ago else self.settled[ago - 1] if ago <= len(self.settled) else {}
            ).get(low >> 4)
            tariff = "FF" if low & 0xF == 0xF else f"{low & 0xF:02X}"
            return None if shown is None else _registers(shown, tariff)
        clock = self.clock
        day, hour = self.settlement_day
        return {
            "A010": packed(self.demand[0], 3, 4),
            "B010": instant(self.demand[1], "%m %d %H %M"),
            **{f"B61{phase}": packed(value, 2) for phase, value in enumerate(self.volts, 1)},
            **{f"B62{phase}": packed(value, 2, 2) for phase, value in enumerate(self.amps, 1)},
            "B630": packed(self.kilowatts[0], 3, 4),
            "B650": packed(self.factor, 2, 3),
            "C010": bytes((clock.isoweekday() % 7,)) + instant(clock, "%y %m %d"),
            "C011": instant(clock, "%H %M %S"),
            "C032": self.wire,
            "C117": bytes((int(str(hour), 16), int(str(day), 16))),
        }.get(di)


class SimBus(SharedWires[Heard]):
    """The meters on one pair of wires."""

    def __init__(self, meters: Iterable[SimMeter]) -> None:
        super().__init__(meters, requests_in)


def _registers(shown: Sequence[Decimal], tariff: str) -> bytes | None:
    items = [packed(value, 4, 2) for value in shown]
    if tariff == "FF":
        return b"".join(items)
    place = int(tariff, 16)
    return items[place] if place < len(items) else None
