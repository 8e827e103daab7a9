"""Delivery receipts: what of a gateway's numbers is stored, missing, refused or declared lost. Counted, not guessed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, select
from sqlalchemy.sql.functions import count
from sqlalchemy.sql.functions import sum as sql_sum

from server.db.tables_delivery import batches, gaps, lanes, quarantine, series
from server.db.tables_devices import devices, gateways
from server.ingest.lanes import load_cursor

MAX_RANGES = 1000


class GapRow(msgspec.Struct, frozen=True):
    """Numbers that will never come, and why."""

    first: int
    last: int
    batches: int
    samples: int | None
    since: datetime | None
    until: datetime | None
    reason: str
    declared_at: datetime


class LaneReceipt(msgspec.Struct, frozen=True):
    """One lane of one journal. `missing` is complete unless `more_missing`; `current`: the journal in use now."""

    epoch: str
    lane: str
    current: bool
    stored_through: int
    highest_seen: int
    missing: list[tuple[int, int]]
    missing_count: int
    more_missing: bool
    batches: int
    items: int
    quarantined: int
    gaps: list[GapRow]
    first_at: datetime
    last_at: datetime


class Receipt(msgspec.Struct, frozen=True):
    """The standing of one gateway."""

    site: str
    gateway: str
    lanes: list[LaneReceipt]
    quarantined_payloads: int
    """Whole payloads whose number nobody could read: in quarantine, and counted in no lane."""
    unknown_series: int
    """Points of this gateway's site that were stored although no birth has named them."""


def receipt(conn: Connection, gateway: str, site: str | None = None) -> Receipt | None:
    """Return the delivery receipt of a gateway, None if nothing was ever heard of it."""
    where = gateways.c.gateway == gateway
    if site is not None:
        where &= gateways.c.site == site
    found = conn.execute(select(gateways).where(where).order_by(gateways.c.id)).mappings().first()
    if found is None:
        return None
    site = str(found["site"])
    rows = conn.execute(
        select(lanes).where(lanes.c.site == site, lanes.c.gateway == gateway).order_by(lanes.c.id)
    ).mappings()
    unnumbered = select(count()).where(
        quarantine.c.site == site, quarantine.c.gateway == gateway, quarantine.c.seq.is_(None)
    )
    mine = select(devices.c.device).where(devices.c.gateway_id == found["id"])
    unknown = select(count()).where(series.c.site == site, ~series.c.known, series.c.device.in_(mine))
    return Receipt(
        site=site,
        gateway=gateway,
        lanes=[_lane(conn, row, found["epoch"]) for row in rows.all()],
        quarantined_payloads=conn.execute(unnumbered).scalar_one(),
        unknown_series=conn.execute(unknown).scalar_one(),
    )


def _lane(conn: Connection, row: RowMapping, current_epoch: str) -> LaneReceipt:
    cursor = load_cursor(conn, row["id"], row["through"], row["highest"])
    missing = cursor.missing()
    stored, items, refused = conn.execute(
        select(count(), sql_sum(batches.c["items"]), sql_sum(batches.c.quarantined)).where(
            batches.c.lane_id == row["id"]
        )
    ).one()
    declared = conn.execute(select(gaps).where(gaps.c.lane_id == row["id"]).order_by(gaps.c.first)).mappings()
    return LaneReceipt(
        epoch=row["epoch"],
        lane=row["lane"],
        current=row["epoch"] == current_epoch,
        stored_through=cursor.through,
        highest_seen=row["highest"],
        missing=missing[:MAX_RANGES],
        missing_count=sum(last - first + 1 for first, last in missing),
        more_missing=len(missing) > MAX_RANGES,
        batches=stored,
        items=items or 0,
        quarantined=refused or 0,
        gaps=[_gap(gap) for gap in declared],
        first_at=row["created_at"],
        last_at=row["changed_at"],
    )


def _gap(row: RowMapping) -> GapRow:
    return GapRow(**{name: row[name] for name in GapRow.__struct_fields__})


def as_json(receipts: Sequence[Receipt]) -> Any:
    """Return receipts as plain values for an encoder."""
    return msgspec.to_builtins(receipts)
