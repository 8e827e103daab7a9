"""Alarms whose end nobody will ever tell: of devices that were taken out, and of gateways that have none any more."""

from datetime import datetime

from sqlalchemy import Connection, select

from server.alarms import store
from server.alarms.lifecycle import State
from server.db.tables_alarms import alarms
from server.db.tables_devices import devices, gateways

_STANDING = (
    alarms.c.closed_at.is_(None) & alarms.c.state.in_([State.NEW, State.ACKED]) & alarms.c.by_hand.is_(False)
)
_REMOVED = (
    select(alarms)
    .join(devices, (devices.c.site == alarms.c.site) & (devices.c.device == alarms.c.device))
    .where(_STANDING, devices.c.lifecycle == "removed")
)
_HAS_DEVICES = (
    select(devices.c.id)
    .join(gateways, devices.c.gateway_id == gateways.c.id)
    .where(
        gateways.c.site == alarms.c.site,
        gateways.c.gateway == alarms.c.gateway,
        devices.c.lifecycle == "active",
    )
    .correlate(alarms)
    .exists()
)
_RETIRED = select(alarms).where(
    _STANDING, alarms.c.device == "", alarms.c.code == "gateway_silent", ~_HAS_DEVICES
)


def hand_over(conn: Connection, now: datetime) -> int:
    """Let people close what no device and no gateway will end: acknowledged, with a note; return how many are new."""
    found = [row for query in (_REMOVED, _RETIRED) for row in conn.execute(query).mappings().all()]
    for row in found:
        store.write_change(conn, row, {"by_hand": True}, now, moved=False)
    return len(found)
