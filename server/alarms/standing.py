"""Alarms that stand at a gateway and are unknown here: their beginning was lost, with a database for instance.

Edges are sent once. A server that was restored from a backup has the edges of the backup and none since, and a
fire that began in between would never be heard of again. So each heartbeat names what stands, and what nobody
here has heard of is raised. Only once all batches of the alarm lane are dealt with, and only what two heartbeats
some seconds apart both name: an edge that is on its way, or just being written down, is no lost one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from messages.codec import utc_ms
from messages.topics import Address
from messages.types import DeviceEvent, Edge, GatewayState, Lane
from server.db.tables_alarms import alarm_keys
from server.ingest.sinks import EventItem

APART = timedelta(seconds=5)
AFTER_ALL = 1_000_000  # an index behind every item of the last batch, and before the next batch
LOST = "it stands at the gateway, and its beginning is not in this database"

Standing = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Seen:
    at: datetime
    next: int
    boot: str
    unheard: Standing


@dataclass(slots=True)
class LostAlarms:
    """Compares heartbeats with what is known; one per writer."""

    _seen: dict[Address, _Seen] = field(default_factory=dict)

    def in_heartbeat(
        self, conn: Connection, address: Address, state: GatewayState, through: int, now: datetime
    ) -> list[EventItem]:
        """Return the events to apply; `through` is how far the alarm lane is stored."""
        kept = state.lanes.get(Lane.ALARM.value)
        if kept is None or through < kept.next - 1:
            self._seen.pop(address, None)
            return []
        raised = {(device, code) for device, codes in state.raised.items() for code in codes}
        unheard = _unheard(conn, address.site, raised)
        before = self._seen.get(address)
        # The same journal and the same next number: nothing was written down in between.
        same = before is not None and (before.next, before.boot) == (kept.next, state.boot)
        if before is None or not same or now < before.at:
            self._seen[address] = _Seen(now, kept.next, state.boot, unheard)
            return []
        if now - before.at < APART:
            return []
        del self._seen[address]
        lost = sorted(unheard & before.unheard)
        return [_event(state, device, code, kept.next - 1, now) for device, code in lost]


def _unheard(conn: Connection, site: str, raised: Iterable[tuple[str, str]]) -> Standing:
    keys = {f"{site}|{device}|{code}": (device, code) for device, code in raised}
    if not keys:
        return frozenset()
    query = select(alarm_keys.c.key).where(alarm_keys.c.key.in_(keys), alarm_keys.c.edge == Edge.RAISED)
    for (key,) in conn.execute(query):
        del keys[key]
    return frozenset(keys.values())


def _event(state: GatewayState, device: str, code: str, seq: int, now: datetime) -> EventItem:
    event = DeviceEvent(
        device=device, code=code, edge=Edge.RAISED, seen_at=utc_ms(now), detail=LOST, clock=state.clock
    )
    return EventItem(event, state.epoch, seq, AFTER_ALL, batch_id=0)
