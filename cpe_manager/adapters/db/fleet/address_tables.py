"""The public addresses that the fleet's devices hold, as their current versions say: a table beside the others.

It is made from versions and can be thrown away: a chore makes it anew. ``first`` and ``last`` are numbers as in
``domain.push.checks.Held.bounds``.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table

from cpe_manager.adapters.db.tables import metadata
from cpe_manager.adapters.db.types import ID

address_reading: Final = Table(
    "address_reading",
    metadata,
    Column("device_id", ID, ForeignKey("device.id"), primary_key=True),
    Column("backup_id", ID, nullable=False),  # no foreign key: that version may be deleted later
)

held_address: Final = Table(
    "held_address",
    metadata,
    Column("device_id", ID, ForeignKey("device.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger, nullable=False),
    Column("network", String(64), nullable=False),
    Index("ix_held_address_version_first", "version", "first"),
)
