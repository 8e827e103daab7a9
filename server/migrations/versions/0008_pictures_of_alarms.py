"""Pictures of cameras that were fetched for an alarm."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "alarm_pictures",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("alarm_id", KEY, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=True),
        sa.Column("bytes", sa.Integer(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("jpeg", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["alarm_id"], ["alarms.id"], name=op.f("fk_alarm_pictures_alarm_id_alarms")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm_pictures")),
        sa.UniqueConstraint("alarm_id", "n", name=op.f("uq_alarm_pictures_alarm_id_n")),
    )
    op.create_index(op.f("ix_alarm_pictures_job_id"), "alarm_pictures", ["job_id"])
    op.create_index(op.f("ix_alarm_pictures_state_asked_at"), "alarm_pictures", ["state", "asked_at"])
