"""Insert or replace by key, on SQLite and PostgreSQL alike."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(conn: Connection, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Insert `key` with `values`, or give the row of that key these values."""
    rows = {**key, **values}
    if conn.dialect.name == "postgresql":
        statement: Any = postgresql.insert(table).values(rows)
    else:
        statement = sqlite.insert(table).values(rows)
    conn.execute(statement.on_conflict_do_update(index_elements=list(key), set_=dict(values)))
