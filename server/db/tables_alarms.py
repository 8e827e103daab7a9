"""Alarms: one row per occurrence, one journal row per move; the database itself refuses a second open alarm per key."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text, false, text

from server.db.schema import metadata
from server.db.types import Instant, Key

alarms = Table(
    "alarms",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("q", BigInteger, nullable=False),
    Column("moved_q", BigInteger, nullable=False),  # `q` of the last change of state: repeats leave it alone
    Column(
        "key", Text, nullable=False
    ),  # site|device|code, and |part where a part of the device is concerned
    Column("site", Text, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("device", Text, nullable=False),  # empty: the gateway itself
    Column("code", Text, nullable=False),
    Column("alarm_class", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("label_zh", Text, nullable=False),
    # The place as it was when the alarm was raised: a device may be renamed later.
    Column("device_name", Text, nullable=False),
    Column("building", Text, nullable=False),
    Column("floor", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("state", Text, nullable=False),  # new | acked | cleared | latched | closed
    Column("latched", Boolean, nullable=False),  # closes by an explicit reset only
    Column("occurred_at", Instant, nullable=False),  # by the device, else by the gateway
    Column("raised_at", Instant, nullable=False),  # server's time
    Column("cleared_at", Instant),
    Column("acked_at", Instant),
    Column("acked_by", Text),
    Column("closed_at", Instant),
    Column("count", Integer, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("test", Boolean, nullable=False),
    Column("detail", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("suppressed_by", ForeignKey("alarms.id")),
    Column("part", Text, nullable=False, server_default=""),
    # Its device may never say the end: who has seen to it may end it with a word on that.
    Column("by_hand", Boolean, nullable=False, server_default=false()),
    Index(
        "ux_alarms_open_key",
        "key",
        unique=True,
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
    Index(
        "ix_alarms_open",
        "site",
        "gateway",
        "device",
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
    Index(None, "raised_at"),
    Index(None, "closed_at"),
    sqlite_autoincrement=True,
)
"""An alarm from its first sight to its closing."""

alarm_keys = Table(
    "alarm_keys",
    metadata,
    Column("key", Text, primary_key=True),
    # The last raise or clear that moved live state, in the gateway's order; an older one never moves it again.
    Column("seen_at", Instant, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("idx", Integer, nullable=False),
    Column("edge", Text, nullable=False),
)
"""How far the events of one key have been applied, whether an alarm is open or not."""

records = Table(
    "records",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("site", Text, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("device", Text, nullable=False),
    # As they were when it happened, as with alarms.
    Column("device_name", Text, nullable=False),
    Column("building", Text, nullable=False),
    Column("floor", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("alarm_class", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("label_zh", Text, nullable=False),
    Column("part", Text, nullable=False),
    Column("number", Text, nullable=False),  # the device's own
    Column("detail", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("at", Instant),  # by the device
    Column("seen_at", Instant, nullable=False),  # by the gateway
    Column("stored_at", Instant, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("idx", Integer, nullable=False),
    Index(None, "site", "device", "seen_at"),
    Index(None, "site", "seen_at"),
    Index(None, "seen_at"),
    Index(None, "stored_at"),
    sqlite_autoincrement=True,
)
"""What happened and is no alarm: doors that were opened by who may, cars that drove in."""

alarm_journal = Table(
    "alarm_journal",
    metadata,
    Column("seq", Key, primary_key=True, autoincrement=True),
    Column("alarm_id", ForeignKey("alarms.id"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("from_state", Text, nullable=False),
    Column("to_state", Text, nullable=False),
    Column("note", Text, nullable=False),
    Index(None, "alarm_id", "seq"),
    sqlite_autoincrement=True,
)
"""Append-only: every move of every alarm, written in the transaction of the move."""
