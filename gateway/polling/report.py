"""Report by exception: which readings of a device are told. Pure: time and the journal's word are handed in.

A reading is told if its quality differs from what was told last, if its value lies further from it than the deadband,
or if the point would otherwise be silent for longer than its rule allows. What was told last is what the journal has;
a report that is still on its way there may be lost, so a reading is left out only if it changes nothing either way.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal
from itertools import count

from drivers.api import Reading
from messages.types import Quality, Value

_EXACT = Context(prec=200)  # more digits than any register and any deadband have together
UNDER_WAY_S = (
    5.0  # what takes longer than this to the journal says that the disk is in trouble: everything is told
)


@dataclass(frozen=True, slots=True)
class Rule:
    """When a point is told: its deadband (absolute, or per cent of what was told last), and its longest silence."""

    deadband: Decimal
    percent: bool
    max_silence: float

    def band(self, told: Decimal) -> Decimal:
        """Return how far a value may lie from what was told without being a change."""
        if not self.percent:
            return self.deadband
        return _EXACT.divide(_EXACT.multiply(abs(told), self.deadband), Decimal(100))

    def changes(self, told: Value, value: Value) -> bool:
        """Tell whether a good value is a change from a good one that was told."""
        if isinstance(told, Decimal) and isinstance(value, Decimal):
            return abs(_EXACT.subtract(value, told)) > self.band(told)
        return told is not value


@dataclass(frozen=True, slots=True)
class _Told:
    number: int
    value: Value
    quality: Quality
    at: float


@dataclass(slots=True)
class _Point:
    rule: Rule
    period: float
    kept: _Told | None = None
    """What the journal has."""
    under_way: dict[int, _Told] = field(default_factory=dict)

    def wants(self, reading: Reading, now: float) -> bool:
        kept, under_way = self.kept, self.under_way
        if kept is None or self._differs(kept, reading):
            return True
        oldest = next(iter(under_way.values()), None)
        if oldest is not None and now - oldest.at > UNDER_WAY_S:
            return True
        if any(self._differs(told, reading) for told in under_way.values()):
            return True
        newest = max((told.at for told in under_way.values()), default=kept.at)
        # The reading after this one would come too late.
        return now - newest + self.period > self.rule.max_silence

    def _differs(self, told: _Told, reading: Reading) -> bool:
        return told.quality is not reading.quality or self.rule.changes(told.value, reading.value)


class Reporter:
    """The points of one device that have a rule; all others are always told."""

    def __init__(self, rules: Mapping[str, Rule], periods: Mapping[str, float]) -> None:
        self.left_out = 0
        """How many readings were not told."""
        self._points = {name: _Point(rule, periods[name]) for name, rule in rules.items()}
        self._numbers = count(1)

    def wanted(self, readings: Mapping[str, Reading], now: float) -> Mapping[str, Reading]:
        """Return those of these fresh readings that are to be told."""
        points = self._points
        found = {
            name: reading
            for name, reading in readings.items()
            if name not in points or points[name].wants(reading, now)
        }
        self.left_out += len(readings) - len(found)
        return found

    def sent(self, readings: Mapping[str, Reading], now: float) -> Callable[[bool], None] | None:
        """Note what is told; call what is returned once: whether the journal has it. None: nothing here has a rule."""
        number, mine = next(self._numbers), self._points.keys() & readings.keys()
        if not mine:
            return None
        for name in mine:
            reading = readings[name]
            self._points[name].under_way[number] = _Told(number, reading.value, reading.quality, now)

        def settled(kept: bool) -> None:
            for name in mine:
                point = self._points[name]
                told = point.under_way.pop(number, None)
                if kept and told is not None and (point.kept is None or point.kept.number < number):
                    point.kept = told

        return settled
