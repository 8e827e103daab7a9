"""Commands: what was ordered, by whom, why, and how it ended."""

from sqlalchemy import Column, Index, Table, Text

from server.db.schema import metadata
from server.db.types import Instant, Json

commands = Table(
    "commands",
    metadata,
    Column("id", Text, primary_key=True),
    Column("site", Text, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("args", Json, nullable=False),
    Column("reason", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    # pending | sent | done-verified | done-unverified | refused | expired | failed | expired-unknown
    Column("state", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("until", Instant, nullable=False),
    Column("answer_by", Instant),  # later than `until` where the device may take its time; null in old rows
    Column("ended_at", Instant),
    Column("detail", Text, nullable=False),
    Column("read_back", Json),
    Index(None, "state", "until"),
)
"""`expired-unknown`: its time is over and the gateway has not said what became of it."""
