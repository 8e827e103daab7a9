"""Loads, for one register, the few stored samples that a boundary, and what lies between two of them, rest on."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Row,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    case,
    literal,
    select,
)

from messages.types import ClockState, Quality
from server.db.tables_configs import batch_configs, configs
from server.db.tables_delivery import batches, lanes, samples
from server.db.types import from_ms, to_ms
from server.metering.boundary import NEAR, READ_WINDOW, Boundary, Reading

HOUR_MS = 3_600_000
STOPS = 60  # two a day in a month
OUTSIDE = timedelta(days=32)  # a meter that is read once a month has a neighbour, too
_MS = timedelta(milliseconds=1)


def _usable(of: FromClause) -> ColumnElement[bool]:
    """What `Reading.usable` asks, of a row."""
    return and_(of.c.value.is_not(None), of.c.quality == Quality.GOOD, of.c.clock != ClockState.UNSET)


def _walk(*, backwards: bool) -> Select[Any]:
    """From instant (`first`, `edge`) on through `hours`: the next usable instant of each `step` of them.

    Each hour is one look-up of the key, and the first hour of a step that has a reading ends that step.
    """
    first, hours, step, edge = (bindparam(name, type_=Integer) for name in ("first", "hours", "step", "edge"))
    sign = -1 if backwards else 1

    def found_in(gone: ColumnElement[int]) -> ScalarSelect[Any]:
        one = samples.alias()
        if backwards:
            bound = one.c.offset_ms <= case((gone == 0, edge), else_=HOUR_MS)
        else:
            bound = one.c.offset_ms >= case((gone == 0, edge), else_=0)
        return (
            select(one.c.offset_ms)
            .where(one.c.bucket == first + sign * gone, one.c.series_id == bindparam("series"), bound)
            .where(_usable(one))
            .order_by(one.c.offset_ms.desc() if backwards else one.c.offset_ms)
            .limit(1)
            .scalar_subquery()
        )

    zero = literal(0, Integer)
    walk = select(zero.label("gone"), found_in(zero).label("offset_ms")).cte("walk", recursive=True)
    gone = case((walk.c.offset_ms.is_(None), walk.c.gone + 1), else_=walk.c.gone + step - walk.c.gone % step)
    walk = walk.union_all(select(gone, found_in(gone)).where(gone < hours))
    bucket = first + sign * walk.c.gone
    return select(bucket.label("bucket"), walk.c.offset_ms).where(walk.c.offset_ms.is_not(None))


def _stops() -> Select[Any]:
    """The usable samples of each instant that a walk forward finds, those stored first foremost."""
    found = _walk(backwards=False).subquery()
    here = (samples.c.bucket == found.c.bucket) & (samples.c.offset_ms == found.c.offset_ms)
    return (
        select(samples.c.bucket, samples.c.offset_ms, samples.c.value)
        .select_from(found.join(samples, here))
        .where(_MINE, _usable(samples))
        .order_by(samples.c.bucket, samples.c.offset_ms, samples.c.dup)
    )


_MINE = samples.c.series_id == bindparam("series")
# Put together once: a feed of a thousand registers runs each of these some thousands of times.
_BEFORE, _AFTER = _walk(backwards=True), _walk(backwards=False)
_STOPS = _stops()
_AT: Select[Any] = (
    select(
        samples.c.value,
        samples.c.quality,
        samples.c.clock,
        samples.c.idx,
        samples.c.raw,
        batches.c.seq,
        lanes.c.gateway,
        lanes.c.epoch,
        select(configs.c.hash)
        .join(batch_configs, batch_configs.c.config_id == configs.c.id)
        .where(batch_configs.c.batch_id == samples.c.batch_id, batch_configs.c.first_idx <= samples.c.idx)
        .order_by(batch_configs.c.first_idx.desc())
        .limit(1)
        .scalar_subquery()
        .label("config"),
    )
    .outerjoin(batches, samples.c.batch_id == batches.c.id)
    .outerjoin(lanes, batches.c.lane_id == lanes.c.id)
    .where(_MINE, samples.c.bucket == bindparam("bucket"), samples.c.offset_ms == bindparam("offset"))
    .order_by(samples.c.dup)
)


def around(conn: Connection, series_id: int, at: datetime, window: timedelta = READ_WINDOW) -> list[Reading]:
    """Return the usable readings next to `at` on both sides; one that another contradicts is marked."""
    at_ms, reach = to_ms(at), max(window, NEAR)
    found: set[int] = set()
    for backwards in (True, False):
        found |= _next_usable(conn, series_id, at_ms, reach, backwards=backwards)
    return _readings(conn, series_id, found)


def between(conn: Connection, series_id: int, since: datetime, until: datetime) -> list[Reading]:
    """Return the first usable reading of each of about `STOPS` parts of the period, its ends left out."""
    first, edge = divmod(to_ms(since) + 1, HOUR_MS)
    until_ms = to_ms(until)
    hours = -(-until_ms // HOUR_MS) - first
    asked = {
        "series": series_id,
        "first": first,
        "edge": edge,
        "hours": hours,
        "step": max(1, hours // STOPS),
    }
    stops: dict[int, Reading] = {}
    for bucket, offset, value in conn.execute(_STOPS, asked):
        ms = bucket * HOUR_MS + offset
        if ms < until_ms and ms not in stops and isinstance(value, Decimal):
            stops[ms] = Reading(at=from_ms(ms), value=value)
    return list(stops.values())


def outside(
    conn: Connection, series_id: int, start: Boundary, end: Boundary
) -> tuple[Reading | None, Reading | None]:
    """Return the last usable reading before all that `start` rests on, and the first after all of `end`."""
    before = to_ms(min(reading.at for reading in start.basis)) - 1
    after = to_ms(max(reading.at for reading in end.basis)) + 1
    sides: list[Reading | None] = []
    for ms, backwards in ((before, True), (after, False)):
        found = _next_usable(conn, series_id, ms, OUTSIDE, backwards=backwards)
        sides += _readings(conn, series_id, found) or [None]
    return sides[0], sides[1]


def _next_usable(
    conn: Connection, series_id: int, at_ms: int, reach: timedelta, *, backwards: bool
) -> set[int]:
    """Return the instant of the usable reading nearest to `at_ms` on one side, if one lies within `reach`."""
    most = reach // _MS
    first, edge = divmod(at_ms, HOUR_MS)
    hours = most // HOUR_MS + 2
    asked = {"series": series_id, "first": first, "edge": edge, "hours": hours, "step": hours}
    row = conn.execute(_BEFORE if backwards else _AFTER, asked).first()
    found = set() if row is None else {int(row.bucket) * HOUR_MS + int(row.offset_ms)}
    return {ms for ms in found if abs(ms - at_ms) <= most}


def _readings(conn: Connection, series_id: int, instants: Iterable[int]) -> list[Reading]:
    """Load the reading of each of these instants: the usable sample stored first, marked where one differs."""
    found: list[Reading] = []
    for ms in sorted(instants):
        rows = conn.execute(_AT, {"series": series_id, "bucket": ms // HOUR_MS, "offset": ms % HOUR_MS}).all()
        usable = [reading for reading in (_reading(row, ms) for row in rows) if reading.usable]
        if usable:
            found.append(replace(usable[0], conflict=any(one.value != usable[0].value for one in usable)))
    return found


def _reading(row: Row[Any], ms: int) -> Reading:
    value = row.value
    return Reading(
        at=from_ms(ms),
        value=value if isinstance(value, Decimal) else None,
        quality=row.quality,
        clock=row.clock,
        gateway=row.gateway or "",
        epoch=row.epoch or "",
        seq=row.seq or 0,
        index=row.idx,
        raw=row.raw.hex() if row.raw is not None else None,
        config=row.config or "",
    )
