"""The tables of webhooks, on the metadata of ``tables``."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Integer, String, Table, Text

from cpe_manager.adapters.db.tables import metadata
from cpe_manager.adapters.db.types import EVENT_ID, ID, NAME, FreeText, UtcTime

webhook: Final = Table(
    "webhook",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", NAME, nullable=False, unique=True),
    Column("url", Text, nullable=False),
    Column("kinds", JSON, nullable=False),
    Column("object_id", ID, ForeignKey("sealed_object.id"), nullable=False, unique=True),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", Text, nullable=False),
    # No foreign key: an event may be of the time before a database was cleared of old ones.
    Column("cursor", EVENT_ID, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", FreeText, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("failing_since", UtcTime),
    Column("next_at", UtcTime),
    Column("delivered_at", UtcTime),
    Column("owner", String(128)),
    Column("held_until", UtcTime),
    Column("fence", Integer, nullable=False),
    Column("sites", JSON(none_as_null=True)),
    # No foreign key: the account may go first.
    Column("account_id", String(64), nullable=False, server_default=""),
)

webhook_attempt: Final = Table(
    "webhook_attempt",
    metadata,
    Column("webhook_id", ID, ForeignKey("webhook.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("event_id", EVENT_ID, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("ok", Boolean, nullable=False),
    Column("status", Integer),
    Column("seconds", Float, nullable=False),
    Column("reason", FreeText, nullable=False),
)
