"""The tables of fail-over, beside the others on the same metadata: what is known of a line, where it stands, what
became of it. A line that nobody has set up has no rows here."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text, text

from cpe_manager.adapters.db.tables import metadata
from cpe_manager.adapters.db.types import ID, NAME, FreeText, UtcTime

line_setup: Final = Table(
    "line_setup",
    metadata,
    Column("line_id", ID, ForeignKey("line.id"), primary_key=True),
    # The position and not the device: other hardware takes the line over. NULL: its device went to another line.
    Column("position_id", ID, ForeignKey("position.id"), unique=True),
    Column("watched", Boolean, nullable=False),
    Column("formula", String(64), nullable=False),
    Column("ordered", Boolean, nullable=False),
    Column("coverage", String(16), nullable=False),
    Column("coverage_reason", FreeText, nullable=False),
    Column("moves", String(16), nullable=False),
    Column("line_address", String(64), nullable=False),
    Column("mobile_address", String(64), nullable=False),
    Column("platform", NAME, nullable=False),
    Column("fixed_ipv4", String(64)),
    Column("fixed_ipv6", String(64)),
    Column("fixed_gateway", String(64), nullable=False),
    Column("mobile_gateway", String(64), nullable=False),
    Column("fixed_port", Text, nullable=False),
    Column("mobile_port", Text, nullable=False),
    Column("policy", JSON, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("changed_by", Text, nullable=False),
)

line_state: Final = Table(
    "line_state",
    metadata,
    # Locked first, in order of line: whoever writes incidents or history of a line holds this row.
    Column("line_id", ID, ForeignKey("line.id"), primary_key=True),
    Column("state", String(16), nullable=False, index=True),
    Column("since", Float, nullable=False),  # seconds since 1970, as the decisions reckon; so are all floats here
    Column("carrier", String(16), nullable=False),
    Column("condition", String(32), nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("flaps", JSON, nullable=False),
    Column("switch_id", String(64), nullable=False),
    Column("push_id", String(64), nullable=False),
    Column("moved_by", FreeText, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("held_from", String(16)),
    Column("wanted", String(16), nullable=False),
    Column("wanted_by", FreeText, nullable=False),
    Column("wanted_reason", FreeText, nullable=False),
    Column("wanted_at", Float),
    Column("due", FreeText, nullable=False),
    Column("due_at", Float),
    Column("tested_at", Float),
    Column("test_ok", Boolean),
    Column("mobile_bytes", BigInteger, nullable=False),
    Column("mobile_month", String(7), nullable=False, server_default=""),  # of mobile_bytes, as 2026-11
    Column("mobile_told", String(16), nullable=False, server_default=""),  # of the data cap, as 2026-11:1
    Column("revision", Integer, nullable=False),
)
Index(
    "ix_line_state_wanted",
    line_state.c.line_id,
    sqlite_where=text("wanted != ''"),
    postgresql_where=text("wanted != ''"),
)

line_transition: Final = Table(
    "line_transition",
    metadata,
    Column("id", ID, primary_key=True),
    Column("line_id", ID, ForeignKey("line.id"), nullable=False),
    Column("number", Integer, nullable=False),  # the line's revision from then on: orders what has one time
    Column("at", UtcTime, nullable=False),
    Column("before", String(16), nullable=False),
    Column("after", String(16), nullable=False),
    Column("condition", String(32), nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("moved_by", FreeText, nullable=False),
    Column("switch_id", String(64), nullable=False),
    Column("push_id", String(64), nullable=False),
    Column("last_change", FreeText, nullable=False),
    Index("ix_line_transition_line_id_at", "line_id", "at", "number"),
    Index("ix_line_transition_at", "at", "number", "id"),
)

incident: Final = Table(
    "incident",
    metadata,
    Column("id", ID, primary_key=True),
    Column("subject", String(16), nullable=False),
    Column("line_id", ID, ForeignKey("line.id")),  # NULL: of an access node
    Column("node", NAME, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    Column("reason", FreeText, nullable=False),
    Column("closed_at", UtcTime),
    Column("closed_reason", FreeText, nullable=False),
    Column("parent_id", ID, ForeignKey("incident.id", deferrable=True, initially="DEFERRED"), index=True),
    # As they were called then; no foreign key: it keeps saying so when the hardware is another one.
    Column("device_id", ID),
    Column("device", NAME, nullable=False),
    Column("site", NAME, nullable=False),
    Index("ix_incident_opened_at_id", "opened_at", "id"),
    Index("ix_incident_line_id_opened_at", "line_id", "opened_at"),
)
Index(
    "uq_incident_line_id_subject_open",
    incident.c.line_id,
    incident.c.subject,
    unique=True,
    sqlite_where=text("closed_at IS NULL AND line_id IS NOT NULL"),
    postgresql_where=text("closed_at IS NULL AND line_id IS NOT NULL"),
)
Index(
    "uq_incident_node_open",
    incident.c.node,
    unique=True,
    sqlite_where=text("closed_at IS NULL AND line_id IS NULL"),
    postgresql_where=text("closed_at IS NULL AND line_id IS NULL"),
)

line_order: Final = Table(
    "line_order",
    metadata,
    Column("id", ID, primary_key=True),
    Column("line_id", ID, ForeignKey("line.id"), nullable=False, index=True),
    Column("what", String(16), nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("reason", FreeText, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("key", String(255), unique=True),
)

line_lead: Final = Table(
    "line_lead",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("owner", String(128), nullable=False),
    Column("until", UtcTime, nullable=False),
)
