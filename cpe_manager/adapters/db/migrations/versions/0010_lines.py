"""Lines for fail-over: what is known of them, where they stand, their history, incidents and orders.

Types are spelled out here and not taken from ``tables``: a later change there must not change what this step made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cpe_manager.adapters.db.types import FreeText, UtcTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ID = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _setup_and_state()
    _history()
    _incidents()
    op.create_table(
        "line_order",
        sa.Column("id", ID, nullable=False),
        sa.Column("line_id", ID, nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("reason", FreeText(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("key", sa.String(length=255)),
        sa.ForeignKeyConstraint(["line_id"], ["line.id"], name="fk_line_order_line_id"),
        sa.PrimaryKeyConstraint("id", name="pk_line_order"),
        sa.UniqueConstraint("key", name="uq_line_order_key"),
    )
    op.create_index("ix_line_order_line_id", "line_order", ["line_id"])
    op.create_table(
        "line_lead",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("until", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_line_lead"),
    )


def _setup_and_state() -> None:
    op.create_table(
        "line_setup",
        sa.Column("line_id", ID, nullable=False),
        sa.Column("position_id", ID),
        sa.Column("watched", sa.Boolean(), nullable=False),
        sa.Column("formula", sa.String(length=64), nullable=False),
        sa.Column("ordered", sa.Boolean(), nullable=False),
        sa.Column("coverage", sa.String(length=16), nullable=False),
        sa.Column("coverage_reason", FreeText(), nullable=False),
        sa.Column("moves", sa.String(length=16), nullable=False),
        sa.Column("line_address", sa.String(length=64), nullable=False),
        sa.Column("mobile_address", sa.String(length=64), nullable=False),
        sa.Column("platform", NAME, nullable=False),
        sa.Column("fixed_ipv4", sa.String(length=64)),
        sa.Column("fixed_ipv6", sa.String(length=64)),
        sa.Column("fixed_gateway", sa.String(length=64), nullable=False),
        sa.Column("mobile_gateway", sa.String(length=64), nullable=False),
        sa.Column("fixed_port", sa.Text(), nullable=False),
        sa.Column("mobile_port", sa.Text(), nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.Column("changed_at", UtcTime(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["line.id"], name="fk_line_setup_line_id"),
        sa.ForeignKeyConstraint(["position_id"], ["position.id"], name="fk_line_setup_position_id"),
        sa.PrimaryKeyConstraint("line_id", name="pk_line_setup"),
        sa.UniqueConstraint("position_id", name="uq_line_setup_position_id"),
    )
    op.create_table(
        "line_state",
        sa.Column("line_id", ID, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("carrier", sa.String(length=16), nullable=False),
        sa.Column("condition", sa.String(length=32), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("flaps", sa.JSON(), nullable=False),
        sa.Column("switch_id", sa.String(length=64), nullable=False),
        sa.Column("push_id", sa.String(length=64), nullable=False),
        sa.Column("moved_by", FreeText(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("held_from", sa.String(length=16)),
        sa.Column("wanted", sa.String(length=16), nullable=False),
        sa.Column("wanted_by", FreeText(), nullable=False),
        sa.Column("wanted_reason", FreeText(), nullable=False),
        sa.Column("wanted_at", sa.Float()),
        sa.Column("due", FreeText(), nullable=False),
        sa.Column("due_at", sa.Float()),
        sa.Column("tested_at", sa.Float()),
        sa.Column("test_ok", sa.Boolean()),
        sa.Column("mobile_bytes", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["line.id"], name="fk_line_state_line_id"),
        sa.PrimaryKeyConstraint("line_id", name="pk_line_state"),
    )
    op.create_index("ix_line_state_state", "line_state", ["state"])
    asked = sa.text("wanted != ''")
    op.create_index("ix_line_state_wanted", "line_state", ["line_id"], sqlite_where=asked, postgresql_where=asked)


def _history() -> None:
    op.create_table(
        "line_transition",
        sa.Column("id", ID, nullable=False),
        sa.Column("line_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("before", sa.String(length=16), nullable=False),
        sa.Column("after", sa.String(length=16), nullable=False),
        sa.Column("condition", sa.String(length=32), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("moved_by", FreeText(), nullable=False),
        sa.Column("switch_id", sa.String(length=64), nullable=False),
        sa.Column("push_id", sa.String(length=64), nullable=False),
        sa.Column("last_change", FreeText(), nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["line.id"], name="fk_line_transition_line_id"),
        sa.PrimaryKeyConstraint("id", name="pk_line_transition"),
    )
    op.create_index("ix_line_transition_line_id_at", "line_transition", ["line_id", "at", "number"])
    op.create_index("ix_line_transition_at", "line_transition", ["at", "number", "id"])


def _incidents() -> None:
    op.create_table(
        "incident",
        sa.Column("id", ID, nullable=False),
        sa.Column("subject", sa.String(length=16), nullable=False),
        sa.Column("line_id", ID),
        sa.Column("node", NAME, nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("opened_at", UtcTime(), nullable=False),
        sa.Column("reason", FreeText(), nullable=False),
        sa.Column("closed_at", UtcTime()),
        sa.Column("closed_reason", FreeText(), nullable=False),
        sa.Column("parent_id", ID),
        sa.Column("device_id", ID),
        sa.Column("device", NAME, nullable=False),
        sa.Column("site", NAME, nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["line.id"], name="fk_incident_line_id"),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["incident.id"], name="fk_incident_parent_id", deferrable=True, initially="DEFERRED"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_incident"),
    )
    op.create_index("ix_incident_parent_id", "incident", ["parent_id"])
    op.create_index("ix_incident_opened_at_id", "incident", ["opened_at", "id"])
    op.create_index("ix_incident_line_id_opened_at", "incident", ["line_id", "opened_at"])
    for name, columns, null in (
        ("uq_incident_line_id_subject_open", ["line_id", "subject"], "IS NOT NULL"),
        ("uq_incident_node_open", ["node"], "IS NULL"),
    ):
        still = sa.text(f"closed_at IS NULL AND line_id {null}")
        op.create_index(name, "incident", columns, unique=True, sqlite_where=still, postgresql_where=still)


def downgrade() -> None:
    for name in ("line_lead", "line_order", "incident", "line_transition", "line_state", "line_setup"):
        op.drop_table(name)
