"""The contract's `Record`: what happened and is no alarm."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, Select, or_, select

from server.db.tables_alarms import records
from server.db.types import from_ms, to_ms
from server.views.wire import iso

_MOST_MS = 10**14  # far beyond any instant that is stored


class Before(NamedTuple):
    """Where a page of records ended: the next one begins with what is older."""

    seen_at: datetime
    record_id: int

    def __str__(self) -> str:
        return f"{to_ms(self.seen_at)}-{self.record_id}"

    @classmethod
    def parse(cls, text: str) -> "Before":
        """Read what a page said as `next`; raise ValueError for anything else."""
        ms, dash, record_id = text[:40].partition("-")
        if not dash or not all(part.isascii() and part.isdigit() for part in (ms, record_id)):
            raise ValueError("it is the `next` of an earlier answer")
        if int(ms) >= _MOST_MS or int(record_id) > 2**62:
            raise ValueError("it lies beyond all records")
        return cls(from_ms(int(ms)), int(record_id))


def record_view(row: RowMapping) -> dict[str, Any]:
    """Return a record as the contract shows it; it never changes."""
    return {
        "id": str(row["id"]),
        "site": row["site"],
        "gateway": row["gateway"],
        "device": row["device"],
        "device_name": row["device_name"],
        "building": row["building"],
        "floor": row["floor"],
        "place": row["place"],
        "code": row["code"],
        "class": row["alarm_class"],
        "label": row["label"],
        "label_zh": row["label_zh"],
        "part": row["part"],
        "number": row["number"],
        "detail": row["detail"],
        "evidence": row["evidence"],
        "at": iso(row["at"]),
        "seen_at": iso(row["seen_at"]),
        "stored_at": iso(row["stored_at"]),
        "late": row["late"],
    }


def records_by_id(conn: Connection, ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return these records by id."""
    query = select(records).where(records.c.id.in_([int(one) for one in ids]))
    return {str(row["id"]): record_view(row) for row in conn.execute(query).mappings()}


def page_of_records(
    conn: Connection,
    equal: dict[str, str | None],
    since: datetime | None,
    until: datetime | None,
    before: Before | None,
    limit: int,
) -> dict[str, Any]:
    """Return at most `limit` records seen in `[since, until)`, newest first, and where the next page begins.

    `equal` says by column what they must have; None is anything.
    """
    query = select(records).order_by(records.c.seen_at.desc(), records.c.id.desc()).limit(limit + 1)
    for column, value in equal.items():
        if value is not None:
            query = query.where(records.c[column] == value)
    rows = conn.execute(_within(query, since, until, before)).mappings().all()
    shown = rows[:limit]
    more = str(Before(shown[-1]["seen_at"], shown[-1]["id"])) if len(rows) > limit else None
    return {"records": [record_view(row) for row in shown], "next": more}


def _within(
    query: Select[Any], since: datetime | None, until: datetime | None, before: Before | None
) -> Select[Any]:
    if since is not None:
        query = query.where(records.c.seen_at >= since)
    if until is not None:
        query = query.where(records.c.seen_at < until)
    if before is not None:
        # The first condition is what an index can be entered by.
        older = or_(records.c.seen_at < before.seen_at, records.c.id < before.record_id)
        query = query.where(records.c.seen_at <= before.seen_at, older)
    return query
