from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from cpe_manager.domain.working_days import between, end_of, local_day, moved, promised, target, weekday

BRUSSELS = "Europe/Brussels"
HOLIDAYS = {date(2026, 12, 25), date(2027, 1, 1)}


def working(day: date) -> bool:
    return weekday(day) and day not in HOLIDAYS


def test_working_days_are_counted_from_the_day_after_without_weekends_and_holidays() -> None:
    friday = date(2026, 12, 18)
    assert moved(friday, 1, working) == date(2026, 12, 21)
    assert moved(friday, 5, working) == date(2026, 12, 28)  # Christmas Day is none
    assert moved(friday, 0, working) == friday
    assert moved(date(2027, 1, 4), -1, working) == date(2026, 12, 31)
    assert between(friday, date(2026, 12, 28), working) == 5
    assert between(friday, friday, working) == 0


def test_what_was_ordered_on_a_sunday_counts_from_monday() -> None:
    assert moved(date(2026, 11, 29), 1, working) == date(2026, 11, 30)


def test_twenty_working_days_end_at_six_in_the_evening_of_the_last() -> None:
    at = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)  # the first of December in Brussels
    assert local_day(at, BRUSSELS) == date(2026, 12, 1)
    promise = target(at, 20, None, working, BRUSSELS)
    assert promise.due_at == end_of(date(2026, 12, 30), BRUSSELS) == datetime(2026, 12, 30, 17, 0, tzinfo=UTC)
    assert promise.risk_at == end_of(date(2026, 12, 22), BRUSSELS)


def test_a_later_day_that_was_wished_is_the_target_and_an_earlier_one_is_not() -> None:
    at = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
    assert target(at, 20, date(2027, 2, 1), working, BRUSSELS).due_at == end_of(date(2027, 2, 1), BRUSSELS)
    soon = target(at, 20, date(2026, 12, 2), working, BRUSSELS)
    assert soon == target(at, 20, None, working, BRUSSELS)


def test_of_a_short_time_the_second_half_is_at_risk() -> None:
    at = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
    promise = promised(at, date(2026, 12, 4), working, BRUSSELS)
    assert promise.risk_at == end_of(date(2026, 12, 2), BRUSSELS)
    today = promised(at, date(2026, 11, 30), working, BRUSSELS)
    assert today.risk_at == today.due_at


def test_a_calendar_without_working_days_is_a_defect() -> None:
    with pytest.raises(ValueError, match="no working day"):
        moved(date(2026, 1, 1), 1, lambda _day: False)
