"""The end of attempts: hundreds at once, in one transaction, each under the fence of its lease.

Locks in this order: jobs, leases, positions, statuses, drift; each by id.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, case, func, literal, select, update

from cpe_manager.adapters.db.backup import drift
from cpe_manager.adapters.db.backup.files import store_files
from cpe_manager.adapters.db.backup.versions import store_drafts
from cpe_manager.adapters.db.fleet import facts
from cpe_manager.adapters.db.jobs.claims import holds, lock_leases
from cpe_manager.adapters.db.jobs.job_rows import close_when_ended, lock_jobs
from cpe_manager.adapters.db.rows import host_key_values
from cpe_manager.adapters.db.tables import device_host_key, device_lease, device_status, job_device
from cpe_manager.adapters.db.transactions import Transaction, Values, chunks
from cpe_manager.adapters.db.types import AnyRow, UtcTime
from cpe_manager.domain.jobs import Outcome, WorkState
from cpe_manager.ports.stores import Settled

_STATE_OF = {
    Outcome.STORED: WorkState.DONE,
    Outcome.UNCHANGED: WorkState.DONE,
    Outcome.QUARANTINED: WorkState.DONE,
    Outcome.FAILED: WorkState.FAILED,
    Outcome.CANCELLED: WorkState.CANCELLED,
    Outcome.CONFIRMED: WorkState.DONE,
    Outcome.REVERTED: WorkState.FAILED,
    Outcome.STUCK: WorkState.FAILED,
    Outcome.WITHDRAWN: WorkState.CANCELLED,
}
_GOOD = frozenset({Outcome.STORED, Outcome.UNCHANGED, Outcome.CONFIRMED})
_SAYS_NOTHING = frozenset({Outcome.CANCELLED, Outcome.REVERTED, Outcome.STUCK, Outcome.WITHDRAWN})
"""Ends after which no more is known of the device's backups than before."""


async def settle(tx: Transaction, results: Sequence[Settled]) -> Sequence[Settled]:
    jobs = await lock_jobs(tx, (one.job_id for one in results))
    refused: list[Settled] = []
    for part in chunks(sorted(results, key=lambda one: one.lease.device_id)):
        refused += await _settle_some(tx, part)
    written = {id(one) for one in results} - {id(one) for one in refused}
    ends: dict[str, datetime] = {}
    for one in results:
        if id(one) in written:
            ends[one.job_id] = max(one.at, ends.get(one.job_id, one.at))
            tx.emit(one.events)
    for job_id, at in ends.items():
        await close_when_ended(tx, jobs[job_id], at)
    return refused


async def _settle_some(tx: Transaction, results: Sequence[Settled]) -> list[Settled]:
    """Write those whose fence still holds, and return the others."""
    held = await lock_leases(tx, [one.lease.device_id for one in results])
    rows = await _rows(tx, results)
    valid: dict[str, Settled] = {}
    refused: list[Settled] = []
    for one in results:
        known = (one.job_id, one.lease.device_id) in rows
        # The first of two results under one lease releases it, so the second has lost its fence.
        if known and holds(one.lease, held) and one.lease.device_id not in valid:
            valid[one.lease.device_id] = one
        else:
            refused.append(one)
    if valid:
        ours = list(valid.values())
        versions = await store_drafts(tx, ours)
        await store_files(tx, [one.file for one in ours if one.file is not None])
        await tx.run(_UPDATE_ROW, [_row_values(one, rows[one.job_id, d], versions.get(d)) for d, one in valid.items()])
        await _statuses(tx, [one for one in ours if one.attempted], versions)
        await drift.settle(tx, ours, versions)
        await _host_keys(tx, ours)
        await facts.save(tx, [one.facts for one in ours if one.facts is not None])
        await _release(tx, ours)
    return refused


async def _rows(tx: Transaction, results: Sequence[Settled]) -> dict[tuple[str, str], AnyRow]:
    query = select(job_device).where(
        job_device.c.job_id.in_({one.job_id for one in results}),
        job_device.c.device_id.in_([one.lease.device_id for one in results]),
    )
    return {(row.job_id, row.device_id): row for row in await tx.rows(query)}


_UPDATE_ROW = (
    update(job_device)
    .where(job_device.c.job_id == bindparam("of_job"), job_device.c.device_id == bindparam("of_device"))
    .values({name: bindparam(name) for name in ("state", "attempts", "not_before", "outcome", "error_code", "error")})
    .values({name: bindparam(name) for name in ("finished_at", "backup_id")})
)


def _row_values(one: Settled, row: AnyRow, backup_id: str | None) -> Values:
    """The row after this attempt. One that ended meanwhile (its job was cancelled) stays as it ended."""
    values = {
        "of_job": row.job_id,
        "of_device": row.device_id,
        "attempts": row.attempts + one.attempted,
        "not_before": row.not_before,
        "state": row.state,
        "outcome": row.outcome,
        "error_code": one.error_code if one.attempted else row.error_code,
        "error": one.error if one.attempted else row.error,
        "finished_at": row.finished_at,
        "backup_id": backup_id or row.backup_id,
    }
    if row.state != WorkState.DUE:
        return values
    if one.outcome is None:
        return {**values, "not_before": one.retry_at or row.not_before}
    return {**values, "state": _STATE_OF[one.outcome].value, "outcome": one.outcome.value, "finished_at": one.at}


_STATUS = device_status.c
_UPDATE_GOOD = (
    update(device_status)
    .where(_STATUS.device_id == bindparam("of_device"))
    .values(
        last_attempt_at=bindparam("at"),
        last_success_at=bindparam("at"),
        last_error_code=None,
        last_error=None,
        failures=0,
        current_backup_id=func.coalesce(bindparam("version"), _STATUS.current_backup_id),
    )
)
_UPDATE_BAD = (
    update(device_status)
    .where(_STATUS.device_id == bindparam("of_device"))
    .values(
        last_attempt_at=bindparam("at"),
        last_error_code=bindparam("code"),
        last_error=bindparam("text"),
        failures=_STATUS.failures + bindparam("failed"),
    )
)


async def _statuses(tx: Transaction, results: Sequence[Settled], versions: dict[str, str]) -> None:
    """Quarantine is neither a success (the last good version stays current) nor a failure to reach the device."""
    good: list[Values] = []
    bad: list[Values] = []
    for one in results:
        device_id = one.lease.device_id
        if one.outcome in _GOOD:
            version = versions.get(device_id) if one.quarantine_reason is None else None
            good.append({"of_device": device_id, "at": one.at, "version": version})
        elif one.outcome not in _SAYS_NOTHING:
            failed = 0 if one.outcome is Outcome.QUARANTINED else 1
            text = one.error or one.quarantine_reason
            bad.append({"of_device": device_id, "at": one.at, "code": one.error_code, "text": text, "failed": failed})
    await tx.many(_UPDATE_GOOD, good)
    await tx.many(_UPDATE_BAD, bad)


async def _host_keys(tx: Transaction, results: Sequence[Settled]) -> None:
    """A first key is pinned unless another one was meanwhile; it then waits for a person, like any offered key."""
    insert = tx.insert(device_host_key).on_conflict_do_nothing(index_elements=["device_id", "fingerprint"])
    first = {one.lease.device_id: one for one in results if one.first_host_key is not None}
    known = device_host_key.c
    query = select(known.device_id).where(known.device_id.in_(list(first)), known.state == "pinned").distinct()
    pinned = {row.device_id for row in await tx.rows(query)} if first else set()
    rows = [
        host_key_values(device_id, one.first_host_key, "offered" if device_id in pinned else "pinned", one.at)
        for device_id, one in first.items()
        if one.first_host_key is not None
    ]
    rows += [
        host_key_values(one.lease.device_id, one.offered_host_key, "offered", one.at)
        for one in results
        if one.offered_host_key is not None
    ]
    await tx.many(insert, rows)


async def _release(tx: Transaction, results: Sequence[Settled]) -> None:
    """The rows stay: a fence never goes back."""
    at = max(one.at for one in results)
    ids = [one.lease.device_id for one in results]
    expires = case((device_lease.c.expires > at, literal(at, UtcTime)), else_=device_lease.c.expires)
    ours = update(device_lease).where(device_lease.c.device_id.in_(ids))
    await tx.run(ours.values(owner=None, preempt=False, expires=expires))
