"""Selects of the nouns, and their rows as domain values."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, func, select

from cpe_manager.adapters.db.tables import alarm, backup, device, device_status, line, sealed_object, site
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.backup.backups import Backup, BackupState, LastGood, SealedObject
from cpe_manager.domain.events import Alarm
from cpe_manager.domain.fleet.host_keys import fingerprint
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.ports.stores import DeviceStatus

ACCESS_NODE: Final = func.coalesce(device.c.access_node, line.c.access_node)
DEVICE_FROM: Final = device.join(site, site.c.id == device.c.site_id).outerjoin(line, line.c.id == device.c.line_id)
DEVICE_COLUMNS: Final = (
    device.c.id,
    device.c.position_id,
    device.c.site_id,
    site.c.name.label("site"),
    device.c.name,
    device.c.address,
    device.c.state,
    device.c.port,
    device.c.family,
    device.c.group_name,
    device.c.credential,
    line.c.ref.label("line_ref"),
    ACCESS_NODE.label("node"),
    device.c.serial,
    device.c.model,
    device.c.settings,
    device.c.installed_at,
    device.c.removed_at,
)
STATUS_COLUMNS: Final = (
    device_status.c.device_id.label("status_of"),
    device_status.c.last_attempt_at,
    device_status.c.last_success_at,
    device_status.c.last_error_code,
    device_status.c.last_error,
    device_status.c.failures,
    device_status.c.current_backup_id,
    device_status.c.overdue_since,
)
BACKUP_COLUMNS: Final = (
    backup.c.id.label("backup_id"),
    backup.c.device_id,
    backup.c.position_id.label("backup_position_id"),
    backup.c.site_id.label("backup_site_id"),
    device.c.name.label("device_name"),
    backup.c.number,
    backup.c.state.label("backup_state"),
    backup.c.captured_at,
    backup.c.family.label("backup_family"),
    backup.c.fingerprint,
    backup.c.size,
    backup.c.lines,
    backup.c.reason,
    backup.c.job_id,
)
BACKUP_FROM: Final = backup.join(device, device.c.id == backup.c.device_id)
SEALED_COLUMNS: Final = (
    sealed_object.c.id.label("object_id"),
    sealed_object.c.format,
    sealed_object.c.key_id,
    sealed_object.c.wrapped_key,
    sealed_object.c.nonce,
    sealed_object.c.ciphertext,
)


def select_backups() -> Select[Any]:
    return select(*BACKUP_COLUMNS).select_from(BACKUP_FROM)


def select_alarms() -> Select[Any]:
    columns = (alarm.c.key, alarm.c.kind, alarm.c.device_id, device.c.name, alarm.c.raised_at, alarm.c.message)
    return select(*columns).select_from(alarm.outerjoin(device, device.c.id == alarm.c.device_id))


def to_device(row: AnyRow) -> Device:
    return Device(
        id=row.id,
        position_id=row.position_id,
        site_id=row.site_id,
        site=row.site,
        name=row.name,
        address=row.address,
        state=LifeState(row.state),
        port=row.port,
        family=row.family,
        group=row.group_name,
        credential=row.credential,
        line=row.line_ref,
        access_node=row.node,
        serial=row.serial,
        model=row.model,
        settings=row.settings,
        installed_at=row.installed_at,
        removed_at=row.removed_at,
    )


def to_status(row: AnyRow) -> DeviceStatus:
    return DeviceStatus(
        device_id=row.status_of,
        last_attempt_at=row.last_attempt_at,
        last_success_at=row.last_success_at,
        last_error_code=row.last_error_code,
        last_error=row.last_error,
        failures=row.failures,
        current_backup_id=row.current_backup_id,
        overdue_since=row.overdue_since,
    )


def to_backup(row: AnyRow) -> Backup:
    return Backup(
        id=row.backup_id,
        device_id=row.device_id,
        position_id=row.backup_position_id,
        site_id=row.backup_site_id,
        device=row.device_name,
        number=row.number,
        state=BackupState(row.backup_state),
        captured_at=row.captured_at,
        family=row.backup_family,
        fingerprint=row.fingerprint,
        size=row.size,
        lines=row.lines,
        reason=row.reason,
        job_id=row.job_id,
    )


def to_last_good(row: AnyRow) -> LastGood:
    return LastGood(row.backup_id, row.fingerprint, row.size, row.lines, row.captured_at, row.archived)


def to_sealed(row: AnyRow) -> SealedObject:
    return SealedObject(row.object_id, row.format, row.key_id, row.wrapped_key, row.nonce, row.ciphertext)


def to_alarm(row: AnyRow) -> Alarm:
    return Alarm(row.key, row.kind, row.device_id, row.name, row.raised_at, row.message)


def host_key_values(device_id: str, key: str, state: str, at: datetime, by: str | None = None) -> dict[str, Any]:
    return {
        "device_id": device_id,
        "fingerprint": fingerprint(key),
        "key": key,
        "state": state,
        "first_seen_at": at,
        "accepted_by": by,
    }
