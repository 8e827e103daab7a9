"""Records are asked for by the time at which they were seen, of one device, a site or of all."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index(op.f("ix_records_site_device_id"), "records")
    op.create_index(op.f("ix_records_site_device_seen_at"), "records", ["site", "device", "seen_at"])
    op.create_index(op.f("ix_records_site_seen_at"), "records", ["site", "seen_at"])
    op.create_index(op.f("ix_records_seen_at"), "records", ["seen_at"])
