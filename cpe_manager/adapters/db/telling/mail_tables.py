"""The tables of mails, on the metadata of ``tables``."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Index, Integer, String, Table, Text, UniqueConstraint

from cpe_manager.adapters.db.tables import metadata
from cpe_manager.adapters.db.types import EVENT_ID, ID, NAME, FreeText, UtcTime

mail: Final = Table(
    "mail",
    metadata,
    Column("id", ID, primary_key=True),
    # No foreign key: a mail may outlive its event.
    Column("event_id", EVENT_ID, nullable=False),
    Column("kind", String(100), nullable=False),
    Column("site", NAME, nullable=False),
    Column("audience", String(16), nullable=False),
    Column("recipient", NAME, nullable=False),
    Column("language", String(8), nullable=False),
    Column("subject", FreeText, nullable=False),
    Column("body", FreeText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", UtcTime),
    Column("reason", FreeText, nullable=False),
    Column("sent_at", UtcTime),
    Column("owner", Text),
    Column("held_until", UtcTime),
    Column("fence", Integer, nullable=False),
    Column("about", String(64), nullable=False, server_default=""),
    UniqueConstraint("event_id", "recipient", name="uq_mail_event_id_recipient"),
    Index("ix_mail_about", "about"),
    Index("ix_mail_state_event_id", "state", "event_id"),
    Index("ix_mail_recipient_state_event_id", "recipient", "state", "event_id"),
)

mail_cursor: Final = Table(
    "mail_cursor",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("event_id", EVENT_ID, nullable=False),
)
