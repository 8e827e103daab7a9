"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite gives rowids to INTEGER only; everywhere else a key is 64 bits wide.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OPEN = {"sqlite_where": sa.text("closed_at IS NULL"), "postgresql_where": sa.text("closed_at IS NULL")}


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def upgrade() -> None:
    _core()
    _auth()
    _profiles()
    _devices()
    _delivery()
    _samples()
    _alarms()


def _core() -> None:
    op.create_table(
        "meta",
        *_texts("name", "value"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_meta")),
    )
    op.create_table(
        "outbox",
        sa.Column("seq", KEY, autoincrement=True, nullable=False),
        *_texts("topic", "object_id", "site"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_outbox_at"), "outbox", ["at"])
    op.create_table(
        "operations",
        *_texts("actor", "op_id", "asked"),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("actor", "op_id", name=op.f("uq_operations_actor_op_id")),
    )
    op.create_index(op.f("ix_operations_at"), "operations", ["at"])
    op.create_table(
        "broker_accounts",
        *_texts("username", "site", "password_hash"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("username", name=op.f("pk_broker_accounts")),
    )
    op.create_table(
        "commands",
        *_texts("id", "site", "gateway", "device", "action", "args", "reason", "requested_by", "state"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("read_back", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commands")),
    )
    op.create_index(op.f("ix_commands_state_until"), "commands", ["state", "until"])


def _auth() -> None:
    op.create_table(
        "users",
        sa.Column("id", KEY, nullable=False),
        *_texts("name", "role", "password_hash"),
        sa.Column("must_change", sa.Boolean(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
    )
    op.create_table(
        "sessions",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id_users")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"])
    op.create_table(
        "tokens",
        sa.Column("id", KEY, nullable=False),
        *_texts("name", "role", "digest"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_tokens_digest")),
    )
    op.create_table(
        "audit",
        sa.Column("seq", KEY, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        *_texts("actor", "address", "action", "object", "detail"),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_audit_at"), "audit", ["at"])


def _profiles() -> None:
    op.create_table(
        "profiles",
        sa.Column("id", KEY, nullable=False),
        *_texts("name", "digest", "vendor", "model", "device_class", "protocol", "resource"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_profiles")),
        sa.UniqueConstraint("digest", name=op.f("uq_profiles_digest")),
    )
    op.create_table(
        "profile_points",
        sa.Column("profile_id", KEY, nullable=False),
        sa.Column("point", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        *_texts("label", "label_zh", "unit", "kind"),
        sa.Column("billing", sa.Boolean(), nullable=False),
        sa.Column("period_ms", sa.BigInteger(), nullable=False),
        sa.Column("modulus", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["profiles.id"], name=op.f("fk_profile_points_profile_id_profiles")
        ),
        sa.PrimaryKeyConstraint("profile_id", "point", name=op.f("pk_profile_points")),
    )
    op.create_table(
        "profile_events",
        sa.Column("profile_id", KEY, nullable=False),
        *_texts("code", "label", "label_zh", "severity", "alarm_class"),
        sa.Column("latched", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["profiles.id"], name=op.f("fk_profile_events_profile_id_profiles")
        ),
        sa.PrimaryKeyConstraint("profile_id", "code", name=op.f("pk_profile_events")),
    )
    op.create_table(
        "profile_actions",
        sa.Column("profile_id", KEY, nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        *_texts("label", "label_zh"),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["profiles.id"], name=op.f("fk_profile_actions_profile_id_profiles")
        ),
        sa.PrimaryKeyConstraint("profile_id", "action", name=op.f("pk_profile_actions")),
    )


def _devices() -> None:
    op.create_table(
        "gateways",
        sa.Column("id", KEY, nullable=False),
        *_texts("site", "gateway"),
        sa.Column("q", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("timezone", sa.Text(), server_default="", nullable=False),
        sa.Column("born_at", sa.BigInteger(), nullable=True),
        sa.Column("boot", sa.Text(), server_default="", nullable=False),
        sa.Column("epoch", sa.Text(), server_default="", nullable=False),
        sa.Column("config", sa.Text(), server_default="", nullable=False),
        sa.Column("birth_digest", sa.Text(), server_default="", nullable=False),
        sa.Column("lines", sa.Text(), nullable=True),
        sa.Column("versions", sa.Text(), nullable=True),
        sa.Column("online", sa.Boolean(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=True),
        sa.Column("clock", sa.SmallInteger(), nullable=True),
        sa.Column("lanes", sa.Text(), nullable=True),
        sa.Column("silent", sa.Text(), nullable=True),
        sa.Column("free_disk", sa.BigInteger(), nullable=True),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateways")),
        sa.UniqueConstraint("site", "gateway", name=op.f("uq_gateways_site_gateway")),
    )
    op.create_table(
        "devices",
        sa.Column("id", KEY, nullable=False),
        *_texts("site", "device"),
        sa.Column("q", sa.BigInteger(), nullable=False),
        sa.Column("gateway_id", KEY, nullable=False),
        sa.Column("profile_id", KEY, nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("unit", sa.Integer(), nullable=True),
        *_texts("name", "building", "floor", "place"),
        sa.Column("metering_point", sa.Text(), nullable=True),
        sa.Column("multiplier", sa.Text(), nullable=True),
        sa.Column("reader", sa.Text(), nullable=True),
        sa.Column("serial", sa.Text(), nullable=True),
        *_texts("lifecycle", "conn"),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=True),
        sa.Column("silent_since", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["gateway_id"], ["gateways.id"], name=op.f("fk_devices_gateway_id_gateways")),
        sa.ForeignKeyConstraint(["profile_id"], ["profiles.id"], name=op.f("fk_devices_profile_id_profiles")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("site", "device", name=op.f("uq_devices_site_device")),
    )
    op.create_index(op.f("ix_devices_gateway_id"), "devices", ["gateway_id"])
    op.create_index(op.f("ix_devices_site_building"), "devices", ["site", "building"])
    op.create_table(
        "device_states",
        sa.Column("id", KEY, nullable=False),
        sa.Column("device_id", KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        *_texts("field", "old", "new", "cause"),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_device_states_device_id_devices")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_states")),
    )
    op.create_index(op.f("ix_device_states_device_id_id"), "device_states", ["device_id", "id"])


def _delivery() -> None:
    op.create_table(
        "lanes",
        sa.Column("id", KEY, nullable=False),
        *_texts("site", "gateway", "epoch", "lane"),
        sa.Column("through", sa.BigInteger(), nullable=False),
        sa.Column("highest", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lanes")),
        sa.UniqueConstraint(
            "site", "gateway", "epoch", "lane", name=op.f("uq_lanes_site_gateway_epoch_lane")
        ),
    )
    op.create_table(
        "batches",
        sa.Column("id", KEY, nullable=False),
        sa.Column("lane_id", KEY, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("quarantined", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["lane_id"], ["lanes.id"], name=op.f("fk_batches_lane_id_lanes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
        sa.UniqueConstraint("lane_id", "seq", name=op.f("uq_batches_lane_id_seq")),
    )
    op.create_table(
        "gaps",
        sa.Column("id", KEY, nullable=False),
        sa.Column("lane_id", KEY, nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("batches", sa.BigInteger(), nullable=False),
        sa.Column("samples", sa.BigInteger(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("declared_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["lane_id"], ["lanes.id"], name=op.f("fk_gaps_lane_id_lanes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gaps")),
        sa.UniqueConstraint(
            "lane_id", "first", "last", "reason", name=op.f("uq_gaps_lane_id_first_last_reason")
        ),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        *_texts("site", "gateway", "topic"),
        sa.Column("epoch", sa.Text(), nullable=True),
        sa.Column("lane", sa.Text(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("idx", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
    )
    op.create_index(op.f("ix_quarantine_digest"), "quarantine", ["digest"])
    op.create_index(op.f("ix_quarantine_gateway_id"), "quarantine", ["gateway", "id"])


def _samples() -> None:
    op.create_table(
        "series",
        sa.Column("id", KEY, nullable=False),
        *_texts("site", "device", "point"),
        sa.Column("known", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_series")),
        sa.UniqueConstraint("site", "device", "point", name=op.f("uq_series_site_device_point")),
    )
    op.create_table(
        "samples",
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("offset_ms", sa.Integer(), nullable=False),
        sa.Column("dup", sa.Integer(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("quality", sa.SmallInteger(), nullable=False),
        sa.Column("clock", sa.SmallInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("bucket", "series_id", "offset_ms", "dup", name=op.f("pk_samples")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "latest",
        sa.Column("series_id", KEY, autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("quality", sa.SmallInteger(), nullable=False),
        sa.Column("clock", sa.SmallInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_latest_series_id_series")),
        sa.PrimaryKeyConstraint("series_id", name=op.f("pk_latest")),
    )


def _alarms() -> None:
    op.create_table(
        "alarms",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("q", sa.BigInteger(), nullable=False),
        sa.Column("moved_q", sa.BigInteger(), nullable=False),
        *_texts(
            "key",
            "site",
            "gateway",
            "device",
            "code",
            "alarm_class",
            "severity",
            "label",
            "label_zh",
            "device_name",
            "building",
            "floor",
            "place",
            "state",
        ),
        sa.Column("latched", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.Column("cleared_at", sa.BigInteger(), nullable=True),
        sa.Column("acked_at", sa.BigInteger(), nullable=True),
        sa.Column("acked_by", sa.Text(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        *_texts("detail", "evidence"),
        sa.Column("suppressed_by", KEY, nullable=True),
        sa.ForeignKeyConstraint(
            ["suppressed_by"], ["alarms.id"], name=op.f("fk_alarms_suppressed_by_alarms")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_alarms_closed_at"), "alarms", ["closed_at"])
    op.create_index("ix_alarms_open", "alarms", ["site", "gateway", "device"], **OPEN)
    op.create_index(op.f("ix_alarms_raised_at"), "alarms", ["raised_at"])
    op.create_index("ux_alarms_open_key", "alarms", ["key"], unique=True, **OPEN)
    op.create_table(
        "alarm_keys",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("edge", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_alarm_keys")),
    )
    op.create_table(
        "alarm_journal",
        sa.Column("seq", KEY, autoincrement=True, nullable=False),
        sa.Column("alarm_id", KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        *_texts("actor", "action", "from_state", "to_state", "note"),
        sa.ForeignKeyConstraint(["alarm_id"], ["alarms.id"], name=op.f("fk_alarm_journal_alarm_id_alarms")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_alarm_journal")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_alarm_journal_alarm_id_seq"), "alarm_journal", ["alarm_id", "seq"])
