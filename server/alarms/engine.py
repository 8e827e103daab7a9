"""From events to alarms, inside the transaction that stores them.

Events of one key are ordered as their gateway numbered them. One that is older than the last applied never
moves the live state: it is counted and journalled, or becomes a record of its own that waits to be
acknowledged, so that nothing that happened goes unseen.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, func, select

from messages.text import printable
from messages.types import DEVICE_SILENT, ClockState, DeviceEvent, Edge, Severity
from server.alarms import store
from server.alarms.knowledge import UNKNOWN, Knowledge, system_alarm
from server.alarms.lifecycle import Move, State
from server.alarms.notes import note_of, seen_at
from server.alarms.parts import MOST_PARTS, above, key_of, lies_in, system_key
from server.alarms.records import write_record
from server.db.tables_alarms import alarm_keys, alarms
from server.db.tables_devices import devices, gateways
from server.db.upsert import upsert
from server.ingest.sinks import EventItem

log = logging.getLogger(__name__)

LATE = timedelta(minutes=5)
TOLD_BACK, TOLD_AHEAD = (
    timedelta(days=7),
    timedelta(seconds=120),
)  # a device's own time is believed within these
GRACE = timedelta(seconds=120)  # after a gateway is back, before its still silent devices are called out

_LAST = select(alarm_keys).where(alarm_keys.c.key == bindparam("wanted"))
# Whose silence hides that of a device: the gateway that has it now, not the one that first told of it.
_OWNER = func.coalesce(
    select(gateways.c.gateway)
    .join(devices, devices.c.gateway_id == gateways.c.id)
    .where(devices.c.site == alarms.c.site, devices.c.device == alarms.c.device)
    .correlate(alarms)
    .scalar_subquery(),
    alarms.c.gateway,
)
_MOVE = {Edge.RAISED: Move.RAISED, Edge.CLEARED: Move.CLEARED, Edge.PULSE: Move.PULSE}
_FIRST = {Edge.RAISED: State.NEW, Edge.PULSE: State.CLEARED}


class AlarmEngine:
    """Implements `server.ingest.sinks.AlarmSink`; keeps no state outside the database."""

    def apply_events(
        self, conn: Connection, site: str, gateway: str, events: Sequence[EventItem], now: datetime
    ) -> None:
        """Apply the events of one batch in order; never raises for what an event says."""
        known = Knowledge(conn, site, gateway)
        for item in events:
            if known.event(item.event.device, item.event.code).record:
                write_record(conn, item, known, now)
            else:
                self._apply(conn, site, item, known, now)

    def _apply(self, conn: Connection, site: str, item: EventItem, known: Knowledge, now: datetime) -> None:
        event = item.event
        key = _key(conn, site, known.gateway, event)
        if _outdated(conn, site, key, item, known):
            self._behind(conn, key, item, known, now)
            return
        self._live(conn, key, item, known, now)
        # A pulse leaves the condition as it is, so it must not outdate a raise that is still on its way.
        if event.edge is not Edge.PULSE:
            _remember(conn, key, item, now)
        if event.edge is Edge.CLEARED and (info := known.event(event.device, event.code)).spoken:
            self._end_below(conn, site, item, known, now, info.label)

    def _end_below(
        self, conn: Connection, site: str, item: EventItem, known: Knowledge, now: datetime, label: str
    ) -> None:
        """End what stands of the parts that lie in the one that has ended."""
        event = item.event
        for standing in store.open_parts(conn, site, event.device, event.code):
            if not lies_in(standing["part"], event.part) or not State(standing["state"]).active:
                continue
            last = conn.execute(_LAST, {"wanted": standing["key"]}).mappings().first()
            if last is not None and not _newer(known, item, last):
                continue  # it began after this end
            facts = {"cleared_at": seen_at(item, now)}
            note = printable(f"with {event.part or label}: {_note(item, known, now)}", 1000)
            store.move(conn, standing, Move.CLEARED, actor=known.gateway, now=now, note=note, facts=facts)
            _remember(conn, standing["key"], item, now)

    def _live(self, conn: Connection, key: str, item: EventItem, known: Knowledge, now: datetime) -> None:
        event = item.event
        standing = store.open_alarm(conn, key)
        if standing is None:
            if event.edge is not Edge.CLEARED:
                facts = _facts(key, item, known, now)
                if event.edge is Edge.PULSE:
                    facts["cleared_at"] = seen_at(item, now)
                note = _note(item, known, now)
                store.create(
                    conn,
                    facts,
                    _FIRST[event.edge],
                    actor=known.gateway,
                    action=event.edge,
                    now=now,
                    note=note,
                )
            return
        silence = event.code == DEVICE_SILENT
        if silence and event.edge is Edge.RAISED and State(standing["state"]).active:
            _same_silence(conn, standing, item, known, now)
            return
        facts = {}
        severity: Severity | None = None
        if event.edge is Edge.CLEARED:
            facts["cleared_at"] = seen_at(item, now)
            if silence:
                facts["suppressed_by"] = None  # it was silent by its own: people shall answer for that
        else:
            severity = known.event(event.device, event.code).severity
            facts["count"] = standing["count"] + 1
            facts["detail"] = printable(event.detail, 1000) or standing["detail"]
            facts["evidence"] = printable(event.evidence, 4096) or standing["evidence"]
        another = (
            event.edge is Edge.RAISED and event.part != standing["part"]
        )  # a part that shares this alarm
        store.move(
            conn,
            standing,
            Move.ROSE if another else _MOVE[event.edge],
            actor=known.gateway,
            now=now,
            note=_note(item, known, now),
            action="another-part" if another else "",
            severity=severity,
            facts=facts,
        )

    def _behind(self, conn: Connection, key: str, item: EventItem, known: Knowledge, now: datetime) -> None:
        """Deal with an event older than the last applied: what came after it has already settled the condition."""
        event = item.event
        standing = store.open_alarm(conn, key)
        note = note_of(item, now, whole=True)
        if event.edge is Edge.CLEARED:
            if standing is not None:
                here = State(standing["state"])
                store.journal(conn, standing["id"], now, known.gateway, "late-cleared", here, here, note)
            return
        if standing is None:
            facts = _facts(key, item, known, now) | {"late": True, "cleared_at": seen_at(item, now)}
            store.create(
                conn,
                facts,
                State.CLEARED,
                actor=known.gateway,
                action=f"late-{event.edge}",
                now=now,
                note=note,
            )
            return
        facts = {"count": standing["count"] + 1, "late": True}
        store.move(
            conn,
            standing,
            Move.PULSE,
            actor=known.gateway,
            now=now,
            note=note,
            action=f"late-{event.edge}",
            facts=facts,
        )

    def raise_system(
        self,
        conn: Connection,
        kind: str,
        *,
        site: str,
        gateway: str,
        device: str | None,
        at: datetime,
        detail: str,
    ) -> None:
        """Raise what the server itself has seen, `gateway_silent`, `device_silent`, …; once while it stands."""
        key = system_key(site, gateway, device, kind)
        known = Knowledge(conn, site, gateway)
        standing = store.open_alarm(conn, key)
        parent = _silent_gateway(conn, site, gateway) if device is not None else None
        clean = printable(detail, 1000)
        if standing is None:
            info = system_alarm(kind, known.device_class(device))
            facts = known.place(device) | {
                "key": key,
                "code": kind,
                "alarm_class": info.alarm_class,
                "severity": info.severity,
                "label": info.label,
                "label_zh": info.label_zh,
                "occurred_at": at,
                "detail": clean,
                "suppressed_by": parent,
            }
            alarm_id = store.create(conn, facts, State.NEW, actor=store.SYSTEM, action=Edge.RAISED, now=at)
            if device is None and kind == "gateway_silent":
                _suppress(conn, alarm_id, site, gateway, at)
        elif not State(standing["state"]).active:
            facts = {"count": standing["count"] + 1, "detail": clean, "suppressed_by": parent}
            store.move(conn, standing, Move.RAISED, actor=store.SYSTEM, now=at, note=clean, facts=facts)
            if device is None and kind == "gateway_silent":
                _suppress(conn, standing["id"], site, gateway, at)

    def clear_system(
        self, conn: Connection, kind: str, *, site: str, gateway: str, device: str | None, at: datetime
    ) -> None:
        """The condition of `raise_system` has ended; nothing standing changes nothing."""
        standing = store.open_alarm(conn, system_key(site, gateway, device, kind))
        if standing is None or not State(standing["state"]).active:
            return
        what = Move.FOLDED if standing["suppressed_by"] is not None else Move.CLEARED
        store.move(conn, standing, what, actor=store.SYSTEM, now=at, facts={"cleared_at": at})


def release_suppressed(conn: Connection, now: datetime, *, grace: timedelta = GRACE) -> int:
    """Call out what still stands `grace` after the gateway that hid it came back, or belongs to another; count them."""
    parent = alarms.alias("parent")
    # Cleared in the future: the clock was set back since, and nobody knows how long it has been.
    due = (parent.c.cleared_at <= now - grace) | (parent.c.cleared_at > now)
    back = (~parent.c.state.in_([State.NEW, State.ACKED])) & due
    query = (
        select(alarms)
        .join(parent, alarms.c.suppressed_by == parent.c.id)
        .where(alarms.c.closed_at.is_(None), back | (parent.c.gateway != _OWNER))
    )
    found = conn.execute(query).mappings().all()
    for row in found:
        store.write_change(conn, row, {"suppressed_by": None}, now, moved=True)
        here = State(row["state"])
        store.journal(conn, row["id"], now, store.SYSTEM, "unsuppressed", here, here, "")
    return len(found)


def _same_silence(
    conn: Connection, standing: RowMapping, item: EventItem, known: Knowledge, now: datetime
) -> None:
    """Take the gateway's own word on a silence that stands already: heartbeats may have told it first."""
    changes = {"occurred_at": min(standing["occurred_at"], _occurred_at(item, now)), "suppressed_by": None}
    store.write_change(conn, standing, changes, now, moved=standing["suppressed_by"] is not None)
    here = State(standing["state"])
    store.journal(conn, standing["id"], now, known.gateway, "raised", here, here, _note(item, known, now))


def _note(item: EventItem, known: Knowledge, now: datetime) -> str:
    """Return what the journal says beside an event; of one that nobody knows yet all, as records may come of it."""
    unknown = known.event(item.event.device, item.event.code).alarm_class == UNKNOWN
    return note_of(item, now, whole=unknown)


def _newer(known: Knowledge, item: EventItem, last: RowMapping) -> bool:
    """Tell whether an event comes after the last applied one, as its gateway counts."""
    if item.inferred:
        return True
    if item.epoch == last["epoch"]:
        return (item.seq, item.index) > (last["seq"], last["idx"])
    event = item.event
    # Another journal: a clock that was set can tell. Any other cannot be held against an alarm that stands now.
    if event.clock is ClockState.UNSET or event.seen_at >= last["seen_at"]:
        return True
    return event.clock is ClockState.HOLDOVER and known.later_journal(item.epoch, last["epoch"])


def _remember(conn: Connection, key: str, item: EventItem, now: datetime) -> None:
    upsert(
        conn,
        alarm_keys,
        {"key": key},
        {
            "seen_at": seen_at(
                item, now
            ),  # else a clock that was ahead would outdate the next journal's events
            "epoch": item.epoch,
            "seq": item.seq,
            "idx": item.index,
            "edge": item.event.edge,
        },
    )


def _facts(key: str, item: EventItem, known: Knowledge, now: datetime) -> dict[str, Any]:
    event: DeviceEvent = item.event
    info = known.event(event.device, event.code)
    return known.place(event.device) | {
        "key": key,
        "code": event.code,
        "part": printable(event.part, 80) if key.endswith(f"|{event.part}") else "",
        "alarm_class": info.alarm_class,
        "severity": info.severity,
        "label": info.label,
        "label_zh": info.label_zh,
        "latched": info.latched,
        "by_hand": info.spoken and event.edge is Edge.RAISED and not event.state,
        "occurred_at": _occurred_at(item, now),
        "late": now - event.seen_at > LATE,
        "test": info.alarm_class == "test",
        "detail": printable(event.detail, 1000),
        "evidence": printable(event.evidence, 4096),
    }


def _occurred_at(item: EventItem, now: datetime) -> datetime:
    """Return when it happened, by the device's clock, the gateway's or ours: the first that can be right."""
    seen = seen_at(item, now)
    told = item.event.at
    # Panels are known whose clock is nine years behind; a controller's replay after an outage is days old.
    return told if told is not None and seen - TOLD_BACK <= told <= seen + TOLD_AHEAD else seen


def _key(conn: Connection, site: str, gateway: str, event: DeviceEvent) -> str:
    """Return the key of an event's alarm; beyond a bound new parts share the alarm of the whole device."""
    key = key_of(site, gateway, event)
    # An end of a part is never the end of what many share.
    if (
        not event.part
        or event.edge is Edge.CLEARED
        or conn.execute(_LAST, {"wanted": key}).first() is not None
    ):
        return key
    many = store.count_parts(conn, site, event.device, event.code) >= MOST_PARTS
    return key_of(site, gateway, event, "") if many else key


def _outdated(conn: Connection, site: str, key: str, item: EventItem, known: Knowledge) -> bool:
    """Tell whether something newer has settled this: of the same key, or the end of what the part lies in."""
    last = conn.execute(_LAST, {"wanted": key}).mappings().first()
    if last is not None and not _newer(known, item, last):
        return True
    for part in above(item.event.part):
        wanted = key_of(site, known.gateway, item.event, part)
        last = conn.execute(_LAST, {"wanted": wanted}).mappings().first()
        if last is not None and last["edge"] == Edge.CLEARED and not _newer(known, item, last):
            return True
    return False


def _silent_gateway(conn: Connection, site: str, gateway: str) -> int | None:
    standing = store.open_alarm(conn, system_key(site, gateway, None, "gateway_silent"))
    return standing["id"] if standing is not None and State(standing["state"]).active else None


def _suppress(conn: Connection, parent: int, site: str, gateway: str, now: datetime) -> None:
    """Fold the silence of devices into the silence of their gateway, also where the device was noticed first."""
    children = (
        (alarms.c.site == site)
        & (gateway == _OWNER)
        & (alarms.c.code == DEVICE_SILENT)
        & alarms.c.closed_at.is_(None)
        & alarms.c.suppressed_by.is_(None)
    )
    for row in conn.execute(select(alarms).where(children)).mappings().all():
        if not State(row["state"]).active:
            continue
        store.write_change(conn, row, {"suppressed_by": parent}, now, moved=True)
        here = State(row["state"])
        store.journal(conn, row["id"], now, store.SYSTEM, "suppressed", here, here, "its gateway is silent")
