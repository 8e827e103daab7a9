"""Commands that take their time: how long a device may be on its way, and when its answer is due."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "profile_actions", sa.Column("within_ms", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.add_column("commands", sa.Column("answer_by", sa.BigInteger(), nullable=True))
