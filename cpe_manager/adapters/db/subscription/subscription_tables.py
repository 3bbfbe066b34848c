"""The tables of catalogues and subscriptions, on the metadata of ``tables``."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, Column, ForeignKey, Integer, String, Table, Text

from cpe_manager.adapters.db.tables import metadata
from cpe_manager.adapters.db.types import ID, UtcTime

catalogue_version: Final = Table(
    "catalogue_version",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("taken_at", UtcTime, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("service", JSON, nullable=False),
    Column("entries", JSON, nullable=False),
    Column("service_source", Text, nullable=False),
    Column("changes_source", Text, nullable=False),
)

subscription: Final = Table(
    "subscription",
    metadata,
    Column("site_id", ID, ForeignKey("site.id"), primary_key=True),
    Column("customer", Text, nullable=False),
    # No foreign key: a formula that the catalogue has no more is told, not lost.
    Column("formula", String(64), nullable=False, index=True),
    Column("technology", String(16), nullable=False),
    Column("options", JSON, nullable=False),
    Column("activated_at", UtcTime),
    Column("representatives", JSON, nullable=False),
    Column("language", String(8), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("catalogue_version", Integer, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("changed_by", Text, nullable=False),
)
