"""From two boundaries to what was used between them, with the state in which it may be billed. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from server.metering.boundary import (
    NOT_BEGUN,
    NOT_ENDED,
    Boundary,
    Delta,
    Method,
    Reading,
    ceiling,
    delta,
    plus,
    times,
)

BACKWARDS = frozenset({Delta.DECREASE, Delta.EXCHANGE_SUSPECTED})


class ReadQuality(StrEnum):
    """What a consumption rests on."""

    EXACT = "exact"
    INTERPOLATED = "interpolated"
    ESTIMATED = "estimated"
    MISSING = "missing"


class ReadState(StrEnum):
    """Whether a consumption may be billed."""

    MISSING = "missing"
    PROVISIONAL = "provisional"
    HELD = "held"
    READY = "ready"


Outside = tuple[Reading | None, Reading | None]
"""The next usable readings before and after all that a period rests on."""


@dataclass(frozen=True, slots=True)
class Used:
    """What was used in a period; `amount` is None wherever a person has to look first."""

    amount: Decimal | None
    quality: ReadQuality
    state: ReadState
    why: str = ""


def used(
    start: Boundary,
    end: Boundary,
    *,
    multiplier: Decimal,
    modulus: Decimal | None,
    now: datetime,
    way: Sequence[Reading] = (),
    rated: Decimal | None = None,
    outside: Outside = (None, None),
    change: str = "",
) -> Used:
    """Return the consumption between two boundaries: register difference times multiplier, exact.

    `way` are a few readings in between: a register that turned back among them is held for a person, also
    where its last value happens to lie above its first. `rated` is what the register counts in an hour at
    most: where it counted more, a person looks too. `outside` are the next readings before and after the
    period: they show a wrong one at its ends. `change` says what became another in the archive within it.
    """
    quality = _quality(start, end)
    if start.value is None or end.value is None:
        return _without_value(start, end, now, change)
    limits = Limits(modulus, rated)
    kind, difference = limits.judge(_began(start), _ended(end))
    doubt = change or _conflict(start, end)
    if not doubt and difference is None:
        doubt = f"{kind}: the register went from {start.value:f} to {end.value:f}"
    if doubt or difference is None:
        return Used(None, quality, ReadState.HELD, doubt)
    stops = [_began(start), *(stop for r in way if (stop := _stop(r))), _ended(end)]
    doubt = doubt_about(stops, difference, limits) or _lone_ends(start, end, way, outside, limits)
    if doubt:
        return Used(None, quality, ReadState.HELD, doubt)
    amount = times(difference, multiplier)
    why = f"the register rolled over at {modulus:f}" if kind is Delta.ROLLOVER and modulus is not None else ""
    if not (start.settled and end.settled):
        side = "end" if start.settled else "start"
        waiting = f"no reading after the {side} yet: a nearer one may still come"
        return Used(amount, quality, ReadState.PROVISIONAL, "; ".join(filter(None, (why, waiting))))
    return Used(amount, quality, ReadState.READY, why)


@dataclass(frozen=True, slots=True)
class Stop:
    """What the register showed, and when."""

    at: datetime
    value: Decimal


@dataclass(frozen=True, slots=True)
class Limits:
    """What is known of a register: where it wraps, and what it counts in an hour at most."""

    modulus: Decimal | None = None
    rated: Decimal | None = None

    def judge(self, one: Stop, next_: Stop) -> tuple[Delta, Decimal | None]:
        """Judge what the register counted from one reading to the next."""
        most = ceiling(self.rated, max(next_.at - one.at, timedelta()), one.value, next_.value)
        return delta(one.value, next_.value, modulus=self.modulus, most=most)


def _stop(reading: Reading) -> Stop | None:
    return Stop(reading.at, reading.value) if reading.usable and reading.value is not None else None


def _began(edge: Boundary) -> Stop:
    """Return a boundary as a reading; it may have been taken earlier than the instant that it stands for."""
    assert edge.value is not None
    near = edge.method is Method.NEAREST
    return Stop(min(edge.at, *(r.at for r in edge.basis)) if near else edge.at, edge.value)


def _ended(edge: Boundary) -> Stop:
    assert edge.value is not None
    near = edge.method is Method.NEAREST
    return Stop(max(edge.at, *(r.at for r in edge.basis)) if near else edge.at, edge.value)


def doubt_about(stops: Sequence[Stop], difference: Decimal, limits: Limits) -> str:
    """Return why the difference of the first and the last stop does not tell what was counted, empty if it does.

    One low reading that the next one makes good again is a dip (domain: a meter that answered 0 once), one high
    reading a spike. Two in a row, or such an end, are another meter or a jump.
    """
    good, total = stops[0], Decimal(0)
    odd: list[tuple[Delta, Decimal]] = []
    for stop in stops[1:]:
        kind, used_here = limits.judge(good, stop)
        if used_here is None:
            odd.append((kind, stop.value))
            if len(odd) > 1:
                break
            continue
        odd.clear()
        good, total = stop, plus(total, used_here)
    if odd:
        kind = Delta.SPIKE if odd[0][0] is Delta.SPIKE else Delta.EXCHANGE_SUSPECTED
        return f"{kind}: in between the register went from {good.value:f} to {odd[0][1]:f}"
    if total != difference:
        return f"in between the register counted {total:f}, and its ends differ by {difference:f}"
    return ""


def _conflict(start: Boundary, end: Boundary) -> str:
    for edge, name in ((start, "start"), (end, "end")):
        if edge.conflict:
            return f"{name}: the meter gave two different values for one instant"
    return ""


def _lone_ends(
    start: Boundary, end: Boundary, way: Sequence[Reading], outside: Outside, limits: Limits
) -> str:
    """Return why the reading at an end is a single wrong one, empty if its neighbours do not agree without it."""
    before, after = outside
    within = [stop for r in (*start.basis, *way, *end.basis) if (stop := _stop(r))]
    stops = sorted({stop.at: stop for stop in within}.values(), key=lambda stop: stop.at)
    outer = [_stop(reading) if reading is not None else None for reading in outside]
    line = [*filter(None, outer[:1]), *stops, *filter(None, outer[1:])]
    if before is not None and (doubt := _lone(line[:3], limits)):
        return f"start: {doubt}"
    if after is not None and (doubt := _lone(line[-3:], limits)):
        return f"end: {doubt}"
    return ""


def _lone(stops: Sequence[Stop], limits: Limits) -> str:
    """Return why the middle one of three readings is wrong, empty where it fits or nobody can tell.

    It is wrong where the register went back at it and the other two agree. Where they do not agree, it is with
    one of them, and they are another register: a meter exchanged just outside a period leaves the period right.
    """
    if len(stops) < 3:
        return ""
    one, middle, last = stops
    (kind, first), (next_kind, second), (_, whole) = (
        limits.judge(one, middle),
        limits.judge(middle, last),
        limits.judge(one, last),
    )
    if whole is None:
        return ""
    if kind in BACKWARDS:
        return f"{kind}: the register went from {one.value:f} to {middle.value:f} around it"
    if next_kind in BACKWARDS:
        return f"{next_kind}: the register went from {middle.value:f} to {last.value:f} around it"
    # A dip of a register close to its wrap looks like a rollover, and coming back from it like a lot of use.
    if first is not None and second is not None and plus(first, second) != whole:
        return f"{Delta.DECREASE}: the register went from {one.value:f} to {middle.value:f} around it"
    return ""


def _without_value(start: Boundary, end: Boundary, now: datetime, change: str) -> Used:
    if start.at > now:
        return Used(None, ReadQuality.MISSING, ReadState.PROVISIONAL, NOT_BEGUN)
    if start.value is not None and end.at > now:
        return Used(None, ReadQuality.MISSING, ReadState.PROVISIONAL, NOT_ENDED)
    # Without its beginning a running period can never be billed: that is to be seen now, not when it ends.
    reasons = [f"{name}: {edge.why}" for edge, name in ((start, "start"), (end, "end")) if edge.value is None]
    return Used(None, ReadQuality.MISSING, ReadState.MISSING, "; ".join(filter(None, (*reasons, change))))


def _quality(start: Boundary, end: Boundary) -> ReadQuality:
    methods = {start.method, end.method}
    if Method.MISSING in methods:
        return ReadQuality.MISSING
    return ReadQuality.INTERPOLATED if Method.INTERPOLATED in methods else ReadQuality.EXACT


def month_span(month: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the instants at which a charge month (费用归属月份, `YYYY-MM`) begins and ends in a site's zone."""
    year, number = int(month[:4]), int(month[5:])
    return _first_of(year, number, zone), _first_of(year + number // 12, number % 12 + 1, zone)


def _first_of(year: int, month: int, zone: ZoneInfo) -> datetime:
    return datetime(year, month, 1, tzinfo=zone)


def month_of(at: datetime, zone: ZoneInfo) -> str:
    """Return the charge month that an instant falls into."""
    return at.astimezone(zone).strftime("%Y-%m")
