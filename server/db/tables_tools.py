"""Jobs of the engineer's tools at the gateways, and what they found."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text

from server.db.schema import metadata
from server.db.types import Instant, Json

tool_jobs = Table(
    "tool_jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("q", BigInteger, nullable=False),
    Column("site", Text, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("line", Text),
    Column("tool", Text, nullable=False),
    Column("args", Json, nullable=False),
    Column("requested_by", Text, nullable=False),
    # pending | sent | running | stopping | done | failed | stopped | lost
    Column("state", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("last_seq", BigInteger, nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("dropped", Integer, nullable=False),
    Column("progress", Json),
    Column("result", Json),
    Column("why", Text, nullable=False),
    Index(None, "site", "gateway", "created_at"),
    Index(None, "state"),
)
"""`last_seq`: everything through this message of the gateway is here; `dropped`: rows that were too many to keep."""

tool_rows = Table(
    "tool_rows",
    metadata,
    Column("job_id", ForeignKey("tool_jobs.id"), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("body", Json, nullable=False),
)
"""The rows of a job by number from 1; the newest are kept."""
