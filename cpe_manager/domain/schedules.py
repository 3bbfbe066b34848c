"""Schedules: when a fleet is backed up, and what makes an occurrence one and the same on every node."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """``cron`` has five fields and is read in ``timezone`` (IANA name).

    The run starts when cron says so and spreads its devices over ``window_minutes``. Misfire policy: an occurrence
    that was missed (daemon down) is made up for while its window is still open, over what is left of the window;
    one whose window has passed is skipped, with an event.
    """

    id: str
    name: str
    cron: str
    timezone: str
    window_minutes: int
    group: str | None = None
    """Only devices of this group (and of groups below it); None means every active device."""
    enabled: bool = True
    created_at: datetime | None = None
    last_occurrence_at: datetime | None = None
