"""Insert or replace by key, on SQLite and PostgreSQL alike."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(conn: Connection, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Insert `key` with `values`, or give the row of that key these values."""
    conn.execute(_statement(conn.dialect.name, table, tuple(key), tuple(values)), {**key, **values})


@cache
def _statement(dialect: str, table: Table, key: tuple[str, ...], values: tuple[str, ...]) -> Any:
    statement: Any = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    fresh = {name: statement.excluded[name] for name in values}
    return statement.on_conflict_do_update(index_elements=list(key), set_=fresh)
