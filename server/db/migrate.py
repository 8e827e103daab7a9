"""Bring a database to the newest schema: at every start, in one transaction, under the write lock."""

import logging
import secrets
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine
from sqlalchemy.dialects.sqlite import insert as upsert

from server.db.engine import write
from server.db.outbox import database_epoch
from server.db.tables_core import meta

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent.parent / "migrations"


class SchemaError(RuntimeError):
    """A database that this version cannot use; the text says what to do."""


def upgrade(engine: Engine) -> str:
    """Run the migrations that are missing and return the revision; two processes at once are harmless."""
    # SQLite's DDL is transactional: a crash half-way leaves the old schema, whole.
    with write(engine) as conn:
        before = MigrationContext.configure(conn).get_current_revision()
        head = _scripts().get_current_head()
        if before != head:
            _known(before)
            command.upgrade(config(conn), "head")
            log.info("database schema: %s -> %s", before or "empty", head)
        _keep(conn, "epoch", secrets.token_hex(8))
        # An older database has a session under its epoch with a broker: messages may wait there.
        _keep(conn, "session", secrets.token_hex(16) if before is None else database_epoch(conn))
    return head or ""


def _keep(conn: Connection, name: str, value: str) -> None:
    row = upsert(meta).values(name=name, value=value)
    conn.execute(row.on_conflict_do_nothing(index_elements=["name"]))


def config(conn: Connection) -> Config:
    """Return Alembic's configuration for work on `conn`."""
    made = Config()
    made.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    made.attributes["connection"] = conn
    return made


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(FOLDER))


def _known(revision: str | None) -> None:
    if revision is None:
        return
    try:
        _scripts().get_revision(revision)
    except (CommandError, ResolutionError):
        raise SchemaError(
            f"the database was written by a newer version (schema {revision}): start that version, or restore a backup"
        ) from None
