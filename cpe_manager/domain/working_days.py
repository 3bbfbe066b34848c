"""Working days (§4.2, §4.3, §6): Monday to Friday, public holidays out, by the calendar of a place.

Which days are holidays somebody else knows; here they are counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

WorkingDay = Callable[[date], bool]
"""Whether a day is one on which people work."""
END_OF_DAY: Final = time(18, 0)
"""When a working day is over (§2.3: Mon-Fri 08:00-18:00)."""
LONGEST_REST: Final = 60
"""Days in a row of which none is a working day, at most: a calendar that has more is a defect."""


def weekday(day: date) -> bool:
    """A ``WorkingDay`` that knows no holidays."""
    return day.weekday() < 5


def local_day(at: datetime, zone: str) -> date:
    """The date that a place has at an instant."""
    return at.astimezone(ZoneInfo(zone)).date()


def end_of(day: date, zone: str) -> datetime:
    """When a working day ends, aware UTC."""
    return datetime.combine(day, END_OF_DAY, ZoneInfo(zone)).astimezone(UTC)


def moved(day: date, count: int, working: WorkingDay) -> date:
    """``count`` working days later (earlier where it is negative); the day itself is not counted. 0: the day itself."""
    step = timedelta(days=1 if count > 0 else -1)
    left, rest = abs(count), 0
    while left:
        day += step
        if working(day):
            left, rest = left - 1, 0
            continue
        rest += 1
        if rest > LONGEST_REST:
            raise ValueError(f"no working day within {LONGEST_REST} days of {day - rest * step}")
    return day


def between(first: date, last: date, working: WorkingDay) -> int:
    """Working days after ``first`` up to and with ``last``; 0 when ``last`` is not later."""
    return sum(working(first + timedelta(days=number)) for number in range(1, (last - first).days + 1))


@dataclass(frozen=True, slots=True)
class Promise:
    """By when something is to be done. ``due_at``: the end of the last day; ``risk_at``: from when it is at risk while
    it is not done; ``answer_by``: by when a rush has to be answered (§4.3), None where none was asked for."""

    due_at: datetime
    risk_at: datetime
    answer_by: datetime | None = None


RISK_DAYS: Final = 5
"""Working days before the end from which it is at risk; less where there are hardly more in all."""


def promised(ordered_at: datetime, last: date, working: WorkingDay, zone: str) -> Promise:
    """To be done by the end of ``last``. At risk for the last five working days, or the second half of fewer."""
    first = local_day(ordered_at, zone)
    spare = min(RISK_DAYS, between(first, last, working) // 2)
    due_at = end_of(last, zone)
    return Promise(due_at, min(due_at, end_of(moved(last, -spare, working), zone)))


def target(ordered_at: datetime, days: int, wished: date | None, working: WorkingDay, zone: str) -> Promise:
    """``days`` working days after the order (§4.2), or the day that was wished where that is later."""
    last = moved(local_day(ordered_at, zone), days, working)
    return promised(ordered_at, max(last, wished) if wished is not None else last, working, zone)
