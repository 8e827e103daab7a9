"""Loads, for one register and one instant, the few stored samples that a boundary can rest on."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Integer, Row, Select, and_, bindparam, select

from messages.types import ClockState, Quality
from server.db.tables_configs import batch_configs, configs
from server.db.tables_delivery import batches, lanes, samples
from server.db.types import from_ms, to_ms
from server.metering.boundary import NEAR, READ_WINDOW, Reading

HOUR_MS = 3_600_000
STOPS = 60  # two a day in a month
_MINE = samples.c.series_id == bindparam("series")
_USABLE = and_(
    samples.c.value.is_not(None),
    samples.c.quality == Quality.GOOD,
    samples.c.clock != ClockState.UNSET,
    samples.c.dup == 0,
)


def _stops() -> Select[Any]:
    """For hours from `first` to before `last`, every `step`th: the first usable reading of each."""
    hours = select(bindparam("first", type_=Integer).label("bucket")).cte("hours", recursive=True)
    step, last = bindparam("step", type_=Integer), bindparam("last", type_=Integer)
    hours = hours.union_all(select(hours.c.bucket + step).where(hours.c.bucket + step < last))
    one = samples.alias()
    usable = and_(
        one.c.value.is_not(None),
        one.c.quality == Quality.GOOD,
        one.c.clock != ClockState.UNSET,
        one.c.dup == 0,
    )
    # The smallest offset as a look-up of its own: each hour costs one step into the index, not a walk through it.
    earliest = (
        select(one.c.offset_ms)
        .where(one.c.bucket == hours.c.bucket, one.c.series_id == bindparam("series"), usable)
        .order_by(one.c.offset_ms)
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(samples.c.bucket, samples.c.offset_ms, samples.c.value)
        .select_from(
            hours.join(samples, (samples.c.bucket == hours.c.bucket) & (samples.c.offset_ms == earliest))
        )
        .where(_MINE, samples.c.dup == 0)
        .order_by(samples.c.bucket)
    )


_WITHIN = select(samples.c.offset_ms).where(
    _MINE,
    samples.c.bucket == bindparam("bucket"),
    samples.c.offset_ms.between(bindparam("low"), bindparam("high")),
    _USABLE,
)
# Put together once: a feed of a thousand registers runs each of these some thousands of times.
_LAST_IN = _WITHIN.order_by(samples.c.offset_ms.desc()).limit(1)
_FIRST_IN = _WITHIN.order_by(samples.c.offset_ms).limit(1)
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
    """Return the usable readings next to `at` on both sides, with every reading that claims the same instants."""
    at_ms, reach = to_ms(at), max(window, NEAR) // timedelta(milliseconds=1)
    found: set[int] = set()
    for backwards in (True, False):
        found |= _next_usable(conn, series_id, at_ms, reach, backwards=backwards)
    return _readings(conn, series_id, found)


def between(conn: Connection, series_id: int, since: datetime, until: datetime) -> list[Reading]:
    """Return the first usable reading of about `STOPS` hours spread over the period, its ends left out."""
    first, last = to_ms(since) // HOUR_MS + 1, (to_ms(until) - 1) // HOUR_MS
    if first >= last:
        return []
    asked = {"series": series_id, "first": first, "step": max(1, (last - first) // STOPS), "last": last}
    return [
        Reading(at=from_ms(bucket * HOUR_MS + offset), value=value if isinstance(value, Decimal) else None)
        for bucket, offset, value in conn.execute(_STOPS, asked)
    ]


def _next_usable(conn: Connection, series_id: int, at_ms: int, reach: int, *, backwards: bool) -> set[int]:
    """Return the instant of the usable reading nearest to `at_ms` on one side, if one lies within `reach`."""
    edge = at_ms - reach if backwards else at_ms + reach
    bucket, offset = divmod(at_ms, HOUR_MS)
    last, last_offset = divmod(edge, HOUR_MS)
    # Hour by hour, outwards: each is one look into the index, and the first hour nearly always has it.
    while bucket >= last if backwards else bucket <= last:
        low, high = (0, offset) if backwards else (offset, HOUR_MS)
        if bucket == last:
            low, high = (last_offset, high) if backwards else (low, last_offset)
        asked = {"series": series_id, "bucket": bucket, "low": low, "high": high}
        found = conn.execute(_LAST_IN if backwards else _FIRST_IN, asked).scalar()
        if found is not None:
            return {bucket * HOUR_MS + int(found)}
        bucket, offset = (bucket - 1, HOUR_MS) if backwards else (bucket + 1, 0)
    return set()


def _readings(conn: Connection, series_id: int, instants: Iterable[int]) -> list[Reading]:
    """Load every sample of these instants; where there are several, the first is the reading and marked."""
    found: list[Reading] = []
    for ms in sorted(instants):
        rows = conn.execute(_AT, {"series": series_id, "bucket": ms // HOUR_MS, "offset": ms % HOUR_MS}).all()
        if rows:
            found.append(_reading(rows[0], ms, conflict=len(rows) > 1))
    return found


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
        config=row.config or "",
        conflict=conflict,
    )
