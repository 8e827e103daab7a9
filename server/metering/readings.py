"""Loads, for one register and one instant, the few stored samples that a boundary can rest on."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, or_, select
from sqlalchemy.sql.functions import min as sql_min

from messages.types import ClockState, Quality
from server.db.tables_delivery import batches, lanes, samples
from server.db.types import from_ms, to_ms
from server.metering.boundary import NEAR, READ_WINDOW, Reading

HOUR_MS = 3_600_000
STOPS = 60  # two a day in a month
_USABLE = (
    samples.c.value.is_not(None),
    samples.c.quality == Quality.GOOD,
    samples.c.clock != ClockState.UNSET,
    samples.c.dup == 0,
)


def around(conn: Connection, series_id: int, at: datetime, window: timedelta = READ_WINDOW) -> list[Reading]:
    """Return the usable readings next to `at` on both sides, with every reading that claims the same instants."""
    at_ms, reach = to_ms(at), max(window, NEAR) // timedelta(milliseconds=1)
    found: set[int] = set()
    for backwards in (True, False):
        found |= _next_usable(conn, series_id, at_ms, reach, backwards=backwards)
    return _readings(conn, series_id, found)


def between(conn: Connection, series_id: int, since: datetime, until: datetime) -> list[Reading]:
    """Return the first usable reading of about `STOPS` hours spread over the period, its ends left out."""
    first, last = to_ms(since) // HOUR_MS + 1, (to_ms(until) - 1) // HOUR_MS
    hours = range(first, last, max(1, (last - first) // STOPS))
    if not hours:
        return []
    earliest = (
        select(samples.c.bucket, sql_min(samples.c.offset_ms).label("offset_ms"))
        .where(samples.c.series_id == series_id, samples.c.bucket.in_(hours), *_USABLE)
        .group_by(samples.c.bucket)
        .subquery()
    )
    # Joined, not `(bucket, offset) IN (…)`: for that, SQLite reads the whole table.
    same = (samples.c.bucket == earliest.c.bucket) & (samples.c.offset_ms == earliest.c.offset_ms)
    query = (
        select(samples.c.bucket, samples.c.offset_ms, samples.c.value)
        .join(earliest, same)
        .where(samples.c.series_id == series_id, samples.c.dup == 0)
        .order_by(samples.c.bucket)
    )
    return [
        Reading(at=from_ms(bucket * HOUR_MS + offset), value=value if isinstance(value, Decimal) else None)
        for bucket, offset, value in conn.execute(query)
    ]


def _next_usable(conn: Connection, series_id: int, at_ms: int, reach: int, *, backwards: bool) -> set[int]:
    """Return the instant of the usable reading nearest to `at_ms` on one side, if one lies within `reach`."""
    edge = at_ms - reach if backwards else at_ms + reach
    low, high = min(edge, at_ms), max(edge, at_ms)
    query = (
        select(samples.c.bucket, samples.c.offset_ms)
        .where(
            samples.c.series_id == series_id,
            samples.c.bucket.in_(range(low // HOUR_MS, high // HOUR_MS + 1)),
            *_USABLE,
            _not_before(low),
            _not_after(high),
        )
        .limit(1)
    )
    if backwards:
        query = query.order_by(samples.c.bucket.desc(), samples.c.offset_ms.desc())
    else:
        query = query.order_by(samples.c.bucket, samples.c.offset_ms)
    return {bucket * HOUR_MS + offset for bucket, offset in conn.execute(query)}


def _not_before(ms: int) -> Any:
    bucket, offset = divmod(ms, HOUR_MS)
    return or_(samples.c.bucket > bucket, and_(samples.c.bucket == bucket, samples.c.offset_ms >= offset))


def _not_after(ms: int) -> Any:
    bucket, offset = divmod(ms, HOUR_MS)
    return or_(samples.c.bucket < bucket, and_(samples.c.bucket == bucket, samples.c.offset_ms <= offset))


def _readings(conn: Connection, series_id: int, instants: Iterable[int]) -> list[Reading]:
    """Load every sample of these instants; where there are several, the first is the reading and marked."""
    found: list[Reading] = []
    for ms in sorted(instants):
        rows = conn.execute(_at(series_id, ms)).all()
        if rows:
            found.append(_reading(rows[0], ms, conflict=len(rows) > 1))
    return found


def _at(series_id: int, ms: int) -> Select[Any]:
    bucket, offset = divmod(ms, HOUR_MS)
    return (
        select(
            samples.c.value,
            samples.c.quality,
            samples.c.clock,
            samples.c.idx,
            samples.c.raw,
            batches.c.seq,
            lanes.c.gateway,
            lanes.c.epoch,
        )
        .outerjoin(batches, samples.c.batch_id == batches.c.id)
        .outerjoin(lanes, batches.c.lane_id == lanes.c.id)
        .where(samples.c.bucket == bucket, samples.c.series_id == series_id, samples.c.offset_ms == offset)
        .order_by(samples.c.dup)
    )


def _reading(row: Row[Any], ms: int, *, conflict: bool) -> Reading:
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
        conflict=conflict,
    )
