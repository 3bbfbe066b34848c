"""The table of idempotency keys, on the metadata of ``tables``."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Index, String, Table

from cpe_manager.adapters.db.tables import metadata
from cpe_manager.adapters.db.types import UtcTime

request_key: Final = Table(
    "request_key",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("at", UtcTime, nullable=False),
    Index("ix_request_key_at", "at"),
)
