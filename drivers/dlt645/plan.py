"""Points to reads: one identifier each, data blocks where the model answers them, and groups as one conversation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from drivers.api import Known, Timing, Transaction
from drivers.dlt645 import clock
from drivers.dlt645.catalog import lookup
from drivers.dlt645.frames import SHORTEST
from drivers.dlt645.points import Bound, PointMap

REPLY_WAKE_UP: Final = 4
_UNKNOWN_DATA: Final = 4
_USUAL_ITEMS: Final = 5  # of a data block: the total and four tariffs
_FREEZE_TIME: Final = ("05", "00")


@dataclass(frozen=True, slots=True)
class Talk:
    """Identifiers to read one after the other; what is among them twice must be the same both times."""

    dis: tuple[str, ...]
    block: bool = False
    """A data block in the place of single identifiers."""

    def __str__(self) -> str:
        return " ".join(dict.fromkeys(self.dis))


def plan(
    wanted: Sequence[str], points: PointMap, timing: Timing, known: Known, longest: float | None
) -> list[Transaction]:
    """Return the transactions that read these points, each point in exactly one, in the order asked for."""
    found: list[Transaction] = []
    left = dict.fromkeys(wanted)
    grouped = {name for group in points.profile.atomic for name in group}
    blocks = _blocks(left, points, known, grouped)
    while left:
        name = next(iter(left))
        group = next((group for group in points.profile.atomic if name in group), None)
        made = transaction(group, points) if group is not None else None
        if made is None:
            for block, members in blocks.items():
                if name in members:
                    made = transaction(tuple(members), points, block)
                    if longest is not None and cost(made, timing) > longest:
                        made = None
                    break
        if made is None:
            made = transaction(_alike(name, points, grouped), points)
        for point in made.points:
            left.pop(point, None)
        found.append(made)
    return found


def split(made: Transaction, points: PointMap) -> list[Transaction]:
    """Return a data block's points read one by one; empty for what cannot be parted."""
    if not isinstance(made.block, Talk) or not made.block.block:
        return []
    grouped = {name for group in points.profile.atomic for name in group}
    found, left = [], dict.fromkeys(made.points)
    while left:
        alike = tuple(name for name in _alike(next(iter(left)), points, grouped) if name in left)
        for name in alike:
            del left[name]
        found.append(transaction(alike, points))
    return found if len(found) > 1 else []


def cost(made: Transaction, timing: Timing) -> float:
    """Return how long a transaction takes the line."""
    return timing.seconds(made.request_bytes, made.reply_bytes, made.steps)


def transaction(names: Iterable[str], points: PointMap, block: str = "") -> Transaction:
    """Return the transaction that reads these points together."""
    names = tuple(names)
    talk = Talk((block,), block=True) if block else Talk(conversation(names, points))
    asked = sum(points.options.wake_up + SHORTEST + len(di) // 2 for di in talk.dis)
    answered = sum(reply_bytes(di) for di in talk.dis)
    return Transaction(names, talk, f"read {talk}", asked, answered, steps=len(talk.dis))


def reply_bytes(di: str) -> int:
    """Return how long an answer is if all is well."""
    item = lookup(di)
    data = _UNKNOWN_DATA if item is None else item.size * (_USUAL_ITEMS if item.repeat else 1)
    return REPLY_WAKE_UP + SHORTEST + len(di) // 2 + data


def conversation(names: Sequence[str], points: PointMap) -> tuple[str, ...]:
    """Return what is read for points, in order: what says of which moment the others are is read first and last.

    A clock is two identifiers, and the date is read once more after the time of day, for midnight may lie between.
    """
    edition, options = points.options.edition, points.options
    derived = {bound.what for name in names if not isinstance(bound := points.points[name], Bound)}
    dis = dict.fromkeys(bound.di for name in names if isinstance(bound := points.points[name], Bound))
    date, time = clock.DATE[edition], clock.TIME[edition]
    frozen = tuple(di for di in dis if (di[:2], di[4:6]) == _FREEZE_TIME and len(di) == 8)
    if len(dis) == len(frozen):
        frozen = ()
    # What the meter says of an instant is worth what its clock is worth.
    instant: tuple[str, ...] = (date, time, date) if derived or frozen else ()
    opening: tuple[str, ...] = instant
    closing: tuple[str, ...] = ()
    plain = [di for di in dis if di not in instant]
    if "settled" in derived:
        opening = (*clock.days(edition, options.settlement_days), *instant)
        closing = instant
        plain = [di for di in plain if di not in opening]
    if frozen:
        plain = [*frozen, *(di for di in plain if di not in frozen)]
        closing = (*frozen, *closing)
    elif "settled" in derived and not plain:
        closing = ()
    return (*opening, *plain, *closing)


def _blocks(
    wanted: Mapping[str, None], points: PointMap, known: Known, grouped: set[str]
) -> dict[str, dict[str, None]]:
    """Return the data blocks that save a read, each with all points of the profile that it yields."""
    found: dict[str, dict[str, None]] = {}
    taken = grouped | known.bad
    for block in points.options.blocks:
        if block in known.cuts:
            continue
        members = dict.fromkeys(
            name for name in points.points if name not in taken and points.inside(block, name) is not None
        )
        dis = {
            bound.di for name in members if name in wanted and isinstance(bound := points.points[name], Bound)
        }
        if len(dis) > 1:
            found[block] = members
            taken |= members.keys()
    return found


def _alike(name: str, points: PointMap, grouped: set[str]) -> tuple[str, ...]:
    """Return a point with those that lie in the same data."""
    bound = points.points[name]
    if not isinstance(bound, Bound):  # whatever is read of the clock is read once
        return tuple(
            other
            for other, found in points.points.items()
            if other not in grouped and not isinstance(found, Bound) and found.settles == bound.settles
        )
    return tuple(
        other
        for other, found in points.points.items()
        if other not in grouped and isinstance(found, Bound) and found.di == bound.di
    )
