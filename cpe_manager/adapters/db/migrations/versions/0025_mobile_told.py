"""What was told of a line's data cap, so that it is told once a month, whoever watches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("line_state", sa.Column("mobile_told", sa.String(length=16), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("line_state", "mobile_told")
