"""Alarms of single parts of a device, what a device says itself, and records of what is no alarm."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("alarms", sa.Column("part", sa.Text(), nullable=False, server_default=""))
    by_hand = sa.Column("by_hand", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("alarms", by_hand)
    for name in ("spoken", "record"):
        column = sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())
        op.add_column("profile_events", column)
    texts = ("site", "gateway", "device", "device_name", "building", "floor", "place")
    said = ("code", "alarm_class", "label", "label_zh", "part", "number", "detail", "evidence", "epoch")
    op.create_table(
        "records",
        sa.Column("id", KEY, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts + said),
        sa.Column("at", sa.BigInteger(), nullable=True),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_records")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_records_site_device_id"), "records", ["site", "device", "id"])
    op.create_index(op.f("ix_records_stored_at"), "records", ["stored_at"])
