"""The tables. ``migrations/versions`` makes them; a test keeps both the same.

Identifiers are 32 hex digits. A *lease row* is never deleted: its ``fence`` must not go back. A *position* is where
hardware is installed; it outlives the device there and counts its versions, so that no number is used twice.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    literal_column,
    text,
)

from cpe_manager.adapters.db.types import EVENT_ID, ID, NAME, FreeText, UtcTime

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

meta: Final = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

site: Final = Table(
    "site",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", NAME, nullable=False, unique=True),
)

line: Final = Table(
    "line",
    metadata,
    Column("id", ID, primary_key=True),
    Column("site_id", ID, ForeignKey("site.id"), nullable=False),
    Column("ref", NAME, nullable=False),
    Column("kind", String(16)),
    Column("access_node", NAME),
    UniqueConstraint("site_id", "ref"),
)

device_group: Final = Table(
    "device_group",
    metadata,
    Column("name", NAME, primary_key=True),
    # Deferred: groups of one import may name each other in any order.
    Column("parent", NAME, ForeignKey("device_group.name", deferrable=True, initially="DEFERRED")),
    Column("family", String(64)),
    Column("credential", Text),
    Column("port", Integer),
    Column("settings", JSON, nullable=False),
)

position: Final = Table(
    "position",
    metadata,
    Column("id", ID, primary_key=True),
    Column("last_number", Integer, nullable=False),
)

device: Final = Table(
    "device",
    metadata,
    Column("id", ID, primary_key=True),
    Column("position_id", ID, ForeignKey("position.id"), nullable=False, index=True),
    Column("site_id", ID, ForeignKey("site.id"), nullable=False, index=True),
    Column("line_id", ID, ForeignKey("line.id"), index=True),
    Column("group_name", NAME, ForeignKey("device_group.name"), index=True),
    Column("name", NAME, nullable=False),
    Column("address", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("port", Integer),
    Column("family", String(64)),
    Column("credential", Text),
    Column("access_node", NAME),
    Column("serial", Text),
    Column("model", Text),
    Column("settings", JSON, nullable=False),
    Column("installed_at", UtcTime),
    Column("removed_at", UtcTime),
    Column("added_at", UtcTime, nullable=False),
    Index("ix_device_name_id", "name", "id"),
    Index("ix_device_address", "address"),
)
Index(
    "uq_device_name_in_service",
    device.c.name,
    unique=True,
    sqlite_where=text("state != 'decommissioned'"),
    postgresql_where=text("state != 'decommissioned'"),
)

device_host_key: Final = Table(
    "device_host_key",
    metadata,
    Column("device_id", ID, ForeignKey("device.id"), primary_key=True),
    Column("fingerprint", String(128), primary_key=True),
    Column("key", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("first_seen_at", UtcTime, nullable=False),
    Column("accepted_by", Text),
)

device_facts: Final = Table(
    "device_facts",
    metadata,
    Column("device_id", ID, ForeignKey("device.id"), primary_key=True),
    Column("hostname", FreeText, nullable=False),
    Column("model", FreeText, nullable=False),
    Column("serial", FreeText, nullable=False),
    Column("os_release", FreeText, nullable=False),
    Column("uptime", BigInteger),  # seconds, when they were collected
    Column("source", String(16), nullable=False),
    Column("at", UtcTime, nullable=False),
)

sealed_object: Final = Table(
    "sealed_object",
    metadata,
    Column("id", ID, primary_key=True),
    Column("format", Integer, nullable=False),
    Column("key_id", String(64), nullable=False, index=True),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
)

backup: Final = Table(
    "backup",
    metadata,
    Column("id", ID, primary_key=True),
    Column("device_id", ID, ForeignKey("device.id"), nullable=False),
    Column("position_id", ID, ForeignKey("position.id"), nullable=False),
    Column("site_id", ID, ForeignKey("site.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("captured_at", UtcTime, nullable=False),
    Column("family", String(64), nullable=False),
    Column("fingerprint", String(128), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("lines", Integer, nullable=False),
    Column("reason", FreeText),
    Column("job_id", ID),  # no foreign key: versions outlive jobs
    Column("object_id", ID, ForeignKey("sealed_object.id"), nullable=False, index=True),
    Column("decided_at", UtcTime),
    Column("decided_by", Text),
    UniqueConstraint("position_id", "number"),
    Index("ix_backup_device_id_state_number", "device_id", "state", "number"),
)

redacted_view: Final = Table(
    "redacted_view",
    metadata,
    Column("backup_id", ID, ForeignKey("backup.id", ondelete="CASCADE"), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

backup_file: Final = Table(
    "backup_file",
    metadata,
    Column("backup_id", ID, ForeignKey("backup.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(128), nullable=False),
    Column("media_type", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("object_id", ID, ForeignKey("sealed_object.id"), nullable=False, index=True),
)

device_status: Final = Table(
    "device_status",
    metadata,
    Column("device_id", ID, ForeignKey("device.id"), primary_key=True),
    Column("last_attempt_at", UtcTime),
    Column("last_success_at", UtcTime),
    Column("last_error_code", String(64)),
    Column("last_error", FreeText),
    Column("failures", Integer, nullable=False),
    Column("current_backup_id", ID, ForeignKey("backup.id"), index=True),
    Column("overdue_since", UtcTime, index=True),
)

job: Final = Table(
    "job",
    metadata,
    Column("id", ID, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("trigger", Text, nullable=False),
    Column("priority", String(16), nullable=False),
    Column("params", JSON, nullable=False),
    Column("result", JSON, nullable=False),
    Column("error", FreeText),
    Column("occurrence", String(255), unique=True),
    Column("requested_by", Text),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Column("held_by", String(128)),  # who works on a job without device rows, until then
    Column("held_until", UtcTime),
    Column("counts", JSON(none_as_null=True)),  # frozen when the job ends; until then counted from its rows
    Index("ix_job_created_at_id", "created_at", "id"),
    Index("ix_job_state_created_at_id", "state", "created_at", "id"),
)

job_device: Final = Table(
    "job_device",
    metadata,
    Column("job_id", ID, ForeignKey("job.id"), primary_key=True),
    Column("device_id", ID, ForeignKey("device.id"), primary_key=True, index=True),
    Column("shard", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before", UtcTime, nullable=False),
    Column("outcome", String(16)),
    Column("error_code", String(64)),
    Column("error", FreeText),
    Column("finished_at", UtcTime),
    Column("backup_id", ID),  # no foreign key: a row keeps saying which version it made after that was deleted
)
Index(
    "ix_job_device_due",
    job_device.c.job_id,
    job_device.c.shard,
    job_device.c.not_before,
    sqlite_where=text("state = 'due'"),
    postgresql_where=text("state = 'due'"),
)
IS_DUE: Final = job_device.c.state == literal_column("'due'")
"""Literal: SQLite uses a partial index only for a condition that it can see when it compiles the statement."""

push: Final = Table(
    "push",
    metadata,
    Column("id", ID, primary_key=True),
    Column("job_id", ID, ForeignKey("job.id"), nullable=False),
    Column("device_id", ID, ForeignKey("device.id"), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("summary", FreeText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("token", String(32), nullable=False),
    Column("guard_seconds", Integer, nullable=False),
    Column("phase", String(16), nullable=False),
    Column("basis", String(128)),
    Column("overrides", JSON, nullable=False),
    Column("key", String(255), unique=True),
    Column("withdrawn_by", Text),
    Column("snapshot_id", ID),  # no foreign key: a push keeps saying what it went back to after that was deleted
    Column("reason", FreeText),
    Column("ended_at", UtcTime),
    Column("order_id", ID, ForeignKey("sealed_object.id"), nullable=False, index=True),
    Column("priority", String(16), nullable=False, server_default="normal"),
    Column("any_time", Boolean, nullable=False, server_default=false()),
    Column("accepted", JSON, nullable=False, server_default="[]"),
    Column("probes", JSON, nullable=False, server_default="[]"),
    Column("code", String(64)),
    Column("waiting", JSON(none_as_null=True)),
    Column("begun_at", UtcTime),
    Column("offer", JSON(none_as_null=True)),
    Column("settled_as", String(16)),
    Column("settled_at", UtcTime),
    Column("settled_by", Text),
    Column("settled_note", FreeText),
    Column("managed_at", Text),
    UniqueConstraint("job_id", "device_id"),
    Index("ix_push_created_at_id", "created_at", "id"),
    Index("ix_push_ended_at", "ended_at"),
)

push_step: Final = Table(
    "push_step",
    metadata,
    Column("push_id", ID, ForeignKey("push.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("step", String(16), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("result", String(16)),
    Column("reason", FreeText, nullable=False),
    Column("deadline", UtcTime),
    Column("code", String(64), nullable=False, server_default=""),
    Column("notes", JSON, nullable=False, server_default="[]"),
)

device_lease: Final = Table(
    "device_lease",
    metadata,
    Column("device_id", ID, ForeignKey("device.id"), primary_key=True),
    Column("owner", String(128)),  # NULL: nobody holds it
    Column("fence", BigInteger, nullable=False),
    Column("expires", UtcTime, nullable=False, index=True),
    Column("preempt", Boolean, nullable=False),
)

schedule: Final = Table(
    "schedule",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", NAME, nullable=False, unique=True),
    Column("cron", Text, nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("window_minutes", Integer, nullable=False),
    Column("group_name", NAME),  # no foreign key: the service checks it, and a schedule does not hold a group in place
    Column("enabled", Boolean, nullable=False),
    Column("created_at", UtcTime),
    Column("last_occurrence_at", UtcTime),
)

token: Final = Table(
    "token",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", NAME, nullable=False),
    Column("digest", String(128), nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("revoked_at", UtcTime),
    Column("last_used_at", UtcTime),
    Column("account_id", ID),  # no foreign key: accounts are never deleted, and came later
    Column("limit_to", JSON(none_as_null=True)),
    Column("created_by", Text, nullable=False, server_default=""),
    Column("last_used_from", String(64), nullable=False, server_default=""),
)
Index(
    "uq_token_name_valid",
    token.c.name,
    unique=True,
    sqlite_where=text("revoked_at IS NULL AND account_id IS NULL"),
    postgresql_where=text("revoked_at IS NULL AND account_id IS NULL"),
)
Index(
    "uq_token_account_id_name_valid",
    token.c.account_id,
    token.c.name,
    unique=True,
    sqlite_where=text("revoked_at IS NULL"),
    postgresql_where=text("revoked_at IS NULL"),
)

event: Final = Table(
    "event",
    metadata,
    Column("id", EVENT_ID, primary_key=True, autoincrement=True),
    Column("kind", String(64), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("severity", String(16), nullable=False),
    # No foreign keys: the record of what happened depends on nothing, and events are the most frequent rows.
    Column("device_id", ID),
    Column("job_id", ID),
    Column("message", FreeText, nullable=False),
    Column("data", JSON, nullable=False),
    Column("site", NAME),  # its name, as in ``data``: what customers are told is found by it
    Index("ix_event_site_id", "site", "id"),
    sqlite_autoincrement=True,  # an id is never used twice, it is the Last-Event-ID of a stream
)

alarm: Final = Table(
    "alarm",
    metadata,
    Column("key", String(128), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("device_id", ID, ForeignKey("device.id"), index=True),
    Column("raised_at", UtcTime, nullable=False),
    Column("message", FreeText, nullable=False),
)
