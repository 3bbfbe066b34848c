"""What checks, probes, windows and limits of pushes keep; and which device holds which public address.

Types are spelled out here and not taken from ``tables``: a later change there must not change what this step made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cpe_manager.adapters.db.types import FreeText, UtcTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ID = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")


def upgrade() -> None:
    for column in (
        sa.Column("priority", sa.String(length=16), nullable=False, server_default="normal"),
        sa.Column("any_time", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("accepted", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("probes", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("code", sa.String(length=64)),
        sa.Column("waiting", sa.JSON()),
        sa.Column("begun_at", UtcTime()),
        sa.Column("offer", sa.JSON()),
        sa.Column("settled_as", sa.String(length=16)),
        sa.Column("settled_at", UtcTime()),
        sa.Column("settled_by", sa.Text()),
        sa.Column("settled_note", FreeText()),
    ):
        op.add_column("push", column)
    op.create_index("ix_push_ended_at", "push", ["ended_at"])
    op.add_column("push_step", sa.Column("code", sa.String(length=64), nullable=False, server_default=""))
    op.add_column("push_step", sa.Column("notes", sa.JSON(), nullable=False, server_default="[]"))
    op.create_table(
        "address_reading",
        sa.Column("device_id", ID, nullable=False),
        sa.Column("backup_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_address_reading_device_id"),
        sa.PrimaryKeyConstraint("device_id", name="pk_address_reading"),
    )
    op.create_table(
        "held_address",
        sa.Column("device_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("network", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_held_address_device_id"),
        sa.PrimaryKeyConstraint("device_id", "version", "first", name="pk_held_address"),
    )
    op.create_index("ix_held_address_version_first", "held_address", ["version", "first"])


def downgrade() -> None:
    op.drop_table("held_address")
    op.drop_table("address_reading")
    op.drop_column("push_step", "notes")
    op.drop_column("push_step", "code")
    op.drop_index("ix_push_ended_at", "push")
    names = (
        "priority any_time accepted probes code waiting begun_at offer settled_as settled_at settled_by settled_note"
    )
    for name in names.split():
        op.drop_column("push", name)
