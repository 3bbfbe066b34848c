"""How long it is known what became of lines: steps, incidents and orders of fail-over go when they are old enough."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from cpe_manager.ports.clock import Clock
from cpe_manager.ports.lines import LineStore

KEPT_STEPS: Final = 20
"""The last steps of each line that stay, however old they are."""
BATCH: Final = 10_000
"""Of each kind in one transaction: a batch costs a look at all that is old."""


class LineHistory:
    """``days``: how long it is kept."""

    def __init__(self, lines: LineStore, days: float, clock: Clock) -> None:
        self._lines, self._age, self._clock = lines, timedelta(days=days), clock

    async def prune(self) -> int:
        """Rows that are gone. Raises ``StoreError``; what was done by then is done."""
        before, gone = self._clock.now() - self._age, 0
        while True:
            some = await self._lines.prune(before, keep=KEPT_STEPS, limit=BATCH)
            if not some:
                return gone
            gone += some
