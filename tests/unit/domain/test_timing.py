"""Promises of the timing rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cpe_manager.domain.timing import (
    Window,
    backoff,
    fires_at_most_daily,
    occurrence_key,
    remaining_window,
    shards,
    spread,
    window_of,
)

START = datetime(2026, 2, 3, 1, 30, tzinfo=UTC)
END = START + timedelta(hours=4)
BRUSSELS = "Europe/Brussels"


def test_a_device_has_the_same_offset_every_night() -> None:
    tonight = spread("device-7", START, END) - START
    tomorrow = spread("device-7", START + timedelta(days=1), END + timedelta(days=1)) - (START + timedelta(days=1))
    assert tonight == tomorrow
    assert spread("device-8", START, END) - START != tonight


def test_the_offset_is_the_same_on_every_machine() -> None:
    assert spread("device-7", START, END) == datetime(2026, 2, 3, 1, 55, 29, 690234, tzinfo=UTC)


def test_a_fleet_falls_evenly_over_the_window_and_never_outside_it() -> None:
    turns = [spread(f"device-{number}", START, END) for number in range(4000)]
    assert all(START <= turn < END for turn in turns)
    per_hour = [sum(turn - START < timedelta(hours=hour) for turn in turns) for hour in (1, 2, 3)]
    assert per_hour == pytest.approx([1000, 2000, 3000], rel=0.1)


def test_an_empty_window_starts_everything_at_once() -> None:
    assert spread("device-7", START, START) == START
    assert spread("device-7", END, START) == END


def test_shards_hold_everything_once_in_order() -> None:
    assert [(number, list(part)) for number, part in shards("abcdefg", 3)] == [
        (0, ["a", "b", "c"]),
        (1, ["d", "e", "f"]),
        (2, ["g"]),
    ]
    assert list(shards((), 3)) == []
    with pytest.raises(ValueError, match="at least one"):
        list(shards("ab", 0))


def test_back_off_doubles_up_to_its_cap() -> None:
    assert [backoff(attempt, 10, 100, 0.0) for attempt in (1, 2, 3, 4, 5, 6)] == [5, 10, 20, 40, 50, 50]


def test_jitter_fills_the_upper_half_of_the_back_off() -> None:
    assert backoff(3, 10, 100, 0.5) == 30
    assert backoff(3, 10, 100, 0.999) < 40


def test_back_off_stays_finite_for_any_attempt() -> None:
    assert backoff(100_000, 1, 300, 0.0) == 150
    assert backoff(0, 1, 300, 0.0) == 0.5


@pytest.mark.parametrize(
    ("cron", "daily"),
    [
        ("30 2 * * *", True),
        ("0 0 1 * *", True),
        ("5 23 * * mon-fri", True),
        ("*/30 2 * * *", False),
        ("0,30 2 * * *", False),
        ("0 2,14 * * *", False),
        ("0 * * * *", False),
        ("0 0-6 * * *", False),
        ("0 */24 * * *", False),
    ],
)
def test_only_single_numbers_for_minute_and_hour_mean_at_most_daily(cron: str, daily: bool) -> None:
    assert fires_at_most_daily(cron) is daily


def test_both_firings_of_the_october_night_are_one_occurrence_of_a_daily_schedule() -> None:
    first, second = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert occurrence_key("s1", first, BRUSSELS, daily=True) == occurrence_key("s1", second, BRUSSELS, daily=True)
    assert occurrence_key("s1", first, BRUSSELS, daily=False) != occurrence_key("s1", second, BRUSSELS, daily=False)


def test_the_local_date_counts_and_not_that_of_utc() -> None:
    before_midnight_utc = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
    assert occurrence_key("s1", before_midnight_utc, BRUSSELS, daily=True) == "s1@2026-07-02"


def test_occurrences_of_different_schedules_and_days_differ() -> None:
    keys = {
        occurrence_key(schedule, START + timedelta(days=day), BRUSSELS, daily=True)
        for schedule in ("s1", "s2")
        for day in (0, 1)
    }
    assert len(keys) == 4


def test_an_instant_has_one_key_in_whatever_zone_it_is_given() -> None:
    shifted = START.astimezone(tz=None)
    assert occurrence_key("s1", START, BRUSSELS, daily=False) == occurrence_key("s1", shifted, BRUSSELS, daily=False)
    assert occurrence_key("s1", START, BRUSSELS, daily=False) == "s1@2026-02-03T01:30:00Z"


def test_a_window_has_its_length_also_when_the_wall_clock_jumps() -> None:
    march = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    assert window_of(march, 240) == Window(march, datetime(2026, 3, 29, 4, 30, tzinfo=UTC))


def test_a_missed_occurrence_gets_what_is_left_of_its_window() -> None:
    late = START + timedelta(minutes=90)
    left = remaining_window(START, 240, late)
    assert left == Window(late, END)
    assert left is not None
    assert left.seconds == 150 * 60


def test_an_occurrence_whose_window_has_passed_is_skipped() -> None:
    assert remaining_window(START, 240, END) is None
    assert remaining_window(START, 240, END + timedelta(days=1)) is None


def test_on_time_or_early_the_window_is_whole() -> None:
    assert remaining_window(START, 240, START) == Window(START, END)
    assert remaining_window(START, 240, START - timedelta(seconds=3)) == Window(START, END)
