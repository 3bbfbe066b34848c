"""The real clock and the real source of identifiers."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from datetime import UTC, datetime

from cpe_manager.ports.clock import Clock

_RANDOM_BITS = 80
_TIME_MASK = (1 << 48) - 1


class SystemClock:
    """``ports.clock.Clock`` over the operating system."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


class SystemIds:
    """``ports.clock.Ids``: 48 bits of milliseconds since 1970, then 80 random bits, as 32 hex digits.

    Within one process every identifier sorts after the one before it, also inside a millisecond and when the wall
    clock steps back; between processes the order is that of their clocks.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._random = random.SystemRandom()
        self._last = 0

    def new(self) -> str:
        millis = int(self._clock.now().timestamp() * 1000) & _TIME_MASK
        fresh = millis << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
        self._last = fresh if fresh > self._last else self._last + 1
        return f"{self._last:032x}"

    def jitter(self) -> float:
        return self._random.random()
