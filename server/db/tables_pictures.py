"""Pictures that somebody had fetched for an alarm."""

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, UniqueConstraint

from server.db.schema import metadata
from server.db.types import Instant, Key

alarm_pictures = Table(
    "alarm_pictures",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("alarm_id", ForeignKey("alarms.id"), nullable=False),
    Column("n", Integer, nullable=False),  # of its alarm, from 1
    Column("job_id", Text, nullable=False),  # the job may be forgotten before the picture is
    Column("reference", Text, nullable=False),  # what the evidence names; empty: as it was when it was asked
    Column("asked_by", Text, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("state", Text, nullable=False),  # pending | kept | failed
    Column("why", Text, nullable=False),
    Column("taken_at", Instant),
    Column("bytes", Integer),
    Column("sha256", Text),
    Column("jpeg", LargeBinary),
    UniqueConstraint("alarm_id", "n"),
    Index(None, "job_id"),
    Index(None, "state", "asked_at"),
)
"""One row per press of the button; `jpeg` once all of it has come and its digest is right."""
