"""The rating of a meter, by which a jump of its register is told from consumption."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("devices", sa.Column("rated_per_h", sa.Text(), nullable=True))
