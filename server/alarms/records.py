"""What happened and is no alarm: written down with the place as it was, in the transaction that stores the event."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert

from messages.text import printable
from messages.types import DeviceEvent
from server.alarms.knowledge import Knowledge
from server.alarms.notes import seen_at
from server.db.outbox import record_change
from server.db.tables_alarms import records
from server.ingest.sinks import EventItem

LATE = timedelta(minutes=5)


def write_record(conn: Connection, item: EventItem, known: Knowledge, now: datetime) -> None:
    """Store one record; `late` where it was long on its way, as what a panel kept during an outage."""
    event: DeviceEvent = item.event
    seen = seen_at(item, now)
    told = {
        "part": printable(event.part, 80),
        "number": printable(event.number, 40),
        "detail": printable(event.detail, 1000),
        "evidence": printable(event.evidence, 4096),
        "epoch": item.epoch,
        "seq": item.seq,
        "idx": item.index,
        "at": event.at,
        "seen_at": seen,
        "late": was_late(event.at, seen, now),
    }
    keep_record(conn, known, event.device, event.code, told, now)


def was_late(at: datetime | None, seen: datetime, stored: datetime) -> bool:
    """Tell whether something was long on its way: since it happened by its device, else since it was seen."""
    return stored - (at if at is not None and at <= seen else seen) > LATE


def keep_record(
    conn: Connection, known: Knowledge, device: str, code: str, told: Mapping[str, Any], now: datetime
) -> None:
    """Write a record down with its name and place; `told` are its other columns."""
    info, place = known.event(device, code), known.place(device)
    row: dict[str, Any] = place | {
        "code": code,
        "alarm_class": info.alarm_class,
        "label": info.label,
        "label_zh": info.label_zh,
        "stored_at": now,
        **told,
    }
    key = conn.execute(insert(records), row).inserted_primary_key
    assert key is not None
    record_change(conn, "records", str(key[0]), site=row["site"], at=now)
