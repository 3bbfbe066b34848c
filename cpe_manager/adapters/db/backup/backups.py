"""Versions of configurations: lists, contents, decisions on quarantined ones, deletion."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, delete, exists, func, select, update

from cpe_manager.adapters.db import cursors
from cpe_manager.adapters.db.backup import drift as drifting
from cpe_manager.adapters.db.backup.drift_table import drift
from cpe_manager.adapters.db.backup.files import select_each_file, select_file, select_sealed_file, to_file
from cpe_manager.adapters.db.rows import (
    BACKUP_COLUMNS,
    BACKUP_FROM,
    DEVICE_COLUMNS,
    DEVICE_FROM,
    SEALED_COLUMNS,
    select_backups,
    to_backup,
    to_device,
    to_sealed,
)
from cpe_manager.adapters.db.tables import (
    backup,
    backup_file,
    device,
    device_status,
    position,
    redacted_view,
    sealed_object,
)
from cpe_manager.adapters.db.transactions import Connections, Transaction, chunks
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.backup.backups import Backup, BackupState, FileInfo, SealedObject
from cpe_manager.domain.backup.drift import Sight
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.domain.paging import Page

_BATCH = 200


class SqlBackups:
    """``BackupStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def versions(
        self, position_id: str, *, after: str | None = None, limit: int = 50, state: BackupState | None = None
    ) -> Page[Backup]:
        query = select_backups().where(backup.c.position_id == position_id)
        query = query.order_by(backup.c.number.desc()).limit(limit + 1)
        if state is not None:
            query = query.where(backup.c.state == state.value)
        if after is not None:
            query = query.where(backup.c.number < cursors.decode(after, int)[0])

        async def work(tx: Transaction) -> Page[Backup]:
            return cursors.page([to_backup(row) for row in await tx.rows(query)], limit, lambda one: (one.number,))

        return await self._db.read(work)

    async def backup(self, backup_id: str) -> Backup:
        row = await self._one(select_backups().where(backup.c.id == backup_id), f"no such version: {backup_id}")
        return to_backup(row)

    async def number(self, position_id: str, number: int) -> Backup:
        query = select_backups().where(backup.c.position_id == position_id, backup.c.number == number)
        return to_backup(await self._one(query, f"no version {number} at this position"))

    async def redacted(self, backup_id: str) -> bytes:
        query = select(redacted_view.c.data).where(redacted_view.c.backup_id == backup_id)
        data: bytes = (await self._one(query, f"no such version: {backup_id}")).data
        return data

    async def sealed(self, backup_id: str) -> SealedObject:
        query = select(*SEALED_COLUMNS).join(backup, backup.c.object_id == sealed_object.c.id)
        return to_sealed(await self._one(query.where(backup.c.id == backup_id), f"no such version: {backup_id}"))

    async def each_sealed(
        self, *, key_id_not: str | None = None
    ) -> AsyncIterator[Sequence[tuple[Backup, SealedObject, bytes]]]:
        query = (
            select(*BACKUP_COLUMNS, *SEALED_COLUMNS, redacted_view.c.data)
            .select_from(
                BACKUP_FROM.join(sealed_object, sealed_object.c.id == backup.c.object_id).join(
                    redacted_view, redacted_view.c.backup_id == backup.c.id
                )
            )
            .order_by(backup.c.id)
            .limit(_BATCH)
        )
        if key_id_not is not None:
            query = query.where(sealed_object.c.key_id != key_id_not)
        last = ""
        while rows := await self._rows(query.where(backup.c.id > last)):
            yield [(to_backup(row), to_sealed(row), row.data) for row in rows]
            last = rows[-1].backup_id

    async def file(self, backup_id: str) -> FileInfo | None:
        rows = await self._rows(select_file(backup_id))
        return to_file(rows[0]) if rows else None

    async def sealed_file(self, backup_id: str) -> SealedObject:
        return to_sealed(await self._one(select_sealed_file(backup_id), f"no file beside version {backup_id}"))

    async def each_file(self) -> AsyncIterator[Sequence[tuple[Backup, FileInfo, SealedObject]]]:
        query, last = select_each_file().limit(_BATCH), ""
        while rows := await self._rows(query.where(backup.c.id > last)):
            yield [(to_backup(row), to_file(row), to_sealed(row)) for row in rows]
            last = rows[-1].backup_id

    async def each_other_sealed(self, *, key_id_not: str) -> AsyncIterator[Sequence[SealedObject]]:
        """As the port says."""
        of_version = exists().where(backup.c.object_id == sealed_object.c.id)
        query = select(*SEALED_COLUMNS).where(~of_version, sealed_object.c.key_id != key_id_not)
        query = query.order_by(sealed_object.c.id).limit(_BATCH)
        last = ""
        while rows := await self._rows(query.where(sealed_object.c.id > last)):
            yield [to_sealed(row) for row in rows]
            last = rows[-1].object_id

    async def rewrap(self, wrapped: Sequence[tuple[str, str, bytes]]) -> None:
        statement = (
            update(sealed_object)
            .where(sealed_object.c.id == bindparam("of"))
            .values(key_id=bindparam("by"), wrapped_key=bindparam("wrapped"))
        )
        values = [{"of": object_id, "by": key_id, "wrapped": key} for object_id, key_id, key in sorted(wrapped)]

        async def work(tx: Transaction) -> None:
            await tx.many(statement, values)

        await self._db.write(work)

    async def key_ids(self) -> Mapping[str, int]:
        query = select(sealed_object.c.key_id, func.count().label("number")).group_by(sealed_object.c.key_id)
        return {row.key_id: row.number for row in await self._rows(query)}

    async def decide(self, backup_id: str, *, accept: bool, at: datetime, by: str) -> Backup:
        return await self._db.write(lambda tx: _decide(tx, backup_id, accept, at, by))

    async def positions(self, *, after: str | None = None, limit: int = 500) -> Page[str]:
        """Positions that have versions."""
        query = select(position.c.id).where(exists().where(backup.c.position_id == position.c.id))
        query = query.order_by(position.c.id).limit(limit + 1)
        if after is not None:
            query = query.where(position.c.id > cursors.decode(after, str)[0])
        return cursors.page([row.id for row in await self._rows(query)], limit, lambda one: (one,))

    async def delete(self, backup_ids: Sequence[str]) -> int:
        async def work(tx: Transaction) -> int:
            return sum([await _delete(tx, part) for part in chunks(sorted(set(backup_ids)))])

        return await self._db.write(work)

    async def current(self, *, after: str | None = None, limit: int = 500) -> Page[tuple[Device, Backup, bytes]]:
        version = BACKUP_COLUMNS[0:1] + BACKUP_COLUMNS[2:4] + BACKUP_COLUMNS[5:]
        query = (
            select(
                *DEVICE_COLUMNS, *version, backup.c.device_id, device.c.name.label("device_name"), redacted_view.c.data
            )
            .select_from(
                DEVICE_FROM.join(device_status, device_status.c.device_id == device.c.id)
                .join(backup, backup.c.id == device_status.c.current_backup_id)
                .join(redacted_view, redacted_view.c.backup_id == backup.c.id)
            )
            .where(device.c.state != LifeState.DECOMMISSIONED.value)
            .order_by(device.c.id)
            .limit(limit + 1)
        )
        if after is not None:
            query = query.where(device.c.id > cursors.decode(after, str)[0])
        rows = [(to_device(row), to_backup(row), row.data) for row in await self._rows(query)]
        return cursors.page(rows, limit, lambda one: (one[0].id,))

    async def _rows(self, query: Select[Any]) -> Sequence[AnyRow]:
        return await self._db.read(lambda tx: tx.rows(query))

    async def _one(self, query: Select[Any], missing: str) -> AnyRow:
        rows = await self._rows(query)
        if not rows:
            raise NotFound(missing)
        return rows[0]


async def _decide(tx: Transaction, backup_id: str, accept: bool, at: datetime, by: str) -> Backup:
    query = select_backups().where(backup.c.id == backup_id)
    found = await tx.rows(query)
    if not found:
        raise NotFound(f"no such version: {backup_id}")
    status = select(device_status).where(device_status.c.device_id == found[0].device_id).with_for_update()
    of_device = (await tx.rows(status))[0]
    found = await tx.rows(query.with_for_update(of=backup))  # again: it may be decided on, or gone, by now
    if not found:
        raise NotFound(f"no such version: {backup_id}")
    asked = found[0]
    if asked.backup_state != BackupState.QUARANTINED:
        raise Conflict(f"the version is not in quarantine but {asked.backup_state}")
    state = BackupState.GOOD if accept else BackupState.REFUSED
    decision: dict[str, Any] = {"state": state.value, "decided_at": at, "decided_by": by}
    if accept:
        decision["reason"] = None
    await tx.run(update(backup).where(backup.c.id == backup_id).values(decision))
    if accept:
        await _make_current(tx, asked, of_device, at)
    return to_backup((await tx.rows(query))[0])


async def _make_current(tx: Transaction, accepted: AnyRow, status: AnyRow, at: datetime) -> None:
    """The newest good version is the current one. What a person vouches for was a complete capture at its time; that it
    is what was wanted nobody has said."""
    newer = select(backup.c.id).where(
        backup.c.device_id == accepted.device_id,
        backup.c.state == BackupState.GOOD.value,
        backup.c.number > accepted.number,
    )
    if await tx.rows(newer.limit(1)):
        return
    values: dict[str, Any] = {"current_backup_id": accepted.backup_id}
    if status.last_success_at is None or status.last_success_at < accepted.captured_at:
        values["last_success_at"] = accepted.captured_at
    if status.last_attempt_at == accepted.captured_at:
        values |= {"last_error_code": None, "last_error": None, "failures": 0}
    await tx.run(update(device_status).where(device_status.c.device_id == accepted.device_id).values(values))
    await drifting.note(tx, {accepted.device_id: Sight(at, accepted.backup_id, accepted.fingerprint)})


async def _delete(tx: Transaction, backup_ids: Sequence[str]) -> int:
    """Locks first: a version that is being accepted right now is then seen as current, and stays."""
    await tx.rows(select(backup.c.id).where(backup.c.id.in_(backup_ids)).order_by(backup.c.id).with_for_update())
    current = exists().where(device_status.c.current_backup_id == backup.c.id)
    confirmed = exists().where(drift.c.confirmed_id == backup.c.id)
    files = select(backup_file.c.backup_id, backup_file.c.object_id).where(backup_file.c.backup_id.in_(backup_ids))
    beside = {row.backup_id: row.object_id for row in await tx.rows(files)}
    gone = delete(backup).where(backup.c.id.in_(backup_ids), ~current, ~confirmed)
    versions = await tx.rows(gone.returning(backup.c.id, backup.c.object_id))
    objects = [row.object_id for row in versions] + [beside[row.id] for row in versions if row.id in beside]
    if objects:
        await tx.run(delete(sealed_object).where(sealed_object.c.id.in_(objects)))
    return len(versions)
