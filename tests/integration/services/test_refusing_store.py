"""A database that refuses loses nothing: what stands still says why, and goes on by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cpe_manager.domain.errors import Conflict, StoreBusy, StoreError, StoreFull
from cpe_manager.domain.jobs import JobState, Outcome, WorkState
from cpe_manager.services.backup.worker import PROBE
from cpe_manager.services.jobs.hindrance import BELIEVED_SECONDS, PROBE_SECONDS
from tests.fakes.sessions import Holds
from tests.integration.services.world import World, opened, working

NAMES = [f"cpe{number:02}" for number in range(60)]


async def hindered(world: World) -> None:
    await world.until("a hindrance", lambda: world.worker.hindrance is not None)


@pytest.mark.parametrize("method", ["settle", "claim"])
@pytest.mark.parametrize("error", [StoreFull("no space left"), StoreBusy("locked by another process")])
async def test_a_refusing_store_is_told_of_and_the_run_goes_on_when_it_heals(
    world: World, method: str, error: StoreError
) -> None:
    few = NAMES[:12]
    await world.add(*few)
    world.store.always(error, method)
    job = await world.start_run()
    await hindered(world)
    assert (world.worker.hindrance, world.worker.hindrance_code) == (str(error), error.code)
    world.store.heal()
    ended = await world.ended(job)
    assert (ended.state, ended.counts["stored"]) == (JobState.DONE, len(few))
    assert {row.attempts for row in (await world.database.jobs.work(job.id)).items} == {1}
    assert world.worker.hindrance is None
    assert [await world.versions(name) for name in few] == [[(1, "good")]] * 12


async def test_results_refused_for_long_are_dropped_and_fetched_again(tmp_path: Path, sqlite_url: str) -> None:
    async with working(tmp_path, sqlite_url, lease_ttl=10) as world:
        await world.add("a")
        world.store.always(StoreFull("no space left"), "settle")
        job = await world.start_run()
        await world.until("the batch is dropped", lambda: world.store.calls.count("settle") == 5)
        await world.until("the lease is let go", lambda: len(world.worker.keeper) == 0)
        world.store.heal()
        assert (await world.ended(job)).counts["stored"] == 1
        assert world.sessions.seen.visits["a"] >= 2
        assert (await world.row(job, "a")).attempts == 1


async def test_while_results_cannot_be_written_only_a_few_devices_are_tried_now_and_then(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with working(tmp_path, sqlite_url, shard_size=3, lease_ttl=5) as world:
        await world.add(*NAMES)
        world.store.always(StoreFull("no space left"), "settle")
        await world.start_run(NAMES[0])
        await hindered(world)
        await world.start_run()
        before = sum(world.sessions.seen.visits.values())
        await world.passing(40)
        visits = sum(world.sessions.seen.visits.values()) - before
        assert 1 <= visits <= (40 / PROBE_SECONDS + 1) * PROBE
        world.store.heal()


async def test_a_claim_that_goes_through_again_ends_what_refused_claims_began(tmp_path: Path, sqlite_url: str) -> None:
    async with working(tmp_path, sqlite_url) as world:
        gate = asyncio.Event()
        await world.add("a")
        world.sessions.plan("a", Holds(gate, "end\n"))
        world.store.always(StoreBusy("locked"), "claim")
        job = await world.start_run()
        await hindered(world)
        await world.passing(5)
        world.store.heal()
        before = world.clock.monotonic()
        await world.until("the session", lambda: world.sessions.is_open("a"))
        assert world.clock.monotonic() - before < PROBE_SECONDS / 2, "the next sweep's ticket is enough"
        assert world.worker.hindrance is None
        gate.set()
        await world.ended(job)


async def test_a_refusal_long_ago_hinders_nothing_when_no_work_is_due(world: World) -> None:
    await world.add("a")
    world.store.always(StoreFull("no space left"), "claim")
    job = await world.start_run()
    await hindered(world)
    await world.jobs.cancel(job.id, by="alice")
    world.store.heal()
    await world.clock.advance(BELIEVED_SECONDS + 1)
    assert world.worker.hindrance is None


async def test_one_result_that_cannot_be_written_fails_its_device_alone(world: World) -> None:
    await world.add(*NAMES[:12])
    poisoned = (await world.view("cpe05")).device.id

    def refuse(args: Any) -> Exception | None:
        bad = [one for one in args[0] if one.lease.device_id == poisoned and one.draft is not None]
        return Conflict("the database refused the change") if bad else None

    world.store.refuse = {"settle": refuse}
    job = await world.run()
    row = await world.row(job, "cpe05")
    assert (row.state, row.outcome, row.error_code) == (WorkState.FAILED, Outcome.FAILED, "internal")
    assert (job.counts["stored"], job.counts["failed"]) == (11, 1)


async def test_a_result_that_nothing_can_be_written_of_holds_up_nobody_else(tmp_path: Path, sqlite_url: str) -> None:
    async with working(tmp_path, sqlite_url, lease_ttl=5) as world:
        await world.add(*NAMES[:12])
        poisoned = (await world.view("cpe05")).device.id

        def refuse(args: Any) -> Exception | None:
            return ValueError("defect") if any(one.lease.device_id == poisoned for one in args[0]) else None

        world.store.refuse = {"settle": refuse}
        job = await world.start_run()

        async def others() -> bool:
            return (await world.database.jobs.job(job.id)).counts["stored"] == 11

        await world.until("the others", others)
        world.store.heal()
        assert (await world.ended(job)).counts["stored"] == 12


async def test_a_writer_that_is_started_anew_writes_what_waits(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url) as world:
        await world.add("a")
        await world.node.start()
        await _end(world.node.tasks.pop(0))
        job = await world.start_run()
        await world.until("the visit", lambda: world.sessions.seen.visits["a"] == 1)
        world.node.tasks.append(asyncio.create_task(world.worker.settler.run(), name="writer"))
        assert (await world.ended(job)).counts["stored"] == 1
        await world.stop()


async def test_when_the_writer_has_ended_nobody_waits_for_it(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url) as world:
        await world.add("a")
        world.sessions.plan("a", Holds())
        await world.node.start()
        await world.start_run()
        await world.until("the session", lambda: world.sessions.is_open("a"))
        await _end(world.node.tasks.pop(0))
        await asyncio.wait_for(world.worker.close(0), 60)
        assert world.sessions.open_now == 0
        assert len(world.worker.keeper) == 0


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_renewals_that_are_refused_cost_no_lease_while_it_lasts(tmp_path: Path, sqlite_url: str) -> None:
    async with working(tmp_path, sqlite_url, lease_ttl=30) as world:
        gate = asyncio.Event()
        await world.add("a")
        world.sessions.plan("a", Holds(gate, "end\n"))
        job = await world.start_run()
        await world.until("the session", lambda: world.sessions.is_open("a"))
        world.store.always(StoreBusy("locked"), "renew")
        await world.passing(12)
        assert "renew" in world.store.calls
        world.store.heal()
        gate.set()
        assert (await world.ended(job)).counts["stored"] == 1
        assert world.sessions.seen.visits["a"] == 1
