"""When runs are made: once an occurrence, on nights of every length, late, or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cpe_manager.adapters.schedule import Timetable
from cpe_manager.domain.errors import Conflict, InputError, NotFound, StoreBusy
from cpe_manager.domain.fleet.inventory import Group
from cpe_manager.domain.jobs import Job, Priority
from cpe_manager.domain.schedules import Schedule
from cpe_manager.ports.timer import OnFire
from cpe_manager.services.jobs.scheduling import NewSchedule, ScheduleStores, Scheduling
from tests.integration.services.world import World, opened

NIGHTLY = NewSchedule("nightly", "30 2 * * *", "Europe/Brussels", 240)
HOURLY = NewSchedule("hourly", "30 * * * *", "Europe/Brussels", 30)


class HandTimer(Timetable):
    """The real timetable, but for its clockwork: a test fires by hand."""

    on_fire: OnFire | None = None

    def start(self, on_fire: OnFire) -> None:
        self.on_fire = on_fire


@pytest.fixture
async def world(tmp_path: Path, sqlite_url: str) -> AsyncIterator[World]:
    async with opened(tmp_path, sqlite_url) as made:
        yield made


def node(world: World) -> Scheduling:
    stores = ScheduleStores(world.database.schedules, world.database.inventory, world.database.events)
    return Scheduling(stores, world.jobs, HandTimer(world.clock), world.clock, world.ids)


def go_to(world: World, at: datetime) -> None:
    world.clock.step(at - world.clock.now())


async def runs(world: World) -> list[Job]:
    """Oldest first."""
    return list(reversed((await world.database.jobs.jobs(limit=100)).items))


async def one(world: World) -> Schedule:
    return (await world.database.schedules.schedules())[0]


async def last(world: World) -> datetime | None:
    return (await one(world)).last_occurrence_at


async def due_times(world: World, job: Job) -> list[datetime]:
    return sorted(row.not_before for row in (await world.database.jobs.work(job.id)).items)


async def test_an_occurrence_that_two_nodes_fire_makes_one_run(world: World) -> None:
    await world.add("a", "b")
    first, second = node(world), node(world)
    await first.add(NIGHTLY)
    schedule = await one(world)
    at = datetime(2026, 1, 16, 1, 30, tzinfo=UTC)
    go_to(world, at)
    job = await first.fire(schedule, at)
    assert job is not None
    assert await second.fire(schedule, at) is None
    assert [run.id for run in await runs(world)] == [job.id]
    assert (job.trigger, job.priority, await last(world)) == ("schedule:nightly", Priority.BULK, at)


async def test_the_devices_of_a_run_are_spread_over_its_window(world: World) -> None:
    await world.add(*(f"cpe{number}" for number in range(40)))
    scheduling = node(world)
    await scheduling.add(NIGHTLY)
    at = datetime(2026, 1, 16, 1, 30, tzinfo=UTC)
    go_to(world, at)
    job = await scheduling.fire(await one(world), at)
    assert job is not None
    times = await due_times(world, job)
    quarter = timedelta(hours=1)
    assert at <= times[0]
    assert times[-1] < at + 4 * quarter
    assert all(sum(at + n * quarter <= time < at + (n + 1) * quarter for time in times) >= 3 for n in range(4))


async def test_the_october_night_has_half_past_two_twice_and_one_run(world: World) -> None:
    await world.add("a")
    scheduling = node(world)
    await scheduling.add(NIGHTLY)
    first, second = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    for at in (first, second):
        go_to(world, at)
        await scheduling.fire(await one(world), at)
    assert len(await runs(world)) == 1
    await scheduling.reload()
    assert len(await runs(world)) == 1, "nor does catching up see a missed one"


async def test_a_stop_between_octobers_two_half_past_twos_misses_nothing(world: World) -> None:
    await world.add("a")
    scheduling = node(world)
    go_to(world, datetime(2026, 10, 24, 12, 0, tzinfo=UTC))
    await scheduling.add(NIGHTLY)
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    go_to(world, first)
    await scheduling.fire(await one(world), first)
    go_to(world, datetime(2026, 10, 25, 12, 0, tzinfo=UTC))
    await node(world).start()
    assert "schedule.skipped" not in await world.events()
    assert len(await runs(world)) == 1


async def test_an_hourly_schedule_runs_in_both_of_octobers_hours(world: World) -> None:
    await world.add("a")
    scheduling = node(world)
    await scheduling.add(HOURLY)
    for hour in (0, 1, 2):
        at = datetime(2026, 10, 25, hour, 30, tzinfo=UTC)
        go_to(world, at)
        assert await scheduling.fire(await one(world), at) is not None
    assert len(await runs(world)) == 3


async def test_the_march_night_without_half_past_two_has_its_run_an_hour_later(world: World) -> None:
    await world.add("a")
    scheduling = node(world)
    go_to(world, datetime(2026, 3, 28, 12, 0, tzinfo=UTC))
    view = await scheduling.add(NIGHTLY)
    assert view.next_at == datetime(2026, 3, 29, 1, 30, tzinfo=UTC), "03:30 in Brussels"
    go_to(world, view.next_at)
    assert await scheduling.fire(await one(world), view.next_at) is not None
    assert (await scheduling.list())[0].next_at == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)


async def test_a_run_missed_while_down_is_made_up_for_over_what_is_left_of_its_window(world: World) -> None:
    await world.add(*(f"cpe{number}" for number in range(20)))
    await node(world).add(NIGHTLY)
    scheduled, now = datetime(2026, 1, 16, 1, 30, tzinfo=UTC), datetime(2026, 1, 16, 4, 30, tzinfo=UTC)
    go_to(world, now)
    await node(world).start()
    (job,) = await runs(world)
    times = await due_times(world, job)
    assert now <= times[0]
    assert times[-1] < scheduled + timedelta(hours=4)
    assert await last(world) == scheduled
    assert "schedule.skipped" not in await world.events()
    await node(world).start()
    assert len(await runs(world)) == 1, "a second start finds it done"


async def test_a_run_whose_window_closed_while_down_is_skipped_with_an_event(world: World) -> None:
    await world.add("a")
    await node(world).add(NIGHTLY)
    go_to(world, datetime(2026, 1, 16, 8, 0, tzinfo=UTC))
    await node(world).start()
    assert await runs(world) == []
    (message,) = await world.events("schedule.skipped")
    assert "nightly" in message
    assert "2026-01-16 01:30 UTC was missed" in message


async def test_a_start_with_nothing_missed_tells_of_nothing(world: World) -> None:
    await world.add("a")
    scheduling = node(world)
    await scheduling.add(NIGHTLY)
    await node(world).start()
    at = datetime(2026, 1, 16, 1, 30, tzinfo=UTC)
    go_to(world, at)
    await scheduling.fire(await one(world), at)
    go_to(world, datetime(2026, 1, 16, 12, 0, tzinfo=UTC))
    await node(world).start()
    assert "schedule.skipped" not in await world.events()
    assert len(await runs(world)) == 1


async def test_a_timer_that_fires_after_the_window_skips_with_an_event(world: World) -> None:
    await world.add("a")
    scheduling = node(world)
    await scheduling.add(NIGHTLY)
    go_to(world, datetime(2026, 1, 16, 5, 30, tzinfo=UTC))
    assert await scheduling.fire(await one(world), datetime(2026, 1, 16, 1, 30, tzinfo=UTC)) is None
    assert len(await world.events("schedule.skipped")) == 1


async def test_an_occurrence_that_the_database_refused_is_made_up_for_at_the_next_look(world: World) -> None:
    await world.add("a")
    scheduling = node(world)
    await scheduling.add(NIGHTLY)
    at = datetime(2026, 1, 16, 1, 30, tzinfo=UTC)
    go_to(world, at)
    world.store.always(StoreBusy("locked"), "create")
    with pytest.raises(StoreBusy):
        await scheduling.fire(await one(world), at)
    world.store.heal()
    world.clock.step(timedelta(seconds=30))
    await scheduling.reload()
    await scheduling.reload()
    assert len(await runs(world)) == 1
    assert await last(world) == at


async def test_a_disabled_schedule_neither_catches_up_nor_complains(world: World) -> None:
    await world.add("a")
    await node(world).add(NewSchedule("off", "30 2 * * *", "UTC", 240, enabled=False))
    go_to(world, datetime(2026, 1, 17, 3, 0, tzinfo=UTC))
    await node(world).start()
    assert await runs(world) == []
    assert "schedule.skipped" not in await world.events()
    assert (await node(world).list())[0].next_at is None


async def test_a_schedule_of_a_group_reaches_the_groups_below_it_and_no_other(world: World) -> None:
    groups = [Group("all"), Group("south", parent="all"), Group("other")]
    await world.add("a", groups=groups, group="all")
    await world.add("b", group="south")
    await world.add("c", group="other")
    scheduling = node(world)
    await scheduling.add(NewSchedule("south", "30 2 * * *", "UTC", 10, group="all"))
    job = await scheduling.run_now("south", by="alice")
    assert [row.device for row in (await world.database.jobs.work(job.id)).items] == ["a", "b"]
    assert job.trigger == "manual"


async def test_a_run_over_no_device_ends_at_once(world: World) -> None:
    scheduling = node(world)
    await scheduling.add(NIGHTLY)
    at = datetime(2026, 1, 16, 1, 30, tzinfo=UTC)
    go_to(world, at)
    job = await scheduling.fire(await one(world), at)
    assert job is not None
    assert (job.state, job.counts["total"]) == ("done", 0)


async def test_a_change_of_the_table_by_another_node_is_followed(world: World) -> None:
    timer = HandTimer(world.clock)
    stores = ScheduleStores(world.database.schedules, world.database.inventory, world.database.events)
    following = Scheduling(stores, world.jobs, timer, world.clock, world.ids)
    await following.start()
    await node(world).add(NIGHTLY)
    await following.reload()
    assert [job.name for job in timer._scheduler.get_jobs()] == ["nightly"]
    await node(world).remove("nightly")
    await following.reload()
    assert timer._scheduler.get_jobs() == []


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (NewSchedule("n", "61 2 * * *", "UTC", 10), "minute"),
        (NewSchedule("n", "30 2 * * *", "Mars/Olympus", 10), "time zone"),
        (NewSchedule("n", "30 2 * * *", "UTC", 0), "window"),
        (NewSchedule(" ", "30 2 * * *", "UTC", 10), "name"),
        (NewSchedule("n", "30 2 * * *", "UTC", 10, group="none"), "no group none"),
    ],
)
async def test_a_schedule_that_cannot_work_is_refused_before_it_is_stored(
    world: World, new: NewSchedule, reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        await node(world).add(new)
    assert await world.database.schedules.schedules() == []


async def test_names_of_schedules_are_unique_and_unknown_ones_are_not_found(world: World) -> None:
    scheduling = node(world)
    await scheduling.add(NIGHTLY)
    with pytest.raises(Conflict):
        await scheduling.add(NIGHTLY)
    for verb in (scheduling.remove("weekly"), scheduling.run_now("weekly", by="alice")):
        with pytest.raises(NotFound):
            await verb
