"""Promises of the timetable, on the library's own triggers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.date import DateTrigger

from cpe_manager.adapters.clock import SystemClock
from cpe_manager.adapters.schedule import Timetable, next_time, previous_time, validate
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.schedules import Schedule
from cpe_manager.domain.timing import fires_at_most_daily, occurrence_key
from cpe_manager.ports.timer import OnFire
from tests.fakes.clock import SimulatedClock

BRUSSELS = ZoneInfo("Europe/Brussels")
NIGHTLY = Schedule(id="s1", name="nightly", cron="30 2 * * *", timezone="Europe/Brussels", window_minutes=240)
NOW = datetime(2026, 2, 3, 12, 0, tzinfo=UTC)


def firings(schedule: Schedule, after: datetime, until: datetime) -> list[datetime]:
    found: list[datetime] = []
    at = next_time(schedule, after)
    while at is not None and at <= until:
        found.append(at)
        at = next_time(schedule, at)
    return found


def keys(schedule: Schedule, instants: list[datetime]) -> list[str]:
    daily = fires_at_most_daily(schedule.cron)
    return sorted({occurrence_key(schedule.id, at, schedule.timezone, daily=daily) for at in instants})


def test_the_october_night_fires_twice_and_makes_one_run() -> None:
    night = firings(NIGHTLY, datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 25, 12, tzinfo=UTC))
    assert night == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)]
    assert [at.astimezone(BRUSSELS).strftime("%H:%M") for at in night] == ["02:30", "02:30"]
    assert keys(NIGHTLY, night) == ["s1@2026-10-25"]


def test_the_march_night_fires_once_at_half_past_three_and_makes_one_run() -> None:
    night = firings(NIGHTLY, datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 29, 12, tzinfo=UTC))
    assert [at.astimezone(BRUSSELS).strftime("%H:%M") for at in night] == ["03:30"]
    assert keys(NIGHTLY, night) == ["s1@2026-03-29"]


def test_a_year_of_nights_makes_a_run_each() -> None:
    year = firings(NIGHTLY, datetime(2026, 1, 1, tzinfo=BRUSSELS), datetime(2027, 1, 1, tzinfo=BRUSSELS))
    assert len(year) == 366
    assert len(keys(NIGHTLY, year)) == 365


def test_an_hourly_schedule_runs_in_both_of_octobers_hours() -> None:
    hourly = replace(NIGHTLY, cron="0 * * * *")
    day = firings(hourly, datetime(2026, 10, 24, 23, 59, tzinfo=BRUSSELS), datetime(2026, 10, 25, 23, tzinfo=BRUSSELS))
    assert len(day) == 25
    assert len(keys(hourly, day)) == 25


@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("0", {"Sun"}),
        ("7", {"Sun"}),
        ("1", {"Mon"}),
        ("1-5", {"Mon", "Tue", "Wed", "Thu", "Fri"}),
        ("5-7", {"Fri", "Sat", "Sun"}),
        ("fri-sun", {"Fri", "Sat", "Sun"}),
        ("SUN,3", {"Sun", "Wed"}),
        ("*/2", {"Sun", "Tue", "Thu", "Sat"}),
    ],
)
def test_weekdays_are_those_of_cron_where_sunday_is_zero_and_seven(field: str, days: set[str]) -> None:
    schedule = replace(NIGHTLY, cron=f"30 2 * * {field}")
    fired = firings(schedule, NOW, NOW + timedelta(days=7))
    assert {at.astimezone(BRUSSELS).strftime("%a") for at in fired} == days


@pytest.mark.parametrize(
    ("cron", "timezone", "says"),
    [
        ("30 2 * *", "Europe/Brussels", "4 fields instead of five"),
        ("61 2 * * *", "Europe/Brussels", "minute"),
        ("0 b * * *", "Europe/Brussels", "hour"),
        ("0 2 32 * *", "Europe/Brussels", "day"),
        ("0 2 * 13 *", "Europe/Brussels", "month"),
        ("0 2 * * 8", "Europe/Brussels", "weekday '8'"),
        ("0 2 * * 5-2", "Europe/Brussels", "weekday '5-2'"),
        ("0 2 * * */0", "Europe/Brussels", "weekday"),
        ("0 2 1-7 * sun", "Europe/Brussels", "two schedules"),
        ("0 2 30 2 *", "Europe/Brussels", "never fires"),
        ("0 2 * * *", "Europe/Atlantis", "Europe/Atlantis"),
        ("0 2 * * *", "../etc/passwd", "time zone"),
        ("0 2 * * *", "", "time zone"),
    ],
)
def test_what_is_no_schedule_is_refused_with_its_reason(cron: str, timezone: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        validate(cron, timezone, NOW)


@pytest.mark.parametrize("cron", ["30 2 * * *", "0 */6 * * 1-5", "0 3 last * *", "15 4 1,15 jan-mar *"])
def test_what_is_a_schedule_is_accepted(cron: str) -> None:
    validate(cron, "Europe/Brussels", NOW)


def test_next_is_strictly_later_and_none_when_disabled() -> None:
    at = datetime(2026, 2, 3, 1, 30, tzinfo=UTC)
    assert next_time(NIGHTLY, at) == at + timedelta(days=1)
    assert next_time(NIGHTLY, at - timedelta(seconds=1)) == at
    assert next_time(replace(NIGHTLY, enabled=False), at) is None


def test_a_missed_occurrence_is_found_while_its_window_is_open() -> None:
    at = datetime(2026, 2, 3, 1, 30, tzinfo=UTC)
    assert previous_time(NIGHTLY, at) == at
    assert previous_time(NIGHTLY, at + timedelta(minutes=239)) == at
    assert previous_time(NIGHTLY, at + timedelta(minutes=240)) is None
    assert previous_time(NIGHTLY, at - timedelta(seconds=1)) is None
    assert previous_time(replace(NIGHTLY, enabled=False), at) is None


def test_of_several_missed_occurrences_the_latest_is_made_up_for() -> None:
    hourly = replace(NIGHTLY, cron="0 * * * *", window_minutes=180)
    assert previous_time(hourly, datetime(2026, 2, 3, 12, 40, tzinfo=UTC)) == datetime(2026, 2, 3, 12, tzinfo=UTC)


def test_catching_up_after_the_second_half_past_two_of_october_names_the_same_run() -> None:
    late = previous_time(NIGHTLY, datetime(2026, 10, 25, 2, 0, tzinfo=UTC))
    assert late == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert keys(NIGHTLY, [late]) == ["s1@2026-10-25"]


def test_a_schedule_made_after_its_hour_does_not_run_for_the_time_before_it() -> None:
    at = datetime(2026, 2, 3, 1, 30, tzinfo=UTC)
    made = replace(NIGHTLY, created_at=at + timedelta(minutes=10))
    assert previous_time(made, at + timedelta(minutes=20)) is None


class Recorder:
    """Keeps what fired; ``trigger`` fires each schedule once, at the instant given for its id."""

    def __init__(self, **instants: datetime) -> None:
        self.instants = instants
        self.fired: asyncio.Queue[tuple[Schedule, datetime]] = asyncio.Queue()
        self.built: list[str] = []

    async def on_fire(self, schedule: Schedule, scheduled_at: datetime) -> None:
        self.fired.put_nowait((schedule, scheduled_at))

    def trigger(self, schedule: Schedule) -> Any:
        self.built.append(schedule.id)
        return DateTrigger(self.instants[schedule.id])


@asynccontextmanager
async def running(recorder: Recorder, on_fire: OnFire | None = None) -> AsyncIterator[Timetable]:
    timetable = Timetable(SystemClock(), recorder.trigger)
    timetable.start(on_fire or recorder.on_fire)
    try:
        yield timetable
    finally:
        await timetable.stop(1.0)


async def test_the_callback_gets_the_scheduled_time_and_not_that_of_running() -> None:
    at = datetime.now(UTC) + timedelta(seconds=0.2)
    recorder = Recorder(s1=at)
    async with running(recorder) as timetable:
        timetable.replace([NIGHTLY])
        async with asyncio.timeout(60):
            assert await recorder.fired.get() == (NIGHTLY, at)


async def test_an_occurrence_that_is_overdue_still_carries_its_own_time() -> None:
    at = datetime.now(UTC) - timedelta(minutes=5)
    recorder = Recorder(s1=at)
    async with running(recorder) as timetable:
        timetable.replace([NIGHTLY])
        async with asyncio.timeout(60):
            assert await recorder.fired.get() == (NIGHTLY, at)


async def test_what_became_due_between_replacing_and_starting_is_not_lost() -> None:
    clock = SimulatedClock(datetime(2026, 2, 3, 1, 29, tzinfo=UTC))
    recorder = Recorder()
    timetable = Timetable(clock)
    timetable.replace([NIGHTLY])
    timetable.start(recorder.on_fire)  # the library reads the real clock: long after the schedule's next time
    async with asyncio.timeout(60):
        schedule, scheduled_at = await recorder.fired.get()
    await timetable.stop()
    assert schedule == NIGHTLY
    assert scheduled_at == timetable.previous(NIGHTLY, scheduled_at)


def test_a_timetable_answers_by_its_own_clock() -> None:
    timetable = Timetable(SimulatedClock(NOW))
    assert timetable.next(NIGHTLY, NOW) == datetime(2026, 2, 4, 1, 30, tzinfo=UTC)
    assert timetable.previous(NIGHTLY, NOW) is None
    timetable.validate(NIGHTLY.cron, NIGHTLY.timezone)
    with pytest.raises(InputError):
        timetable.validate("0 2 30 2 *", "Europe/Brussels")


async def test_a_schedule_that_is_gone_or_disabled_does_not_fire() -> None:
    at = datetime.now(UTC) + timedelta(seconds=0.3)
    recorder = Recorder(s1=at, s2=at, s3=at)
    others = [replace(NIGHTLY, id="s2", name="second"), replace(NIGHTLY, id="s3", name="third")]
    async with running(recorder) as timetable:
        timetable.replace([NIGHTLY, *others])
        timetable.replace([replace(NIGHTLY, enabled=False), others[1]])
        async with asyncio.timeout(60):
            assert (await recorder.fired.get())[0].id == "s3"
    assert recorder.fired.empty()


async def test_replacing_leaves_unchanged_timing_alone_and_hands_over_the_newest_schedule() -> None:
    at = datetime.now(UTC) + timedelta(seconds=0.3)
    recorder = Recorder(s1=at)
    async with running(recorder) as timetable:
        timetable.replace([NIGHTLY])
        regrouped = replace(NIGHTLY, group="shops")
        timetable.replace([regrouped])
        assert recorder.built == ["s1"]
        timetable.replace([replace(regrouped, window_minutes=60)])
        assert recorder.built == ["s1", "s1"]
        async with asyncio.timeout(60):
            assert await recorder.fired.get() == (replace(regrouped, window_minutes=60), at)


async def test_a_bad_schedule_is_refused_and_the_timetable_stays_as_it_was() -> None:
    at = datetime.now(UTC) + timedelta(seconds=0.3)

    class Strict(Recorder):
        def trigger(self, schedule: Schedule) -> Any:
            validate(schedule.cron, schedule.timezone, NOW)
            return super().trigger(schedule)

    recorder = Strict(s1=at)
    async with running(recorder) as timetable:
        timetable.replace([NIGHTLY])
        with pytest.raises(InputError):
            timetable.replace([replace(NIGHTLY, id="s2", cron="nonsense")])
        async with asyncio.timeout(60):
            assert (await recorder.fired.get())[0] == NIGHTLY


async def test_a_callback_that_raises_does_not_stop_the_others() -> None:
    now = datetime.now(UTC)
    recorder = Recorder(s1=now, s2=now + timedelta(seconds=0.2))

    async def fails_first(schedule: Schedule, scheduled_at: datetime) -> None:
        if schedule.id == "s1":
            raise RuntimeError("out of luck")
        await recorder.on_fire(schedule, scheduled_at)

    async with running(recorder, fails_first) as timetable:
        timetable.replace([NIGHTLY, replace(NIGHTLY, id="s2")])
        async with asyncio.timeout(60):
            assert (await recorder.fired.get())[0].id == "s2"


async def test_stopping_lets_a_callback_end_within_its_grace_and_cancels_it_after() -> None:
    now = datetime.now(UTC)
    recorder = Recorder(s1=now, s2=now)
    ended: list[str] = []
    both_started = asyncio.Barrier(3)

    async def lasts(schedule: Schedule, scheduled_at: datetime) -> None:
        await both_started.wait()
        try:
            await asyncio.sleep(0.05 if schedule.id == "s1" else 3600)
        except asyncio.CancelledError:
            ended.append(f"{schedule.id} cancelled")
            raise
        ended.append(f"{schedule.id} done")

    timetable = Timetable(SystemClock(), recorder.trigger)
    timetable.start(lasts)
    timetable.replace([NIGHTLY, replace(NIGHTLY, id="s2")])
    async with asyncio.timeout(60):
        await both_started.wait()
        await timetable.stop(0.5)
    assert ended == ["s1 done", "s2 cancelled"]
