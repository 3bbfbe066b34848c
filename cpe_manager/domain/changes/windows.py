"""When a change that is no standard one may begin: the change window of the catalogue, without holidays, and within
the maintenance windows and outside of the freezes of its site (§2.3)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cpe_manager.domain.push.push_windows import HORIZON, PLACE, Calendar, Freeze

_ROUNDS: Final = 2 * HORIZON.days
"""Each round moves on to another stretch; so many there are within the horizon, with some to spare."""


def opening(at: datetime, calendars: Iterable[Calendar]) -> datetime:
    """The first instant from ``at`` on at which all of them are open, aware UTC. Where there is none within the horizon
    it is the horizon: it is looked for again then."""
    every = tuple(calendars)
    found = at
    for _ in range(_ROUNDS):
        latest = max((calendar.opens(found) for calendar in every), default=found)
        if latest == found or latest >= at + HORIZON:
            break
        found = latest
    else:
        return at + HORIZON
    return min(latest, at + HORIZON)


def closed_on(days: Iterable[date], place: str = PLACE) -> tuple[Freeze, ...]:
    """Whole days, by the wall clock of a place, as freezes."""
    zone = ZoneInfo(place)
    return tuple(
        Freeze(_midnight(day, zone), _midnight(day + timedelta(days=1), zone)) for day in sorted(set(days))
    )  # fmt: skip


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
