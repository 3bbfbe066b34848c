"""Bulk work gives way to what cannot wait: while lines are being decided on, a night's backups begin no new session
(§5.1.1). Sessions that are open go on, and work of the other priorities never waits here.

It gives way for at most three quarters of the time: a storm that lasts all night, or a machine that is too small for
its lines, makes a night of backups slower and does not end it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from cpe_manager.ports.clock import Clock

log = structlog.get_logger()

MOST_SECONDS: Final = 60.0
"""So long at a stretch it gives way at the most, and then not for a third of that."""
_EARNED: Final = 3.0
"""Seconds of giving way that a second without it allows."""


class GivingWay:
    """``pressed`` answers why bulk work should begin nothing at this moment, in operators' words; empty: it may. Who
    has something more urgent in this process sets it; it never waits and never raises."""

    def __init__(self, clock: Clock) -> None:
        self.pressed: Callable[[], str] = lambda: ""
        self._clock = clock
        self._looked = clock.monotonic()
        self._held = 0.0
        self._closed = self._resting = False

    @property
    def closed(self) -> bool:
        """Whether bulk work has to wait."""
        now = self._clock.monotonic()
        passed, self._looked = now - self._looked, now
        self._held = self._held + passed if self._closed else max(0.0, self._held - _EARNED * passed)
        self._resting = self._held >= MOST_SECONDS or (self._resting and self._held > 0.0)
        why = "" if self._resting else self.pressed()
        if bool(why) is not self._closed:
            self._closed = bool(why)
            log.info("bulk.gives_way" if why else "bulk.goes_on", reason=why, resting=self._resting)
        return self._closed
