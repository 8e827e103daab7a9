"""Configurations of gateways: what ran, what was offered, and by which one a billing sample was read."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def upgrade() -> None:
    op.create_table(
        "configs",
        sa.Column("id", KEY, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("yaml", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_configs")),
        sa.UniqueConstraint("hash", name=op.f("uq_configs_hash")),
    )
    op.create_table(
        "batch_configs",
        sa.Column("batch_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_idx", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("config_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["config_id"], ["configs.id"], name=op.f("fk_batch_configs_config_id_configs")
        ),
        sa.PrimaryKeyConstraint("batch_id", "first_idx", name=op.f("pk_batch_configs")),
    )
    op.create_table(
        "config_states",
        *_texts("site", "gateway"),
        sa.Column("q", sa.BigInteger(), nullable=False),
        *_texts("state", "offer", "why"),
        sa.Column("problems", sa.Text(), nullable=True),
        *_texts("active", "yaml"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("heard_at", sa.BigInteger(), nullable=False),
        sa.Column("draft", sa.Text(), nullable=True),
        sa.Column("draft_base", sa.Text(), nullable=True),
        sa.Column("draft_by", sa.Text(), nullable=True),
        sa.Column("draft_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("site", "gateway", name=op.f("pk_config_states")),
    )
    op.create_table(
        "config_offers",
        *_texts("id", "site", "gateway", "base", "yaml"),
        sa.Column("health_minutes", sa.Integer(), nullable=False),
        *_texts("reason", "requested_by", "state", "why"),
        sa.Column("problems", sa.Text(), nullable=True),
        *_texts("active"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_config_offers")),
    )
    names = ["site", "gateway", "created_at"]
    op.create_index(op.f("ix_config_offers_site_gateway_created_at"), "config_offers", names)
