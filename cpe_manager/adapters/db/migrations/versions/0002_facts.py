"""What devices say of themselves; and finding a device by its address, as traps have to.

Types are spelled out here and not taken from ``tables``: a later change there must not change what this step made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cpe_manager.adapters.db.types import FreeText, UtcTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "device_facts",
        sa.Column("device_id", ID, nullable=False),
        sa.Column("hostname", FreeText(), nullable=False),
        sa.Column("model", FreeText(), nullable=False),
        sa.Column("serial", FreeText(), nullable=False),
        sa.Column("os_release", FreeText(), nullable=False),
        sa.Column("uptime", sa.BigInteger()),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_device_facts_device_id"),
        sa.PrimaryKeyConstraint("device_id", name="pk_device_facts"),
    )
    op.create_index("ix_device_address", "device", ["address"])


def downgrade() -> None:
    op.drop_index("ix_device_address", "device")
    op.drop_table("device_facts")
