"""Change requests, their steps, and the row that their ticket numbers are counted in.

Types are spelled out here and not taken from ``tables``: a later change there must not change what this step made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cpe_manager.adapters.db.types import FreeText, UtcTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ID = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "change_request",
        sa.Column("id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("site_id", ID, nullable=False),
        sa.Column("device_id", ID, nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("type_version", sa.Integer(), nullable=False),
        sa.Column("catalogue_version", sa.Integer(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("parameters_id", ID, nullable=False),
        sa.Column("effect_id", ID),
        sa.Column("summary", FreeText(), nullable=False),
        sa.Column("submitted_by", sa.Text(), nullable=False),
        sa.Column("submitted_by_id", sa.Text(), nullable=False),
        sa.Column("submitted_at", UtcTime(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("by_right", sa.Boolean(), nullable=False),
        sa.Column("standard", sa.Boolean(), nullable=False),
        sa.Column("reason", FreeText(), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("shown", sa.JSON()),
        sa.Column("approval", sa.JSON()),
        sa.Column("ordered_at", UtcTime(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("not_before", UtcTime()),
        sa.Column("requested_for", UtcTime()),
        sa.Column("push_id", ID),
        sa.Column("fee", sa.JSON()),
        sa.Column("note", FreeText(), nullable=False),
        sa.Column("bulk_id", sa.String(length=64)),
        sa.Column("key", sa.Text()),
        sa.Column("outcome", sa.String(16)),
        sa.Column("ended_at", UtcTime()),
        sa.Column("closed_at", UtcTime()),
        sa.Column("expires_at", UtcTime()),
        sa.Column("look_at", UtcTime()),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name="fk_change_request_site_id"),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_change_request_device_id"),
        sa.ForeignKeyConstraint(["parameters_id"], ["sealed_object.id"], name="fk_change_request_parameters_id"),
        sa.ForeignKeyConstraint(["effect_id"], ["sealed_object.id"], name="fk_change_request_effect_id"),
        sa.ForeignKeyConstraint(["push_id"], ["push.id"], name="fk_change_request_push_id"),
        sa.PrimaryKeyConstraint("id", name="pk_change_request"),
        sa.UniqueConstraint("number", name="uq_change_request_number"),
        sa.UniqueConstraint("parameters_id", name="uq_change_request_parameters_id"),
        sa.UniqueConstraint("effect_id", name="uq_change_request_effect_id"),
        sa.UniqueConstraint("key", name="uq_change_request_key"),
    )
    for column in ("site_id", "push_id", "bulk_id"):
        op.create_index(f"ix_change_request_{column}", "change_request", [column])
    op.create_index("ix_change_request_state_look_at", "change_request", ["state", "look_at"])
    op.create_index("ix_change_request_device_id_state", "change_request", ["device_id", "state"])
    op.create_table(
        "change_step",
        sa.Column("change_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", FreeText(), nullable=False),
        sa.ForeignKeyConstraint(
            ["change_id"], ["change_request.id"], name="fk_change_step_change_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("change_id", "number", name="pk_change_step"),
    )
    op.create_table(
        "change_ticket",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_change_ticket"),
    )


def downgrade() -> None:
    op.drop_table("change_ticket")
    op.drop_table("change_step")
    op.drop_table("change_request")
