"""The tables of activations, on the same metadata as all others."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from cpe_manager.adapters.db.tables import metadata
from cpe_manager.adapters.db.types import ID, NAME, FreeText, UtcTime

activation: Final = Table(
    "activation",
    metadata,
    Column("id", ID, primary_key=True),
    Column("site_id", ID, ForeignKey("site.id"), nullable=False),
    Column("site", NAME, nullable=False),
    Column("device_id", ID, ForeignKey("device.id"), nullable=False),
    Column("device", NAME, nullable=False),
    Column("formula", String(64), nullable=False),
    Column("technology", String(16), nullable=False),
    Column("catalogue_version", Integer, nullable=False),
    Column("order", JSON, nullable=False),  # masked; the whole one is sealed
    Column("object_id", ID, ForeignKey("sealed_object.id"), nullable=False, unique=True),
    Column("created_at", UtcTime, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("rush", Boolean, nullable=False),
    Column("router", Boolean, nullable=False),
    Column("key", String(255), unique=True),
    Column("due_at", UtcTime, nullable=False),
    Column("risk_at", UtcTime, nullable=False),
    Column("answer_by", UtcTime),
    # What people say.
    Column("rush_answer", JSON(none_as_null=True)),
    Column("retries", Integer, nullable=False),
    Column("cancelled_by", Text),
    # What the work has come to.
    Column("state", String(16), nullable=False),
    Column("failures", Integer, nullable=False),
    Column("note", FreeText, nullable=False),
    Column("not_before", UtcTime),  # NULL: it waits for a person, or has ended
    Column("push_id", ID),
    Column("job_id", ID),
    Column("backup_id", ID),  # no foreign key: it keeps saying which it was after that was deleted
    Column("rounds", JSON, nullable=False),
    Column("reports", Integer, nullable=False),
    Column("activated_at", UtcTime),
    Column("ended_at", UtcTime),
    # Who works on it.
    Column("held_by", String(128)),
    Column("held_until", UtcTime),
    Column("fence", BigInteger, nullable=False),
    Index("ix_activation_site_id", "site_id"),
    Index("ix_activation_device_id", "device_id"),
    Index("ix_activation_created_at_id", "created_at", "id"),
    Index("ix_activation_ended_at_not_before", "ended_at", "not_before"),
)

activation_step: Final = Table(
    "activation_step",
    metadata,
    Column("activation_id", ID, ForeignKey("activation.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("step", String(16), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("result", String(16)),
    Column("reason", FreeText, nullable=False),
    Column("redo", JSON, nullable=False),
)

activation_report: Final = Table(
    "activation_report",
    metadata,
    Column("activation_id", ID, ForeignKey("activation.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("data", JSON, nullable=False),
    Column("html", FreeText, nullable=False),
)
