"""The feed of charge-ready reads: one row per register and period, each with the readings it rests on."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, Engine, RowMapping, select

from server.db.engine import read
from server.db.tables_delivery import series
from server.db.tables_devices import devices, gateways, profile_points
from server.metering.boundary import (
    NOT_BEGUN,
    NOT_ENDED,
    Boundary,
    Reading,
    boundary,
    missing,
    on_the_register,
    plus,
)
from server.metering.period import ReadState, Used, month_of, month_span, used
from server.metering.readings import around, between
from server.views.wire import iso, plain

CHUNK = 50  # registers per read transaction: a slow reader of the feed must not hold a snapshot open


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which registers and which period: a charge month of each site's own zone, or two instants."""

    site: str | None = None
    building: str | None = None
    meter: str | None = None
    reader: str | None = None
    month: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Totals:
    """Control totals of a feed, so that a receiver can tell that all of it arrived."""

    def __init__(self) -> None:
        self.count = 0
        self.consumption: dict[str, Decimal] = defaultdict(Decimal)
        self.states: dict[str, int] = {state.value: 0 for state in ReadState}

    def add(self, row: dict[str, Any], amount: Decimal | None) -> None:
        """Count one row."""
        self.count += 1
        self.states[row["state"]] += 1
        if amount is not None:
            self.consumption[row["unit"]] = plus(self.consumption[row["unit"]], amount)

    def view(self) -> dict[str, Any]:
        """Return the totals as JSON shows them."""
        return {
            "count": self.count,
            "consumption": {unit: plain(amount) for unit, amount in sorted(self.consumption.items())},
            "states": self.states,
        }


def rows(
    engine: Engine, wanted: Wanted, *, zone: str, now: datetime, totals: Totals
) -> Iterator[dict[str, Any]]:
    """Yield the rows of the feed in the order site, building, meter, register, and count them in `totals`."""
    with read(engine) as conn:
        registers = _registers(conn, wanted)
    for first in range(0, len(registers), CHUNK):
        with read(engine) as conn:
            chunk = [_row(conn, register, wanted, zone, now) for register in registers[first : first + CHUNK]]
        for row, amount in chunk:
            totals.add(row, amount)
            yield row


def _registers(conn: Connection, wanted: Wanted) -> list[RowMapping]:
    query = (
        select(
            devices,
            gateways.c.timezone,
            profile_points.c.point,
            profile_points.c.label,
            profile_points.c.label_zh,
            profile_points.c.unit.label("point_unit"),
            profile_points.c.modulus,
            series.c.id.label("series_id"),
        )
        .join(gateways, devices.c.gateway_id == gateways.c.id)
        .join(profile_points, profile_points.c.profile_id == devices.c.profile_id)
        .outerjoin(
            series,
            (series.c.site == devices.c.site)
            & (series.c.device == devices.c.device)
            & (series.c.point == profile_points.c.point),
        )
        .where(devices.c.metering_point.is_not(None), profile_points.c.billing.is_(True))
        .order_by(
            devices.c.site,
            devices.c.building,
            devices.c.metering_point,
            devices.c.device,
            profile_points.c.position,
        )
    )
    for value, column in (
        (wanted.site, devices.c.site),
        (wanted.building, devices.c.building),
        (wanted.meter, devices.c.metering_point),
        (wanted.reader, devices.c.reader),
    ):
        if value is not None:
            query = query.where(column == value)
    return list(conn.execute(query).mappings())


def _row(
    conn: Connection, register: RowMapping, wanted: Wanted, zone_name: str, now: datetime
) -> tuple[dict[str, Any], Decimal | None]:
    zone = site_zone(register["timezone"], zone_name)
    if wanted.since is not None and wanted.until is not None:
        since, until, month = wanted.since, wanted.until, None
    else:
        month = wanted.month or month_of(now, zone)
        since, until = month_span(month, zone)
    multiplier = register["multiplier"] if register["multiplier"] is not None else Decimal(1)
    told = (register["rated_per_h"] or {}).get(register["point"])
    rated = on_the_register(Decimal(told) if told is not None else None, multiplier)
    start = _boundary(conn, register, since, rated, now, NOT_BEGUN)
    end = _boundary(conn, register, until, rated, now, NOT_ENDED)
    way: list[Reading] = []
    if start.value is not None and end.value is not None:
        way = between(conn, register["series_id"], since, until)
    found: Used = used(
        start, end, multiplier=multiplier, modulus=register["modulus"], now=now, way=way, rated=rated
    )
    row = {
        "site": register["site"],
        "building": register["building"],
        "meter": register["metering_point"],
        "device": register["device"],
        "register": register["point"],
        "label": register["label"],
        "label_zh": register["label_zh"],
        "unit": register["point_unit"],
        "month": month,
        "reader": register["reader"] or "",
        "from_at": iso(since),
        "to_at": iso(until),
        "start": _boundary_view(start),
        "end": _boundary_view(end),
        "consumption": plain(found.amount),
        "multiplier": plain(multiplier),
        "quality": found.quality.value,
        "state": found.state.value,
        "why": found.why,
    }
    return row, found.amount


def _boundary(
    conn: Connection, register: RowMapping, at: datetime, rated: Decimal | None, now: datetime, not_yet: str
) -> Boundary:
    if at > now:
        return missing(at, not_yet)  # nobody can have read it
    readings: list[Reading] = []
    if register["series_id"] is not None:
        readings = around(conn, register["series_id"], at)
    return boundary(readings, at, modulus=register["modulus"], rated=rated)


def _boundary_view(edge: Boundary) -> dict[str, Any]:
    return {
        "value": plain(edge.value),
        "at": iso(edge.at),
        "method": edge.method.value,
        "why": edge.why,
        "basis": [
            {
                "at": iso(reading.at),
                "value": plain(reading.value),
                "gateway": reading.gateway,
                "epoch": reading.epoch,
                "seq": reading.seq,
                "index": reading.index,
                "raw": reading.raw,
                "clock": reading.clock.value,
                "config": reading.config,
            }
            for reading in edge.basis
        ],
    }


def site_zone(told: str, otherwise: str) -> ZoneInfo:
    """Return the zone that the site's gateway told, or the server's setting where it told none that exists."""
    for name in (told, otherwise):
        try:
            if name:
                return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder's name, or one too long for a file
            continue
    return ZoneInfo("UTC")
