"""Activations with their journals and reports.

Types are spelled out here and not taken from ``tables``: a later change there must not change what this step made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cpe_manager.adapters.db.types import FreeText, UtcTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

ID = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "activation",
        sa.Column("id", ID, nullable=False),
        sa.Column("site_id", ID, nullable=False),
        sa.Column("site", NAME, nullable=False),
        sa.Column("device_id", ID, nullable=False),
        sa.Column("device", NAME, nullable=False),
        sa.Column("formula", sa.String(length=64), nullable=False),
        sa.Column("technology", sa.String(length=16), nullable=False),
        sa.Column("catalogue_version", sa.Integer(), nullable=False),
        sa.Column("order", sa.JSON(), nullable=False),
        sa.Column("object_id", ID, nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("rush", sa.Boolean(), nullable=False),
        sa.Column("router", sa.Boolean(), nullable=False),
        sa.Column("key", sa.String(length=255)),
        sa.Column("due_at", UtcTime(), nullable=False),
        sa.Column("risk_at", UtcTime(), nullable=False),
        sa.Column("answer_by", UtcTime()),
        sa.Column("rush_answer", sa.JSON()),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("cancelled_by", sa.Text()),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("note", FreeText(), nullable=False),
        sa.Column("not_before", UtcTime()),
        sa.Column("push_id", ID),
        sa.Column("job_id", ID),
        sa.Column("backup_id", ID),
        sa.Column("rounds", sa.JSON(), nullable=False),
        sa.Column("reports", sa.Integer(), nullable=False),
        sa.Column("activated_at", UtcTime()),
        sa.Column("ended_at", UtcTime()),
        sa.Column("held_by", sa.String(length=128)),
        sa.Column("held_until", UtcTime()),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name="fk_activation_site_id"),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_activation_device_id"),
        sa.ForeignKeyConstraint(["object_id"], ["sealed_object.id"], name="fk_activation_object_id"),
        sa.PrimaryKeyConstraint("id", name="pk_activation"),
        sa.UniqueConstraint("object_id", name="uq_activation_object_id"),
        sa.UniqueConstraint("key", name="uq_activation_key"),
    )
    for columns in (("site_id",), ("device_id",), ("created_at", "id"), ("ended_at", "not_before")):
        op.create_index(f"ix_activation_{'_'.join(columns)}", "activation", list(columns))
    op.create_table(
        "activation_step",
        sa.Column("activation_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("result", sa.String(length=16)),
        sa.Column("reason", FreeText(), nullable=False),
        sa.Column("redo", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["activation_id"], ["activation.id"], name="fk_activation_step_activation_id"),
        sa.PrimaryKeyConstraint("activation_id", "number", name="pk_activation_step"),
    )
    op.create_table(
        "activation_report",
        sa.Column("activation_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("html", FreeText(), nullable=False),
        sa.ForeignKeyConstraint(["activation_id"], ["activation.id"], name="fk_activation_report_activation_id"),
        sa.PrimaryKeyConstraint("activation_id", "number", name="pk_activation_report"),
    )


def downgrade() -> None:
    op.drop_table("activation_report")
    op.drop_table("activation_step")
    op.drop_table("activation")
