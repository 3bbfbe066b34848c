"""Webhooks that are bound to sites, and those that a customer's representative made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("webhook", sa.Column("sites", sa.JSON(none_as_null=True)))
    op.add_column("webhook", sa.Column("account_id", sa.String(length=64), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("webhook", "account_id")
    op.drop_column("webhook", "sites")
