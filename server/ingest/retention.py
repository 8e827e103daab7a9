"""What may go: old samples, never billed and of a point that a birth has named; old records, and too many."""

from datetime import datetime

from sqlalchemy import Connection, delete, exists, select
from sqlalchemy.sql.functions import max as sql_max
from sqlalchemy.sql.functions import min as sql_min

from server.db.tables_alarms import records
from server.db.tables_core import meta
from server.db.tables_delivery import samples, series
from server.db.tables_devices import devices, profile_points
from server.db.types import to_ms
from server.db.upsert import upsert
from server.ingest.samples import HOUR_MS

_FLOOR = "samples_kept_from_hour"
HOURS_AT_ONCE = 6  # a transaction that deletes for seconds would keep alarms waiting
RECORDS_MOST = 2_000_000
RECORDS_AT_ONCE = 10_000


def drop_old_samples(conn: Connection, before: datetime) -> int:
    """Delete some of what is older than `before` and return how many rows; call it again and again."""
    last = to_ms(before) // HOUR_MS
    point = profile_points.c
    billed = exists().where(
        devices.c.site == series.c.site,
        devices.c.device == series.c.device,
        point.profile_id == devices.c.profile_id,
        point.point == series.c.point,
        point.billing,
    )
    # A point that no birth knows may turn out to be billed; raw registers are kept for billed ones only.
    mine = select(series.c.id).where(series.c.known, ~billed)
    loose = samples.c.series_id.in_(mine) & samples.c.raw.is_(None)
    floor = int(conn.execute(select(meta.c.value).where(meta.c.name == _FLOOR)).scalar() or 0)
    within = (samples.c.bucket >= floor) & (samples.c.bucket < last)
    oldest = conn.execute(select(sql_min(samples.c.bucket)).where(within)).scalar()
    if oldest is None:
        return 0
    end = min(last, oldest + HOURS_AT_ONCE)
    gone = conn.execute(
        delete(samples).where(samples.c.bucket >= floor, samples.c.bucket < end, loose)
    ).rowcount
    # Where to begin next time: billed samples stay below it for ever and must not be looked through again.
    upsert(conn, meta, {"name": _FLOOR}, {"value": str(end)})
    return gone


def drop_old_records(conn: Connection, before: datetime | None, most: int = RECORDS_MOST) -> int:
    """Delete some of the records stored before `before`, and beyond the newest `most`; return how many rows.

    Call it again and again. Without `before` only their number is bounded: a reader that stammers fills no disk.
    """
    newest = conn.execute(select(sql_max(records.c.id))).scalar() or 0
    old = records.c.id <= newest - most
    if before is not None:
        old |= records.c.stored_at < before
    some = select(records.c.id).where(old).limit(RECORDS_AT_ONCE)
    return conn.execute(delete(records).where(records.c.id.in_(some))).rowcount
