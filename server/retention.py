"""What may be forgotten: old changes of the stream, and answers that nobody will ask for again."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete

from server.alarms import pictures
from server.db.outbox import newest_seq
from server.db.tables_auth import operations
from server.db.tables_core import outbox
from server.tools import store as tools

KEEP_CHANGES = 100_000
KEEP_FOR = timedelta(hours=24)


def prune(conn: Connection, now: datetime) -> int:
    """Delete changes that are both older than a day and beyond the newest 100,000; return how many.

    A reader that comes back with an older cursor is told to load the snapshot anew.
    """
    old = (outbox.c.at < now - KEEP_FOR) & (outbox.c.seq <= newest_seq(conn) - KEEP_CHANGES)
    gone = conn.execute(delete(outbox).where(old)).rowcount
    tools.prune(conn, now)
    pictures.prune(conn, now)
    conn.execute(delete(operations).where(operations.c.at < now - KEEP_FOR))
    return gone
