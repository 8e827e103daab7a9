"""The database's own identity, and the outbox that feeds the live stream."""

from sqlalchemy import Column, Index, Table, Text

from server.db.schema import metadata
from server.db.types import Instant, Json, Key

meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""`epoch`: random id of this database, first half of every stream cursor. `session`: its secret name at a broker."""

outbox = Table(
    "outbox",
    metadata,
    Column("seq", Key, primary_key=True, autoincrement=True),
    Column("topic", Text, nullable=False),  # alarms | devices | gateways | tools
    Column("object_id", Text, nullable=False),  # alarm id; "site/device"; "site/gateway"; job id
    Column("site", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("body", Json),  # optional: the object as it was; None = load the object by its id
    Index(None, "at"),
    sqlite_autoincrement=True,  # a number is never used twice, even after old rows are pruned
)
"""One row per change, written in the transaction that makes it; `seq` is the `q` of the object."""

broker_accounts = Table(
    "broker_accounts",
    metadata,
    Column("username", Text, primary_key=True),  # the gateway's id
    Column("site", Text, nullable=False),
    Column("password_hash", Text, nullable=False),  # bcrypt, as the embedded broker checks it
    Column("created_at", Instant, nullable=False),
)
"""Who may connect to the embedded broker, each to its own topics; an external broker has its own accounts."""
