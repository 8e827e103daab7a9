"""What happened and is no alarm: written down with the place as it was, in the transaction that stores the event."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert

from messages.text import printable
from messages.types import DeviceEvent
from server.alarms.knowledge import Knowledge
from server.db.outbox import record_change
from server.db.tables_alarms import records
from server.ingest.sinks import EventItem

LATE = timedelta(minutes=5)


def write_record(conn: Connection, item: EventItem, known: Knowledge, now: datetime) -> None:
    """Store one record; `late` where it was long on its way, as what a panel kept during an outage."""
    event: DeviceEvent = item.event
    info, place = known.event(event.device, event.code), known.place(event.device)
    seen = event.seen_at if item.sane_time else now
    happened = event.at if event.at is not None and event.at <= seen else seen
    row: dict[str, Any] = place | {
        "code": event.code,
        "alarm_class": info.alarm_class,
        "label": info.label,
        "label_zh": info.label_zh,
        "part": printable(event.part, 80),
        "number": printable(event.number, 40),
        "detail": printable(event.detail, 1000),
        "evidence": printable(event.evidence, 4096),
        "epoch": item.epoch,
        "at": event.at,
        "seen_at": seen,
        "stored_at": now,
        "late": now - happened > LATE,
        "seq": item.seq,
        "idx": item.index,
    }
    key = conn.execute(insert(records), row).inserted_primary_key
    assert key is not None
    record_change(conn, "records", str(key[0]), site=row["site"], at=now)
