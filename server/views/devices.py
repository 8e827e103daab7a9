"""The contract's `Device`, `Gateway` and `Point`."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, RowMapping, Select, and_, false, func, or_, select

from messages.types import Severity
from server.db.tables_alarms import alarms
from server.db.tables_delivery import latest, series
from server.db.tables_devices import (
    device_states,
    devices,
    gateways,
    profile_actions,
    profile_points,
    profiles,
)
from server.views.wire import iso, plain

_RANK = {severity.value: rank for rank, severity in enumerate(Severity)}
REMOVED = "removed"


def _pair(object_id: str) -> tuple[str, str]:
    site, _, name = object_id.partition("/")
    return site, name


def _these(site: Column[str], name: Column[str], pairs: Collection[tuple[str, str]]) -> ColumnElement[bool]:
    """Return the condition for these (site, name); by site, since SQLite uses no index for `(a, b) IN (…)`."""
    by_site: dict[str, list[str]] = defaultdict(list)
    for where, what in pairs:
        by_site[where].append(what)
    return or_(false(), *(and_(site == where, name.in_(names)) for where, names in by_site.items()))


def _device_query() -> Select[Any]:
    return (
        select(
            devices,
            gateways.c.gateway,
            profiles.c.vendor,
            profiles.c.model,
            profiles.c.device_class,
        )
        .join(gateways, devices.c.gateway_id == gateways.c.id)
        .join(profiles, devices.c.profile_id == profiles.c.id)
    )


def all_devices(conn: Connection) -> list[dict[str, Any]]:
    """Return every device that a gateway's latest birth names."""
    query = _device_query().where(devices.c.lifecycle != REMOVED).order_by(devices.c.site, devices.c.device)
    return _device_views(conn, conn.execute(query).mappings().all(), every=True)


def devices_by_id(conn: Connection, ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return these devices by `site/device`, removed ones too."""
    pairs = [_pair(one) for one in ids]
    query = _device_query().where(_these(devices.c.site, devices.c.device, pairs))
    views = _device_views(conn, conn.execute(query).mappings().all(), every=len(pairs) > 50)
    return {f"{view['site']}/{view['id']}": view for view in views}


def _device_views(conn: Connection, rows: Sequence[RowMapping], *, every: bool) -> list[dict[str, Any]]:
    standing = _open_counts(conn, None if every else [(row["site"], row["device"]) for row in rows])
    offered = _actions(conn, {row["profile_id"] for row in rows})
    return [_device_view(row, standing, offered) for row in rows]


def _open_counts(
    conn: Connection, pairs: Sequence[tuple[str, str]] | None
) -> dict[tuple[str, str], tuple[int, str | None]]:
    query = (
        select(alarms.c.site, alarms.c.device, alarms.c.severity, func.count())
        .where(alarms.c.closed_at.is_(None))
        .group_by(alarms.c.site, alarms.c.device, alarms.c.severity)
    )
    if pairs is not None:
        query = query.where(_these(alarms.c.site, alarms.c.device, pairs))
    found: dict[tuple[str, str], tuple[int, str | None]] = {}
    for site, device, severity, count in conn.execute(query):
        total, worst = found.get((site, device), (0, None))
        if worst is None or _RANK[severity] < _RANK[worst]:
            worst = severity
        found[site, device] = (total + count, worst)
    return found


def _actions(conn: Connection, profile_ids: Collection[int]) -> dict[int, list[dict[str, str]]]:
    query = (
        select(profile_actions)
        .where(profile_actions.c.profile_id.in_(profile_ids))
        .order_by(profile_actions.c.position)
    )
    found: dict[int, list[dict[str, str]]] = defaultdict(list)
    for row in conn.execute(query).mappings():
        found[row["profile_id"]].append(
            {"id": row["action"], "label": row["label"], "label_zh": row["label_zh"]}
        )
    return found


def _device_view(
    row: RowMapping,
    standing: dict[tuple[str, str], tuple[int, str | None]],
    offered: dict[int, list[dict[str, str]]],
) -> dict[str, Any]:
    count, worst = standing.get((row["site"], row["device"]), (0, None))
    meter = None
    if row["metering_point"] is not None:
        meter = {
            "metering_point": row["metering_point"],
            "multiplier": plain(row["multiplier"]),
            "reader": row["reader"] or "",
            "serial": row["serial"] or "",
            "rated_per_h": row["rated_per_h"] or {},
        }
    return {
        "q": row["q"],
        "site": row["site"],
        "id": row["device"],
        "gateway": row["gateway"],
        "line": row["line"],
        "unit": row["unit"],
        "address": row["address"],
        "speaks": row["speaks"],
        "heard_within_s": row["heard_within_s"],
        "name": row["name"],
        "class": row["device_class"],
        "vendor": row["vendor"],
        "model": row["model"],
        "building": row["building"],
        "floor": row["floor"],
        "place": row["place"],
        "conn": row["conn"],
        "lifecycle": row["lifecycle"],
        "last_seen_at": iso(row["last_seen_at"]),
        "silent_since": iso(row["silent_since"]),
        "open_alarms": count,
        "worst": worst,
        "meter": meter,
        # Fire equipment is observed only, whatever its profile may say.
        "actions": [] if row["device_class"].startswith("fire") else offered.get(row["profile_id"], []),
    }


def all_gateways(conn: Connection) -> list[dict[str, Any]]:
    """Return every gateway that has ever been heard."""
    query = select(gateways).order_by(gateways.c.site, gateways.c.gateway)
    return _gateway_views(conn, conn.execute(query).mappings().all())


def gateways_by_id(conn: Connection, ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return these gateways by `site/gateway`."""
    pairs = [_pair(one) for one in ids]
    query = select(gateways).where(_these(gateways.c.site, gateways.c.gateway, pairs))
    return {f"{v['site']}/{v['id']}": v for v in _gateway_views(conn, conn.execute(query).mappings().all())}


def _gateway_views(conn: Connection, rows: Sequence[RowMapping]) -> list[dict[str, Any]]:
    query = (
        select(devices.c.gateway_id, devices.c.conn, func.count())
        .where(devices.c.gateway_id.in_([row["id"] for row in rows]), devices.c.lifecycle != REMOVED)
        .group_by(devices.c.gateway_id, devices.c.conn)
    )
    total: dict[int, int] = defaultdict(int)
    lost: dict[int, int] = defaultdict(int)
    for gateway_id, conn_state, count in conn.execute(query):
        total[gateway_id] += count
        if conn_state in {"offline", "unreachable"}:
            lost[gateway_id] += count
    return [
        {
            "q": row["q"],
            "site": row["site"],
            "id": row["gateway"],
            "timezone": row["timezone"],
            "online": row["online"],
            "last_seen_at": iso(row["last_seen_at"]),
            "since": iso(row["since"]),
            "clock": row["clock"],
            "config": row["config"] or None,
            "versions": row["versions"] or {},
            "lanes": row["lanes"] or {},
            "free_disk": row["free_disk"],
            "devices": total[row["id"]],
            "offline": lost[row["id"]],
            "why": row["why"],
        }
        for row in rows
    ]


def points_of(conn: Connection, site: str, device: str, now: datetime) -> list[dict[str, Any]]:
    """Return the points of a device with their newest values, in the profile's order."""
    query = (
        select(profile_points, latest.c.at, latest.c.value, latest.c.quality, latest.c.clock)
        .select_from(devices)
        .join(profile_points, profile_points.c.profile_id == devices.c.profile_id)
        .outerjoin(
            series,
            (series.c.site == devices.c.site)
            & (series.c.device == devices.c.device)
            & (series.c.point == profile_points.c.point),
        )
        .outerjoin(latest, latest.c.series_id == series.c.id)
        .where(devices.c.site == site, devices.c.device == device)
        .order_by(profile_points.c.position)
    )
    return [
        {
            "id": row["point"],
            "label": row["label"],
            "label_zh": row["label_zh"],
            "unit": row["unit"],
            "kind": row["kind"],
            "billing": row["billing"],
            "period_s": row["period_ms"] / 1000,
            "value": plain(row["value"]),
            "quality": row["quality"],
            "at": iso(row["at"]),
            "age_s": None if row["at"] is None else max(0, int((now - row["at"]).total_seconds())),
            "clock": row["clock"],
        }
        for row in conn.execute(query).mappings()
    ]


def states_of(conn: Connection, device_id: int, limit: int = 200) -> list[dict[str, Any]]:
    """Return the newest changes of a device's state, newest first."""
    query = (
        select(device_states)
        .where(device_states.c.device_id == device_id)
        .order_by(device_states.c.id.desc())
        .limit(limit)
    )
    return [
        {
            "at": iso(row["at"]),
            "field": row["field"],
            "old": row["old"],
            "new": row["new"],
            "cause": row["cause"],
        }
        for row in conn.execute(query).mappings()
    ]
