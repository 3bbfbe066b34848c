"""When things happen: spreading a fleet over a window, back-off, and what makes an occurrence one and the same.

Windows are measured in elapsed time: a window of 240 minutes is four hours long on every night, also on the two nights
a year on which the wall clock jumps. Its end in wall-clock terms then moves by the jump, its length does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TypeVar
from zoneinfo import ZoneInfo

T = TypeVar("T")

_HASH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open stretch of time ``[start, end)``, aware UTC."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


def window_of(scheduled_at: datetime, window_minutes: int) -> Window:
    """The whole window of an occurrence, in elapsed minutes after the instant at which it was to start."""
    start = scheduled_at.astimezone(UTC)
    return Window(start, start + timedelta(minutes=window_minutes))


def remaining_window(scheduled_at: datetime, window_minutes: int, now: datetime) -> Window | None:
    """What is left of an occurrence's window at ``now``; None when it has passed and the occurrence is skipped.

    On time, or early by a clock that runs apart, the window is whole.
    """
    whole = window_of(scheduled_at, window_minutes)
    start = max(whole.start, now.astimezone(UTC))
    return Window(start, whole.end) if start < whole.end else None


def spread(device_id: str, start: datetime, end: datetime) -> datetime:
    """The instant in ``[start, end)`` at which this device's turn comes.

    It depends on the device alone, by hash: the same fraction of the window on every night and on every node, whatever
    else is in the fleet. Devices fall evenly over the window. ``start`` itself when the window is empty.
    """
    digest = blake2b(device_id.encode(), digest_size=_HASH_BYTES).digest()
    width = max(0, (end - start) // timedelta(microseconds=1))
    offset = (int.from_bytes(digest) * width) >> (8 * _HASH_BYTES)
    return start + timedelta(microseconds=offset)


def shards(ordered: Sequence[T], size: int) -> Iterator[tuple[int, Sequence[T]]]:
    """(shard number from 0, its items): runs of at most ``size`` neighbours, in the order given."""
    if size < 1:
        raise ValueError("a shard holds at least one item")
    for number, start in enumerate(range(0, len(ordered), size)):
        yield number, ordered[start : start + size]


def backoff(attempt: int, base: float, cap: float, jitter: float) -> float:
    """Seconds to wait after failed attempt number ``attempt`` (from 1): exponential with equal jitter.

    The ceiling is ``base`` doubled with every attempt, at most ``cap``. Half of it is always waited, the other half
    times ``jitter`` in [0, 1): a device that restarts is not met again at once, as full jitter would allow, and devices
    that failed together do not come back together.
    """
    doublings = min(max(attempt, 1) - 1, 63)  # beyond that any cap is reached, and floats stay finite
    ceiling = min(cap, base * 2.0**doublings)
    return ceiling / 2 * (1 + jitter)


def fires_at_most_daily(cron: str) -> bool:
    """True when minute and hour are single numbers: then no calendar day has two occurrences by the wall clock.

    Lists, ranges and steps are read as "several times a day", also those that come down to one number.
    """
    minute, hour, *_ = cron.split()
    return minute.isdecimal() and hour.isdecimal()


def occurrence_key(schedule_id: str, scheduled_at: datetime, timezone: str, *, daily: bool) -> str:
    """The identity of an occurrence, equal on every node that fires it.

    ``daily`` (see ``fires_at_most_daily``): the schedule and its local date. So 02:30 in Brussels makes one run in the
    October night that has 02:30 twice, and one in the March night that has none and fires at 03:30. Any other
    schedule: the schedule and the UTC instant, so that an hourly one does run in both of October's hours.
    """
    if daily:
        return f"{schedule_id}@{scheduled_at.astimezone(ZoneInfo(timezone)).date().isoformat()}"
    return f"{schedule_id}@{scheduled_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
