"""Tables of roll-outs, on the metadata of all others."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from cpe_manager.adapters.db.tables import metadata
from cpe_manager.adapters.db.types import ID, NAME, FreeText, UtcTime

rollout: Final = Table(
    "rollout",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("summary", FreeText, nullable=False),
    Column("strategy", JSON, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("guard_seconds", Integer, nullable=False),
    Column("overrides", JSON, nullable=False),
    Column("key", String(255), unique=True),
    Column("state", String(16), nullable=False, index=True),
    Column("wave", Integer),  # the last one that has begun
    Column("reason", FreeText),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("give_up", Boolean, nullable=False),  # cancelled, and what is in flight is to be taken back
    Column("revision", Integer, nullable=False),
    Index("ix_rollout_created_at_id", "created_at", "id"),
)

rollout_device: Final = Table(
    "rollout_device",
    metadata,
    Column("rollout_id", ID, ForeignKey("rollout.id"), primary_key=True),
    Column("device_id", ID, ForeignKey("device.id"), primary_key=True, index=True),
    Column("wave", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("access_node", NAME),
    Column("order_id", ID, ForeignKey("sealed_object.id"), nullable=False, index=True),
    Column("push_id", ID, ForeignKey("push.id"), index=True),  # how the device fares is read from its push alone
    Column("skipped", FreeText),  # why no push is made of it
    Index("ix_rollout_device_order", "rollout_id", "wave", "position"),
)
