"""The month that a line's volume over mobile is of. What was written before was never counted: of no month."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("line_state", sa.Column("mobile_month", sa.String(length=7), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("line_state", "mobile_month")
