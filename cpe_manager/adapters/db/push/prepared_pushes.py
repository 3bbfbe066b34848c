"""A push that was prepared beforehand comes into being at the moment of its effect: order, job, row, lease and journal
in one transaction, since nothing may happen on a device that is not written down and there is no time for more."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import exists, select

from cpe_manager.adapters.db.backup.versions import sealed_values
from cpe_manager.adapters.db.jobs import claims
from cpe_manager.adapters.db.push import push_holds
from cpe_manager.adapters.db.push.push_rows import entry_values
from cpe_manager.adapters.db.push.push_writes import create_pushes, write_snapshot
from cpe_manager.adapters.db.tables import device, job, job_device, push, push_step, sealed_object
from cpe_manager.adapters.db.transactions import Lock, Transaction
from cpe_manager.domain.errors import Conflict
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.domain.push.commit_path import phase_of
from cpe_manager.domain.push.pushes import Push
from cpe_manager.ports.pushes import Prepared
from cpe_manager.ports.stores import Claimed, NewWork


async def create(tx: Transaction, new: Prepared, holder: claims.Holder) -> Claimed:
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
    leases = await claims.take(tx, holder, [of.device_id])
    if of.snapshot_id is not None:
        await write_snapshot(tx, of, of.snapshot_id, new.draft, holder.now, leases[of.device_id])
    made = (await tx.rows(select(job).where(job.c.id == new.job.id)))[0]
    rows = await tx.rows(select(job_device.c.device_id, job_device.c.attempts).where(job_device.c.job_id == new.job.id))
    (claimed,) = await claims.describe(tx, made, rows, leases)
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
