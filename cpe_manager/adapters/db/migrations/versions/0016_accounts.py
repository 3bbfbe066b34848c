"""Accounts, their sites, sessions and known browsers; guesses at passwords; tokens of accounts; the site of an event.

Types are spelled out here and not taken from ``tables``: a later change there must not change what this step made.
What happened before keeps no site, so that no customer is told of it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cpe_manager.adapters.db.types import FreeText, UtcTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

ID = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
VALID = "revoked_at IS NULL"


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("granted", sa.JSON(), nullable=False),
        sa.Column("full_name", FreeText(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("disabled_at", UtcTime()),
        sa.Column("password", sa.Text()),
        sa.Column("password_at", UtcTime()),
        sa.Column("temporary", sa.Boolean(), nullable=False),
        sa.Column("subject", sa.Text()),
        sa.Column("last_login_at", UtcTime()),
        sa.Column("last_login_from", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.UniqueConstraint("name", name="uq_account_name"),
        sa.UniqueConstraint("subject", name="uq_account_subject"),
    )
    op.create_table(
        "account_site",
        sa.Column("account_id", ID, nullable=False),
        sa.Column("site_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_account_site_account_id"),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name="fk_account_site_site_id"),
        sa.PrimaryKeyConstraint("account_id", "site_id", name="pk_account_site"),
    )
    op.create_table(
        "account_session",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("way", sa.String(length=16), nullable=False),
        sa.Column("began_at", UtcTime(), nullable=False),
        sa.Column("seen_at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_account_session_account_id"),
        sa.PrimaryKeyConstraint("digest", name="pk_account_session"),
    )
    op.create_index("ix_account_session_account_id", "account_session", ["account_id"])
    op.create_index("ix_account_session_expires_at", "account_session", ["expires_at"])
    op.create_table(
        "account_browser",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("seen_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_account_browser_account_id"),
        sa.PrimaryKeyConstraint("digest", name="pk_account_browser"),
    )
    op.create_index("ix_account_browser_account_id", "account_browser", ["account_id"])
    op.create_table(
        "login_guess",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", UtcTime(), nullable=False),
        sa.Column("until", UtcTime()),
        sa.PrimaryKeyConstraint("key", name="pk_login_guess"),
    )
    op.create_index("ix_login_guess_last_at", "login_guess", ["last_at"])
    for column in (
        sa.Column("account_id", ID),
        sa.Column("limit_to", sa.JSON()),
        sa.Column("created_by", sa.Text(), nullable=False, server_default=""),
        sa.Column("last_used_from", sa.String(length=64), nullable=False, server_default=""),
    ):
        op.add_column("token", column)
    op.drop_index("uq_token_name_valid", "token")
    nobodys = sa.text(f"{VALID} AND account_id IS NULL")
    op.create_index(
        "uq_token_name_valid", "token", ["name"], unique=True, sqlite_where=nobodys, postgresql_where=nobodys
    )
    valid = sa.text(VALID)
    op.create_index(
        "uq_token_account_id_name_valid",
        "token",
        ["account_id", "name"],
        unique=True,
        sqlite_where=valid,
        postgresql_where=valid,
    )
    op.add_column("event", sa.Column("site", NAME))
    op.create_index("ix_event_site_id", "event", ["site", "id"])


def downgrade() -> None:
    op.drop_index("ix_event_site_id", "event")
    op.drop_column("event", "site")
    op.execute("DELETE FROM token WHERE account_id IS NOT NULL")
    op.drop_index("uq_token_account_id_name_valid", "token")
    op.drop_index("uq_token_name_valid", "token")
    for name in ("account_id", "limit_to", "created_by", "last_used_from"):
        op.drop_column("token", name)
    valid = sa.text(VALID)
    op.create_index("uq_token_name_valid", "token", ["name"], unique=True, sqlite_where=valid, postgresql_where=valid)
    for table in ("login_guess", "account_browser", "account_session", "account_site", "account"):
        op.drop_table(table)
