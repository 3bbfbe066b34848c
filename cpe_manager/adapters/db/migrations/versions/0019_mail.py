"""Mails: an outbox with a row for each event and recipient, and where it stands in the events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cpe_manager.adapters.db.types import FreeText, UtcTime

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

ID = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
EVENT_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "mail",
        sa.Column("id", ID, nullable=False),
        sa.Column("event_id", EVENT_ID, nullable=False),
        sa.Column("kind", sa.String(length=100), nullable=False),
        sa.Column("site", NAME, nullable=False),
        sa.Column("audience", sa.String(length=16), nullable=False),
        sa.Column("recipient", NAME, nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("subject", FreeText(), nullable=False),
        sa.Column("body", FreeText(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", UtcTime()),
        sa.Column("reason", FreeText(), nullable=False),
        sa.Column("sent_at", UtcTime()),
        sa.Column("owner", sa.Text()),
        sa.Column("held_until", UtcTime()),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mail"),
        sa.UniqueConstraint("event_id", "recipient", name="uq_mail_event_id_recipient"),
    )
    op.create_index("ix_mail_state_event_id", "mail", ["state", "event_id"])
    op.create_index("ix_mail_recipient_state_event_id", "mail", ["recipient", "state", "event_id"])
    op.create_table(
        "mail_cursor",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("event_id", EVENT_ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mail_cursor"),
    )


def downgrade() -> None:
    op.drop_table("mail_cursor")
    op.drop_table("mail")
