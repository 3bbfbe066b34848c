"""How much went over a line's mobile way in a calendar month: from an agent's octet counters to a volume.

In and out, at the box's mobile interface: our own probes over that way are in it, they are on the bill as well. A month
is one of Brussels, where the customers and their subscriptions are; it is named ``2026-11``.

Nothing is invented. What cannot be told (before the first reading, after another interface took the place of the one
before, a leap that no mobile network carries) is not counted; where two readings of a leap are possible, the smaller
one is counted. So the volume may be too small by what passed while nobody looked, and is never too large by more than
`MOST_RATE` allows within the time between two polls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from cpe_manager.domain.failover.lines import LineRecord

ZONE: Final = ZoneInfo("Europe/Brussels")
MOST_RATE: Final = 250_000_000.0
"""Octets per second, in and out together, that a mobile interface may carry (2 Gbit/s). A counter that leapt by more
was set to zero, or is another one."""
SLACK: Final = 2.0
"""Seconds by which the time between two answers may be longer for the agent than for us."""
_QUARTER: Final = 900
"""Seconds. Months begin at a quarter of an hour, whatever the zone's offset is."""


@dataclass(frozen=True, slots=True)
class OctetCount:
    """What an agent's counters of an interface said. ``octets`` in and out together, since each was at zero; each has
    ``bits`` (32 or 64) and begins anew behind the last of them. ``port``: which interface (ifIndex)."""

    octets: int
    bits: int = 64
    port: int = 0


class OctetMeter:
    """What one interface's counters said last: small, there are ten thousand of them."""

    __slots__ = ("_at", "_last")

    def __init__(self) -> None:
        self._last: OctetCount | None = None
        self._at = 0.0

    def passed(self, count: OctetCount, at: float, *, restarted: bool = False) -> int:
        """Octets since the last reading, as far as they fell into the month of ``at`` (epoch seconds): of a time
        without readings across the end of a month, its share by time. ``restarted``: the agent has, since then."""
        last, since = self._last, self._at
        self._last, self._at = count, at
        if last is None or (last.port, last.bits) != (count.port, count.bits):
            return 0
        octets = _difference(last.octets, count.octets, at - since, count.bits, restarted=restarted)
        if not octets:
            return 0
        began = month_began(at)
        return octets if since >= began else round(octets * (at - began) / (at - since))


def _difference(last: int, now: int, seconds: float, bits: int, *, restarted: bool) -> int:
    most, span = MOST_RATE * (max(0.0, seconds) + SLACK), 1 << bits
    if now >= last:
        # Also after a restart: a restarted agent may have kept the system's counters, and if it has not, then more
        # than this has passed.
        return now - last if now - last <= most else 0
    # Backwards: behind its end, or set to zero meanwhile. Of in and out together: the end is behind either's.
    behind, from_zero = (now - last) % span, now if now <= most else 0
    if behind > most:
        return from_zero
    return min(behind, from_zero) if restarted or most >= span else behind


@dataclass(frozen=True, slots=True)
class MonthVolume:
    """Octets of a month, ``2026-11``; empty: none was counted yet."""

    month: str = ""
    octets: int = 0

    def plus(self, octets: int, at: float) -> MonthVolume:
        """With what passed at a time; a new month begins at zero, and what is told of an older one is too late."""
        month = month_of(at)
        if month < self.month:
            return self
        return MonthVolume(month, octets + (self.octets if month == self.month else 0))

    def within(self, at: float) -> int:
        """Octets of the month that a time is in."""
        return self.octets if self.month == month_of(at) else 0


def volume_of(record: LineRecord) -> MonthVolume:
    """As it was written last."""
    return MonthVolume(record.mobile_month, record.mobile_bytes)


def at_this_time(record: LineRecord, at: float) -> LineRecord:
    """A record with its volume in the month that a time is in: none, when it was written in another one."""
    month = month_of(at)
    return record if record.mobile_month == month else replace(record, mobile_bytes=0, mobile_month=month)


def month_of(at: float) -> str:
    """Name of the month that a time (epoch seconds) is in."""
    return _month(int(at // _QUARTER))[0]


def month_began(at: float) -> float:
    """When it did, in epoch seconds."""
    return _month(int(at // _QUARTER))[1]


@lru_cache(maxsize=64)
def _month(quarter: int) -> tuple[str, float]:
    first = datetime.fromtimestamp(quarter * _QUARTER, ZONE).replace(day=1, hour=0, minute=0, second=0)
    return f"{first:%Y-%m}", first.timestamp()
