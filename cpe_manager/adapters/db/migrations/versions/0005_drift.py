"""What was confirmed of each position, and who is out of step with it.

What a device ran when this step is made counts as confirmed: nobody has said otherwise.
Types are spelled out here and not taken from ``tables``: a later change there must not change what this step made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cpe_manager.adapters.db.types import FreeText, UtcTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")
OUT_OF_STEP = sa.text("changed_since IS NOT NULL OR unsaved_since IS NOT NULL")

# The newest of a position's current versions: there is one, but for hardware that was swapped and left in place.
SEED = """
INSERT INTO drift (position_id, confirmed_id, confirmed_at, confirmed_by, how)
SELECT b.position_id, b.id, b.captured_at, 'upgrade', 'upgrade' FROM backup AS b
WHERE b.id IN (
    SELECT MAX(c.id) FROM backup AS c
    JOIN device_status AS s ON s.current_backup_id = c.id
    JOIN device AS d ON d.id = s.device_id
    WHERE d.state <> 'decommissioned' AND c.position_id = d.position_id
    GROUP BY c.position_id
)
"""


def upgrade() -> None:
    op.create_table(
        "drift",
        sa.Column("position_id", ID, nullable=False),
        sa.Column("confirmed_id", ID, nullable=False),
        sa.Column("confirmed_at", UtcTime(), nullable=False),
        sa.Column("confirmed_by", FreeText(), nullable=False),
        sa.Column("how", sa.String(length=16), nullable=False),
        sa.Column("changed_since", UtcTime()),
        sa.Column("changed_by", FreeText()),
        sa.Column("changed_when", FreeText()),
        sa.Column("changed_source", FreeText()),
        sa.Column("unsaved_since", UtcTime()),
        sa.Column("startup_at", UtcTime()),
        sa.ForeignKeyConstraint(["position_id"], ["position.id"], name="fk_drift_position_id"),
        sa.ForeignKeyConstraint(["confirmed_id"], ["backup.id"], name="fk_drift_confirmed_id"),
        sa.PrimaryKeyConstraint("position_id", name="pk_drift"),
    )
    op.create_index("ix_drift_confirmed_id", "drift", ["confirmed_id"])
    op.create_index(
        "ix_drift_out_of_step", "drift", ["position_id"], sqlite_where=OUT_OF_STEP, postgresql_where=OUT_OF_STEP
    )
    op.execute(SEED)


def downgrade() -> None:
    op.drop_table("drift")
