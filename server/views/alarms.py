"""The contract's `Alarm`."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from server.alarms.lifecycle import State
from server.db.tables_alarms import alarm_journal, alarms
from server.views.wire import iso


def alarm_view(row: RowMapping) -> dict[str, Any]:
    """Return an alarm row as the contract shows it."""
    state = State(row["state"])
    suppressed_by = row["suppressed_by"]
    return {
        "id": str(row["id"]),
        "q": row["q"],
        "key": row["key"],
        "site": row["site"],
        "gateway": row["gateway"],
        "building": row["building"],
        "floor": row["floor"],
        "place": row["place"],
        "device": row["device"],
        "device_name": row["device_name"],
        "part": row["part"],
        "by_hand": row["by_hand"],
        "code": row["code"],
        "class": row["alarm_class"],
        "severity": row["severity"],
        "label": row["label"],
        "label_zh": row["label_zh"],
        "condition": "active" if state.active else "normal",
        "acked": row["acked_at"] is not None,
        "latched": row["latched"],
        "state": state.value,
        "occurred_at": iso(row["occurred_at"]),
        "raised_at": iso(row["raised_at"]),
        "cleared_at": iso(row["cleared_at"]),
        "acked_at": iso(row["acked_at"]),
        "acked_by": row["acked_by"],
        "closed_at": iso(row["closed_at"]),
        "count": row["count"],
        "late": row["late"],
        "test": row["test"],
        "detail": row["detail"],
        "evidence": row["evidence"],
        "suppressed_by": None if suppressed_by is None else str(suppressed_by),
    }


def open_alarms(conn: Connection) -> list[dict[str, Any]]:
    """Return every open alarm, newest first."""
    query = select(alarms).where(alarms.c.closed_at.is_(None)).order_by(alarms.c.id.desc())
    return [alarm_view(row) for row in conn.execute(query).mappings()]


def alarms_by_id(conn: Connection, ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return these alarms by id."""
    query = select(alarms).where(alarms.c.id.in_([int(one) for one in ids]))
    return {str(row["id"]): alarm_view(row) for row in conn.execute(query).mappings()}


def journal_of(conn: Connection, alarm_id: int) -> Sequence[dict[str, Any]]:
    """Return the journal of one alarm in order."""
    query = select(alarm_journal).where(alarm_journal.c.alarm_id == alarm_id).order_by(alarm_journal.c.seq)
    return [
        {
            "seq": row["seq"],
            "at": iso(row["at"]),
            "actor": row["actor"],
            "action": row["action"],
            "from": row["from_state"],
            "to": row["to_state"],
            "note": row["note"],
        }
        for row in conn.execute(query).mappings()
    ]
