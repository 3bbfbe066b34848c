"""Versions of the catalogues, and the subscriptions of sites.

Types are spelled out here and not taken from ``tables``: a later change there must not change what this step made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cpe_manager.adapters.db.types import UtcTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

ID = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "catalogue_version",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("taken_at", UtcTime(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("service", sa.JSON(), nullable=False),
        sa.Column("entries", sa.JSON(), nullable=False),
        sa.Column("service_source", sa.Text(), nullable=False),
        sa.Column("changes_source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_catalogue_version"),
    )
    op.create_table(
        "subscription",
        sa.Column("site_id", ID, nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("formula", sa.String(length=64), nullable=False),
        sa.Column("technology", sa.String(length=16), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("activated_at", UtcTime()),
        sa.Column("representatives", sa.JSON(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("catalogue_version", sa.Integer(), nullable=False),
        sa.Column("changed_at", UtcTime(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name="fk_subscription_site_id"),
        sa.PrimaryKeyConstraint("site_id", name="pk_subscription"),
    )
    op.create_index("ix_subscription_formula", "subscription", ["formula"])


def downgrade() -> None:
    op.drop_table("subscription")
    op.drop_table("catalogue_version")
