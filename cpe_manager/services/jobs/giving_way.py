"""Bulk work gives way to what cannot wait: while lines are being decided on, a night's backups begin no new session
(§5.1.1). Sessions that are open go on, and work of the other priorities never waits here.

It gives way for at most three quarters of the time: a storm that lasts all night, or a machine that is too small for
its lines, makes a night of backups slower and does not end it.

So that few of them are half-way open when something urgent comes, and no turn of the loop is long for what they compute
in their hand-shakes, only some are opened at a time: a hand-shake costs more CPU than all that follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from cpe_manager.ports.clock import Clock

log = structlog.get_logger()

MOST_SECONDS: Final = 60.0
"""So long at a stretch it gives way at the most, and then not for a third of that."""
_EARNED: Final = 3.0
"""Seconds of giving way that a second without it allows."""


OPENING: Final = 24
"""Sessions of bulk work that are being opened at a time."""
OPENING_SECONDS: Final = 0.5
"""So long one that is being opened keeps others from it: boxes that are gone do not hold up the rest."""
LOOK_AGAIN_SECONDS: Final = 0.2


class GivingWay:
    """``pressed`` answers why bulk work should begin nothing at this moment, in operators' words; empty: it may. Who
    has something more urgent in this process sets it; it never waits and never raises."""

    def __init__(self, clock: Clock) -> None:
        self.pressed: Callable[[], str] = lambda: ""
        self._clock = clock
        self._looked = clock.monotonic()
        self._held = 0.0
        self._closed = self._resting = False
        self._opening = asyncio.Semaphore(OPENING)

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

    async def wait(self, ends: Callable[[], bool] = lambda: False) -> None:
        """As long as bulk work has to, and until ``ends`` says that nobody waits any more."""
        while self.closed and not ends():
            await self._clock.sleep(LOOK_AGAIN_SECONDS)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """The turn of one session of bulk work, which is opened within. Waits while such work has to."""
        await self._opening.acquire()
        ended = False

        def end() -> None:
            nonlocal ended
            if not ended:
                ended = True
                self._opening.release()

        try:
            await self.wait()
            asyncio.get_running_loop().call_later(OPENING_SECONDS, end)
            yield
        finally:
            end()
