"""The backup files that boxes make themselves: one at most beside each version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, select

from cpe_manager.adapters.db.backup.versions import sealed_values
from cpe_manager.adapters.db.rows import BACKUP_COLUMNS, BACKUP_FROM, SEALED_COLUMNS
from cpe_manager.adapters.db.tables import backup, backup_file, sealed_object
from cpe_manager.adapters.db.transactions import Transaction
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.backup.backups import FileDraft, FileInfo

_COLUMNS = (
    backup_file.c.name.label("file_name"),
    backup_file.c.media_type,
    backup_file.c.size.label("file_size"),
    backup_file.c.sha256,
)


async def store_files(tx: Transaction, drafts: Sequence[FileDraft]) -> None:
    """Where a version has a file already, that one stays; where the version is not there, nothing is stored."""
    if not drafts:
        return
    ids = sorted({draft.backup_id for draft in drafts})
    rows = await tx.rows(
        select(backup.c.id)
        .outerjoin(backup_file, backup_file.c.backup_id == backup.c.id)
        .where(backup.c.id.in_(ids), backup_file.c.backup_id.is_(None))
    )
    free = {row.id for row in rows}
    fresh = [draft for draft in {draft.backup_id: draft for draft in drafts}.values() if draft.backup_id in free]
    await tx.many(sealed_object.insert(), [sealed_values(draft.sealed) for draft in fresh])
    await tx.many(
        backup_file.insert(),
        [
            {
                "backup_id": draft.backup_id,
                "name": draft.info.name,
                "media_type": draft.info.media_type,
                "size": draft.info.size,
                "sha256": draft.info.sha256,
                "object_id": draft.sealed.id,
            }
            for draft in fresh
        ],
    )


def select_file(backup_id: str) -> Select[Any]:
    return select(*_COLUMNS).where(backup_file.c.backup_id == backup_id)


def select_sealed_file(backup_id: str) -> Select[Any]:
    query = select(*SEALED_COLUMNS).join(backup_file, backup_file.c.object_id == sealed_object.c.id)
    return query.where(backup_file.c.backup_id == backup_id)


def select_each_file() -> Select[Any]:
    joined = BACKUP_FROM.join(backup_file, backup_file.c.backup_id == backup.c.id)
    joined = joined.join(sealed_object, sealed_object.c.id == backup_file.c.object_id)
    return select(*BACKUP_COLUMNS, *_COLUMNS, *SEALED_COLUMNS).select_from(joined).order_by(backup.c.id)


def to_file(row: AnyRow) -> FileInfo:
    return FileInfo(row.file_name, row.media_type, row.file_size, row.sha256)
