"""Alarms that were told before the birth that explains them: it gives them their class, name and place, once."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, select

from messages.topics import Address
from messages.types import DEVICE_SILENT, Edge, EventInfo, Severity
from server.alarms import store
from server.alarms.knowledge import UNKNOWN, Knowledge
from server.alarms.lifecycle import Move, State, after, wants_reset, worse
from server.alarms.notes import read_note
from server.alarms.records import keep_record, was_late
from server.db.tables_alarms import alarm_journal, alarm_keys, alarms
from server.db.tables_devices import devices, profile_events

BORN, RECORDED = "explained", "recorded"
HAPPENED = ("raised", "pulse", "another-part", "late-raised", "late-pulse")
"""Lines of a journal that tell of an event each."""


def explain(conn: Connection, address: Address, now: datetime) -> int:
    """Fill in what a birth has just told of the open alarms of a site; return how many changed."""
    known = Knowledge(conn, address.site, address.gateway)
    return sum(
        _explain(conn, row, known, now) for row in conn.execute(explainable(address.site)).mappings().all()
    )


def explainable(site: str) -> Select[Any]:
    """Ask for the open alarms of a site of which births have told what they are since, and for nameless silences."""
    named = (devices.c.site == alarms.c.site) & (devices.c.device == alarms.c.device)
    profile = profile_events.c.profile_id == devices.c.profile_id
    told = (alarms.c.alarm_class == UNKNOWN) & (profile_events.c.alarm_class != UNKNOWN)
    nameless = (alarms.c.code == DEVICE_SILENT) & (alarms.c.device_name == "")
    return (
        select(alarms)
        .join(devices, named)
        .outerjoin(profile_events, profile & (profile_events.c.code == alarms.c.code))
        .where(alarms.c.site == site, alarms.c.closed_at.is_(None), told | nameless)
    )


def _explain(conn: Connection, row: RowMapping, known: Knowledge, now: datetime) -> bool:
    info = known.event(row["device"], row["code"])
    if info.alarm_class == UNKNOWN:
        return False
    if info.record:
        _record(conn, row, known, info, now)
        return True
    changes: dict[str, Any] = known.place(row["device"]) | {
        "gateway": row["gateway"],
        "alarm_class": info.alarm_class,
        "severity": info.severity,
        "label": info.label,
        "label_zh": info.label_zh,
        "latched": wants_reset(info.alarm_class, latched=info.latched),
        "test": info.alarm_class == "test",
    }
    there = State(row["state"])
    # Whether it says its end itself is not kept: one that nobody could end would stand for ever.
    changes["by_hand"] = row["by_hand"] or (info.spoken and there.active)
    if all(row[name] == value for name, value in changes.items()):
        return False
    here = there
    if there.active and worse(info.severity, Severity(row["severity"])):
        # Whoever acknowledged it took it for something else.
        here = after(there, Move.ROSE, latched=row["latched"], by_hand=row["by_hand"])
        changes |= {"state": here, "acked_at": None, "acked_by": None}
    store.write_change(conn, row, changes, now, moved=True)
    note = f"its gateway has now said what it is: {info.alarm_class}, {info.severity}"
    store.journal(conn, row["id"], now, store.SYSTEM, BORN, there, here, note)
    return True


def _record(conn: Connection, row: RowMapping, known: Knowledge, info: EventInfo, now: datetime) -> None:
    """Write down as records what is none of the alarms, and close it: nothing stands."""
    mine = (alarm_journal.c.alarm_id == row["id"]) & alarm_journal.c.action.in_(HAPPENED)
    lines = conn.execute(select(alarm_journal).where(mine).order_by(alarm_journal.c.seq)).mappings().all()
    where = _where(conn, row) if len(lines) == 1 else {"evidence": "", "epoch": "", "seq": 0, "idx": 0}
    for line in lines:
        _record_line(conn, row, line, where, known, now)
    changes: dict[str, Any] = {"state": State.CLOSED, "closed_at": now, "label": info.label}
    changes |= {"label_zh": info.label_zh, "cleared_at": row["cleared_at"] or row["occurred_at"]}
    store.write_change(conn, row, changes, now, moved=True)
    note = f"its gateway has now said what it is: a record ({len(lines)} times)"
    store.journal(conn, row["id"], now, store.SYSTEM, RECORDED, State(row["state"]), State.CLOSED, note)


def _where(conn: Connection, row: RowMapping) -> dict[str, Any]:
    """Return what an alarm keeps of its last event only: of several, nobody knows whose it was."""
    last: Mapping[Any, Any] | None = (
        conn.execute(select(alarm_keys).where(alarm_keys.c.key == row["key"])).mappings().first()
    )
    if last is None or last["edge"] != Edge.RAISED:  # that of another event: pulses are not remembered
        last = {"epoch": "", "seq": 0, "idx": 0}
    return {"evidence": row["evidence"]} | {name: last[name] for name in ("epoch", "seq", "idx")}


def _record_line(
    conn: Connection,
    row: RowMapping,
    line: RowMapping,
    where: Mapping[str, Any],
    known: Knowledge,
    now: datetime,
) -> None:
    """Write down one event that the journal of an alarm tells."""
    told = read_note(line["note"])
    seen = told.seen or line["at"]  # not said: it was on its way for some seconds at most
    facts = {
        **where,
        "gateway": row["gateway"],
        "part": row["part"],
        "number": "",
        "detail": told.detail,
        "at": told.at,
        "seen_at": seen,
        "late": was_late(told.at, seen, line["at"]),
    }
    keep_record(conn, known, row["device"], row["code"], facts, now)
