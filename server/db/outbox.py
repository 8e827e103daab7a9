"""Say that an object changed: the number returned is the object's new `q`, and the stream's cursor."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.sql.functions import max as sql_max

from server.db.tables_core import meta, outbox


def record_change(
    conn: Connection, topic: str, object_id: str, *, site: str, at: datetime, body: Any = None
) -> int:
    """Add one change to the outbox in the caller's transaction and return its number."""
    result = conn.execute(
        insert(outbox).values(topic=topic, object_id=object_id, site=site, at=at, body=body)
    )
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])


def newest_seq(conn: Connection) -> int:
    """Return the number of the newest change, 0 when there has been none."""
    return conn.execute(select(sql_max(outbox.c.seq))).scalar() or 0


def broker_session(conn: Connection) -> str:
    """Return the name of this database's session with a broker: a secret, for whoever knows it can cut us off."""
    return str(conn.execute(select(meta.c.value).where(meta.c.name == "session")).scalar_one())


def database_epoch(conn: Connection) -> str:
    """Return the random id of this database."""
    return str(conn.execute(select(meta.c.value).where(meta.c.name == "epoch")).scalar_one())
