"""The table of drift, beside the others on the same metadata. One row a position that has a confirmed version."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, String, Table, text

from cpe_manager.adapters.db.tables import metadata
from cpe_manager.adapters.db.types import ID, FreeText, UtcTime

drift: Final = Table(
    "drift",
    metadata,
    Column("position_id", ID, ForeignKey("position.id"), primary_key=True),
    Column("confirmed_id", ID, ForeignKey("backup.id"), nullable=False, index=True),
    Column("confirmed_at", UtcTime, nullable=False),
    Column("confirmed_by", FreeText, nullable=False),
    Column("how", String(16), nullable=False),
    Column("changed_since", UtcTime),
    Column("changed_by", FreeText),  # what the box says, not who we know
    Column("changed_when", FreeText),
    Column("changed_source", FreeText),
    Column("unsaved_since", UtcTime),
    Column("startup_at", UtcTime),
)
Index(
    "ix_drift_out_of_step",
    drift.c.position_id,
    sqlite_where=text("changed_since IS NOT NULL OR unsaved_since IS NOT NULL"),
    postgresql_where=text("changed_since IS NOT NULL OR unsaved_since IS NOT NULL"),
)
