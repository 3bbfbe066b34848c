"""Pushes and their journals.

Types are spelled out here and not taken from ``tables``: a later change there must not change what this step made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cpe_manager.adapters.db.types import FreeText, UtcTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "push",
        sa.Column("id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("device_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("summary", FreeText(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("guard_seconds", sa.Integer(), nullable=False),
        sa.Column("phase", sa.String(length=16), nullable=False),
        sa.Column("basis", sa.String(length=128)),
        sa.Column("overrides", sa.JSON(), nullable=False),
        sa.Column("key", sa.String(length=255)),
        sa.Column("withdrawn_by", sa.Text()),
        sa.Column("snapshot_id", ID),
        sa.Column("reason", FreeText()),
        sa.Column("ended_at", UtcTime()),
        sa.Column("order_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_push_job_id"),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_push_device_id"),
        sa.ForeignKeyConstraint(["order_id"], ["sealed_object.id"], name="fk_push_order_id"),
        sa.PrimaryKeyConstraint("id", name="pk_push"),
        sa.UniqueConstraint("job_id", "device_id", name="uq_push_job_id_device_id"),
        sa.UniqueConstraint("key", name="uq_push_key"),
    )
    op.create_index("ix_push_device_id", "push", ["device_id"])
    op.create_index("ix_push_order_id", "push", ["order_id"])
    op.create_index("ix_push_created_at_id", "push", ["created_at", "id"])
    op.create_table(
        "push_step",
        sa.Column("push_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("result", sa.String(length=16)),
        sa.Column("reason", FreeText(), nullable=False),
        sa.Column("deadline", UtcTime()),
        sa.ForeignKeyConstraint(["push_id"], ["push.id"], name="fk_push_step_push_id"),
        sa.PrimaryKeyConstraint("push_id", "number", name="pk_push_step"),
    )


def downgrade() -> None:
    op.drop_table("push_step")
    op.drop_table("push")
