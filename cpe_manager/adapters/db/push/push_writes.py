"""What several ways of making and advancing pushes write alike. Each is a part of somebody's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import update

from cpe_manager.adapters.db.backup import drift
from cpe_manager.adapters.db.backup.versions import store_drafts
from cpe_manager.adapters.db.jobs.claims import holds, lock_leases
from cpe_manager.adapters.db.jobs.jobs import create_job
from cpe_manager.adapters.db.push.push_rows import push_event, push_values
from cpe_manager.adapters.db.tables import device_status, push
from cpe_manager.adapters.db.transactions import Transaction
from cpe_manager.domain.backup.backups import Draft
from cpe_manager.domain.backup.drift import Sight
from cpe_manager.domain.errors import FenceLost
from cpe_manager.domain.jobs import Job, Outcome
from cpe_manager.domain.push.pushes import Push
from cpe_manager.ports.stores import Lease, NewWork, Settled


async def fenced(tx: Transaction, lease: Lease) -> None:
    if not holds(lease, await lock_leases(tx, [lease.device_id])):
        raise FenceLost("somebody else has taken over this device")


async def create_pushes(tx: Transaction, job: Job, asked: Sequence[tuple[Push, str, NewWork]]) -> None:
    """One job over pushes of different devices, each with its order (the id of what is sealed already) and its row."""
    await create_job(tx, job, [work for _, _, work in asked])
    await tx.run(push.insert(), [push_values(new, order_id) for new, order_id, _ in asked])
    told = ((new, f"{new.device}: {new.summary}, asked for by {new.requested_by}") for new, _, _ in asked)
    tx.emit([push_event("push.requested", new, new.created_at, message) for new, message in told])


async def write_snapshot(
    tx: Transaction, of: Push, backup_id: str, draft: Draft | None, at: datetime, lease: Lease
) -> None:  # fmt: skip
    await fenced(tx, lease)
    if draft is not None:
        stored = Settled(of.job_id, lease, at, Outcome.STORED, backup_id=backup_id, draft=draft)
        await store_drafts(tx, [stored])
        status = {"current_backup_id": backup_id, "last_attempt_at": at, "last_success_at": at, "failures": 0}
        error = {"last_error_code": None, "last_error": None}
        known = device_status.c.device_id == of.device_id
        await tx.run(update(device_status).where(known).values({**status, **error}))
        await drift.note(tx, {of.device_id: Sight(at, backup_id, draft.fingerprint)})
    await tx.run(update(push).where(push.c.id == of.id).values(snapshot_id=backup_id))
