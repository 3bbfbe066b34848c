"""The backup files that boxes make themselves, beside the versions.

Types are spelled out here and not taken from ``tables``: a later change there must not change what this step made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ID = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "backup_file",
        sa.Column("backup_id", ID, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("media_type", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("object_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["backup_id"], ["backup.id"], name="fk_backup_file_backup_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["object_id"], ["sealed_object.id"], name="fk_backup_file_object_id"),
        sa.PrimaryKeyConstraint("backup_id", name="pk_backup_file"),
    )
    op.create_index("ix_backup_file_object_id", "backup_file", ["object_id"])


def downgrade() -> None:
    op.drop_table("backup_file")
