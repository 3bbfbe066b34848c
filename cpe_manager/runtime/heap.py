"""Keeps Python's garbage collector from holding everything up.

Ten thousand lines are millions of objects that stay for as long as the process does. A full collection goes through all
of them: a third of a second and more in which nothing is answered, every few seconds while much comes and goes. So what
is there is set aside from time to time (``gc.freeze``), and the collector looks at the rest alone.

Set aside is only what came since the heap has grown by a tenth: what was garbage in a circle at such a moment is never
freed, and that is how little it can be. All else is freed when nobody holds it any more, set aside or not.
"""

from __future__ import annotations

import gc
import sys
from typing import Final

import structlog

from cpe_manager.ports.clock import Clock

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 5.0
GROWN: Final = 1.1
THRESHOLDS: Final = (10_000, 20, 20)
"""New objects until the youngest are looked at, and rounds until the older ones are: Python's own 700 are meant for
small programs."""


class Heap:
    """``run`` is a task of the daemon's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._blocks = 0

    async def run(self) -> None:
        """Until cancelled."""
        gc.set_threshold(*THRESHOLDS)
        while True:
            self.look()
            await self._clock.sleep(LOOK_SECONDS)

    def look(self) -> bool:
        """Set aside what is there, when it is much more than it was. Whether that was done."""
        blocks = sys.getallocatedblocks()
        if blocks < GROWN * self._blocks:
            return False
        self._blocks = blocks
        gc.collect(1)
        gc.freeze()
        log.debug("heap.set_aside", blocks=blocks, objects=gc.get_freeze_count())
        return True
