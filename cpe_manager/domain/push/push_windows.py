"""When a push may begin: maintenance windows by the wall clock of a place, and freezes.

Windows are written ``Mon-Fri 08:00-18:00 Europe/Brussels; Sat 09:00-12:00 Europe/Brussels``: days (``daily``, names,
ranges, joined by commas), from-to (``22:00-04:00`` goes over midnight and belongs to the day on which it opens), a time
zone. Freezes are written ``2026-12-21..2027-01-03 Europe/Brussels``: both days included, or with a time,
``2026-12-24T12:00..2026-12-26T08:00``. Without a zone it is Europe/Brussels (§6).

A window is what the wall clock says: in the night that has 02:30 twice ``02:00-03:00`` is open for two hours, in the
one that has none it opens at 03:00 and closes at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

PLACE: Final = "Europe/Brussels"
ALWAYS: Final = "always"
"""Windows that say: no window, whatever the group or the installation says."""
NEVER: Final = "none"
"""Freezes that say: no freeze, whatever the group or the installation says."""
HORIZON: Final = timedelta(days=400)
"""How far ahead an opening is looked for."""
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW: Final = re.compile(r"(\S+)\s+(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})(?:\s+(\S+))?")
_FREEZE: Final = re.compile(r"(\S+?)\.\.(\S+?)(?:\s+(\S+))?")


@dataclass(frozen=True, slots=True)
class Window:
    """``first`` and ``last``: minutes after midnight; ``last`` beyond 1440 is on the next day."""

    days: frozenset[int]
    first: int
    last: int
    zone: str = PLACE

    def on(self, day: date) -> tuple[datetime, datetime] | None:
        """The stretch that opens on a day, aware UTC, half open."""
        if day.weekday() not in self.days:
            return None
        return _instant(day, self.first, self.zone, fold=0), _instant(day, self.last, self.zone, fold=1)


@dataclass(frozen=True, slots=True)
class Freeze:
    """Nothing begins in ``[start, end)``; aware UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Calendar:
    """Windows and freezes in force for one device; without windows it is always open."""

    windows: tuple[Window, ...] = ()
    freezes: tuple[Freeze, ...] = ()

    def opens(self, at: datetime) -> datetime:
        """The first instant from ``at`` on at which a push may begin: ``at`` itself when it may now. What lies beyond
        the horizon is not looked for; then it is the horizon."""
        for start, end in self._stretches(at):
            begin = self._thawed(max(start, at))
            if begin < end:
                return begin
        return at + HORIZON

    def _thawed(self, at: datetime) -> datetime:
        frozen = True
        while frozen:
            frozen = False
            for freeze in self.freezes:
                if freeze.start <= at < freeze.end:
                    at, frozen = freeze.end, True
        return at

    def _stretches(self, at: datetime) -> Iterator[tuple[datetime, datetime]]:
        """In order of their beginnings, day by day."""
        if not self.windows:
            yield at, datetime.max.replace(tzinfo=UTC)
            return
        day = at.astimezone(UTC).date() - timedelta(days=2)
        waiting: list[tuple[datetime, datetime]] = []
        for _ in range(HORIZON.days + 2):
            # Zones lie up to a day apart: what opens on a later date may open earlier, but never by more than that.
            waiting += [each for window in self.windows if (each := window.on(day)) is not None]
            waiting.sort()
            settled = datetime.combine(day - timedelta(days=1), time(), UTC)
            while waiting and waiting[0][0] < settled:
                yield waiting.pop(0)
            day += timedelta(days=1)
        yield from waiting


def _instant(day: date, minutes: int, zone: str, *, fold: int) -> datetime:
    local = datetime.combine(day, time()) + timedelta(minutes=minutes)
    return local.replace(tzinfo=_zone(zone), fold=fold).astimezone(UTC)


@cache
def _zone(name: str) -> ZoneInfo:
    """Raises ``ValueError`` for a name that there is none of."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone, such as {PLACE}") from None


def windows_of(text: str) -> tuple[Window, ...]:
    """Raises ``ValueError`` with what is wrong. Empty or ``always``: none."""
    if text.strip().lower() in ("", ALWAYS):
        return ()
    return tuple(_window(part.strip()) for part in text.split(";") if part.strip())


def _window(text: str) -> Window:
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no window; write it as Mon-Fri 08:00-18:00 {PLACE}")
    days, *numbers, zone = found.groups()
    hour, minute, last_hour, last_minute = map(int, numbers)
    first, last = hour * 60 + minute, last_hour * 60 + last_minute
    if max(minute, last_minute) > 59 or first >= 1440 or last > 1440:
        raise ValueError(f"{text!r} has a time that no clock shows")
    if first == last:
        raise ValueError(f"{text!r} is empty; the whole day is 00:00-24:00")
    _zone(zone or PLACE)
    return Window(_weekdays(days), first, last if last > first else last + 1440, zone or PLACE)


def _weekdays(text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.lower().split(","):
        first, dash, last = part.partition("-")
        if part == "daily":
            found |= set(range(7))
        elif first in _DAYS and (last in _DAYS or not dash):
            start, count = _DAYS.index(first), (_DAYS.index(last or first) - _DAYS.index(first)) % 7
            found |= {(start + step) % 7 for step in range(count + 1)}
        else:
            raise ValueError(f"{part!r} is no day; use daily, Mon, Mon-Fri or Sat,Sun")
    return frozenset(found)


def freezes_of(text: str) -> tuple[Freeze, ...]:
    """Raises ``ValueError`` with what is wrong. Empty or ``none``: none."""
    if text.strip().lower() in ("", NEVER):
        return ()
    return tuple(_freeze(part.strip()) for part in text.split(";") if part.strip())


def _freeze(text: str) -> Freeze:
    found = _FREEZE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no freeze; write it as 2026-12-21..2027-01-03 {PLACE}")
    first, last, named = found.groups()
    zone = _zone(named or PLACE)
    try:
        start, end = datetime.fromisoformat(first), datetime.fromisoformat(last)
    except ValueError:
        raise ValueError(f"{text!r} has a date that no calendar has") from None
    if start.tzinfo is not None or end.tzinfo is not None:
        raise ValueError(f"{text!r} has an offset; name a time zone behind it")
    if "T" not in last:
        end += timedelta(days=1)
    if end <= start:
        raise ValueError(f"{text!r} runs backwards")
    return Freeze(start.replace(tzinfo=zone).astimezone(UTC), end.replace(tzinfo=zone, fold=1).astimezone(UTC))


def calendar_of(windows: str, freezes: str) -> Calendar:
    return Calendar(windows_of(windows), freezes_of(freezes))
