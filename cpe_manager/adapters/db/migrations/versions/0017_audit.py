"""The audit log: entries that can only be added, and the one row that says where they end.

The triggers keep honest programs honest; whoever may drop them is found out by the chain.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cpe_manager.adapters.db.types import UtcTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

REFUSED = "the audit log is append-only"


def upgrade() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor", NAME, nullable=False),
        sa.Column("actor_id", NAME, nullable=False),
        sa.Column("action", NAME, nullable=False),
        sa.Column("target", NAME, nullable=False),
        sa.Column("site", NAME, nullable=False),
        sa.Column("result", sa.String(length=16), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit_entry"),
    )
    for column in ("actor", "action", "target", "site"):
        op.create_index(f"ix_audit_entry_{column}_number", "audit_entry", [column, "number"])
    op.create_index("ix_audit_entry_at", "audit_entry", ["at"])
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("event_id", NUMBER, nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
    )
    for statement in _postgres() if op.get_bind().dialect.name == "postgresql" else _sqlite():
        op.execute(statement)


def _sqlite() -> list[str]:
    abort = f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
    back = "NEW.number < OLD.number OR NEW.event_id < OLD.event_id OR NEW.id <> OLD.id"
    return [
        f"CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_entry {abort}",
        f"CREATE TRIGGER audit_entry_no_delete BEFORE DELETE ON audit_entry {abort}",
        f"CREATE TRIGGER audit_head_no_return BEFORE UPDATE ON audit_head WHEN {back} {abort}",
        f"CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON audit_head {abort}",
    ]


def _postgres() -> list[str]:
    back = "NEW.number < OLD.number OR NEW.event_id < OLD.event_id OR NEW.id <> OLD.id"
    run = "EXECUTE FUNCTION audit_append_only()"
    body = f"$$ BEGIN RAISE EXCEPTION '{REFUSED}'; END $$"
    return [
        f"CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS {body}",
        f"CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE ON audit_entry FOR EACH ROW {run}",
        f"CREATE TRIGGER audit_entry_no_truncate BEFORE TRUNCATE ON audit_entry FOR EACH STATEMENT {run}",
        f"CREATE TRIGGER audit_head_no_return BEFORE UPDATE ON audit_head FOR EACH ROW WHEN ({back}) {run}",
        f"CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON audit_head FOR EACH ROW {run}",
        f"CREATE TRIGGER audit_head_no_truncate BEFORE TRUNCATE ON audit_head FOR EACH STATEMENT {run}",
    ]


def downgrade() -> None:
    op.drop_table("audit_head")
    op.drop_table("audit_entry")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_append_only()")
