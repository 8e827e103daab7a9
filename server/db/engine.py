"""Engine factory, and the two ways to use it: `read` (one snapshot) and `write` (the write lock from the start)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event

BUSY_S = 15.0
_WRITE = "gatehouse_write"


def sqlite_engine(path: Path) -> Engine:
    """Return an engine on the SQLite file `path`: WAL, every commit on the disk before it returns."""
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": BUSY_S, "check_same_thread": False},
        pool_size=20,
        max_overflow=20,
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(raw: Any, _record: Any) -> None:
    # Python's sqlite3 opens transactions on its own, late, and never IMMEDIATE: `_on_begin` does it instead.
    raw.isolation_level = None
    cursor = raw.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # `Stored` makes a gateway forget: a commit must survive a power cut, not only kill -9. NORMAL would not.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA cache_size=-32000")
    cursor.execute("PRAGMA temp_store=MEMORY")
    cursor.close()


def _on_begin(conn: Connection) -> None:
    conn.exec_driver_sql("BEGIN IMMEDIATE" if conn.get_execution_options().get(_WRITE) else "BEGIN")


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """Hold one consistent snapshot; nothing written here is kept."""
    with engine.connect() as conn:
        yield conn


@contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """Hold one transaction that owns the write lock; commit at the end, roll back on any exception."""
    # Taking the lock at BEGIN instead of at the first write: an upgrade from read to write fails at once
    # (SQLITE_BUSY_SNAPSHOT) where waiting would have helped.
    with engine.connect() as conn:
        conn = conn.execution_options(**{_WRITE: True})  # noqa: PLW2901 - the same connection, marked
        with conn.begin():
            yield conn
