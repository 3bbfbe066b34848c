"""Turning drafts into versions: numbers, sealed objects, redacted views."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, func, select, update

from cpe_manager.adapters.db.tables import backup, device, position, redacted_view, sealed_object
from cpe_manager.adapters.db.transactions import Transaction, Values
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.backup.backups import BackupState, Draft, SealedObject
from cpe_manager.ports.stores import Settled

_NUMBERED = update(position).where(position.c.id == bindparam("of")).values(last_number=bindparam("number"))


async def store_drafts(tx: Transaction, results: Sequence[Settled]) -> dict[str, str]:
    """Store what was captured. Returns version ids by device; of a known doubtful text, the version it is already."""
    drafts = [(one, one.draft) for one in results if one.draft is not None]
    known = await _known_doubtful(tx, [one for one, _ in drafts if one.quarantine_reason is not None])
    fresh = [(one, draft) for one, draft in drafts if one.lease.device_id not in known]
    if fresh:
        await _insert(tx, fresh)
    stored = {one.lease.device_id: one.backup_id for one, _ in fresh if one.backup_id is not None}
    return stored | known


async def _known_doubtful(tx: Transaction, results: Sequence[Settled]) -> dict[str, str]:
    """Doubtful captures that equal their device's newest quarantined or refused version, by device.

    A device that keeps sending the same odd text every night fills no store and asks no person twice. A capture that
    nobody doubts is stored even then: leaving it out would leave the device without a current version.
    """
    if not results:
        return {}
    doubtful = (BackupState.QUARANTINED.value, BackupState.REFUSED.value)
    ids = [one.lease.device_id for one in results]
    newest = (
        select(backup.c.device_id, func.max(backup.c.number).label("number"))
        .where(backup.c.device_id.in_(ids), backup.c.state.in_(doubtful))
        .group_by(backup.c.device_id)
        .subquery("newest")
    )
    same = (backup.c.device_id == newest.c.device_id) & (backup.c.number == newest.c.number)
    query = select(backup.c.device_id, backup.c.id, backup.c.fingerprint).join(newest, same)
    last = {row.device_id: row for row in await tx.rows(query)}
    return {
        one.lease.device_id: last[one.lease.device_id].id
        for one in results
        if one.lease.device_id in last
        and one.draft is not None
        and last[one.lease.device_id].fingerprint == one.draft.fingerprint
    }


async def _insert(tx: Transaction, fresh: Sequence[tuple[Settled, Draft]]) -> None:
    places = await _places(tx, [one.lease.device_id for one, _ in fresh])
    numbers = await _last_numbers(tx, {row.position_id for row in places.values()})
    versions: list[Values] = []
    for one, draft in fresh:
        place = places[one.lease.device_id]
        numbers[place.position_id] += 1
        versions.append(_version_values(one, draft, place, numbers[place.position_id]))
    await tx.run(sealed_object.insert(), [sealed_values(draft.sealed) for _, draft in fresh])
    await tx.run(backup.insert(), versions)
    redacted = [{"backup_id": one.backup_id, "data": draft.redacted} for one, draft in fresh]
    await tx.run(redacted_view.insert(), redacted)
    await tx.run(_NUMBERED, [{"of": place, "number": number} for place, number in sorted(numbers.items())])


async def _places(tx: Transaction, device_ids: Sequence[str]) -> dict[str, AnyRow]:
    columns = (device.c.id, device.c.position_id, device.c.site_id)
    return {row.id: row for row in await tx.rows(select(*columns).where(device.c.id.in_(device_ids)))}


async def _last_numbers(tx: Transaction, positions: set[str]) -> dict[str, int]:
    """The last number given at each position, locked until the new ones are."""
    query = select(position).where(position.c.id.in_(sorted(positions))).order_by(position.c.id)
    return {row.id: row.last_number for row in await tx.rows(query.with_for_update(key_share=True))}


def _version_values(one: Settled, draft: Draft, place: AnyRow, number: int) -> Values:
    state = BackupState.GOOD if one.quarantine_reason is None else BackupState.QUARANTINED
    return {
        "id": one.backup_id,
        "device_id": place.id,
        "position_id": place.position_id,
        "site_id": place.site_id,
        "number": number,
        "state": state.value,
        "captured_at": one.at,
        "family": draft.family,
        "fingerprint": draft.fingerprint,
        "size": draft.size,
        "lines": draft.lines,
        "reason": one.quarantine_reason,
        "job_id": one.job_id,
        "object_id": draft.sealed.id,
    }


def sealed_values(sealed: SealedObject) -> Values:
    return {
        "id": sealed.id,
        "format": sealed.format,
        "key_id": sealed.key_id,
        "wrapped_key": sealed.wrapped_key,
        "nonce": sealed.nonce,
        "ciphertext": sealed.ciphertext,
    }
