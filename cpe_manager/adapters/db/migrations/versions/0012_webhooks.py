"""Webhooks: endpoints with a sealed secret and a cursor into the events, and the latest attempts.

Types are spelled out here and not taken from ``tables``: a later change there must not change what this step made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cpe_manager.adapters.db.types import FreeText, UtcTime

revision = "0012"
down_revision = "0010"
branch_labels = None
depends_on = None

ID = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
EVENT_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "webhook",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("object_id", ID, nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("cursor", EVENT_ID, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", FreeText(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", UtcTime()),
        sa.Column("next_at", UtcTime()),
        sa.Column("delivered_at", UtcTime()),
        sa.Column("owner", sa.String(length=128)),
        sa.Column("held_until", UtcTime()),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["object_id"], ["sealed_object.id"], name="fk_webhook_object_id"),
        sa.PrimaryKeyConstraint("id", name="pk_webhook"),
        sa.UniqueConstraint("name", name="uq_webhook_name"),
        sa.UniqueConstraint("object_id", name="uq_webhook_object_id"),
    )
    op.create_table(
        "webhook_attempt",
        sa.Column("webhook_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("event_id", EVENT_ID, nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("reason", FreeText(), nullable=False),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhook.id"], name="fk_webhook_attempt_webhook_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("webhook_id", "number", name="pk_webhook_attempt"),
    )


def downgrade() -> None:
    op.drop_table("webhook_attempt")
    op.drop_table("webhook")
