"""Alarms whose beginning or end was lost, with a database or with a gateway's journal: heartbeats tell.

Edges are sent once. A server that was restored from a backup has the edges of the backup and none since, and a
fire that began in between would never be heard of again. So each heartbeat names what stands, and what nobody
here has heard of is raised. A gateway that lost its journal knows of no alarm that it would have to end. So each
heartbeat also names what nobody could read yet, and what stands here and is in neither list has been read as
normal: that is its end.

Both only once all batches of the alarm lane are dealt with, and only what two heartbeats some seconds apart both
say: an edge that is on its way, or just being written down, is no lost one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from messages.codec import utc_ms
from messages.topics import Address
from messages.types import DeviceEvent, Edge, GatewayState, Lane
from server.alarms.knowledge import OWN_EVENTS
from server.alarms.lifecycle import State
from server.db.tables_alarms import alarm_keys, alarms
from server.db.tables_devices import devices, gateways, profile_events
from server.ingest.cursor import Cursor
from server.ingest.sinks import EventItem

APART = timedelta(seconds=5)
AFTER_ALL = 1_000_000  # an index behind every item of the last batch, and before the next batch
MOST_ENDED = 500  # at once: an alarm that begins now must not wait behind thousands that end
LOST = "it stands at the gateway, and its beginning is not in this database"

ENDED = "read as normal again: its end was lost with the journal that had its beginning"

Standing = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Seen:
    at: datetime
    journal: tuple[str, str, int]
    unheard: Standing
    ended: Standing


@dataclass(slots=True)
class LostAlarms:
    """Compares heartbeats with what is known; one per writer."""

    _seen: dict[Address, _Seen] = field(default_factory=dict)

    def in_heartbeat(
        self, conn: Connection, address: Address, state: GatewayState, cursor: Cursor, now: datetime
    ) -> list[EventItem]:
        """Return the events to apply; `cursor` is how far the alarm lane is stored."""
        kept = state.lanes.get(Lane.ALARM.value)
        # Less is stored: an edge is on its way. More is: it has overtaken this heartbeat, which tells of before.
        if kept is None or cursor.through != kept.next - 1 or cursor.highest >= kept.next:
            self._seen.pop(address, None)
            return []
        unheard = _unheard(conn, address.site, _pairs(state.raised))
        ended = _ended(conn, address, state)
        before = self._seen.get(address)
        # The same journal and the same next number: nothing was written down in between.
        journal = (state.boot, state.epoch, kept.next)
        if before is None or before.journal != journal or now < before.at:
            self._seen[address] = _Seen(now, journal, unheard, ended)
            return []
        if now - before.at < APART:
            return []
        del self._seen[address]
        lost, over = sorted(unheard & before.unheard), sorted(ended & before.ended)[:MOST_ENDED]
        found = [
            DeviceEvent(device=d, code=c, edge=Edge.RAISED, seen_at=utc_ms(now), detail=LOST) for d, c in lost
        ]
        found += [
            DeviceEvent(device=d, code=c, edge=Edge.CLEARED, seen_at=utc_ms(now), detail=ENDED)
            for d, c in over
        ]
        return [
            EventItem(event, state.epoch, kept.next - 1, AFTER_ALL, batch_id=0, inferred=True)
            for event in found
        ]


def _unheard(conn: Connection, site: str, raised: Iterable[tuple[str, str]]) -> Standing:
    keys = {f"{site}|{device}|{code}": (device, code) for device, code in raised}
    if not keys:
        return frozenset()
    query = select(alarm_keys.c.key).where(alarm_keys.c.key.in_(keys), alarm_keys.c.edge == Edge.RAISED)
    for (key,) in conn.execute(query):
        del keys[key]
    return frozenset(keys.values())


def _ended(conn: Connection, address: Address, state: GatewayState) -> Standing:
    """Return what stands here and has been read as normal there; nothing where the gateway cannot say so of all.

    Of this gateway's own devices only, and only what its profile of today can tell.
    """
    if state.unread is None:
        return frozenset()
    site, gateway = address
    stands = (
        select(alarms.c.device, alarms.c.code)
        .join(alarm_keys, alarm_keys.c.key == alarms.c.key)
        .where(
            alarms.c.site == site,
            alarms.c.part == "",  # a heartbeat tells of whole devices
            alarms.c.closed_at.is_(None),
            alarms.c.state.in_([State.NEW, State.ACKED]),
            alarm_keys.c.edge == Edge.RAISED,
        )
    )
    mine = (devices.c.site == alarms.c.site) & (devices.c.device == alarms.c.device)
    told = (profile_events.c.profile_id == devices.c.profile_id) & (profile_events.c.code == alarms.c.code)
    # The birth of this very configuration: profiles of an earlier one may name what is no longer watched.
    born = (
        (gateways.c.id == devices.c.gateway_id) & (gateways.c.site == site) & (gateways.c.gateway == gateway)
    )
    now = (gateways.c.config == state.config) & (gateways.c.epoch == state.epoch)
    of_devices = (
        stands.join(devices, mine)
        .join(profile_events, told)
        .join(gateways, born & now)
        .where(devices.c.lifecycle == "active", profile_events.c.spoken.is_(False))
    )
    of_itself = stands.where(alarms.c.device == gateway, alarms.c.code.in_(OWN_EVENTS))
    found = {(device, code) for query in (of_devices, of_itself) for device, code in conn.execute(query)}
    silent = set(state.silent)
    found = {(device, code) for device, code in found if device not in silent}
    return frozenset(found - _pairs(state.raised) - _pairs(state.unread))


def _pairs(named: Mapping[str, Iterable[str]]) -> set[tuple[str, str]]:
    return {(device, code) for device, codes in named.items() for code in codes}
