"""Jobs and their device rows: making, listing, ending. Claims are in ``claims``, ends of attempts in ``settling``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, or_, select, tuple_, update

from cpe_manager.adapters.db import cursors, holds
from cpe_manager.adapters.db.jobs import claims, settling
from cpe_manager.adapters.db.jobs.job_rows import (
    close_when_ended,
    count_rows,
    end_job,
    ended,
    job_values,
    lock_jobs,
    to_job,
    with_counts,
)
from cpe_manager.adapters.db.tables import IS_DUE, device, device_lease, job, job_device
from cpe_manager.adapters.db.transactions import Connections, Transaction
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.jobs import WITH_ROWS, DeviceWork, Job, JobKind, JobState, Outcome, Priority, WorkState
from cpe_manager.domain.paging import Page
from cpe_manager.ports.stores import Claimed, Lease, NewWork, Settled, ShardDue


class SqlJobs:
    """``JobStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def create(self, job: Job, work: Sequence[NewWork] = ()) -> bool:
        """As the port says; a backup job without any device has ended as it is made."""
        return await self._db.write(lambda tx: create_job(tx, job, work))

    async def job(self, job_id: str) -> Job:
        return await self._one(select(job).where(job.c.id == job_id), f"no such job: {job_id}")

    async def of_occurrence(self, occurrence: str) -> Job:
        return await self._one(select(job).where(job.c.occurrence == occurrence), f"no job of {occurrence}")

    async def _one(self, query: Select[Any], missing: str) -> Job:
        async def work(tx: Transaction) -> Job:
            rows = await tx.rows(query)
            if not rows:
                raise NotFound(missing)
            return (await with_counts(tx, rows))[0]

        return await self._db.read(work)

    async def jobs(self, *, after: str | None = None, limit: int = 50, state: JobState | None = None) -> Page[Job]:
        query = select(job).order_by(job.c.created_at.desc(), job.c.id.desc()).limit(limit + 1)
        if state is not None:
            query = query.where(job.c.state == state.value)
        if after is not None:
            created, last = cursors.decode(after, str, str)
            at = cursors.to_time(created)
            query = query.where(or_(job.c.created_at < at, and_(job.c.created_at == at, job.c.id < last)))

        async def work(tx: Transaction) -> Page[Job]:
            return cursors.page(await with_counts(tx, await tx.rows(query)), limit, _job_key)

        return await self._db.read(work)

    async def work(
        self, job_id: str, *, after: str | None = None, limit: int = 200, outcome: Outcome | None = None
    ) -> Page[DeviceWork]:
        query = (
            select(job_device, device.c.name)
            .join(device, device.c.id == job_device.c.device_id)
            .where(job_device.c.job_id == job_id)
            .order_by(device.c.name, device.c.id)
            .limit(limit + 1)
        )
        if outcome is not None:
            query = query.where(job_device.c.outcome == outcome.value)
        if after is not None:
            query = query.where(tuple_(device.c.name, device.c.id) > tuple_(*cursors.decode(after, str, str)))

        async def work(tx: Transaction) -> Page[DeviceWork]:
            rows = [_to_work(row) for row in await tx.rows(query)]
            return cursors.page(rows, limit, lambda one: (one.device, one.device_id))

        return await self._db.read(work)

    async def due_shards(self, now: datetime) -> Sequence[ShardDue]:
        free = or_(device_lease.c.owner.is_(None), device_lease.c.expires <= now)
        query = (
            select(job_device.c.job_id, job_device.c.shard, job.c.priority)
            .join(job, and_(job.c.id == job_device.c.job_id, job.c.state == JobState.OPEN.value))
            .outerjoin(device_lease, device_lease.c.device_id == job_device.c.device_id)
            .where(IS_DUE, job_device.c.not_before <= now, free)
            .group_by(job_device.c.job_id, job_device.c.shard, job.c.priority)
            .order_by(func.min(job_device.c.not_before), job_device.c.job_id, job_device.c.shard)
        )

        async def work(tx: Transaction) -> Sequence[ShardDue]:
            return [ShardDue(row.job_id, row.shard, Priority(row.priority)) for row in await tx.rows(query)]

        return await self._db.read(work)

    async def open_simple_jobs(self) -> Sequence[Job]:
        simple = [kind.value for kind in JobKind if kind not in WITH_ROWS]
        query = select(job).where(job.c.state == JobState.OPEN.value, job.c.kind.in_(simple)).order_by(job.c.id)

        async def work(tx: Transaction) -> Sequence[Job]:
            return [to_job(row, {}) for row in await tx.rows(query)]

        return await self._db.read(work)

    async def claim(
        self, job_id: str, shard: int, *, owner: str, now: datetime, ttl: float, limit: int, per_access_node: int
    ) -> Sequence[Claimed]:
        wanted = claims.Wanted(job_id, shard, owner, now, ttl, limit, per_access_node)
        return await self._db.write(lambda tx: claims.claim(tx, wanted))

    async def renew(self, leases: Sequence[Lease], *, now: datetime, ttl: float) -> Sequence[Lease]:
        return await self._db.write(lambda tx: claims.renew(tx, leases, now, ttl)) if leases else []

    async def settle(self, results: Sequence[Settled]) -> Sequence[Settled]:
        return await self._db.write(lambda tx: settling.settle(tx, results)) if results else []

    async def take(self, job_id: str, *, owner: str, now: datetime, ttl: float) -> bool:
        return await self._db.write(lambda tx: holds.take(tx, job_id, owner, now, ttl))

    async def release_all(self, now: datetime) -> int:
        return await self._db.write(lambda tx: holds.release_all(tx, now))

    async def finish(
        self, job_id: str, state: JobState, *, at: datetime, result: Mapping[str, Any], error: str | None
    ) -> bool:
        """As the port says, with its ``job.finished`` event."""

        async def work(tx: Transaction) -> bool:
            row = (await lock_jobs(tx, [job_id])).get(job_id)
            if row is None or row.state != JobState.OPEN:
                return False
            await end_job(tx, row, state, at, {"result": dict(result), "error": error})
            tx.emit([ended(row, state, at, {}, error)])
            return True

        return await self._db.write(work)

    async def cancel(self, job_id: str, *, at: datetime, by: str) -> Job:
        """As the port says, with a ``job.cancelled`` event. Rows in flight are cancelled too; what they bring stays."""
        return await self._db.write(lambda tx: _cancel(tx, job_id, at, by))

    async def preempt(self, device_id: str) -> None:
        async def work(tx: Transaction) -> None:
            held = and_(device_lease.c.device_id == device_id, device_lease.c.owner.is_not(None))
            await tx.run(update(device_lease).where(held).values(preempt=True))

        await self._db.write(work)


async def create_job(tx: Transaction, new: Job, work: Sequence[NewWork]) -> bool:
    insert = tx.insert(job).values(job_values(new))
    made = await tx.rows(insert.on_conflict_do_nothing(index_elements=["occurrence"]).returning(job))
    if not made:
        return False
    rows = [
        {
            "job_id": new.id,
            "device_id": one.device_id,
            "shard": one.shard,
            "state": WorkState.DUE.value,
            "attempts": 0,
            "not_before": one.not_before,
        }
        for one in work
    ]
    await tx.many(job_device.insert(), rows)
    started = f"{new.kind.value} started, {len(work)} devices" if work else f"{new.kind.value} started"
    data = {"kind": new.kind.value, "trigger": new.trigger, "devices": len(work)}
    tx.emit([NewEvent("job.started", new.created_at, job_id=new.id, message=started, data=data)])
    if new.kind in WITH_ROWS and not work:
        await close_when_ended(tx, made[0], new.created_at)
    return True


async def _cancel(tx: Transaction, job_id: str, at: datetime, by: str) -> Job:
    row = (await lock_jobs(tx, [job_id])).get(job_id)
    if row is None:
        raise NotFound(f"no such job: {job_id}")
    if row.state != JobState.OPEN:
        raise Conflict(f"the job has ended already: {row.state}")
    if row.kind == JobKind.PUSH:
        raise Conflict("a push is given up by withdrawing it: what it did to the device has to be taken back")
    due = and_(job_device.c.job_id == job_id, IS_DUE)
    over = {"state": WorkState.CANCELLED.value, "outcome": Outcome.CANCELLED.value, "finished_at": at}
    await tx.run(update(job_device).where(due).values(over))
    counts = (await count_rows(tx, [job_id]))[job_id]
    await end_job(tx, row, JobState.CANCELLED, at, {"counts": counts})
    message = f"{row.kind} cancelled by {by}"
    tx.emit([NewEvent("job.cancelled", at, job_id=job_id, message=message, data={"by": by, "counts": counts})])
    return to_job((await tx.rows(select(job).where(job.c.id == job_id)))[0], counts)


def _job_key(one: Job) -> tuple[str, str]:
    return one.created_at.isoformat(), one.id


def _to_work(row: AnyRow) -> DeviceWork:
    return DeviceWork(
        job_id=row.job_id,
        device_id=row.device_id,
        device=row.name,
        state=WorkState(row.state),
        attempts=row.attempts,
        not_before=row.not_before,
        outcome=None if row.outcome is None else Outcome(row.outcome),
        error_code=row.error_code,
        error=row.error,
        finished_at=row.finished_at,
        backup_id=row.backup_id,
    )
