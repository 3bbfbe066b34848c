"""The tables of change requests, on the metadata of ``tables``."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from cpe_manager.adapters.db.tables import metadata
from cpe_manager.adapters.db.types import ID, FreeText, UtcTime

change_request: Final = Table(
    "change_request",
    metadata,
    Column("id", ID, primary_key=True),
    Column("number", Integer, nullable=False, unique=True),  # of the ticket: counts up without a gap
    Column("site_id", ID, ForeignKey("site.id"), nullable=False, index=True),
    Column("device_id", ID, ForeignKey("device.id"), nullable=False),
    Column("type", String(32), nullable=False),
    Column("type_version", Integer, nullable=False),
    Column("catalogue_version", Integer, nullable=False),
    Column("parameters", JSON, nullable=False),  # masked
    Column("parameters_id", ID, ForeignKey("sealed_object.id"), nullable=False, unique=True),
    Column("effect_id", ID, ForeignKey("sealed_object.id"), unique=True),
    Column("summary", FreeText, nullable=False),
    Column("submitted_by", Text, nullable=False),
    Column("submitted_by_id", Text, nullable=False),
    Column("submitted_at", UtcTime, nullable=False),
    Column("state", String(16), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("by_right", Boolean, nullable=False),
    Column("standard", Boolean, nullable=False),
    Column("reason", FreeText, nullable=False),
    Column("code", String(64), nullable=False),
    Column("shown", JSON),
    Column("approval", JSON),
    Column("ordered_at", UtcTime, nullable=False),  # by which those of one device go: approved at, else submitted at
    Column("round", Integer, nullable=False),
    Column("not_before", UtcTime),
    Column("requested_for", UtcTime),
    Column("push_id", ID, ForeignKey("push.id"), index=True),
    Column("fee", JSON),
    Column("note", FreeText, nullable=False),
    Column("bulk_id", String(64), index=True),
    Column("key", Text, unique=True),
    Column("outcome", String(16)),
    Column("ended_at", UtcTime),
    Column("closed_at", UtcTime),
    Column("expires_at", UtcTime),
    Column("look_at", UtcTime),
    Column("tries", Integer, nullable=False),
    Index("ix_change_request_state_look_at", "state", "look_at"),
    Index("ix_change_request_device_id_state", "device_id", "state"),
)

change_step: Final = Table(
    "change_step",
    metadata,
    Column("change_id", ID, ForeignKey("change_request.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", FreeText, nullable=False),
)

change_ticket: Final = Table(
    "change_ticket",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # one row alone: whoever holds its lock numbers
    Column("last", Integer, nullable=False),
)
