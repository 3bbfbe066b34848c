"""Who may hold up whom: dead devices, access nodes, priority classes, leases, stops."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from cpe_manager.domain.errors import StoreBusy
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.domain.jobs import JobState, Outcome, Priority, WorkState
from cpe_manager.ports.stores import InventoryChanges
from tests.fakes.sessions import Holds, Refuses, Text
from tests.integration.services.world import World, opened, working

NAMES = [f"cpe{number:02}" for number in range(24)]


async def stored(world: World, job_id: str, number: int) -> bool:
    return (await world.database.jobs.job(job_id)).counts["stored"] == number


async def test_dead_devices_hold_up_no_other_device_not_even_of_another_shard(tmp_path: Path, sqlite_url: str) -> None:
    async with working(tmp_path, sqlite_url, shard_size=4, slots={Priority.NORMAL: 2}) as world:
        await world.add(*NAMES)
        for dead in NAMES[::4]:
            world.sessions.plan(dead, Holds())
        job = await world.start_run()
        await world.until("all that live", lambda: stored(world, job.id, 18))
        assert (await world.database.jobs.job(job.id)).counts["due"] == 6
        assert world.sessions.open_now == 6


async def test_no_more_sessions_are_open_than_there_are_slots(tmp_path: Path, sqlite_url: str) -> None:
    async with working(tmp_path, sqlite_url, sessions=5) as world:
        gate = asyncio.Event()
        await world.add(*NAMES)
        world.sessions.default = lambda _name: Holds(gate, "end\n")
        job = await world.start_run(priority=Priority.BULK)
        await world.until("five sessions", lambda: world.sessions.open_now == 5)
        await world.passing(2)
        gate.set()
        await world.ended(job)
        assert world.sessions.seen.most_at_once[""] == 5


async def test_the_cap_of_an_access_node_holds_over_two_nodes_and_lets_the_other_devices_by(
    tmp_path: Path, sqlite_url: str
) -> None:
    behind = dict.fromkeys(NAMES[:16], "olt-1")
    async with working(tmp_path, sqlite_url, per_access_node=3, labels=behind, shard_size=8) as world:
        other = world.another_node("w2")
        await other.start()
        gate = asyncio.Event()
        await world.add(*NAMES, nodes=behind)
        world.sessions.default = lambda name: Holds(gate, "end\n") if name in behind else Text("end\n")
        job = await world.start_run()
        await other.sweep.issue()
        await world.until("the free ones", lambda: stored(world, job.id, 8))
        await world.until("three behind the node", lambda: world.sessions.open_now == 3)
        await world.passing(3)
        gate.set()
        ended = await world.ended(job)
        await world.stop(other)
        assert ended.counts["stored"] == 24
        assert world.sessions.seen.most_at_once["olt-1"] == 3


async def test_a_first_backup_does_not_wait_for_a_night_full_of_hanging_devices(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with working(tmp_path, sqlite_url, sessions=4) as world:
        await world.add(*NAMES)
        for name in NAMES[1:]:
            world.sessions.plan(name, Holds())
        await world.start_run(*NAMES[1:], priority=Priority.BULK)
        await world.until("all slots taken", lambda: world.sessions.open_now == 4)
        assert (await world.run(NAMES[0], priority=Priority.NORMAL)).counts["stored"] == 1


async def test_a_lost_lease_ends_the_session_and_nothing_of_it_is_written(tmp_path: Path, sqlite_url: str) -> None:
    async with working(tmp_path, sqlite_url, lease_ttl=15) as world:
        await world.add("a")
        world.sessions.plan("a", Holds(), Text("hostname second\nend\n"))
        job = await world.start_run()
        await world.until("the session", lambda: world.sessions.is_open("a"))
        world.worker.stop()  # it froze: it comes back to find its lease with another
        taken = await world.database.jobs.claim(
            job.id, 0, owner="w2", now=world.clock.now(), ttl=0, limit=1, per_access_node=0
        )
        assert not taken, "while the lease lives, nobody else gets the device"
        world.store.always(StoreBusy("locked"), "renew")
        await world.clock.advance(16)
        taken = await world.database.jobs.claim(
            job.id, 0, owner="w2", now=world.clock.now(), ttl=60, limit=1, per_access_node=0
        )
        assert [one.lease.fence for one in taken] == [2]
        world.store.heal()
        await world.until("the end of the session", lambda: world.sessions.seen.cancelled == ["a"])
        await world.passing(1)
        row = await world.row(job, "a")
        assert (row.state, row.attempts) == (WorkState.DUE, 0)
        assert (await world.view("a")).status.last_attempt_at is None
        assert await world.versions("a") == []


async def test_a_lease_that_ran_out_unnoticed_and_is_taken_again_here_leaves_one_session_under_its_command(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with working(tmp_path, sqlite_url, lease_ttl=15) as world:
        device = (await world.add("a"))[0]
        world.sessions.plan("a", Holds(), Holds(), Text("hostname third\nend\n"))
        job = await world.start_run()
        await world.until("the session", lambda: world.sessions.is_open("a"))
        world.store.always(StoreBusy("locked"), "renew")
        await world.clock.advance(16)
        await world.until("another one", lambda: world.sessions.seen.visits["a"] == 2)
        await world.until("the end of the first", lambda: world.sessions.seen.cancelled == ["a"])
        assert world.sessions.open_now == 1
        world.store.heal()
        await world.passing(1)
        await world.database.jobs.preempt(device.id)
        assert (await world.ended(job)).counts["stored"] == 1
        assert world.sessions.seen.cancelled == ["a", "a"], "the second could still be stopped"
        assert (await world.row(job, "a")).attempts == 1


async def test_a_pre_empted_backup_gives_its_row_back_as_it_was(tmp_path: Path, sqlite_url: str) -> None:
    async with working(tmp_path, sqlite_url, lease_ttl=15) as world:
        device = (await world.add("a"))[0]
        world.sessions.plan("a", Holds())
        job = await world.start_run()
        await world.until("the session", lambda: world.sessions.is_open("a"))
        world.worker.stop()
        await world.database.jobs.preempt(device.id)
        await world.until("the session's end", lambda: world.sessions.seen.cancelled == ["a"])
        await world.until("no lease", lambda: len(world.worker.keeper) == 0)
        row = await world.row(job, "a")
        assert (row.state, row.attempts, row.error_code) == (WorkState.DUE, 0, None)
        free = await world.database.jobs.claim(
            job.id, 0, owner="urgent", now=world.clock.now(), ttl=60, limit=1, per_access_node=0
        )
        assert [one.device.id for one in free] == [device.id], "the lease is free at once"


async def test_a_cancelled_job_claims_no_more_and_lets_what_is_in_flight_end(tmp_path: Path, sqlite_url: str) -> None:
    async with working(tmp_path, sqlite_url, sessions=2) as world:
        gate = asyncio.Event()
        await world.add(*NAMES[:6])
        world.sessions.default = lambda name: Holds(gate, f"hostname {name}\nend\n")
        job = await world.start_run(priority=Priority.BULK)
        await world.until("two sessions", lambda: world.sessions.open_now == 2)
        cancelled = await world.jobs.cancel(job.id, by="alice")
        assert cancelled.state is JobState.CANCELLED
        gate.set()
        await world.until("quiet", lambda: world.sessions.open_now == 0)
        await world.passing(5)
        assert sum(world.sessions.seen.visits.values()) == 2
        found = await world.database.jobs.job(job.id)
        assert (found.state, found.counts["cancelled"], found.counts["due"]) == (JobState.CANCELLED, 6, 0)


async def test_stopping_in_the_middle_gives_rows_back_untouched_and_the_next_process_finishes(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with opened(tmp_path, sqlite_url, sessions=8) as world:
        await world.add(*NAMES)
        hanging = NAMES[:16:2]
        for name in hanging:
            world.sessions.plan(name, Holds(), Text("hostname again\nend\n"))
        await world.node.start()
        job = await world.start_run()
        await world.until("some done, eight hanging", lambda: all(world.sessions.is_open(name) for name in hanging))
        await world.stop()
        rows = (await world.database.jobs.work(job.id)).items
        assert {row.attempts for row in rows if row.state is WorkState.DUE} == {0}
        assert all(row.outcome is Outcome.STORED for row in rows if row.state is WorkState.DONE)
        assert world.sessions.open_now == 0
        fresh = world.another_node("w2")
        await fresh.start()
        assert (await world.ended(job)).counts["stored"] == 24
        await world.stop(fresh)
        assert max(world.sessions.seen.visits.values()) == 2


async def test_a_stop_lets_sessions_end_within_the_grace(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url) as world:
        gate = asyncio.Event()
        await world.add("a")
        world.sessions.plan("a", Holds(gate, "hostname a\nend\n"))
        await world.node.start()
        job = await world.start_run()
        await world.until("the session", lambda: world.sessions.is_open("a"))
        stopping = asyncio.create_task(world.node.stop(10.0))
        await world.passing(1)
        gate.set()
        await world.until("the stop", stopping.done)
        assert (await world.row(job, "a")).outcome is Outcome.STORED
        assert not world.sessions.seen.cancelled


async def test_slots_that_become_free_after_the_stop_are_claimed_by_nobody(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url, sessions=2) as world:
        gate = asyncio.Event()
        await world.add(*NAMES[:6])
        world.sessions.default = lambda _name: Holds(gate, "end\n")
        await world.node.start()
        await world.start_run(priority=Priority.BULK)
        await world.until("two sessions", lambda: world.sessions.open_now == 2)
        world.worker.stop()
        gate.set()
        await world.until("quiet", lambda: world.sessions.open_now == 0)
        await world.passing(3)
        assert sum(world.sessions.seen.visits.values()) == 2
        await world.stop()


async def test_a_killed_process_costs_the_lease_time_and_no_device(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url, lease_ttl=15) as world:
        await world.add(*NAMES[:6])
        for name in NAMES[:6]:
            world.sessions.plan(name, Holds(), Text("hostname again\nend\n"))
        await world.node.start()
        job = await world.start_run()
        await world.until("six sessions", lambda: world.sessions.open_now == 6)
        await world.node.die()
        fresh = world.another_node("w2")
        await fresh.start()
        assert (await world.ended(job)).counts["stored"] == 6
        rows = (await world.database.jobs.work(job.id)).items
        assert {row.attempts for row in rows} == {1}
        await world.stop(fresh)
        await world.stop()
        assert await world.versions(NAMES[0]) == [(1, "good")], "the old process had nothing to add"


async def test_the_sweep_issues_lost_tickets_again(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url) as world:
        await world.add("a")
        job = await world.start_run()  # no engine runs yet: its ticket is forgotten
        await world.node.start()
        assert (await world.ended(job)).counts["stored"] == 1
        await world.stop()


async def test_a_device_that_left_service_meanwhile_is_not_visited(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url) as world:
        first, _ = await world.add("a", "b")
        job = await world.start_run()
        gone = replace(first, state=LifeState.SUSPENDED)
        await world.database.inventory.apply(InventoryChanges(at=world.clock.now(), update=(gone,)))
        world.sessions.plan("b", Refuses(RuntimeError("defect")))
        await world.node.start()
        ended = await world.ended(job)
        await world.stop()
        assert (ended.counts["cancelled"], ended.counts["failed"]) == (1, 1)
        assert "a" not in world.sessions.seen.visits
