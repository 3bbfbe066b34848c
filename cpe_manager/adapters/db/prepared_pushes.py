"""A push that was prepared beforehand comes into being at the moment of its effect: order, job, row, lease and journal
in one transaction, since nothing may happen on a device that is not written down and there is no time for more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import exists, select

from cpe_manager.adapters.db import claims, push_holds
from cpe_manager.adapters.db.push_rows import entry_values
from cpe_manager.adapters.db.push_writes import create_pushes, write_snapshot
from cpe_manager.adapters.db.tables import device, device_lease, job, job_device, push, push_step, sealed_object
from cpe_manager.adapters.db.transactions import Lock, Transaction
from cpe_manager.adapters.db.versions import sealed_values
from cpe_manager.domain.commit_path import phase_of
from cpe_manager.domain.errors import Conflict
from cpe_manager.domain.inventory import LifeState
from cpe_manager.domain.pushes import Push
from cpe_manager.ports.pushes import Prepared
from cpe_manager.ports.stores import Claimed, Lease, NewWork


@dataclass(frozen=True, slots=True)
class Holder:
    """Who takes the device's lease, and for how many seconds."""

    owner: str
    now: datetime
    ttl: float


async def create(tx: Transaction, new: Prepared, holder: Holder) -> Claimed:
    """As the port says. Whoever else holds the device's lease loses it here and now: only what changes nothing can,
    since a push that has taken its snapshot keeps this one away."""
    await tx.lock(Lock.CLAIM)
    of = new.push
    await claims.lock_leases(tx, [of.device_id])  # a push that takes its snapshot now does so before, or not at all
    await _refuse(tx, of)
    await tx.run(sealed_object.insert(), [sealed_values(new.order)])
    work = NewWork(of.device_id, 0, holder.now)
    await create_pushes(tx, new.job, [(replace(of, phase=phase_of(new.journal)), new.order.id, work)])
    steps = [{"push_id": of.id, "number": number, **entry_values(entry)} for number, entry in enumerate(new.journal, 1)]
    await tx.run(push_step.insert(), steps)
    lease = await _take(tx, of.device_id, holder)
    if of.snapshot_id is not None:
        await write_snapshot(tx, of, of.snapshot_id, new.draft, holder.now, lease)
    made = (await tx.rows(select(job).where(job.c.id == new.job.id)))[0]
    rows = await tx.rows(select(job_device.c.device_id, job_device.c.attempts).where(job_device.c.job_id == new.job.id))
    (claimed,) = await claims.describe(tx, made, rows, {of.device_id: lease})
    return claimed


async def _refuse(tx: Transaction, of: Push) -> None:
    known = await tx.rows(select(push.c.id).where(push.c.key == of.key)) if of.key else ()
    if known:
        raise Conflict(f"it was asked for already: push {known[0].id}")
    there = await tx.rows(select(device.c.state).where(device.c.id == of.device_id))
    if not there or there[0].state != LifeState.ACTIVE.value:
        raise Conflict(f"{of.device} is not active; only active devices are changed")
    if await push_holds.stuck(tx, push_holds.unsettled(of.device_id)):
        raise Conflict(f"an earlier push of {of.device} is stuck: settle it first (see {push_holds.RUNBOOK})")
    begun = exists().where(
        push.c.device_id == of.device_id, push.c.ended_at.is_(None), push.c.snapshot_id.is_not(None)
    )  # fmt: skip
    if (await tx.rows(select(begun)))[0][0]:
        raise Conflict(f"another push of {of.device} is in the middle of its work")


async def _take(tx: Transaction, device_id: str, holder: Holder) -> Lease:
    expires = holder.now + timedelta(seconds=holder.ttl)
    insert = tx.insert(device_lease)
    statement = insert.on_conflict_do_update(
        index_elements=["device_id"],
        set_={
            "owner": insert.excluded.owner,
            "fence": device_lease.c.fence + 1,
            "expires": insert.excluded.expires,
            "preempt": False,
        },
    ).returning(device_lease.c.fence)
    new = {"device_id": device_id, "owner": holder.owner, "fence": 1, "expires": expires, "preempt": False}
    row = (await tx.run(statement, [new])).all()[0]
    return Lease(device_id, holder.owner, row.fence, expires)
