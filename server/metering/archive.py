"""What the archive says of a meter in a period: the multiplier, rating and profiles then, and what was changed.

A birth tells what is true now; what was true before stands in the device's history. A period that ended before a
change is reckoned by what was true then. Within a period a change leaves nothing to reckon by: a person decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Integer, RowMapping, bindparam, select

from server.db.tables_delivery import series
from server.db.tables_devices import device_states, profile_points, profiles
from server.db.types import Instant
from server.views.wire import iso

CHANGED = "MASTER_DATA_CHANGED"
_FIELDS = ("multiplier", "serial", "profile_id", "rated_per_h")
# What of a profile says which register it is and what one count of it means; its texts and other points do not.
_MEANING = ("name", "vendor", "model", "protocol", "unit", "kind", "modulus")

_CHANGES = (
    select(device_states.c.at, device_states.c.field, device_states.c.old, device_states.c.new)
    .where(device_states.c.device_id == bindparam("device", type_=Integer))
    .where(device_states.c.field.in_(_FIELDS), device_states.c.at > bindparam("since", type_=Instant))
    .order_by(device_states.c.id)
)
_POINTS = (
    select(
        profile_points,
        profiles.c.name,
        profiles.c.vendor,
        profiles.c.model,
        profiles.c.protocol,
        series.c.id.label("series_id"),
    )
    .join(profiles, profiles.c.id == profile_points.c.profile_id)
    .outerjoin(
        series,
        (series.c.site == bindparam("site"))
        & (series.c.device == bindparam("device"))
        & (series.c.point == profile_points.c.point),
    )
    .where(profile_points.c.profile_id.in_(bindparam("ids", expanding=True)))
    .where(profile_points.c.billing.is_(True))
    .order_by(profile_points.c.position)
)


@dataclass(frozen=True, slots=True)
class Change:
    """One row of a device's history, as its texts."""

    at: datetime
    field: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """A billed register as its profile told it for a period; `change` says what became another within it."""

    point: str
    label: str
    label_zh: str
    unit: str
    modulus: Decimal | None
    series_id: int | None
    multiplier: Decimal
    rated_per_h: Decimal | None
    change: str


def registers(conn: Connection, meter: RowMapping, since: datetime, until: datetime) -> list[Register]:
    """Return the registers that a meter had at the end of a period, and those that it lost within it."""
    rows = conn.execute(_CHANGES, {"device": meter["id"], "since": since})
    history = [Change(row.at, row.field, row.old, row.new) for row in rows]
    within = [change for change in history if change.at < until]
    then = {field: _then(history, field, until) for field in _FIELDS}
    multiplier = Decimal(then["multiplier"]) if then["multiplier"] else meter["multiplier"]
    rated = meter["rated_per_h"] or {}
    if multiplier != meter["multiplier"] and then["rated_per_h"]:
        # A rating is no part of a bill but a bound on it: a corrected one counts for the past, unless it is told
        # in the units of another multiplier.
        rated = _ratings(then["rated_per_h"])
    newest = int(then["profile_id"] or meter["profile_id"])
    moves = [change for change in within if change.field == "profile_id"]
    # Newest first: what a register is called and counts in is told by the last profile that had it.
    ids = list(dict.fromkeys([newest, *(int(change.old) for change in reversed(moves))]))
    points = _points(conn, meter, ids)
    told = [said for field in ("multiplier", "serial") if (said := _said(within, field))]
    return [
        Register(
            point=point,
            label=known["label"],
            label_zh=known["label_zh"],
            unit=known["unit"],
            modulus=known["modulus"],
            series_id=known["series_id"],
            multiplier=multiplier if multiplier is not None else Decimal(1),
            rated_per_h=Decimal(rated[point]) if point in rated else None,
            change="; ".join([*told, *_moved(moves, point, points)]),
        )
        for point, known in _by_point(ids, points).items()
    ]


def _then(history: Sequence[Change], field: str, until: datetime) -> str:
    """Return what a field was when a period ended, empty where that is what it is now.

    What was not told yet is what was told first: the device was not known as a meter.
    """
    return next((one.old for one in history if one.field == field and one.at >= until and one.old), "")


def _ratings(shown: str) -> dict[str, str]:
    """Read the ratings as the history shows them: `point number, point number`."""
    return dict(each.split(" ", 1) for each in shown.split(", ") if " " in each)


def _said(within: Sequence[Change], field: str) -> str:
    """Return how a field was changed first, empty if it was not; told for the first time it is no other one."""
    for change in within:
        if change.field == field and change.old:
            return _words(field, change.old, change.new, change.at)
    return ""


Points = Mapping[int, Mapping[str, RowMapping]]


def _points(conn: Connection, meter: RowMapping, ids: Sequence[int]) -> Points:
    asked = {"site": meter["site"], "device": meter["device"], "ids": ids}
    found: dict[int, dict[str, RowMapping]] = {each: {} for each in ids}
    for row in conn.execute(_POINTS, asked).mappings():
        found[row["profile_id"]][row["point"]] = row
    return found


def _by_point(ids: Sequence[int], points: Points) -> dict[str, RowMapping]:
    found: dict[str, RowMapping] = {}
    for each in ids:
        for point, row in points[each].items():
            found.setdefault(point, row)
    return found


def _moved(moves: Sequence[Change], point: str, points: Points) -> list[str]:
    """Return how a change of the profile first touched a register; one in its texts or other points does not."""
    for change in moves:
        old, new = (points.get(int(each), {}).get(point) for each in (change.old, change.new))
        if old is None and new is None:
            continue
        if old is None or new is None:
            return [_words("register", point if old else "", point if new else "", change.at)]
        for fact in _MEANING:
            if old[fact] != new[fact]:
                return [_words(fact, _text(old[fact]), _text(new[fact]), change.at)]
    return []


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _words(field: str, old: str, new: str, at: datetime) -> str:
    return f"{CHANGED}: {field} from {old or 'none'} to {new or 'none'} at {iso(at)}"
