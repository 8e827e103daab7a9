"""From a birth to rows: profiles, gateway, devices, and a history row for everything that changed."""

import hashlib
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, insert, select, update

from messages.text import printable
from messages.types import Birth, DeviceInfo, LineInfo, ProfileInfo
from server.db.outbox import record_change
from server.db.tables_delivery import series
from server.db.tables_devices import (
    device_states,
    devices,
    gateways,
    profile_actions,
    profile_events,
    profile_points,
    profiles,
)

log = logging.getLogger(__name__)

LONGEST_WITHIN_S = 600  # nobody keeps a command open for longer on the word of a gateway


def ensure_gateway(conn: Connection, site: str, gateway: str, now: datetime) -> int:
    """Return the gateway's row id, made if nothing was heard of it before."""
    found = conn.execute(
        select(gateways.c.id).where(gateways.c.site == site, gateways.c.gateway == gateway)
    ).scalar()
    if found is not None:
        return int(found)
    q = record_change(conn, "gateways", f"{site}/{gateway}", site=site, at=now)
    key = conn.execute(
        insert(gateways).values(site=site, gateway=gateway, q=q, created_at=now, online=False, since=now)
    ).inserted_primary_key
    assert key is not None
    return int(key[0])


def apply_birth(conn: Connection, birth: Birth, now: datetime) -> bool:
    """Bring the archive up to this birth; False if it is known already (births are retained and come again)."""
    gateway_id = ensure_gateway(conn, birth.site, birth.gateway, now)
    digest = _digest(birth)
    row = conn.execute(select(gateways).where(gateways.c.id == gateway_id)).one()
    if (row.boot, row.epoch, row.birth_digest) == (birth.boot, birth.epoch, digest):
        return False
    q = record_change(conn, "gateways", f"{birth.site}/{birth.gateway}", site=birth.site, at=now)
    conn.execute(
        update(gateways)
        .where(gateways.c.id == gateway_id)
        .values(
            q=q,
            timezone=printable(birth.timezone),
            born_at=birth.at,
            boot=birth.boot,
            epoch=birth.epoch,
            config=birth.config,
            birth_digest=digest,
            lines=[_line(line) for line in birth.lines],
            versions={printable(name): printable(each) for name, each in birth.versions.items()},
            last_seen_at=now,
        )
    )
    if row.birth_digest != digest:
        _apply_devices(conn, birth, gateway_id, now)
    return True


def _line(line: LineInfo) -> dict[str, str]:
    return {"id": line.id, "endpoint": printable(line.endpoint), "label": printable(line.label)}


def _digest(birth: Birth) -> str:
    fixed = (birth.config, birth.profiles, birth.devices)
    return hashlib.sha256(msgspec.json.encode(fixed)).hexdigest()


def _apply_devices(conn: Connection, birth: Birth, gateway_id: int, now: datetime) -> None:
    ids = {name: _profile_id(conn, name, info) for name, info in birth.profiles.items()}
    known = {
        row["device"]: row
        for row in conn.execute(select(devices).where(devices.c.site == birth.site)).mappings()
    }
    cause = f"birth of {birth.gateway}"
    for info in birth.devices:
        row = known.get(info.id)
        if row is not None and row["lifecycle"] == "active" and row["gateway_id"] != gateway_id:
            log.warning("%s/%s now belongs to gateway %s", birth.site, info.id, birth.gateway)
        wanted = _columns(info, gateway_id, ids[info.profile])
        _apply_device(conn, birth.site, info.id, row, wanted, cause, now)
    named = {info.id for info in birth.devices}
    for device, row in known.items():
        if row["gateway_id"] == gateway_id and device not in named and row["lifecycle"] != "removed":
            gone = {"lifecycle": "removed"}
            _apply_device(conn, birth.site, device, row, gone, f"{cause} no longer names it", now)
    _know_series(conn, birth)


def _columns(info: DeviceInfo, gateway_id: int, profile_id: int) -> dict[str, Any]:
    meter = info.meter
    return {
        "gateway_id": gateway_id,
        "profile_id": profile_id,
        "line": info.line,
        "unit": info.unit,
        "name": printable(info.name),
        "building": printable(info.building),
        "floor": printable(info.floor),
        "place": printable(info.place),
        "metering_point": printable(meter.metering_point) if meter else None,
        "multiplier": meter.multiplier if meter else None,
        "reader": printable(meter.reader) if meter else None,
        "serial": printable(meter.serial) if meter else None,
        "rated_per_h": {point: format(most, "f") for point, most in meter.rated_per_h.items()} or None
        if meter
        else None,
        "address": printable(info.address),
        "speaks": info.speaks,
        "heard_within_s": info.heard_within_s,
        "lifecycle": "active",
    }


def _apply_device(
    conn: Connection,
    site: str,
    device: str,
    row: RowMapping | None,
    wanted: Mapping[str, Any],
    cause: str,
    now: datetime,
) -> None:
    changed = {name: value for name, value in wanted.items() if row is None or row[name] != value}
    if not changed:
        return
    q = record_change(conn, "devices", f"{site}/{device}", site=site, at=now)
    if row is None:
        first = {"site": site, "device": device, "q": q, "conn": "unknown", "created_at": now}
        key = conn.execute(insert(devices).values(**first, **wanted)).inserted_primary_key
        assert key is not None
        note_state(conn, int(key[0]), "lifecycle", "", "active", cause, now)
        return
    conn.execute(update(devices).where(devices.c.id == row["id"]).values(q=q, **changed))
    for name, value in changed.items():
        note_state(conn, row["id"], name, _shown(row[name]), _shown(value), cause, now)


def note_state(
    conn: Connection, device_id: int, field: str, old: str, new: str, cause: str, now: datetime
) -> None:
    """Add one row to a device's history."""
    conn.execute(
        insert(device_states).values(device_id=device_id, at=now, field=field, old=old, new=new, cause=cause)
    )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return "" if value is None else str(value)


def _profile_id(conn: Connection, name: str, info: ProfileInfo) -> int:
    digest = hashlib.sha256(msgspec.json.encode((name, info))).hexdigest()
    found = conn.execute(select(profiles.c.id).where(profiles.c.digest == digest)).scalar()
    if found is not None:
        return int(found)
    key = conn.execute(
        insert(profiles).values(
            name=printable(name),
            digest=digest,
            vendor=printable(info.vendor),
            model=printable(info.model),
            device_class=info.device_class,
            protocol=printable(info.protocol),
            resource=printable(info.resource),
        )
    ).inserted_primary_key
    assert key is not None
    profile_id = int(key[0])
    for table, rows in (
        (profile_points, _points(info)),
        (profile_events, _events(info)),
        (profile_actions, _actions(info)),
    ):
        if rows:
            conn.execute(insert(table), [{"profile_id": profile_id, **row} for row in rows])
    return profile_id


def _points(info: ProfileInfo) -> list[dict[str, Any]]:
    return [
        {
            "point": point,
            "position": position,
            "label": printable(known.label),
            "label_zh": printable(known.label_zh),
            "unit": printable(known.unit),
            "kind": known.kind,
            "billing": known.billing,
            "period_ms": _ms(known.period_s),
            "modulus": known.modulus,
        }
        for position, (point, known) in enumerate(info.points.items())
    ]


def _events(info: ProfileInfo) -> list[dict[str, Any]]:
    return [
        {
            "code": code,
            "label": printable(known.label),
            "label_zh": printable(known.label_zh),
            "severity": known.severity.value,
            "alarm_class": known.alarm_class,
            "latched": known.latched,
            "spoken": known.spoken,
            "record": known.record,
        }
        for code, known in info.events.items()
    ]


def _actions(info: ProfileInfo) -> list[dict[str, Any]]:
    return [
        {
            "action": action,
            "position": position,
            "label": printable(known.label),
            "label_zh": printable(known.label_zh),
            "expires_ms": _ms(known.expires_s),
            "within_ms": _ms(min(known.within_s, LONGEST_WITHIN_S)),
        }
        for position, (action, known) in enumerate(info.actions.items())
    ]


def _ms(seconds: float) -> int:
    # A hostile birth may say 1e300 or a negative time; a day is more than any poll class has.
    return round(min(max(seconds, 0.0), 86_400.0) * 1000)


def _know_series(conn: Connection, birth: Birth) -> None:
    points = {name: set(info.points) for name, info in birth.profiles.items()}
    named = {(info.id, point) for info in birth.devices for point in points[info.profile]}
    unknown = select(series.c.id, series.c.device, series.c.point).where(
        series.c.site == birth.site, ~series.c.known
    )
    for row in conn.execute(unknown).all():
        if (row.device, row.point) in named:
            conn.execute(update(series).where(series.c.id == row.id).values(known=True))
