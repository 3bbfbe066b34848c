from __future__ import annotations

import asyncio

import pytest

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.jobs import Job, JobKind, JobState, Outcome, Priority, WorkState
from cpe_manager.ports.stores import NewWork, ShardDue
from tests.contract.stores.making import (
    NOW,
    a_job,
    after,
    claim,
    ended,
    fleet,
    kinds,
    new_id,
    run_for,
    stored,
)


async def test_a_job_is_found_by_the_occurrence_that_it_took(db: Database) -> None:
    job = a_job(kind=JobKind.DRILL, occurrence="drill:key:1", priority=Priority.BULK)
    assert await db.jobs.create(job)
    assert not await db.jobs.create(a_job(kind=JobKind.DRILL, occurrence="drill:key:1"))
    found = await db.jobs.of_occurrence("drill:key:1")
    assert (found.id, found.priority) == (job.id, Priority.BULK)
    assert job.id in {one.id for one in await db.jobs.open_simple_jobs()}
    with pytest.raises(NotFound):
        await db.jobs.of_occurrence("drill:key:2")


async def test_a_job_comes_back_as_it_was_created(db: Database) -> None:
    job = a_job(
        kind=JobKind.VERIFY,
        priority=Priority.BULK,
        params={"positions": ["a"], "deep": True},
        occurrence="schedule:2026-03-01",
        requested_by="anna",
    )
    assert await db.jobs.create(job)
    found = await db.jobs.job(job.id)
    assert (found.params, found.priority, found.occurrence) == (job.params, Priority.BULK, "schedule:2026-03-01")
    assert (found.created_at, found.requested_by, found.state) == (NOW, "anna", JobState.OPEN)
    assert await kinds(db) == ["job.started"]
    with pytest.raises(NotFound):
        await db.jobs.job(new_id())


async def test_an_occurrence_makes_one_job_however_many_nodes_fire(db: Database, other: Database) -> None:
    (device,) = await fleet(db, 1)

    async def fire(store: Database) -> bool:
        return await store.jobs.create(a_job(occurrence="nightly:2026-03-01"), [NewWork(device.id, 0, NOW)])

    made = await asyncio.gather(*(fire(store) for store in (db, other) * 4))
    assert sorted(made) == [False] * 7 + [True]
    assert len((await db.jobs.jobs()).items) == 1
    assert await kinds(db) == ["job.started"]
    assert len(await claim(db, (await db.jobs.jobs()).items[0])) == 1


async def test_jobs_without_an_occurrence_do_not_collide(db: Database) -> None:
    assert await db.jobs.create(a_job(kind=JobKind.EXPORT))
    assert await db.jobs.create(a_job(kind=JobKind.EXPORT))


async def test_a_backup_job_without_devices_has_ended_as_it_is_made(db: Database) -> None:
    job = await run_for(db, [])
    assert (await db.jobs.job(job.id)).state is JobState.DONE
    assert await kinds(db) == ["job.started", "job.finished"]


async def test_jobs_are_listed_newest_first_with_counts_and_pages_stay_put(db: Database) -> None:
    devices = await fleet(db, 3)
    jobs = [await run_for(db, devices, created_at=after(number // 2)) for number in range(6)]
    expected = [job.id for job in sorted(jobs, key=lambda job: (job.created_at, job.id), reverse=True)]
    seen: list[Job] = []
    page = await db.jobs.jobs(limit=2)
    while page.next is not None:
        seen += page.items
        await run_for(db, [], created_at=after(100))
        page = await db.jobs.jobs(after=page.next, limit=2)
    seen += page.items
    assert [job.id for job in seen] == expected
    assert all(job.counts["total"] == job.counts["due"] == 3 for job in seen)
    assert {job.id for job in (await db.jobs.jobs(state=JobState.OPEN)).items} == set(expected)


async def test_counts_tell_states_and_outcomes_before_and_after_the_end(db: Database) -> None:
    job = await run_for(db, await fleet(db, 5))
    claimed = await claim(db, job)
    await db.jobs.settle(
        [
            stored(claimed[0]),
            ended(claimed[1], Outcome.UNCHANGED),
            ended(claimed[2], Outcome.QUARANTINED),
            ended(claimed[3], Outcome.FAILED, error_code="timeout", error="no answer"),
        ]
    )
    expected = {"total": 5, "due": 1, "done": 3, "failed": 1, "cancelled": 0}
    expected |= {"stored": 1, "unchanged": 1, "quarantined": 1}
    assert (await db.jobs.job(job.id)).counts == expected
    await db.jobs.settle([ended(claimed[4])])
    expected |= {"due": 0, "done": 4, "unchanged": 2}
    assert (await db.jobs.job(job.id)).counts == expected
    assert (await db.jobs.jobs()).items[0].counts == expected


async def test_rows_of_a_job_are_listed_by_device_name_in_pages(db: Database) -> None:
    devices = await fleet(db, 5)
    job = await run_for(db, list(reversed(devices)))
    claimed = {row.device.name: row for row in await claim(db, job)}
    bad = ended(claimed["cpe0003"], Outcome.FAILED, error_code="timeout", error="no answer")
    await db.jobs.settle([bad])
    first = await db.jobs.work(job.id, limit=3)
    second = await db.jobs.work(job.id, after=first.next, limit=3)
    rows = [*first.items, *second.items]
    assert [row.device for row in rows] == [device.name for device in devices]
    assert second.next is None
    assert [(row.state, row.attempts, row.error) for row in rows if row.error] == [(WorkState.FAILED, 1, "no answer")]
    failed = await db.jobs.work(job.id, outcome=Outcome.FAILED)
    assert [row.device for row in failed.items] == ["cpe0003"]


async def test_due_shards_are_those_with_a_due_row_that_nobody_holds(db: Database) -> None:
    devices = await fleet(db, 4)
    job = a_job(priority=Priority.BULK)
    await db.jobs.create(job, [NewWork(device.id, number, after(number)) for number, device in enumerate(devices)])
    assert await db.jobs.due_shards(after(-1)) == []
    assert await db.jobs.due_shards(after(1)) == [
        ShardDue(job.id, 0, Priority.BULK),
        ShardDue(job.id, 1, Priority.BULK),
    ]
    await claim(db, job, shard=0, now=after(1), ttl=10)
    assert await db.jobs.due_shards(after(1)) == [ShardDue(job.id, 1, Priority.BULK)]
    assert [due.shard for due in await db.jobs.due_shards(after(11))] == [0, 1, 2, 3]
    await db.jobs.cancel(job.id, at=after(12), by="anna")
    assert await db.jobs.due_shards(after(20)) == []


async def test_simple_jobs_are_open_until_they_are_finished_once(db: Database) -> None:
    await run_for(db, await fleet(db, 1))
    job = a_job(kind=JobKind.ROTATE)
    await db.jobs.create(job)
    assert [one.id for one in await db.jobs.open_simple_jobs()] == [job.id]
    assert await db.jobs.finish(job.id, JobState.FAILED, at=after(9), result={"objects": 3}, error="disk \x00 full")
    assert not await db.jobs.finish(job.id, JobState.DONE, at=after(10), result={}, error=None)
    assert await db.jobs.open_simple_jobs() == []
    found = await db.jobs.job(job.id)
    assert (found.state, found.finished_at, found.result) == (JobState.FAILED, after(9), {"objects": 3})
    assert found.error == "disk \ufffd full"
    assert (await kinds(db)).count("job.finished") == 1


async def test_cancelling_ends_due_rows_and_keeps_what_is_done(db: Database) -> None:
    job = await run_for(db, await fleet(db, 3))
    claimed = await claim(db, job, limit=2)
    await db.jobs.settle([ended(claimed[0])])
    cancelled = await db.jobs.cancel(job.id, at=after(9), by="anna")
    assert (cancelled.state, cancelled.finished_at) == (JobState.CANCELLED, after(9))
    assert (cancelled.counts["done"], cancelled.counts["cancelled"]) == (1, 2)
    assert await claim(db, job, now=after(100)) == []
    with pytest.raises(Conflict, match="cancelled"):
        await db.jobs.cancel(job.id, at=after(9), by="anna")
    with pytest.raises(NotFound):
        await db.jobs.cancel(new_id(), at=after(9), by="anna")
    assert await kinds(db) == ["job.started", "job.cancelled"]


async def test_what_was_in_flight_when_its_job_was_cancelled_is_kept(db: Database) -> None:
    (device,) = await fleet(db, 1)
    job = await run_for(db, [device])
    claimed = (await claim(db, job))[0]
    await db.jobs.cancel(job.id, at=after(1), by="anna")
    settled = stored(claimed)
    assert await db.jobs.settle([settled]) == []
    (row,) = (await db.jobs.work(job.id)).items
    assert (row.state, row.outcome, row.backup_id) == (WorkState.CANCELLED, Outcome.CANCELLED, settled.backup_id)
    assert (await db.inventory.device(device.id)).status.current_backup_id == settled.backup_id
    assert (await db.jobs.job(job.id)).state is JobState.CANCELLED
    assert await kinds(db) == ["job.started", "job.cancelled"]
    retry = await run_for(db, [device])
    assert len(await claim(db, retry)) == 1


async def test_a_retry_of_a_cancelled_row_does_not_bring_it_back(db: Database) -> None:
    job = await run_for(db, await fleet(db, 1))
    claimed = (await claim(db, job))[0]
    await db.jobs.cancel(job.id, at=after(1), by="anna")
    await db.jobs.settle([ended(claimed, None, retry_at=after(30))])
    assert (await db.jobs.work(job.id)).items[0].state is WorkState.CANCELLED
    assert await db.jobs.due_shards(after(60)) == []
