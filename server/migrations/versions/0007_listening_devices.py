"""Devices that speak unasked: how they name themselves, and after how long they are silent."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("devices", sa.Column("address", sa.Text(), nullable=False, server_default=""))
    op.add_column("devices", sa.Column("speaks", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("devices", sa.Column("heard_within_s", sa.Integer(), nullable=True))
