"""Leases: taking due rows of a shard, keeping them, losing them.

All claims and renewals wait for one lock (PostgreSQL: an advisory one; SQLite: the write lock), so that the cap of an
access node and "nobody holds it" are judged on what is. Order of locks, here and in ``settling``: claim, job, lease.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update

from cpe_manager.adapters.db.backup.drift_table import drift
from cpe_manager.adapters.db.fleet import facts
from cpe_manager.adapters.db.jobs.job_rows import close_when_ended, lock_jobs
from cpe_manager.adapters.db.rows import (
    ACCESS_NODE,
    BACKUP_COLUMNS,
    DEVICE_COLUMNS,
    DEVICE_FROM,
    to_device,
    to_last_good,
)
from cpe_manager.adapters.db.tables import (
    IS_DUE,
    backup,
    backup_file,
    device,
    device_host_key,
    device_lease,
    device_status,
    job_device,
    line,
    push,
)
from cpe_manager.adapters.db.transactions import Lock, Transaction, chunks, in_chunks
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.backup.backups import LastGood
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.domain.jobs import JobKind, JobState, Outcome, Priority, WorkState
from cpe_manager.ports.stores import Claimed, Lease


@dataclass(frozen=True, slots=True)
class Holder:
    """Who takes leases, and for how many seconds."""

    owner: str
    now: datetime
    ttl: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """The arguments of ``JobStore.claim``; ``ttl`` in seconds."""

    job_id: str
    shard: int
    owner: str
    now: datetime
    ttl: float
    limit: int
    per_access_node: int

    @property
    def due(self) -> ColumnElement[bool]:
        return and_(
            job_device.c.job_id == self.job_id,
            job_device.c.shard == self.shard,
            IS_DUE,
        )


async def claim(tx: Transaction, wanted: Wanted) -> Sequence[Claimed]:
    await tx.lock(Lock.CLAIM)
    job = (await lock_jobs(tx, [wanted.job_id])).get(wanted.job_id)
    if job is None or job.state != JobState.OPEN:
        return []
    kind = JobKind(job.kind)
    # A push that has begun goes to its end whatever becomes of the device's place in the inventory.
    if kind is JobKind.BACKUP and await _drop_inactive(tx, wanted):
        await close_when_ended(tx, job, wanted.now)
    rows = await _candidates(tx, wanted, kind, job.priority)
    free = or_(device_lease.c.owner.is_(None), device_lease.c.expires <= wanted.now)
    holder = Holder(wanted.owner, wanted.now, wanted.ttl)
    leases = await take(tx, holder, [row.device_id for row in rows], free=free)
    taken = [row for row in rows if row.device_id in leases]
    return await describe(tx, job, taken, leases)


async def renew(tx: Transaction, leases: Sequence[Lease], now: datetime, ttl: float) -> Sequence[Lease]:
    """An expired lease that nobody took over is still ours."""
    await tx.lock(Lock.CLAIM)
    expires = now + timedelta(seconds=ttl)
    ours: list[Lease] = []
    for part in chunks(sorted(leases, key=lambda lease: lease.device_id)):
        held = await lock_leases(tx, [lease.device_id for lease in part])
        kept = [lease for lease in part if holds(lease, held) and not held[lease.device_id].preempt]
        ids = [lease.device_id for lease in kept]
        await tx.run(update(device_lease).where(device_lease.c.device_id.in_(ids)).values(expires=expires))
        ours += [Lease(lease.device_id, lease.owner, lease.fence, expires) for lease in kept]
    return ours


async def lock_leases(tx: Transaction, device_ids: Sequence[str]) -> dict[str, AnyRow]:
    """Lease rows by device, locked in order of device."""
    query = select(device_lease).where(device_lease.c.device_id.in_(device_ids)).order_by(device_lease.c.device_id)
    return {row.device_id: row for row in await tx.rows(query.with_for_update())}


def holds(lease: Lease, held: dict[str, AnyRow]) -> bool:
    row = held.get(lease.device_id)
    return row is not None and row.owner == lease.owner and row.fence == lease.fence


def _live(now: datetime) -> ColumnElement[bool]:
    return and_(device_lease.c.owner.is_not(None), device_lease.c.expires > now)


async def _drop_inactive(tx: Transaction, wanted: Wanted) -> bool:
    """Cancel the rows of devices that are no longer active and that nobody is talking to."""
    inactive = exists().where(device.c.id == job_device.c.device_id, device.c.state != LifeState.ACTIVE.value)
    busy = exists().where(device_lease.c.device_id == job_device.c.device_id, _live(wanted.now))
    gone = and_(wanted.due, inactive, ~busy)
    over = {"state": WorkState.CANCELLED.value, "outcome": Outcome.CANCELLED.value, "finished_at": wanted.now}
    dropped = await tx.run(update(job_device).where(gone).values(over))
    return bool(dropped.rowcount)


async def _candidates(tx: Transaction, wanted: Wanted, kind: JobKind, priority: str) -> Sequence[AnyRow]:
    """Due rows of free devices, oldest first, no more of an access node than it has room for.

    A device in the middle of a push is that push's alone, also while nobody holds its lease: what it runs is neither
    the state before nor the one after, so there is nothing to back up and nothing to build another push on.
    """
    oldest = (job_device.c.not_before, job_device.c.device_id)
    free = or_(device_lease.c.owner.is_(None), device_lease.c.expires <= wanted.now)
    tables = job_device.join(DEVICE_FROM, device.c.id == job_device.c.device_id).outerjoin(
        device_lease, device_lease.c.device_id == job_device.c.device_id
    )
    columns = (job_device.c.device_id, job_device.c.attempts, job_device.c.not_before)
    behind = (~_urgent_waits(),) if kind is JobKind.PUSH and priority != Priority.URGENT else ()
    due = (
        select(*columns)
        .select_from(tables)
        .where(wanted.due, job_device.c.not_before <= wanted.now, free, ~_amid_another_push(wanted.job_id), *behind)
    )
    if kind is JobKind.BACKUP:
        due = due.where(device.c.state == LifeState.ACTIVE.value)
    if not wanted.per_access_node or (kind is JobKind.PUSH and priority == Priority.URGENT):
        return await tx.rows(due.order_by(*oldest).limit(wanted.limit))
    rank = func.row_number().over(partition_by=ACCESS_NODE, order_by=oldest)
    ranked = due.add_columns(ACCESS_NODE.label("node"), rank.label("rank")).subquery("ranked")
    busy = _busy_nodes(wanted.now).subquery("busy")
    room = ranked.c.rank + func.coalesce(busy.c.sessions, 0) <= wanted.per_access_node
    query = (
        select(ranked.c.device_id, ranked.c.attempts)
        .outerjoin(busy, busy.c.node == ranked.c.node)
        .where(or_(ranked.c.node.is_(None), room))
        .order_by(ranked.c.not_before, ranked.c.device_id)
        .limit(wanted.limit)
    )
    return await tx.rows(query)


def _amid_another_push(job_id: str) -> ColumnElement[bool]:
    begun = and_(push.c.ended_at.is_(None), push.c.snapshot_id.is_not(None), push.c.job_id != job_id)
    return exists().where(push.c.device_id == job_device.c.device_id, begun)


def _urgent_waits() -> ColumnElement[bool]:
    """An urgent push of the device has not ended: those that only queue let it go first, also when it came later."""
    urgent = and_(push.c.ended_at.is_(None), push.c.priority == Priority.URGENT.value)
    return and_(exists().where(push.c.device_id == job_device.c.device_id, urgent), ~_begun_here())


def _begun_here() -> ColumnElement[bool]:
    own = and_(push.c.job_id == job_device.c.job_id, push.c.device_id == job_device.c.device_id)
    return exists().where(own, push.c.snapshot_id.is_not(None))


def _busy_nodes(now: datetime) -> Any:
    """Sessions by access node, but for those of urgent pushes: when many lines of a node go down at once, all of them
    are switched at once."""
    urgent = exists().where(
        push.c.device_id == device_lease.c.device_id, push.c.ended_at.is_(None), push.c.priority == Priority.URGENT
    )
    return (
        select(ACCESS_NODE.label("node"), func.count().label("sessions"))
        .select_from(device_lease.join(device, device.c.id == device_lease.c.device_id))
        .outerjoin(line, line.c.id == device.c.line_id)
        .where(_live(now), ~urgent)
        .group_by(ACCESS_NODE)
    )


async def take(
    tx: Transaction, holder: Holder, device_ids: Sequence[str], *, free: ColumnElement[bool] | None = None
) -> dict[str, Lease]:
    """Become the owner: a first lease has fence 1, each later one counts up. Only of those that are ``free``, if that
    is given; whoever else holds one loses it."""
    if not device_ids:
        return {}
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
        where=free,
    ).returning(device_lease.c.device_id, device_lease.c.fence)
    new = {"owner": holder.owner, "fence": 1, "expires": expires, "preempt": False}
    values = [{"device_id": device_id, **new} for device_id in sorted(device_ids)]
    rows = (await tx.run(statement, values)).all()
    return {row.device_id: Lease(row.device_id, holder.owner, row.fence, expires) for row in rows}


async def describe(tx: Transaction, job: AnyRow, rows: Sequence[AnyRow], leases: dict[str, Lease]) -> Sequence[Claimed]:
    """Rows (device and attempts) that are leased, with all that working on them takes."""
    ids = [row.device_id for row in rows]
    query = select(*DEVICE_COLUMNS).select_from(DEVICE_FROM)
    devices = {
        row.id: to_device(row) for row in await in_chunks(tx, ids, lambda part: query.where(device.c.id.in_(part)))
    }
    pinned = await _pinned(tx, ids)
    last = await _last_good(tx, ids)
    known = await facts.load(tx, ids)
    return [
        Claimed(
            job_id=job.id,
            lease=leases[row.device_id],
            attempts=row.attempts,
            device=devices[row.device_id],
            pinned_keys=tuple(pinned[row.device_id]),
            last_good=last[row.device_id][0] if row.device_id in last else None,
            unsaved=row.device_id in last and last[row.device_id][1],
            kind=JobKind(job.kind),
            facts=known.get(row.device_id),
        )
        for row in rows
    ]


async def _pinned(tx: Transaction, device_ids: Sequence[str]) -> defaultdict[str, list[str]]:
    key = device_host_key.c
    query = select(key.device_id, key.key).where(key.state == "pinned").order_by(key.first_seen_at, key.fingerprint)
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in await in_chunks(tx, device_ids, lambda part: query.where(key.device_id.in_(part))):
        found[row.device_id].append(row.key)
    return found


async def _last_good(tx: Transaction, device_ids: Sequence[str]) -> dict[str, tuple[LastGood, bool]]:
    """With whether the device was seen to run something that it would not come up with."""
    current = and_(device.c.id == device_status.c.device_id, backup.c.id == device_status.c.current_backup_id)
    beside = exists().where(backup_file.c.backup_id == backup.c.id)
    unsaved = exists().where(drift.c.position_id == device.c.position_id, drift.c.unsaved_since.is_not(None))
    labels = (device_status.c.device_id.label("of"), beside.label("archived"), unsaved.label("unsaved"))
    query = select(*BACKUP_COLUMNS, *labels).where(current)
    rows = await in_chunks(tx, device_ids, lambda part: query.where(device_status.c.device_id.in_(part)))
    return {row.of: (to_last_good(row), bool(row.unsaved)) for row in rows}
