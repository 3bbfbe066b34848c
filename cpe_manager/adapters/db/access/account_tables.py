"""The tables of accounts, on the metadata of ``tables``. An account is never deleted: its id is in what it did."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Integer, String, Table, Text

from cpe_manager.adapters.db.tables import metadata
from cpe_manager.adapters.db.types import ID, NAME, FreeText, UtcTime

account: Final = Table(
    "account",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", NAME, nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("granted", JSON, nullable=False),
    Column("full_name", FreeText, nullable=False),
    Column("email", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("disabled_at", UtcTime),
    Column("password", Text),  # its Argon2 hash, with salt and parameters
    Column("password_at", UtcTime),
    Column("temporary", Boolean, nullable=False),
    Column("subject", Text, unique=True),
    Column("last_login_at", UtcTime),
    Column("last_login_from", String(64), nullable=False),
    Column("revision", Integer, nullable=False),
)

account_site: Final = Table(
    "account_site",
    metadata,
    Column("account_id", ID, ForeignKey("account.id"), primary_key=True),
    Column("site_id", ID, ForeignKey("site.id"), primary_key=True),
)

account_session: Final = Table(
    "account_session",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("account_id", ID, ForeignKey("account.id"), nullable=False, index=True),
    Column("way", String(16), nullable=False),
    Column("began_at", UtcTime, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False, index=True),
    Column("source", String(64), nullable=False),
)

account_browser: Final = Table(
    "account_browser",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("account_id", ID, ForeignKey("account.id"), nullable=False, index=True),
    Column("seen_at", UtcTime, nullable=False),
)

login_guess: Final = Table(
    "login_guess",
    metadata,
    # A digest: what is typed where a name belongs is a password now and then.
    Column("key", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", UtcTime, nullable=False, index=True),
    Column("until", UtcTime),
)
