"""Alarms that were told before the birth that explains them: it gives them their class, name and place, once."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select

from messages.text import printable
from messages.topics import Address
from messages.types import DEVICE_SILENT, EventInfo, Severity
from server.alarms import store
from server.alarms.knowledge import UNKNOWN, Knowledge
from server.alarms.lifecycle import Move, State, after, wants_reset, worse
from server.db.outbox import record_change
from server.db.tables_alarms import alarm_keys, alarms, records

BORN, RECORDED = "explained", "recorded"


def explain(conn: Connection, address: Address, now: datetime) -> int:
    """Fill in what a birth has just told of the open alarms of a site; return how many changed."""
    known = Knowledge(conn, address.site, address.gateway)
    nameless = (alarms.c.code == DEVICE_SILENT) & (alarms.c.device_name == "")
    query = select(alarms).where(
        alarms.c.site == address.site,
        alarms.c.closed_at.is_(None),
        alarms.c.device != "",
        (alarms.c.alarm_class == UNKNOWN) | nameless,
    )
    return sum(_explain(conn, row, known, now) for row in conn.execute(query).mappings().all())


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
    """Write down as a record what is none of the alarms, and close it: nothing stands."""
    told = conn.execute(select(alarm_keys).where(alarm_keys.c.key == row["key"])).mappings().first()
    made: dict[str, Any] = known.place(row["device"]) | {
        "gateway": row["gateway"],
        "code": row["code"],
        "alarm_class": info.alarm_class,
        "label": info.label,
        "label_zh": info.label_zh,
        "part": row["part"],
        "number": "",
        "detail": row["detail"],
        "evidence": row["evidence"],
        "epoch": told["epoch"] if told is not None else "",
        "seq": told["seq"] if told is not None else 0,
        "idx": told["idx"] if told is not None else 0,
        "at": None,
        "seen_at": row["occurred_at"],
        "stored_at": now,
        "late": row["late"],
    }
    key = conn.execute(insert(records), made).inserted_primary_key
    assert key is not None
    record_change(conn, "records", str(key[0]), site=row["site"], at=now)
    changes: dict[str, Any] = {"state": State.CLOSED, "closed_at": now, "label": info.label}
    changes |= {"label_zh": info.label_zh, "cleared_at": row["cleared_at"] or row["occurred_at"]}
    store.write_change(conn, row, changes, now, moved=True)
    note = printable(f"its gateway has now said what it is: a record ({row['count']} times)", 1000)
    store.journal(conn, row["id"], now, store.SYSTEM, RECORDED, State(row["state"]), State.CLOSED, note)
