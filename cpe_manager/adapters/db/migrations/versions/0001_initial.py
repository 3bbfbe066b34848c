"""The first schema.

Types are spelled out here and not taken from ``tables``: a later change there must not change what this step made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cpe_manager.adapters.db.types import FreeText, UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TABLES = (
    "site",
    "device_group",
    "position",
    "line",
    "device",
    "device_host_key",
    "sealed_object",
    "backup",
    "redacted_view",
    "device_status",
    "job",
    "job_device",
    "device_lease",
    "meta",
    "schedule",
    "token",
    "event",
    "alarm",
)
EVENT_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _inventory()
    _backups()
    _jobs()
    _others()


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)


def _inventory() -> None:
    op.create_table(
        "site",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_site"),
        sa.UniqueConstraint("name", name="uq_site_name"),
    )
    op.create_table(
        "device_group",
        sa.Column("name", NAME, nullable=False),
        sa.Column("parent", NAME),
        sa.Column("family", sa.String(length=64)),
        sa.Column("credential", sa.Text()),
        sa.Column("port", sa.Integer()),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["parent"], ["device_group.name"], name="fk_device_group_parent", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("name", name="pk_device_group"),
    )
    op.create_table(
        "position",
        sa.Column("id", ID, nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_position"),
    )
    op.create_table(
        "line",
        sa.Column("id", ID, nullable=False),
        sa.Column("site_id", ID, nullable=False),
        sa.Column("ref", NAME, nullable=False),
        sa.Column("kind", sa.String(length=16)),
        sa.Column("access_node", NAME),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name="fk_line_site_id"),
        sa.PrimaryKeyConstraint("id", name="pk_line"),
        sa.UniqueConstraint("site_id", "ref", name="uq_line_site_id_ref"),
    )
    op.create_table(
        "device",
        sa.Column("id", ID, nullable=False),
        sa.Column("position_id", ID, nullable=False),
        sa.Column("site_id", ID, nullable=False),
        sa.Column("line_id", ID),
        sa.Column("group_name", NAME),
        sa.Column("name", NAME, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("port", sa.Integer()),
        sa.Column("family", sa.String(length=64)),
        sa.Column("credential", sa.Text()),
        sa.Column("access_node", NAME),
        sa.Column("serial", sa.Text()),
        sa.Column("model", sa.Text()),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("installed_at", UtcTime()),
        sa.Column("removed_at", UtcTime()),
        sa.Column("added_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["group_name"], ["device_group.name"], name="fk_device_group_name"),
        sa.ForeignKeyConstraint(["line_id"], ["line.id"], name="fk_device_line_id"),
        sa.ForeignKeyConstraint(["position_id"], ["position.id"], name="fk_device_position_id"),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name="fk_device_site_id"),
        sa.PrimaryKeyConstraint("id", name="pk_device"),
    )
    op.create_index("ix_device_group_name", "device", ["group_name"])
    op.create_index("ix_device_line_id", "device", ["line_id"])
    op.create_index("ix_device_name_id", "device", ["name", "id"])
    op.create_index("ix_device_position_id", "device", ["position_id"])
    op.create_index("ix_device_site_id", "device", ["site_id"])
    op.create_index(
        "uq_device_name_in_service",
        "device",
        ["name"],
        unique=True,
        sqlite_where=sa.text("state != 'decommissioned'"),
        postgresql_where=sa.text("state != 'decommissioned'"),
    )
    op.create_table(
        "device_host_key",
        sa.Column("device_id", ID, nullable=False),
        sa.Column("fingerprint", sa.String(length=128), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("first_seen_at", UtcTime(), nullable=False),
        sa.Column("accepted_by", sa.Text()),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_device_host_key_device_id"),
        sa.PrimaryKeyConstraint("device_id", "fingerprint", name="pk_device_host_key"),
    )


def _backups() -> None:
    op.create_table(
        "sealed_object",
        sa.Column("id", ID, nullable=False),
        sa.Column("format", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sealed_object"),
    )
    op.create_index("ix_sealed_object_key_id", "sealed_object", ["key_id"])
    op.create_table(
        "backup",
        sa.Column("id", ID, nullable=False),
        sa.Column("device_id", ID, nullable=False),
        sa.Column("position_id", ID, nullable=False),
        sa.Column("site_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("captured_at", UtcTime(), nullable=False),
        sa.Column("family", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=128), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("reason", FreeText()),
        sa.Column("job_id", ID),
        sa.Column("object_id", ID, nullable=False),
        sa.Column("decided_at", UtcTime()),
        sa.Column("decided_by", sa.Text()),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_backup_device_id"),
        sa.ForeignKeyConstraint(["object_id"], ["sealed_object.id"], name="fk_backup_object_id"),
        sa.ForeignKeyConstraint(["position_id"], ["position.id"], name="fk_backup_position_id"),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name="fk_backup_site_id"),
        sa.PrimaryKeyConstraint("id", name="pk_backup"),
        sa.UniqueConstraint("position_id", "number", name="uq_backup_position_id_number"),
    )
    op.create_index("ix_backup_device_id_state_number", "backup", ["device_id", "state", "number"])
    op.create_index("ix_backup_object_id", "backup", ["object_id"])
    op.create_table(
        "redacted_view",
        sa.Column("backup_id", ID, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["backup_id"], ["backup.id"], name="fk_redacted_view_backup_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("backup_id", name="pk_redacted_view"),
    )
    op.create_table(
        "device_status",
        sa.Column("device_id", ID, nullable=False),
        sa.Column("last_attempt_at", UtcTime()),
        sa.Column("last_success_at", UtcTime()),
        sa.Column("last_error_code", sa.String(length=64)),
        sa.Column("last_error", FreeText()),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("current_backup_id", ID),
        sa.Column("overdue_since", UtcTime()),
        sa.ForeignKeyConstraint(["current_backup_id"], ["backup.id"], name="fk_device_status_current_backup_id"),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_device_status_device_id"),
        sa.PrimaryKeyConstraint("device_id", name="pk_device_status"),
    )
    op.create_index("ix_device_status_current_backup_id", "device_status", ["current_backup_id"])
    op.create_index("ix_device_status_overdue_since", "device_status", ["overdue_since"])


def _jobs() -> None:
    op.create_table(
        "job",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("priority", sa.String(length=16), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("error", FreeText()),
        sa.Column("occurrence", sa.String(length=255)),
        sa.Column("requested_by", sa.Text()),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("started_at", UtcTime()),
        sa.Column("finished_at", UtcTime()),
        sa.Column("held_by", sa.String(length=128)),
        sa.Column("held_until", UtcTime()),
        sa.Column("counts", sa.JSON(none_as_null=True)),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sa.UniqueConstraint("occurrence", name="uq_job_occurrence"),
    )
    op.create_index("ix_job_created_at_id", "job", ["created_at", "id"])
    op.create_index("ix_job_state_created_at_id", "job", ["state", "created_at", "id"])
    op.create_table(
        "job_device",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("device_id", ID, nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", UtcTime(), nullable=False),
        sa.Column("outcome", sa.String(length=16)),
        sa.Column("error_code", sa.String(length=64)),
        sa.Column("error", FreeText()),
        sa.Column("finished_at", UtcTime()),
        sa.Column("backup_id", ID),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_job_device_device_id"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_job_device_job_id"),
        sa.PrimaryKeyConstraint("job_id", "device_id", name="pk_job_device"),
    )
    op.create_index("ix_job_device_device_id", "job_device", ["device_id"])
    op.create_index(
        "ix_job_device_due",
        "job_device",
        ["job_id", "shard", "not_before"],
        sqlite_where=sa.text("state = 'due'"),
        postgresql_where=sa.text("state = 'due'"),
    )
    op.create_table(
        "device_lease",
        sa.Column("device_id", ID, nullable=False),
        sa.Column("owner", sa.String(length=128)),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("expires", UtcTime(), nullable=False),
        sa.Column("preempt", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_device_lease_device_id"),
        sa.PrimaryKeyConstraint("device_id", name="pk_device_lease"),
    )
    op.create_index("ix_device_lease_expires", "device_lease", ["expires"])


def _others() -> None:
    op.create_table(
        "meta",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )
    op.create_table(
        "schedule",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("cron", sa.Text(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("window_minutes", sa.Integer(), nullable=False),
        sa.Column("group_name", NAME),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcTime()),
        sa.Column("last_occurrence_at", UtcTime()),
        sa.PrimaryKeyConstraint("id", name="pk_schedule"),
        sa.UniqueConstraint("name", name="uq_schedule_name"),
    )
    op.create_table(
        "token",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("digest", sa.String(length=128), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime()),
        sa.Column("revoked_at", UtcTime()),
        sa.Column("last_used_at", UtcTime()),
        sa.PrimaryKeyConstraint("id", name="pk_token"),
        sa.UniqueConstraint("digest", name="uq_token_digest"),
    )
    op.create_index(
        "uq_token_name_valid",
        "token",
        ["name"],
        unique=True,
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_table(
        "event",
        sa.Column("id", EVENT_ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("device_id", ID),
        sa.Column("job_id", ID),
        sa.Column("message", FreeText(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "alarm",
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("device_id", ID),
        sa.Column("raised_at", UtcTime(), nullable=False),
        sa.Column("message", FreeText(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_alarm_device_id"),
        sa.PrimaryKeyConstraint("key", name="pk_alarm"),
    )
    op.create_index("ix_alarm_device_id", "alarm", ["device_id"])
