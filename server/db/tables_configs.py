"""Configurations of gateways: those that ran, by which one a billing sample was read, and those that were offered."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text

from server.db.schema import metadata
from server.db.types import Instant, Json, Key

configs = Table(
    "configs",
    metadata,
    Column("id", Key, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    Column("first_at", Instant, nullable=False),  # server's time when it was first heard of
    Column("yaml", Text),  # the part that may change from afar, where its gateway has shown it
)
"""A hash covers site and gateway, so that it names one gateway's configuration for ever."""

batch_configs = Table(
    "batch_configs",
    metadata,
    # No foreign key, as in `samples`: the row of the batch itself is written last.
    Column("batch_id", BigInteger, primary_key=True, autoincrement=False),
    Column("first_idx", Integer, primary_key=True, autoincrement=False),
    Column("config_id", ForeignKey("configs.id"), nullable=False),
)
"""The items of a batch from `first_idx` on, up to the next row of that batch, were read by this configuration."""

config_states = Table(
    "config_states",
    metadata,
    Column("site", Text, primary_key=True),
    Column("gateway", Text, primary_key=True),
    Column("q", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # as `messages.configs.ConfigState`
    Column("offer", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("problems", Json),  # [{line, path, text}]
    Column("active", Text, nullable=False),
    Column("yaml", Text, nullable=False),  # the part of what runs that may change from afar
    Column("at", Instant, nullable=False),  # gateway's time
    Column("heard_at", Instant, nullable=False),
    Column("draft", Text),
    Column("draft_base", Text),
    Column("draft_by", Text),
    Column("draft_at", Instant),
)
"""What a gateway last said of its configuration, and the draft that engineers work on here."""

config_offers = Table(
    "config_offers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("site", Text, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("base", Text, nullable=False),
    Column("yaml", Text, nullable=False),
    Column("health_minutes", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    # pending | sent | failed | withdrawn | staged | applied | confirmed | refused | rolled_back
    Column("state", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("problems", Json),
    Column("active", Text, nullable=False),  # the hash under which it ran, empty where it never did
    Column("created_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("ended_at", Instant),
    Index(None, "site", "gateway", "created_at"),
)
