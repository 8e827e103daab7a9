"""DL/T 645 meters that live: they count what is used, freeze at midnight and settle on their day."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final, Literal

from simulators.dlt645 import SimMeter

# Local hours at which a tariff begins: valley, flat, peak, flat, peak, flat, valley (a common table of the Grid).
_TARIFFS: Final = ((0, 4), (7, 3), (8, 2), (11, 3), (18, 2), (22, 3), (23, 4))
_HOUR: Final = timedelta(hours=1)
_COVERS: Final = 0.5
"""The share of mishaps that are opened covers."""
_LASTS_S: Final = (3.0, 12.0)


def tariff_at(at: datetime) -> int:
    """Return the tariff that counts at a local hour."""
    return next(tariff for hour, tariff in reversed(_TARIFFS) if at.hour >= hour)


@dataclass
class Life:
    """What happens to one meter as time goes by."""

    meter: SimMeter
    rng: Random
    load_kw: Decimal = Decimal("0.8")
    every: float = 0.0
    """Seconds between two mishaps, on average: somebody opens its cover, or its power fails; 0: nothing happens."""
    _open: datetime | None = None
    _dark: datetime | None = None
    """Since when its cover is open, or its power gone."""
    _turn: datetime | None = None
    """When the next mishap begins, or this one ends."""
    _last: datetime | None = None
    _exact: dict[tuple[int, int], Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.meter.due = self.tick

    def tick(self) -> None:
        """Count up to the meter's time now, and do what was due in between, each at its own instant."""
        now = self.meter.clock
        last = self._last if self._last is not None else now
        if now < last:  # its clock was set back: nothing is counted twice
            self._last = now
            return
        while (due := self._next(last)) <= now:
            self._count(last, due)
            self._happen(due)
            last = due
        self._count(last, now)
        self._last = now
        if self.every:
            self._mishaps(now)

    def _mishaps(self, now: datetime) -> None:
        if self._turn is None:
            self._turn = now + self._later()
        while self._turn <= now:
            at = self._turn
            if self._open is not None:
                self.meter.openings.append((self._open, at))
                self._open = None
            elif self._dark is not None:
                self.meter.power_losses.append((self._dark, at))
                self._dark, self.meter.silent = None, False
            elif self.rng.random() < _COVERS:
                self._open = at
            else:
                self._dark, self.meter.silent = at, True
            lasts = self._open is not None or self._dark is not None
            self._turn += timedelta(seconds=self.rng.uniform(*_LASTS_S)) if lasts else self._later()

    def _later(self) -> timedelta:
        return timedelta(seconds=self.every * self.rng.uniform(0.5, 1.5))

    def _next(self, after: datetime) -> datetime:
        """Return the next full hour: midnights, settlements and tariffs begin with one."""
        return after.replace(minute=0, second=0, microsecond=0) + _HOUR

    def _happen(self, at: datetime) -> None:
        if (at.day, at.hour) == self.meter.settlement_day:
            self.meter.settle()
        if at.hour == 0:
            self.meter.freeze(at)
        share = Decimal(self.rng.randrange(50, 150)) / 100
        power = (self.load_kw * share).quantize(Decimal("0.0001"))
        phase = (power / 3).quantize(Decimal("0.0001"))
        self.meter.kilowatts = (power, phase, phase, power - 2 * phase)

    def _count(self, since: datetime, until: datetime) -> None:
        used = self.meter.kilowatts[0] * Decimal((until - since) // timedelta(milliseconds=1)) / 3_600_000
        if used <= 0 or self._dark is not None:
            return
        for number in (0, 1):
            shown = self.meter.energies.get(number)
            if shown is None:
                continue
            for place in dict.fromkeys((0, tariff_at(since))):
                if place < len(shown):
                    self._add(number, place, used)

    def _add(self, number: int, place: int, used: Decimal) -> None:
        """Add to a register: it shows hundredths, and keeps what is less."""
        shown = self.meter.energies[number]
        exact = self._exact.get((number, place), shown[place]) + used
        self._exact[number, place] = exact
        shown[place] = exact.quantize(Decimal("0.01"), rounding="ROUND_FLOOR") % 1_000_000


def household(
    address: str,
    edition: Literal[1997, 2007],
    now: Callable[[], datetime],
    rng: Random,
    password: str = "",
    every: float = 0.0,
) -> Life:
    """Return a meter that has been in use for some years, and has its last day and its last month."""
    shown = [Decimal(rng.randrange(100_000)) / 100 for _ in range(4)]
    energies = {0: [sum(shown, Decimal(0)), *shown], 1: [sum(shown, Decimal(0)), *shown], 2: [Decimal(0)] * 5}
    meter = SimMeter(address, now, edition=edition, energies=energies, password=password)
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    meter.settle()
    meter.freeze(today)
    meter.power_losses = [(today - timedelta(days=9, minutes=50), today - timedelta(days=9))]
    return Life(meter, rng, every=every)
