"""Who decides *when*: a timer that fires schedules, and nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol

from cpe_manager.domain.schedules import Schedule

OnFire = Callable[[Schedule, datetime], Awaitable[None]]
"""Called with the schedule and its *scheduled* instant (aware UTC), however late it really is."""


class Timer(Protocol):
    def start(self, on_fire: OnFire) -> None: ...

    def replace(self, schedules: Sequence[Schedule]) -> None:
        """From now on exactly these fire (disabled ones do not)."""
        ...

    async def stop(self, grace: float) -> None:
        """Fire no more; callbacks that run get ``grace`` seconds, then they are cancelled and waited for."""
        ...

    def validate(self, cron: str, timezone: str) -> None:
        """Raises ``InputError`` that says which field is wrong."""
        ...

    def next(self, schedule: Schedule, now: datetime) -> datetime | None: ...

    def previous(self, schedule: Schedule, now: datetime) -> datetime | None:
        """The latest instant at or before ``now`` at which it should have fired, within its window; else None."""
        ...
