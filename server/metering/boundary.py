"""What a register read at an instant, and what was used between two instants. Pure, exact, and never a guess.

A reading can be a basis only when it is good and was stamped by a clock that was set. An interpolated value is
cut down to the digits that the register shows, so that it is a value that the register passed, and so that two
periods that meet at an instant share one value: consumption telescopes, nothing is lost between months.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_UP, Context, Decimal, Inexact
from enum import StrEnum
from fractions import Fraction
from math import floor

from messages.types import ClockState, Quality

NEAR = timedelta(minutes=5)
READ_WINDOW = timedelta(hours=6)
MARGIN = Decimal("1.2")  # on a rated maximum: load may exceed the rating for a while
NOT_BEGUN, NOT_ENDED = "the period has not begun", "the period has not ended"
# The contract lets 80 digits into a value and into a multiplier: their product must not be what stops a feed.
_EXACT = Context(prec=400, traps=[Inexact])
_BOUND = Context(prec=60, rounding=ROUND_UP)  # for what is only a bound: never lower than the exact one


class Method(StrEnum):
    """How a boundary value was found, best first."""

    EXACT = "exact"
    NEAREST = "nearest"
    INTERPOLATED = "interpolated"
    MISSING = "missing"


class Delta(StrEnum):
    """What two values of one register say about the time between them."""

    OK = "OK"
    ROLLOVER = "ROLLOVER"
    SPIKE = "SPIKE"
    DECREASE = "DECREASE"
    EXCHANGE_SUSPECTED = "EXCHANGE_SUSPECTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One stored sample of a register, and the batch it came in; `conflict`: another value claims the same instant."""

    at: datetime
    value: Decimal | None
    quality: Quality = Quality.GOOD
    clock: ClockState = ClockState.SYNCED
    gateway: str = ""
    epoch: str = ""
    seq: int = 0
    index: int = 0
    raw: str | None = None
    config: str = ""
    """The hash of the gateway's configuration by which it was read; empty where the gateway did not tell."""
    conflict: bool = False

    @property
    def usable(self) -> bool:
        """True when this may be the basis of a bill."""
        return self.value is not None and self.quality is Quality.GOOD and self.clock is not ClockState.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """The value of a register at an instant with what it rests on, or None and the reason."""

    at: datetime
    value: Decimal | None
    method: Method
    basis: tuple[Reading, ...] = ()
    why: str = ""
    settled: bool = False
    """True when a reading stands on both sides, or exactly there: readings still to come change nothing."""

    @property
    def conflict(self) -> bool:
        """True when a reading that it rests on is contradicted by another one of the same instant."""
        return any(reading.conflict for reading in self.basis)


def boundary(
    readings: Iterable[Reading],
    at: datetime,
    *,
    modulus: Decimal | None = None,
    near: timedelta = NEAR,
    window: timedelta = READ_WINDOW,
    rated: Decimal | None = None,
) -> Boundary:
    """Return the value at `at`: the nearest reading within `near`, else a straight line inside `window`.

    `rated` is what the register counts in an hour at most, None where nobody said.
    """
    before, after = _around(readings, at)
    settled = before is not None and after is not None
    close = [r for r in (before, after) if r is not None and abs(r.at - at) <= near]
    if close:
        best = min(close, key=lambda r: (abs(r.at - at), r.at))
        method = Method.EXACT if best.at == at else Method.NEAREST
        return Boundary(at=at, value=best.value, method=method, basis=(best,), settled=settled)
    if before is None or after is None:
        return missing(at, _why_one_sided(before, after, at))
    if after.at - before.at > window:
        return missing(at, f"the readings around it are {after.at - before.at} apart, more than {window}")
    return _interpolated(before, after, at, modulus, rated)


def missing(at: datetime, why: str) -> Boundary:
    """Return a boundary whose value nobody knows, and why."""
    return Boundary(at=at, value=None, method=Method.MISSING, why=why)


def _around(readings: Iterable[Reading], at: datetime) -> tuple[Reading | None, Reading | None]:
    """Find the last usable reading up to `at` and the first one from `at` on; one exactly there is both."""
    before: Reading | None = None
    after: Reading | None = None
    for reading in readings:
        if not reading.usable:
            continue
        if reading.at <= at and (before is None or reading.at > before.at):
            before = reading
        if reading.at >= at and (after is None or reading.at < after.at):
            after = reading
    return before, after


def _why_one_sided(before: Reading | None, after: Reading | None, at: datetime) -> str:
    if before is None and after is None:
        return "no usable reading near it"
    if before is None:
        assert after is not None
        return f"the first usable reading comes {after.at - at} later, and none before it"
    return f"the last usable reading came {at - before.at} earlier, and none after it"


def _interpolated(
    before: Reading, after: Reading, at: datetime, modulus: Decimal | None, rated: Decimal | None
) -> Boundary:
    assert before.value is not None
    assert after.value is not None
    most = ceiling(rated, after.at - before.at, before.value, after.value)
    kind, used = delta(before.value, after.value, modulus=modulus, most=most)
    if used is None or kind not in {Delta.OK, Delta.ROLLOVER}:
        return missing(at, f"{kind}: the register went from {before.value} to {after.value} around it")
    value = _on_the_line(before.value, used, _share(before.at, at, after.at), after.value)
    if modulus is not None and value >= modulus:
        value = _EXACT.subtract(value, modulus)
    return Boundary(at=at, value=value, method=Method.INTERPOLATED, basis=(before, after), settled=True)


def _share(before: datetime, at: datetime, after: datetime) -> Fraction:
    step = timedelta(microseconds=1)
    return Fraction((at - before) // step, (after - before) // step)


def _on_the_line(start: Decimal, used: Decimal, share: Fraction, end: Decimal) -> Decimal:
    """Return `start + used * share`, cut down to the finer of the two values' digits."""
    digits = max(decimals(start), decimals(end))
    exact = Fraction(start) + Fraction(used) * share
    return Decimal(floor(exact * 10**digits)).scaleb(-digits, _EXACT)


def decimals(value: Decimal) -> int:
    """Return how many digits stand behind the point, as the register shows them."""
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def delta(
    start: Decimal, end: Decimal, *, modulus: Decimal | None, most: Decimal | None = None
) -> tuple[Delta, Decimal | None]:
    """Judge what a register counted from `start` to `end`; None where a person has to look.

    `most` is the largest plausible amount (rating times hours times `MARGIN`). Without it a wrap is believed
    only up to a tenth of the register: a meter that turns over more than once a year is built with more digits.
    """
    used = _EXACT.subtract(end, start)
    if used >= 0:
        return (Delta.SPIKE, None) if most is not None and used > most else (Delta.OK, used)
    if modulus is not None:
        wrapped = _EXACT.add(used, modulus)
        if 0 <= wrapped <= (most if most is not None else modulus / 10):
            return Delta.ROLLOVER, wrapped
    # A fall to less than half is another register or a reset one; a smaller one is a dip of the same register.
    return (Delta.EXCHANGE_SUSPECTED if end < start / 2 else Delta.DECREASE), None


def most_plausible(rated_per_h: Decimal, span: timedelta) -> Decimal:
    """Return the largest amount that a meter of this rating can have counted in `span`."""
    per_ms = _BOUND.divide(_BOUND.multiply(rated_per_h, MARGIN), Decimal(3_600_000))
    return _BOUND.multiply(per_ms, Decimal(span // timedelta(milliseconds=1)))


def ceiling(rated: Decimal | None, span: timedelta, *shown: Decimal) -> Decimal | None:
    """Return the most that a register of this rating can differ by after `span`, None without a rating.

    That is one step of its last digit more than it can have counted: what it showed first was cut down.
    """
    if rated is None:
        return None
    step = Decimal(1).scaleb(-max(decimals(value) for value in shown))
    return _BOUND.add(most_plausible(rated, span), step)


def on_the_register(rated_per_h: Decimal | None, multiplier: Decimal) -> Decimal | None:
    """Return what the register itself counts in an hour, where the rating is told as what is billed."""
    return None if rated_per_h is None else _BOUND.divide(rated_per_h, multiplier)


def steps(
    readings: Sequence[Reading], *, modulus: Decimal | None, most: Decimal | None = None
) -> list[tuple[Delta, Decimal | None]]:
    """Judge each usable reading against the last good one: after a dip, counting goes on from before it."""
    found: list[tuple[Delta, Decimal | None]] = []
    good: Decimal | None = None
    for reading in readings:
        if not reading.usable or reading.value is None:
            continue
        if good is None:
            good = reading.value
            continue
        kind, used = delta(good, reading.value, modulus=modulus, most=most)
        found.append((kind, used))
        if used is not None:
            good = reading.value
    return found


def plus(one: Decimal, other: Decimal) -> Decimal:
    """Add exactly, where `+` would round to the digits of the thread's context."""
    return _EXACT.add(one, other)


def times(amount: Decimal, multiplier: Decimal) -> Decimal:
    """Multiply exactly; a product that would need rounding raises instead."""
    return _EXACT.multiply(amount, multiplier)
