"""The tables of the audit log, on the metadata of ``tables``. Triggers, which the migration makes, refuse every change
of an entry and every step back of the head."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, String, Table, Text

from cpe_manager.adapters.db.tables import metadata
from cpe_manager.adapters.db.types import EVENT_ID, NAME, UtcTime

NUMBER: Final = BigInteger().with_variant(Integer(), "sqlite")

audit_entry: Final = Table(
    "audit_entry",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    Column("actor", NAME, nullable=False),
    Column("actor_id", NAME, nullable=False),
    Column("action", NAME, nullable=False),
    Column("target", NAME, nullable=False),
    Column("site", NAME, nullable=False),
    Column("result", String(16), nullable=False),
    # Text and not JSON: the digest is of these very characters.
    Column("data", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("key_id", String(32), nullable=False),
    Column("digest", String(64), nullable=False),
    Index("ix_audit_entry_actor_number", "actor", "number"),
    Index("ix_audit_entry_action_number", "action", "number"),
    Index("ix_audit_entry_target_number", "target", "number"),
    Index("ix_audit_entry_site_number", "site", "number"),
    Index("ix_audit_entry_at", "at"),
)

audit_head: Final = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", NUMBER, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("event_id", EVENT_ID, nullable=False),
    Column("key_id", String(32), nullable=False),
    Column("seal", String(64), nullable=False),
)

audit_watch: Final = Table(
    "audit_watch",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    Column("number", NUMBER, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("whole_at", UtcTime),
    Column("fault", JSON(none_as_null=True)),
)
