"""Pushes and their journals. What the owner of a lease writes is written under its fence, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, exists, func, insert, or_, select, update

from cpe_manager.adapters.db import cursors
from cpe_manager.adapters.db.backup.overdue import raise_alarms
from cpe_manager.adapters.db.backup.versions import sealed_values
from cpe_manager.adapters.db.fleet import readdressing
from cpe_manager.adapters.db.jobs.claims import Holder
from cpe_manager.adapters.db.jobs.job_rows import lock_jobs
from cpe_manager.adapters.db.push import prepared_pushes, push_holds
from cpe_manager.adapters.db.push.push_rows import entry_values, offer_value, push_event, to_entry, to_push
from cpe_manager.adapters.db.push.push_writes import create_pushes, fenced, write_snapshot
from cpe_manager.adapters.db.rows import SEALED_COLUMNS, to_sealed
from cpe_manager.adapters.db.tables import (
    IS_DUE,
    alarm,
    device,
    device_lease,
    job_device,
    push,
    push_step,
    sealed_object,
)
from cpe_manager.adapters.db.transactions import Connections, Lock, Transaction
from cpe_manager.domain.backup.backups import Draft, SealedObject
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.events import Alarm, Severity
from cpe_manager.domain.jobs import Job, Priority
from cpe_manager.domain.paging import Page
from cpe_manager.domain.push.commit_path import Entry, Phase
from cpe_manager.domain.push.pushes import Limits, Offer, Push, PushKind, PushRecord, Settlement, Waiting
from cpe_manager.ports.pushes import Ended, OpenPush, Prepared
from cpe_manager.ports.stores import Claimed, Lease, NewWork

_SEVERITY: dict[Phase, Severity] = {Phase.STUCK: "error", Phase.REVERTED: "warning"}


class SqlPushes:
    """``PushStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def create(self, push: Push, order: SealedObject, job: Job, work: NewWork) -> Push:
        return await self._db.write(lambda tx: _create(tx, push, order, job, work))

    async def create_prepared(self, new: Prepared, *, owner: str, now: datetime, ttl: float) -> Claimed:
        return await self._db.write(lambda tx: prepared_pushes.create(tx, new, Holder(owner, now, ttl)))

    async def push(self, push_id: str) -> PushRecord:
        return await self._db.read(lambda tx: _record(tx, push.c.id == push_id, f"no such push: {push_id}"))

    async def keyed(self, key: str) -> Push | None:
        rows = await self._db.read(lambda tx: tx.rows(_select().where(push.c.key == key)))
        return to_push(rows[0]) if rows else None

    async def pushes(
        self, *, device_id: str | None = None, open_only: bool = False, after: str | None = None, limit: int = 50
    ) -> Page[Push]:
        query = _select().order_by(push.c.created_at.desc(), push.c.id.desc()).limit(limit + 1)
        if device_id is not None:
            query = query.where(push.c.device_id == device_id)
        if open_only:
            query = query.where(push.c.ended_at.is_(None))
        if after is not None:
            created, last = cursors.decode(after, str, str)
            at = cursors.to_time(created)
            query = query.where(or_(push.c.created_at < at, and_(push.c.created_at == at, push.c.id < last)))
        rows = [to_push(row) for row in await self._db.read(lambda tx: tx.rows(query))]
        return cursors.page(rows, limit, lambda one: (one.created_at.isoformat(), one.id))

    async def of_row(self, job_id: str, device_id: str) -> OpenPush:
        async def work(tx: Transaction) -> OpenPush:
            where = and_(push.c.job_id == job_id, push.c.device_id == device_id)
            record = await _record(tx, where, "no push stands behind this row")
            query = select(*SEALED_COLUMNS).join(push, push.c.order_id == sealed_object.c.id)
            order = (await tx.rows(query.where(push.c.id == record.push.id)))[0]
            return OpenPush(record, to_sealed(order))

        return await self._db.read(work)

    async def withdrawn(self, push_id: str) -> bool:
        query = select(push.c.withdrawn_by).where(push.c.id == push_id)
        rows = await self._db.read(lambda tx: tx.rows(query))
        return bool(rows and rows[0].withdrawn_by)

    async def record(self, push_id: str, entry: Entry, phase: Phase, lease: Lease) -> bool:
        """As the port says. The most frequent write of a push, so of as few statements as can be."""
        last = select(func.coalesce(func.max(push_step.c.number), 0) + 1).where(push_step.c.push_id == push_id)
        added = insert(push_step).values(push_id=push_id, number=last.scalar_subquery(), **entry_values(entry))
        there = update(push).where(push.c.id == push_id).values(phase=phase.value).returning(push.c.withdrawn_by)

        async def work(tx: Transaction) -> bool:
            await fenced(tx, lease)
            await tx.run(added)
            return (await tx.rows(there))[0].withdrawn_by is not None

        return await self._db.write(work)

    async def snapshot(self, push: Push, backup_id: str, draft: Draft | None, at: datetime, lease: Lease) -> None:
        await self._db.write(lambda tx: write_snapshot(tx, push, backup_id, draft, at, lease))

    async def end(self, push: Push, end: Ended, lease: Lease) -> None:
        await self._db.write(lambda tx: _end(tx, push, end, lease))

    async def admit(
        self, push: Push, limits: Limits, waiting: Waiting | None, at: datetime, lease: Lease
    ) -> Waiting | None:
        async def work(tx: Transaction) -> Waiting | None:
            await tx.lock(Lock.CLAIM)
            await fenced(tx, lease)
            found = waiting or await push_holds.hindered(tx, push, limits, at)
            await push_holds.note_waiting(tx, push, found, at)
            return found

        return await self._db.write(work)

    async def offer(self, push_id: str, offer: Offer, lease: Lease) -> None:
        async def work(tx: Transaction) -> None:
            await fenced(tx, lease)
            await tx.run(update(push).where(push.c.id == push_id).values(offer=offer_value(offer)))

        await self._db.write(work)

    async def order(self, push_id: str) -> SealedObject:
        query = select(*SEALED_COLUMNS).join(push, push.c.order_id == sealed_object.c.id).where(push.c.id == push_id)
        rows = await self._db.read(lambda tx: tx.rows(query))
        if not rows:
            raise NotFound(f"no such push: {push_id}")
        return to_sealed(rows[0])

    async def settle(self, push_id: str, end: Settlement) -> Push:
        async def work(tx: Transaction) -> Push:
            of = (await _record(tx, push.c.id == push_id, f"no such push: {push_id}")).push
            if of.phase is not Phase.STUCK:
                raise Conflict(f"the push is not stuck, it is {of.phase}")
            if of.settled is not None:
                raise Conflict(f"the push is settled already, as {of.settled.how}")
            await push_holds.settle(tx, of, end)
            return (await _record(tx, push.c.id == push_id, "")).push

        return await self._db.write(work)

    async def read_since_stuck(self) -> Sequence[tuple[Push, str]]:
        return await self._db.read(push_holds.read_since)

    async def release_held(self, limit: int, at: datetime) -> bool:
        raised = select(alarm.c.key).where(alarm.c.key == push_holds.HELD)
        if not await self._db.read(lambda tx: tx.rows(raised)):
            return False
        return await self._db.write(lambda tx: push_holds.release_held(tx, limit, at))

    async def withdraw(self, push_id: str, *, at: datetime, by: str) -> Push:
        return await self._db.write(lambda tx: _withdraw(tx, push_id, at, by))


def _select() -> Select[Any]:
    return select(push, device.c.name).join(device, device.c.id == push.c.device_id)


async def _record(tx: Transaction, where: Any, missing: str) -> PushRecord:
    rows = await tx.rows(_select().where(where))
    if not rows:
        raise NotFound(missing)
    steps = select(push_step).where(push_step.c.push_id == rows[0].id).order_by(push_step.c.number)
    return PushRecord(to_push(rows[0]), [to_entry(row) for row in await tx.rows(steps)])


async def _create(tx: Transaction, new: Push, order: SealedObject, job: Job, work: NewWork) -> Push:
    if new.key is not None:
        known = await tx.rows(_select().where(push.c.key == new.key))
        if known:
            return to_push(known[0])
    if new.kind is not PushKind.RESTORE and await push_holds.stuck(tx, push_holds.unsettled(new.device_id)):
        raise Conflict(
            f"an earlier push of {new.device} is stuck: settle it first, or bring a stored version back "
            f"(see {push_holds.RUNBOOK})"
        )
    await tx.run(sealed_object.insert(), [sealed_values(order)])
    await create_pushes(tx, job, [(new, order.id, work)])
    if new.priority is Priority.URGENT:
        await _make_way(tx, new)
    return new


async def _make_way(tx: Transaction, urgent: Push) -> None:
    """Whoever visits the device at the moment leaves it, unless a push has begun to change it."""
    begun = exists().where(
        push.c.device_id == urgent.device_id, push.c.ended_at.is_(None), push.c.snapshot_id.is_not(None)
    )
    held = and_(device_lease.c.device_id == urgent.device_id, device_lease.c.owner.is_not(None), ~begun)
    await tx.run(update(device_lease).where(held).values(preempt=True))


async def _end(tx: Transaction, of: Push, end: Ended, lease: Lease) -> None:
    await fenced(tx, lease)
    row = (await tx.rows(select(push.c.ended_at).where(push.c.id == of.id).with_for_update()))[0]
    if row.ended_at is not None:
        return
    phase, reason, at = end.phase, end.reason, end.at
    values = {"phase": phase.value, "reason": reason or None, "code": end.code or None, "ended_at": at}
    await tx.run(update(push).where(push.c.id == of.id).values(waiting=None, **values))
    message = f"{of.device}: push {phase.value}" + (f": {reason}" if reason else "")
    data: dict[str, Any] = {"code": end.code, "reason": reason} if end.code or reason else {}
    if phase is Phase.STUCK:
        data |= await push_holds.stuck_facts(tx, of)
        told = f"push {of.id}: {reason}; what to do: {push_holds.RUNBOOK}"
        await raise_alarms(tx, [Alarm(push_holds.stuck_key(of), "push.stuck", of.device_id, of.device, at, told)])
    if phase is Phase.CONFIRMED:
        await push_holds.settle_by_later(tx, of, at)
        if of.managed_at is not None:
            await readdressing.move(tx, of, of.managed_at, at)
    tx.emit([push_event(f"push.{phase.value}", of, at, message, severity=_SEVERITY.get(phase, "info"), **data)])


async def _withdraw(tx: Transaction, push_id: str, at: datetime, by: str) -> Push:
    known = await tx.rows(select(push.c.job_id).where(push.c.id == push_id))
    if not known:
        raise NotFound(f"no such push: {push_id}")
    job_id = known[0].job_id
    await lock_jobs(tx, [job_id])
    rows = await tx.rows(select(push.c.ended_at, push.c.phase).where(push.c.id == push_id).with_for_update())
    if rows[0].ended_at is not None:
        raise Conflict(f"the push has ended already: {rows[0].phase}")
    await tx.run(update(push).where(push.c.id == push_id).values(withdrawn_by=by))
    # One that waits for its window ends now, not then.
    waiting = and_(job_device.c.job_id == job_id, IS_DUE, job_device.c.not_before > at)
    await tx.run(update(job_device).where(waiting).values(not_before=at))
    asked = to_push((await tx.rows(_select().where(push.c.id == push_id)))[0])
    tx.emit([push_event("push.withdrawing", asked, at, f"{asked.device}: push given up by {by}")])
    return asked
