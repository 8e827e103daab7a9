"""Delivery: which batches are stored, what is declared lost, what is in quarantine, and the samples themselves."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from server.db.schema import metadata
from server.db.types import ClockType, Instant, Key, QualityType, ValueType

lanes = Table(
    "lanes",
    metadata,
    Column("id", Key, primary_key=True),
    Column("site", Text, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column(
        "through", BigInteger, nullable=False
    ),  # all of 1..through is stored, in quarantine or declared lost
    Column("highest", BigInteger, nullable=False),  # highest number seen
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    UniqueConstraint("site", "gateway", "epoch", "lane"),
)
"""The cursor of one lane of one journal; missing = (through, highest] less `batches` less `gaps`."""

batches = Table(
    "batches",
    metadata,
    Column("id", Key, primary_key=True),
    Column("lane_id", ForeignKey("lanes.id"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),  # when it was stored
    Column("items", Integer, nullable=False),
    Column("quarantined", Integer, nullable=False),
    UniqueConstraint("lane_id", "seq"),
)
"""One row per stored batch: the unique key is what makes storing twice storing once."""

gaps = Table(
    "gaps",
    metadata,
    Column("id", Key, primary_key=True),
    Column("lane_id", ForeignKey("lanes.id"), nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("batches", BigInteger, nullable=False),
    Column("samples", BigInteger),  # None: not known, for a hole that the server closed itself
    Column("since", Instant),
    Column("until", Instant),
    Column("reason", Text, nullable=False),
    Column("declared_at", Instant, nullable=False),
    UniqueConstraint("lane_id", "first", "last", "reason"),
)
"""Numbers that will never come, by the gateway's word or because they are older than this database."""

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Key, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("site", Text, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("epoch", Text),
    Column("lane", Text),
    Column("seq", BigInteger),
    Column("idx", Integer),  # None: the whole payload
    Column("reason", Text, nullable=False),
    Column("size", Integer, nullable=False),  # bytes as they came; `payload` may be cut
    Column("digest", Text, nullable=False),  # of the whole payload: a broker's second delivery adds no row
    Column("payload", LargeBinary, nullable=False),
    Index(None, "gateway", "id"),
    Index(None, "digest"),
)

series = Table(
    "series",
    metadata,
    Column("id", Key, primary_key=True),
    Column("site", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("point", Text, nullable=False),
    Column("known", Boolean, nullable=False),  # False: no birth has named this device and point yet
    UniqueConstraint("site", "device", "point"),
)
"""A point's number in `samples`. Lazily made: a sample of a point unknown to the birth is stored and flagged here."""

samples = Table(
    "samples",
    metadata,
    Column("bucket", Integer, primary_key=True),  # at_ms // 3 600 000
    Column("series_id", Integer, primary_key=True),
    Column("offset_ms", Integer, primary_key=True),  # at_ms % 3 600 000
    Column("dup", Integer, primary_key=True),  # > 0: another value for the same instant, kept and counted
    Column("value", ValueType),
    Column("quality", QualityType, nullable=False),
    Column("clock", ClockType, nullable=False),
    Column("batch_id", BigInteger, nullable=False),
    Column("idx", Integer, nullable=False),  # index of the item in its batch
    Column("raw", LargeBinary),  # registers as on the wire, billing points only
    # The hour comes first: a commit touches the pages of the current hour, whatever the table has grown to.
    sqlite_with_rowid=False,
)

latest = Table(
    "latest",
    metadata,
    Column("series_id", ForeignKey("series.id"), primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("value", ValueType),
    Column("quality", QualityType, nullable=False),
    Column("clock", ClockType, nullable=False),
    Column("received_at", Instant, nullable=False),
)
"""The newest sample of each series by its own time; written about once a second, rebuilt at start."""
