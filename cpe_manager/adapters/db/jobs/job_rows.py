"""Rows of jobs as domain values, their counts, and how a job ends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import exists, func, select, update

from cpe_manager.adapters.db.tables import IS_DUE, job, job_device
from cpe_manager.adapters.db.transactions import Transaction, Values
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.jobs import Job, JobKind, JobState, Outcome, Priority, WorkState

_COUNTED: Final = ("total", *WorkState, Outcome.STORED, Outcome.UNCHANGED, Outcome.QUARANTINED)
_FRUITS: Final = frozenset({Outcome.STORED, Outcome.UNCHANGED, Outcome.QUARANTINED})


def to_job(row: AnyRow, counts: Mapping[str, int]) -> Job:
    return Job(
        id=row.id,
        kind=JobKind(row.kind),
        state=JobState(row.state),
        trigger=row.trigger,
        created_at=row.created_at,
        priority=Priority(row.priority),
        params=row.params,
        started_at=row.started_at,
        finished_at=row.finished_at,
        occurrence=row.occurrence,
        requested_by=row.requested_by,
        result=row.result,
        error=row.error,
        counts=dict(counts),
    )


def job_values(one: Job) -> Values:
    return {
        "id": one.id,
        "kind": one.kind.value,
        "state": one.state.value,
        "trigger": one.trigger,
        "priority": one.priority.value,
        "params": one.params,
        "result": one.result,
        "error": one.error,
        "occurrence": one.occurrence,
        "requested_by": one.requested_by,
        "created_at": one.created_at,
        "started_at": one.started_at or one.created_at,
        "finished_at": one.finished_at,
    }


async def with_counts(tx: Transaction, rows: Sequence[AnyRow]) -> list[Job]:
    """Jobs with their counts: the frozen ones of jobs that ended, for the rest one grouped query for all."""
    counts = await count_rows(tx, [row.id for row in rows if row.counts is None])
    return [to_job(row, counts[row.id] if row.counts is None else row.counts) for row in rows]


async def count_rows(tx: Transaction, job_ids: Sequence[str]) -> Mapping[str, dict[str, int]]:
    counts: defaultdict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(map(str, _COUNTED), 0))
    if job_ids:
        key = (job_device.c.job_id, job_device.c.state, job_device.c.outcome)
        query = select(*key, func.count()).where(job_device.c.job_id.in_(job_ids)).group_by(*key)
        for job_id, state, outcome, number in await tx.rows(query):
            of_job = counts[job_id]
            of_job["total"] += number
            of_job[state] += number
            if outcome in _FRUITS:
                of_job[outcome] += number
    return counts


async def lock_jobs(tx: Transaction, job_ids: Iterable[str]) -> dict[str, AnyRow]:
    """Lock the job rows, always first and in order of id: whoever changes rows of a job holds its lock."""
    query = select(job).where(job.c.id.in_(sorted(set(job_ids)))).order_by(job.c.id)
    return {row.id: row for row in await tx.rows(query.with_for_update(key_share=True))}


async def close_when_ended(tx: Transaction, row: AnyRow, at: datetime) -> None:
    """End an open job whose last row has ended. The caller holds its lock, so this happens once."""
    if row.state != JobState.OPEN:
        return
    due = exists().where(job_device.c.job_id == row.id, IS_DUE)
    if (await tx.rows(select(due)))[0][0]:
        return
    counts = (await count_rows(tx, [row.id]))[row.id]
    state = JobState.DONE
    if counts[WorkState.FAILED]:
        state = JobState.FAILED
    elif counts["total"] and counts[WorkState.CANCELLED] == counts["total"]:
        state = JobState.CANCELLED
    await end_job(tx, row, state, at, {"counts": counts})
    tx.emit([ended(row, state, at, counts)])


async def end_job(tx: Transaction, row: AnyRow, state: JobState, at: datetime, values: Values) -> None:
    await tx.run(update(job).where(job.c.id == row.id).values(state=state.value, finished_at=at, **values))


def ended(row: AnyRow, state: JobState, at: datetime, counts: Mapping[str, int], error: str | None = None) -> NewEvent:
    """The ``job.finished`` event."""
    return NewEvent(
        kind="job.finished",
        at=at,
        severity="error" if state is JobState.FAILED else "info",
        job_id=row.id,
        message=f"{row.kind} {state.value}" + (f": {error}" if error else ""),
        data={"kind": row.kind, "trigger": row.trigger, "state": state.value, "counts": dict(counts)},
    )
