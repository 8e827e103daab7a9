"""Who may come in: users, sessions, tokens of machines, and the record of what each of them changed."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from server.db.schema import metadata
from server.db.types import Instant, Json, Key

users = Table(
    "users",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("must_change", Boolean, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
)
"""People. A password is kept as its argon2id hash only."""

sessions = Table(
    "sessions",
    metadata,
    Column("digest", Text, primary_key=True),  # sha-256 of the cookie: a stolen database opens no session
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("address", Text, nullable=False),
    Index(None, "user_id"),
)
"""Signed-in browsers; here and not in memory, so that a restart leaves the desk signed in."""

tokens = Table(
    "tokens",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("digest", Text, nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("revoked_at", Instant),
)
"""Machines. The token itself is shown once, when it is made."""

audit = Table(
    "audit",
    metadata,
    Column("seq", Key, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Index(None, "at"),
    sqlite_autoincrement=True,
)
"""Append-only: one row per change that somebody asked for, in the transaction of the change."""

operations = Table(
    "operations",
    metadata,
    Column("actor", Text, nullable=False),
    Column("op_id", Text, nullable=False),
    Column("asked", Text, nullable=False),  # digest of what was asked under this id
    Column("status", Integer, nullable=False),
    Column("answer", Json, nullable=False),
    Column("at", Instant, nullable=False),
    UniqueConstraint("actor", "op_id"),
    Index(None, "at"),
)
"""Answers already given, so that a request sent again after a lost reply changes nothing twice."""
