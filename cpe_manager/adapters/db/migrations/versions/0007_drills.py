"""What came of restoring stored versions onto fresh boxes.

Types are spelled out here and not taken from ``tables``: a later change there must not change what this step made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cpe_manager.adapters.db.types import FreeText, UtcTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "drill_result",
        sa.Column("backup_id", ID, nullable=False),
        sa.Column("device_id", ID, nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("reason", FreeText(), nullable=False),
        sa.Column("job_id", ID),
        sa.ForeignKeyConstraint(["backup_id"], ["backup.id"], name="fk_drill_result_backup_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_drill_result_device_id"),
        sa.PrimaryKeyConstraint("backup_id", name="pk_drill_result"),
    )
    op.create_index("ix_drill_result_device_id", "drill_result", ["device_id"])
    op.create_index("ix_drill_result_job_id", "drill_result", ["job_id"])
    op.create_index("ix_drill_result_at_backup_id", "drill_result", ["at", "backup_id"])


def downgrade() -> None:
    op.drop_table("drill_result")
