"""The device archive: gateways, profiles and devices as births tell them, and the history of their states."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from server.db.schema import metadata
from server.db.types import ClockType, Exact, Instant, Json, Key

gateways = Table(
    "gateways",
    metadata,
    Column("id", Key, primary_key=True),
    Column("site", Text, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("q", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("timezone", Text, nullable=False, server_default=""),
    Column("born_at", Instant),  # gateway's time of the latest birth
    Column("boot", Text, nullable=False, server_default=""),
    Column("epoch", Text, nullable=False, server_default=""),
    Column("config", Text, nullable=False, server_default=""),
    Column("birth_digest", Text, nullable=False, server_default=""),  # of configuration, profiles and devices
    Column("lines", Json),  # [{id, endpoint, label}]
    Column("versions", Json),  # {name: version}
    Column("online", Boolean, nullable=False),
    Column("since", Instant),  # of `online`
    Column("last_seen_at", Instant),  # server's time of the last heartbeat, birth or live batch
    Column("clock", ClockType),
    Column("lanes", Json),  # {lane: {first, next, bytes, oldest_at}}
    Column("silent", Json),  # device ids that the gateway itself calls silent
    Column("free_disk", BigInteger),
    Column("why", Text, nullable=False, server_default=""),
    UniqueConstraint("site", "gateway"),
)

profiles = Table(
    "profiles",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", Text, nullable=False),
    Column(
        "digest", Text, nullable=False, unique=True
    ),  # a profile row never changes; a new content is a new row
    Column("vendor", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("device_class", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("resource", Text, nullable=False),
)

profile_points = Table(
    "profile_points",
    metadata,
    Column("profile_id", ForeignKey("profiles.id"), primary_key=True),
    Column("point", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("label", Text, nullable=False),
    Column("label_zh", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("billing", Boolean, nullable=False),
    Column("period_ms", BigInteger, nullable=False),
    Column("modulus", Exact),
)

profile_events = Table(
    "profile_events",
    metadata,
    Column("profile_id", ForeignKey("profiles.id"), primary_key=True),
    Column("code", Text, primary_key=True),
    Column("label", Text, nullable=False),
    Column("label_zh", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("alarm_class", Text, nullable=False),
    Column("latched", Boolean, nullable=False),
    Column("spoken", Boolean, nullable=False, server_default=false()),  # no reading tells whether it stands
    Column("record", Boolean, nullable=False, server_default=false()),  # written down, and no alarm
)

profile_actions = Table(
    "profile_actions",
    metadata,
    Column("profile_id", ForeignKey("profiles.id"), primary_key=True),
    Column("action", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("label", Text, nullable=False),
    Column("label_zh", Text, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column(
        "within_ms", BigInteger, nullable=False, server_default="0"
    ),  # how long the device may be on its way
)

devices = Table(
    "devices",
    metadata,
    Column("id", Key, primary_key=True),
    Column("site", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("q", BigInteger, nullable=False),
    Column("gateway_id", ForeignKey("gateways.id"), nullable=False),
    Column("profile_id", ForeignKey("profiles.id"), nullable=False),
    Column("line", Text, nullable=False),
    Column("unit", Integer),
    Column("name", Text, nullable=False),
    Column("building", Text, nullable=False),
    Column("floor", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("metering_point", Text),  # None: not a meter
    Column("multiplier", Exact),
    Column("reader", Text),
    Column("serial", Text),
    Column("rated_per_h", Json),  # {point: decimal}: what a billing point counts in an hour at most
    Column(
        "lifecycle", Text, nullable=False
    ),  # active | removed (its gateway's latest birth does not name it)
    Column("conn", Text, nullable=False),  # unknown | online | offline | unreachable
    Column("last_seen_at", Instant),  # time of the newest good sample; written about once a second
    Column("silent_since", Instant),
    Column("created_at", Instant, nullable=False),
    Column("address", Text, nullable=False, server_default=""),  # how it names itself
    Column("speaks", Boolean, nullable=False, server_default=false()),  # unasked: nobody polls it
    Column("heard_within_s", Integer),  # of one that speaks; None: its silence says nothing
    UniqueConstraint("site", "device"),
    Index(None, "gateway_id"),
    Index(None, "site", "building"),
)

device_states = Table(
    "device_states",
    metadata,
    Column("id", Key, primary_key=True),
    Column("device_id", ForeignKey("devices.id"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("field", Text, nullable=False),  # conn | lifecycle | gateway | profile | name | place | meter …
    Column("old", Text, nullable=False),
    Column("new", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Index(None, "device_id", "id"),
)
