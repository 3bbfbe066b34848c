"""What is looked at every so often: overdue devices, what follows a run, and the look itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from cpe_manager.domain.errors import StoreBusy
from cpe_manager.domain.fleet.inventory import Group
from cpe_manager.domain.jobs import JobKind, JobState, Priority
from cpe_manager.ports.stores import DeviceFilter, InventoryChanges
from cpe_manager.runtime.metrics import Metrics
from cpe_manager.services.jobs.chores import TARGETS_SECONDS, Alarms, Figures, FigureStores, FollowUps
from cpe_manager.services.jobs.jobs import RunRequest
from cpe_manager.services.jobs.sweep import Rhythm, Sweep
from tests.fakes.sessions import Refuses, Text
from tests.integration.services.world import World


def alarms(world: World) -> Alarms:
    return Alarms(world.database.inventory, world.database.events, world.clock)


async def overdue(world: World) -> list[str | None]:
    await alarms(world).look()
    return [alarm.device for alarm in await world.database.events.alarms()]


async def test_a_device_without_a_good_backup_for_too_long_raises_an_alarm_until_it_has_one(world: World) -> None:
    await world.add("a")
    await world.run()
    world.clock.step(timedelta(hours=25))
    assert await overdue(world) == []
    world.clock.step(timedelta(hours=1))
    assert await overdue(world) == ["a"]
    assert await overdue(world) == ["a"]
    assert len(await world.events("alarm.raised")) == 1, "raised once, not at every look"
    assert (await world.view("a")).status.overdue_since == world.clock.now()
    await world.run()
    assert await overdue(world) == []
    assert len(await world.events("alarm.cleared")) == 1


async def test_a_backup_in_quarantine_does_not_count_as_a_good_one(world: World) -> None:
    await world.add("a")
    long = "".join(f"line {number} of many\n" for number in range(60))
    world.sessions.plan("a", Text(long), Text("end\n"))
    await world.run()
    world.clock.step(timedelta(hours=27))
    await world.run()
    assert await overdue(world) == ["a"]


async def test_targets_of_groups_and_devices_are_minded(world: World) -> None:
    groups = [Group("slow", settings={"backup_target_hours": 100.0}), Group("below", parent="slow")]
    await world.add("a", groups=groups, group="below")
    await world.add("b", settings={"backup_target_hours": 2.0})
    await world.add("c")
    await world.run()
    world.clock.step(timedelta(hours=3))
    assert await overdue(world) == ["b"]
    world.clock.step(timedelta(hours=30))
    assert await overdue(world) == ["b", "c"]
    world.clock.step(timedelta(hours=80))
    assert sorted(map(str, await overdue(world))) == ["a", "b", "c"]


async def test_a_target_that_changed_is_minded_within_ten_minutes(world: World) -> None:
    device = (await world.add("a"))[0]
    await world.run()
    looking = alarms(world)
    world.clock.step(timedelta(hours=3))
    await looking.look()
    stricter = replace(device, settings={"backup_target_hours": 2.0})
    await world.database.inventory.apply(InventoryChanges(at=world.clock.now(), update=(stricter,)))
    await world.clock.advance(TARGETS_SECONDS)
    await looking.look()
    assert [alarm.device for alarm in await world.database.events.alarms()] == ["a"]


async def of_kind(world: World, kind: JobKind) -> int:
    return sum(job.kind is kind for job in (await world.database.jobs.jobs(limit=500)).items)


async def scheduled_run(world: World) -> None:
    request = RunRequest("schedule:nightly", DeviceFilter(), occurrence="s1@2026-01-15", priority=Priority.BULK)
    job = await world.jobs.start_backup(request)
    assert job is not None
    await world.ended(job)


async def test_what_follows_a_scheduled_run_happens_once_whoever_looks_how_often(world: World) -> None:
    await world.add("a")
    await scheduled_run(world)
    first, second = (FollowUps(world.jobs, world.clock, export=True) for _ in range(2))
    for follow_ups in (first, first, second):
        await follow_ups.look()
    assert (await of_kind(world, JobKind.EXPORT), await of_kind(world, JobKind.RETENTION)) == (1, 1)


async def test_a_manual_run_is_followed_by_an_export_where_one_is_configured_and_by_no_deletion(world: World) -> None:
    await world.add("a")
    await world.run()
    await FollowUps(world.jobs, world.clock, export=False).look()
    assert await of_kind(world, JobKind.EXPORT) == 0
    await FollowUps(world.jobs, world.clock, export=True).look()
    assert (await of_kind(world, JobKind.EXPORT), await of_kind(world, JobKind.RETENTION)) == (1, 0)


async def test_a_night_is_followed_up_though_many_jobs_were_made_while_it_ran(world: World) -> None:
    await world.add("a")
    await scheduled_run(world)
    await world.node.engine.stop(0)
    for _ in range(210):
        await world.jobs.start(JobKind.VERIFY, {}, by="test")
    await FollowUps(world.jobs, world.clock, export=False).look()
    assert await of_kind(world, JobKind.RETENTION) == 1


async def test_the_first_scheduled_run_of_a_day_is_followed_by_one_drill_where_drills_are_on(world: World) -> None:
    await world.add("a")
    await scheduled_run(world)
    await FollowUps(world.jobs, world.clock, export=False).look()
    assert await of_kind(world, JobKind.DRILL) == 0
    await world.node.engine.stop(0)  # who would do it is another matter
    first, second = (FollowUps(world.jobs, world.clock, export=False, drills="Europe/Brussels") for _ in range(2))
    for follow_ups in (first, first, second):
        await follow_ups.look()
    jobs = [job for job in (await world.database.jobs.jobs()).items if job.kind is JobKind.DRILL]
    assert [(job.priority, job.requested_by) for job in jobs] == [(Priority.BULK, None)]
    assert jobs[0].trigger.startswith("after:")
    assert jobs[0].occurrence == f"drill:{world.clock.now().astimezone(ZoneInfo('Europe/Brussels')).date()}"


async def test_a_manual_run_is_followed_by_no_drill(world: World) -> None:
    await world.add("a")
    await world.run()
    await FollowUps(world.jobs, world.clock, export=False, drills="Europe/Brussels").look()
    assert await of_kind(world, JobKind.DRILL) == 0


async def test_an_open_run_is_not_followed_up(world: World) -> None:
    await world.add("a")
    await world.node.engine.stop(0)
    await world.start_run()
    await FollowUps(world.jobs, world.clock, export=True).look()
    assert await of_kind(world, JobKind.EXPORT) == 0


async def test_the_metrics_show_the_fleet_as_the_database_has_it(world: World) -> None:
    await world.add("a", "b")
    world.sessions.plan("b", Refuses(StoreBusy("not a device's error")))
    await world.run()
    metrics = Metrics()
    stores = FigureStores(world.database.inventory, world.database.events, world.database.drift)
    await Figures(stores, world.jobs, metrics).look()
    text = metrics.render().decode()
    assert 'cpe_devices{state="active"} 2.0' in text
    assert 'cpe_drift_devices{verdict="in_step"} 1.0' in text
    assert 'cpe_drift_devices{verdict="changed"} 0.0' in text
    assert 'cpe_backup_failing_devices{family="plain",code="store_busy"} 1' in text
    assert 'cpe_backup_last_success_timestamp_seconds{device="a",family="plain",group=""}' in text


@pytest.mark.parametrize("error", [StoreBusy("locked"), ZeroDivisionError()])
async def test_a_chore_that_fails_keeps_neither_the_others_nor_the_tickets_from_their_turn(
    world: World, error: Exception
) -> None:
    looked: list[str] = []

    async def fails() -> None:
        looked.append("fails")
        raise error

    async def works() -> None:
        looked.append("works")

    sweep = Sweep(world.database.jobs, world.node.engine, world.clock, Rhythm(1, 3), [("a", fails), ("b", works)])
    task = asyncio.create_task(sweep.run())
    await world.until("three rounds", lambda: looked.count("works") == 3)
    await world.add("a")
    job = await world.start_run()
    assert (await world.ended(job)).state is JobState.DONE
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert looked.count("fails") >= 3
