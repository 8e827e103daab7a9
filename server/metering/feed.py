"""The feed of charge-ready reads: one row per register and period, each with the readings it rests on."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, Engine, RowMapping, select

from server.db.engine import read
from server.db.tables_devices import devices, gateways
from server.metering.archive import Register, registers
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
from server.metering.period import Outside, ReadState, month_of, month_span, used
from server.metering.readings import around, between, outside
from server.views.wire import iso, plain

CHUNK = 20  # meters per read transaction: a slow reader of the feed must not hold a snapshot open


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
        meters = _meters(conn, wanted)
    for first in range(0, len(meters), CHUNK):
        with read(engine) as conn:
            chunk = [
                found
                for meter in meters[first : first + CHUNK]
                for found in _rows(conn, meter, wanted, zone, now)
            ]
        for row, amount in chunk:
            totals.add(row, amount)
            yield row


def _meters(conn: Connection, wanted: Wanted) -> list[RowMapping]:
    query = (
        select(devices, gateways.c.timezone)
        .join(gateways, devices.c.gateway_id == gateways.c.id)
        .where(devices.c.metering_point.is_not(None))
        .order_by(devices.c.site, devices.c.building, devices.c.metering_point, devices.c.device)
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


Row = tuple[dict[str, Any], Decimal | None]


def _rows(conn: Connection, meter: RowMapping, wanted: Wanted, zone_name: str, now: datetime) -> list[Row]:
    zone = site_zone(meter["timezone"], zone_name)
    if wanted.since is not None and wanted.until is not None:
        since, until, month = wanted.since, wanted.until, None
    else:
        month = wanted.month or month_of(now, zone)
        since, until = month_span(month, zone)
    about = {
        "site": meter["site"],
        "building": meter["building"],
        "meter": meter["metering_point"],
        "device": meter["device"],
        "month": month,
        "reader": meter["reader"] or "",
        "from_at": iso(since),
        "to_at": iso(until),
    }
    known = registers(conn, meter, since, until)
    return [_row(conn, register, about, since, until, now) for register in known]


def _row(
    conn: Connection,
    register: Register,
    about: Mapping[str, Any],
    since: datetime,
    until: datetime,
    now: datetime,
) -> Row:
    rated = on_the_register(register.rated_per_h, register.multiplier)
    start = _boundary(conn, register, since, rated, now, NOT_BEGUN)
    end = _boundary(conn, register, until, rated, now, NOT_ENDED)
    way: list[Reading] = []
    beyond: Outside = (None, None)
    if register.series_id is not None and start.value is not None and end.value is not None:
        way = between(conn, register.series_id, since, until)
        beyond = outside(conn, register.series_id, start, end)
    found = used(
        start,
        end,
        multiplier=register.multiplier,
        modulus=register.modulus,
        now=now,
        way=way,
        rated=rated,
        outside=beyond,
        change=register.change,
    )
    row = {
        **about,
        "register": register.point,
        "label": register.label,
        "label_zh": register.label_zh,
        "unit": register.unit,
        "start": _boundary_view(start),
        "end": _boundary_view(end),
        "consumption": plain(found.amount),
        "multiplier": plain(register.multiplier),
        "quality": found.quality.value,
        "state": found.state.value,
        "why": found.why,
    }
    return row, found.amount


def _boundary(
    conn: Connection, register: Register, at: datetime, rated: Decimal | None, now: datetime, not_yet: str
) -> Boundary:
    if at > now:
        return missing(at, not_yet)  # nobody can have read it
    readings: list[Reading] = []
    if register.series_id is not None:
        readings = around(conn, register.series_id, at)
    return boundary(readings, at, modulus=register.modulus, rated=rated)


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
