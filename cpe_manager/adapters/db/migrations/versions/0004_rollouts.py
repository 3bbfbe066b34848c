"""Roll-outs and their devices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cpe_manager.adapters.db.types import FreeText, UtcTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "rollout",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("summary", FreeText(), nullable=False),
        sa.Column("strategy", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("guard_seconds", sa.Integer(), nullable=False),
        sa.Column("overrides", sa.JSON(), nullable=False),
        sa.Column("key", sa.String(length=255)),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("wave", sa.Integer()),
        sa.Column("reason", FreeText()),
        sa.Column("started_at", UtcTime()),
        sa.Column("ended_at", UtcTime()),
        sa.Column("give_up", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rollout"),
        sa.UniqueConstraint("key", name="uq_rollout_key"),
    )
    op.create_index("ix_rollout_state", "rollout", ["state"])
    op.create_index("ix_rollout_created_at_id", "rollout", ["created_at", "id"])
    op.create_table(
        "rollout_device",
        sa.Column("rollout_id", ID, nullable=False),
        sa.Column("device_id", ID, nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("access_node", NAME),
        sa.Column("order_id", ID, nullable=False),
        sa.Column("push_id", ID),
        sa.Column("skipped", FreeText()),
        sa.ForeignKeyConstraint(["rollout_id"], ["rollout.id"], name="fk_rollout_device_rollout_id"),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_rollout_device_device_id"),
        sa.ForeignKeyConstraint(["order_id"], ["sealed_object.id"], name="fk_rollout_device_order_id"),
        sa.ForeignKeyConstraint(["push_id"], ["push.id"], name="fk_rollout_device_push_id"),
        sa.PrimaryKeyConstraint("rollout_id", "device_id", name="pk_rollout_device"),
    )
    op.create_index("ix_rollout_device_device_id", "rollout_device", ["device_id"])
    op.create_index("ix_rollout_device_order_id", "rollout_device", ["order_id"])
    op.create_index("ix_rollout_device_push_id", "rollout_device", ["push_id"])
    op.create_index("ix_rollout_device_order", "rollout_device", ["rollout_id", "wave", "position"])


def downgrade() -> None:
    op.drop_table("rollout_device")
    op.drop_table("rollout")
