"""The tables of hardware replacements, on the same metadata as all others."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text

from cpe_manager.adapters.db.tables import metadata
from cpe_manager.adapters.db.types import ID, NAME, FreeText, UtcTime

replacement: Final = Table(
    "replacement",
    metadata,
    Column("id", ID, primary_key=True),
    Column("device_id", ID, ForeignKey("device.id"), nullable=False),
    Column("position_id", ID, ForeignKey("position.id"), nullable=False),
    Column("device", NAME, nullable=False),
    Column("site", NAME, nullable=False),
    Column("unit", JSON, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("version", Integer),
    Column("key", String(255), unique=True),
    # What people say.
    Column("accepted_key", String(128)),
    Column("accepted_plan", String(32)),
    Column("names", JSON, nullable=False),
    Column("consent", FreeText),
    Column("consent_by", Text),
    Column("consent_at", UtcTime),
    Column("answered", Integer, nullable=False),
    Column("cancelled_by", Text),
    # What the work has come to.
    Column("stage", String(16), nullable=False),
    Column("asks", JSON, nullable=False),
    Column("questions", Integer, nullable=False),
    Column("offered_key", Text),
    Column("plan", JSON, nullable=False),
    Column("report", JSON, nullable=False),
    Column("backup_id", ID),  # no foreign key: it keeps saying what was restored after that was deleted
    Column("push_id", ID),
    Column("new_device_id", ID),
    Column("note", FreeText, nullable=False),
    Column("not_before", UtcTime),  # NULL: it waits for a person, or has ended
    Column("reason", FreeText),
    Column("ended_at", UtcTime),
    # Who works on it.
    Column("held_by", String(128)),
    Column("held_until", UtcTime),
    Column("fence", BigInteger, nullable=False),
    Index("ix_replacement_position_id", "position_id"),
    Index("ix_replacement_device_id", "device_id"),
    Index("ix_replacement_created_at_id", "created_at", "id"),
)

replacement_step: Final = Table(
    "replacement_step",
    metadata,
    Column("replacement_id", ID, ForeignKey("replacement.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("step", String(16), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("result", String(16)),
    Column("reason", FreeText, nullable=False),
)
