"""Time and identifiers come in from outside, so that timers are tested on simulated time."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware UTC wall-clock time."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow; for durations and deadlines."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class Ids(Protocol):
    def new(self) -> str:
        """A fresh identifier, 32 lower-case hex digits, sorting by time of making."""
        ...

    def jitter(self) -> float:
        """Uniform in [0, 1): the randomness of back-off."""
        ...
