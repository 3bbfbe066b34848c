"""Replacements of hardware and their journals.

Types are spelled out here and not taken from ``tables``: a later change there must not change what this step made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cpe_manager.adapters.db.types import FreeText, UtcTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "replacement",
        sa.Column("id", ID, nullable=False),
        sa.Column("device_id", ID, nullable=False),
        sa.Column("position_id", ID, nullable=False),
        sa.Column("device", NAME, nullable=False),
        sa.Column("site", NAME, nullable=False),
        sa.Column("unit", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer()),
        sa.Column("key", sa.String(length=255)),
        sa.Column("accepted_key", sa.String(length=128)),
        sa.Column("accepted_plan", sa.String(length=32)),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("consent", FreeText()),
        sa.Column("consent_by", sa.Text()),
        sa.Column("consent_at", UtcTime()),
        sa.Column("answered", sa.Integer(), nullable=False),
        sa.Column("cancelled_by", sa.Text()),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("asks", sa.JSON(), nullable=False),
        sa.Column("questions", sa.Integer(), nullable=False),
        sa.Column("offered_key", sa.Text()),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("backup_id", ID),
        sa.Column("push_id", ID),
        sa.Column("new_device_id", ID),
        sa.Column("note", FreeText(), nullable=False),
        sa.Column("not_before", UtcTime()),
        sa.Column("reason", FreeText()),
        sa.Column("ended_at", UtcTime()),
        sa.Column("held_by", sa.String(length=128)),
        sa.Column("held_until", UtcTime()),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_replacement_device_id"),
        sa.ForeignKeyConstraint(["position_id"], ["position.id"], name="fk_replacement_position_id"),
        sa.PrimaryKeyConstraint("id", name="pk_replacement"),
        sa.UniqueConstraint("key", name="uq_replacement_key"),
    )
    op.create_index("ix_replacement_position_id", "replacement", ["position_id"])
    op.create_index("ix_replacement_device_id", "replacement", ["device_id"])
    op.create_index("ix_replacement_created_at_id", "replacement", ["created_at", "id"])
    op.create_table(
        "replacement_step",
        sa.Column("replacement_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("result", sa.String(length=16)),
        sa.Column("reason", FreeText(), nullable=False),
        sa.ForeignKeyConstraint(["replacement_id"], ["replacement.id"], name="fk_replacement_step_replacement_id"),
        sa.PrimaryKeyConstraint("replacement_id", "number", name="pk_replacement_step"),
    )


def downgrade() -> None:
    op.drop_table("replacement_step")
    op.drop_table("replacement")
