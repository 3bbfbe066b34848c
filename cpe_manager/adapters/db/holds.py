"""Holds on jobs without device rows, and letting go of everything at the start of the only process."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select, update

from cpe_manager.adapters.db.jobs.job_rows import lock_jobs
from cpe_manager.adapters.db.tables import device_lease, job
from cpe_manager.adapters.db.transactions import Lock, Transaction
from cpe_manager.domain.jobs import JobState


async def take(tx: Transaction, job_id: str, owner: str, now: datetime, ttl: float) -> bool:
    row = (await lock_jobs(tx, [job_id])).get(job_id)
    if row is None or row.state != JobState.OPEN:
        return False
    if row.held_by not in {None, owner} and row.held_until > now:
        return False
    held = {"held_by": owner, "held_until": now + timedelta(seconds=ttl), "started_at": row.started_at or now}
    await tx.run(update(job).where(job.c.id == job_id).values(held))
    return True


async def release_all(tx: Transaction, now: datetime) -> int:
    """Owners go, fences stay."""
    await tx.lock(Lock.CLAIM)
    live = device_lease.c.owner.is_not(None) & (device_lease.c.expires > now)
    count = (await tx.rows(select(func.count()).select_from(device_lease).where(live)))[0][0]
    await tx.run(update(device_lease).where(device_lease.c.owner.is_not(None)).values(owner=None, preempt=False))
    await tx.run(update(job).where(job.c.held_by.is_not(None)).values(held_by=None, held_until=None))
    return int(count)
