"""M-Bus meters that live: they count what flows and keep the reading of their last set day."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Final, Literal

from simulators.mbus import Slave
from simulators.mbus_frames import Coding, Identity, Value

Kind = Literal["heat", "water", "electricity", "gas"]
MAKERS: Final[dict[str, Identity]] = {
    "heat": Identity("0", "KAM", 0x08, 0x04),
    "water": Identity("0", "ACW", 0x0E, 0x16),
    "electricity": Identity("0", "FIN", 0x23, 0x02),
    "gas": Identity("0", "LGB", 0x40, 0x03),
}
# What flows in an hour: kWh of heat, litres of water, kWh, litres of gas.
_USE: Final[dict[str, Decimal]] = {
    "heat": Decimal("3.2"),
    "water": Decimal(15),
    "electricity": Decimal("0.45"),
    "gas": Decimal(220),
}
_HOUR: Final = Decimal(3600)


@dataclass
class Meter:
    """One meter: a total that grows, and what it was at the end of the last month."""

    kind: Kind
    number: str
    clock: Callable[[], datetime]
    rng: Random
    primary: int = 0
    total: Decimal = Decimal(0)
    month: Decimal = Decimal(0)
    rate: Decimal = Decimal(0)
    """What flows now, in an hour."""
    _last: datetime | None = field(default=None, repr=False)

    def tick(self) -> None:
        """Count up to now; the reading at the turn of a month is kept."""
        now, last = self.clock(), self._last
        self.rate = _USE[self.kind] * self.rng.randrange(50, 150) / 100
        self._last = now
        if last is None or now < last:
            return
        if (now.year, now.month) != (last.year, last.month):
            self.month = self.total
        self.total += self.rate * Decimal((now - last).total_seconds()) / _HOUR

    def values(self) -> Sequence[Value]:
        """Return the records that it sends now."""
        return _RECORDS[self.kind](self)

    def slave(self) -> Slave:
        """Return it as a slave on a pair of wires."""
        like = MAKERS[self.kind]
        who = Identity(self.number, like.maker, like.version, like.medium)
        return Slave(who, self.values, self.primary)


def _count(
    vib: str,
    number: Decimal,
    coding: Coding = "int32",
    *,
    storage: int = 0,
    tariff: int = 0,
    subunit: int = 0,
) -> Value:
    return Value(bytes.fromhex(vib), int(number), coding, storage=storage, tariff=tariff, subunit=subunit)


def _heat(meter: Meter) -> list[Value]:
    cubic_metres = meter.total / 35
    return [
        _count("78", Decimal(meter.number), "bcd8"),
        _count("06", meter.total),
        _count("14", cubic_metres * 100),
        _count("59", Decimal(6830)),
        _count("5D", Decimal(3780)),
        _count("61", Decimal(3050)),
        _count("2D", meter.rate * 10),
        _count("3B", meter.rate / 35 * 1000),
        _count("06", meter.month, storage=1),
        _count("14", meter.month / 35 * 100, storage=1),
    ]


def _water(meter: Meter) -> list[Value]:
    return [
        _count("78", Decimal(meter.number), "bcd8"),
        _count("13", meter.total),
        _count("13", meter.month, storage=1),
        _count("27", Decimal(120), "int16"),
        _count("FD0E", Decimal(2), "bcd2"),
    ]


def _electricity(meter: Meter) -> list[Value]:
    watts = meter.rate * 1000
    return [
        _count("04", meter.total * 100, "bcd8", tariff=1),
        _count("04", meter.total * 100, "bcd8", tariff=1, storage=2),
        _count("FDC9FF01", Decimal(230), "int16"),
        _count("FDDBFF01", watts / 23, "int16"),
        _count("ACFF01", watts / 10, "int16"),
        _count("ACFF01", Decimal(-3), "int16", subunit=1),
    ]


def _gas(meter: Meter) -> list[Value]:
    return [
        _count("13", meter.total, "bcd8", storage=1),
        _count("FD1A", Decimal(1), "bcd2", subunit=1),
        _count("FD17", Decimal(0), "int8"),
    ]


_RECORDS: Final = {"heat": _heat, "water": _water, "electricity": _electricity, "gas": _gas}


def aged(kind: Kind, number: str, clock: Callable[[], datetime], rng: Random, primary: int = 0) -> Meter:
    """Return a meter that has counted for some months already."""
    meter = Meter(kind, number, clock, rng, primary)
    meter.total = _USE[kind] * rng.randrange(1000, 9000)
    meter.month = meter.total - _USE[kind] * rng.randrange(100, 700)
    meter.tick()
    return meter
