"""Pushes and their journals. What the owner of a lease writes is written under its fence, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, insert, or_, select, update

from cpe_manager.adapters.db import cursors
from cpe_manager.adapters.db.claims import holds, lock_leases
from cpe_manager.adapters.db.jobs import create_job
from cpe_manager.adapters.db.overdue import raise_alarms
from cpe_manager.adapters.db.rows import SEALED_COLUMNS, to_sealed
from cpe_manager.adapters.db.tables import device, device_status, push, push_step, sealed_object
from cpe_manager.adapters.db.transactions import Connections, Transaction, Values
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.adapters.db.versions import sealed_values, store_drafts
from cpe_manager.domain.backups import Draft, SealedObject
from cpe_manager.domain.commit_path import Entry, Phase, Result, Step
from cpe_manager.domain.errors import Conflict, FenceLost, NotFound
from cpe_manager.domain.events import Alarm, NewEvent, Severity
from cpe_manager.domain.jobs import Job, Outcome
from cpe_manager.domain.lockout import Lockout
from cpe_manager.domain.paging import Page
from cpe_manager.domain.pushes import Push, PushKind, PushRecord
from cpe_manager.ports.pushes import OpenPush
from cpe_manager.ports.stores import Lease, NewWork, Settled

_SEVERITY: dict[Phase, Severity] = {Phase.STUCK: "error", Phase.REVERTED: "warning"}


class SqlPushes:
    """``PushStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def create(self, push: Push, order: SealedObject, job: Job, work: NewWork) -> Push:
        return await self._db.write(lambda tx: _create(tx, push, order, job, work))

    async def push(self, push_id: str) -> PushRecord:
        return await self._db.read(lambda tx: _record(tx, push.c.id == push_id, f"no such push: {push_id}"))

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
        rows = [_to_push(row) for row in await self._db.read(lambda tx: tx.rows(query))]
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
        added = insert(push_step).values(push_id=push_id, number=last.scalar_subquery(), **_entry_values(entry))
        there = update(push).where(push.c.id == push_id).values(phase=phase.value).returning(push.c.withdrawn_by)

        async def work(tx: Transaction) -> bool:
            await _fenced(tx, lease)
            await tx.run(added)
            return (await tx.rows(there))[0].withdrawn_by is not None

        return await self._db.write(work)

    async def snapshot(self, push: Push, backup_id: str, draft: Draft | None, at: datetime, lease: Lease) -> None:
        await self._db.write(lambda tx: _snapshot(tx, push, backup_id, draft, at, lease))

    async def end(self, push: Push, phase: Phase, reason: str, at: datetime, lease: Lease) -> None:
        await self._db.write(lambda tx: _end(tx, push, phase, reason, at, lease))

    async def withdraw(self, push_id: str, *, at: datetime, by: str) -> Push:
        return await self._db.write(lambda tx: _withdraw(tx, push_id, at, by))


def _select() -> Select[Any]:
    return select(push, device.c.name).join(device, device.c.id == push.c.device_id)


async def _record(tx: Transaction, where: Any, missing: str) -> PushRecord:
    rows = await tx.rows(_select().where(where))
    if not rows:
        raise NotFound(missing)
    steps = select(push_step).where(push_step.c.push_id == rows[0].id).order_by(push_step.c.number)
    return PushRecord(_to_push(rows[0]), [_to_entry(row) for row in await tx.rows(steps)])


async def _fenced(tx: Transaction, lease: Lease) -> None:
    if not holds(lease, await lock_leases(tx, [lease.device_id])):
        raise FenceLost("somebody else has taken over this device")


async def _create(tx: Transaction, new: Push, order: SealedObject, job: Job, work: NewWork) -> Push:
    if new.key is not None:
        known = await tx.rows(_select().where(push.c.key == new.key))
        if known:
            return _to_push(known[0])
    await tx.run(sealed_object.insert(), [sealed_values(order)])
    await create_pushes(tx, job, [(new, order.id, work)])
    return new


async def create_pushes(tx: Transaction, job: Job, asked: Sequence[tuple[Push, str, NewWork]]) -> None:
    """One job over pushes of different devices, each with its order (the id of what is sealed already) and its row."""
    await create_job(tx, job, [work for _, _, work in asked])
    await tx.run(push.insert(), [_push_values(new, order_id) for new, order_id, _ in asked])
    told = ((new, f"{new.device}: {new.summary}, asked for by {new.requested_by}") for new, _, _ in asked)
    tx.emit([_event("push.requested", new, new.created_at, message) for new, message in told])


async def _snapshot(
    tx: Transaction, of: Push, backup_id: str, draft: Draft | None, at: datetime, lease: Lease
) -> None:  # fmt: skip
    await _fenced(tx, lease)
    if draft is not None:
        stored = Settled(of.job_id, lease, at, Outcome.STORED, backup_id=backup_id, draft=draft)
        await store_drafts(tx, [stored])
        status = {"current_backup_id": backup_id, "last_attempt_at": at, "last_success_at": at, "failures": 0}
        error = {"last_error_code": None, "last_error": None}
        known = device_status.c.device_id == of.device_id
        await tx.run(update(device_status).where(known).values({**status, **error}))
    await tx.run(update(push).where(push.c.id == of.id).values(snapshot_id=backup_id))


async def _end(tx: Transaction, of: Push, phase: Phase, reason: str, at: datetime, lease: Lease) -> None:
    await _fenced(tx, lease)
    row = (await tx.rows(select(push.c.ended_at).where(push.c.id == of.id).with_for_update()))[0]
    if row.ended_at is not None:
        return
    values = {"phase": phase.value, "reason": reason or None, "ended_at": at}
    await tx.run(update(push).where(push.c.id == of.id).values(values))
    message = f"{of.device}: push {phase.value}" + (f": {reason}" if reason else "")
    tx.emit([_event(f"push.{phase.value}", of, at, message, severity=_SEVERITY.get(phase, "info"))])
    if phase is Phase.STUCK:
        alarm = Alarm(f"push.stuck:{of.id}", "push.stuck", of.device_id, of.device, at, f"push {of.id}: {reason}")
        await raise_alarms(tx, [alarm])


async def _withdraw(tx: Transaction, push_id: str, at: datetime, by: str) -> Push:
    rows = await tx.rows(select(push.c.ended_at, push.c.phase).where(push.c.id == push_id).with_for_update())
    if not rows:
        raise NotFound(f"no such push: {push_id}")
    if rows[0].ended_at is not None:
        raise Conflict(f"the push has ended already: {rows[0].phase}")
    await tx.run(update(push).where(push.c.id == push_id).values(withdrawn_by=by))
    asked = _to_push((await tx.rows(_select().where(push.c.id == push_id)))[0])
    tx.emit([_event("push.withdrawing", asked, at, f"{asked.device}: push given up by {by}")])
    return asked


def _event(kind: str, of: Push, at: datetime, message: str, *, severity: Severity = "info") -> NewEvent:
    data = {"push_id": of.id, "kind": of.kind.value, "summary": of.summary}
    return NewEvent(kind, at, severity, device_id=of.device_id, job_id=of.job_id, message=message, data=data)


def _push_values(one: Push, order_id: str) -> Values:
    return {
        "id": one.id,
        "job_id": one.job_id,
        "device_id": one.device_id,
        "kind": one.kind.value,
        "summary": one.summary,
        "created_at": one.created_at,
        "requested_by": one.requested_by,
        "token": one.token,
        "guard_seconds": one.guard_seconds,
        "phase": one.phase.value,
        "basis": one.basis,
        "overrides": sorted(lockout.value for lockout in one.overrides),
        "key": one.key,
        "withdrawn_by": one.withdrawn_by,
        "snapshot_id": one.snapshot_id,
        "reason": one.reason,
        "ended_at": one.ended_at,
        "order_id": order_id,
    }


def _to_push(row: AnyRow) -> Push:
    return Push(
        id=row.id,
        job_id=row.job_id,
        device_id=row.device_id,
        device=row.name,
        kind=PushKind(row.kind),
        summary=row.summary,
        created_at=row.created_at,
        requested_by=row.requested_by,
        token=row.token,
        guard_seconds=row.guard_seconds,
        phase=Phase(row.phase),
        basis=row.basis,
        overrides=frozenset(Lockout(value) for value in row.overrides),
        key=row.key,
        withdrawn_by=row.withdrawn_by,
        snapshot_id=row.snapshot_id,
        reason=row.reason,
        ended_at=row.ended_at,
    )


def _entry_values(entry: Entry) -> Values:
    result = None if entry.result is None else entry.result.value
    return {
        "step": entry.step.value,
        "at": entry.at,
        "result": result,
        "reason": entry.reason,
        "deadline": entry.deadline,
    }


def _to_entry(row: AnyRow) -> Entry:
    result = None if row.result is None else Result(row.result)
    return Entry(Step(row.step), row.at, result, row.reason, row.deadline)
