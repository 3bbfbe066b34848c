"""The table of restore drills, on the metadata of ``tables``."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, String, Table

from cpe_manager.adapters.db.tables import metadata
from cpe_manager.adapters.db.types import ID, FreeText, UtcTime

drill_result: Final = Table(
    "drill_result",
    metadata,
    # One for each version, the latest; it goes with the version.
    Column("backup_id", ID, ForeignKey("backup.id", ondelete="CASCADE"), primary_key=True),
    Column("device_id", ID, ForeignKey("device.id"), nullable=False, index=True),
    Column("verdict", String(16), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("lines", Integer, nullable=False),
    Column("reason", FreeText, nullable=False),
    Column("job_id", ID, index=True),  # no foreign key: what was proven outlives the job
    Index("ix_drill_result_at_backup_id", "at", "backup_id"),
)
