"""The address at which a device is managed once a push is confirmed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("push", sa.Column("managed_at", sa.Text()))


def downgrade() -> None:
    op.drop_column("push", "managed_at")
