"""Time that stands still until a test moves it, and identifiers that count."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


class SimulatedClock:
    """``ports.clock.Clock`` whose time moves only through ``advance`` and ``step``."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self._start = start
        self._elapsed = 0.0
        self._stepped = timedelta()
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._start + self._stepped + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        wakened = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), wakened))
        await wakened

    @property
    def sleepers(self) -> int:
        """How many coroutines sleep on this clock now."""
        return sum(not wakened.done() for _, _, wakened in self._sleepers)

    def step(self, delta: timedelta) -> None:
        """Move the wall clock alone, as a time server correcting it would; nobody wakes."""
        self._stepped += delta

    async def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass; sleepers wake in the order of their deadlines, each at its own time.

        The loop runs between two wakings, so that a sleeper may go back to sleep and wake again in the same call.
        """
        await settle()
        until = self._elapsed + seconds
        while self._sleepers and self._sleepers[0][0] <= until:
            deadline, _, wakened = heapq.heappop(self._sleepers)
            self._elapsed = max(self._elapsed, deadline)
            if not wakened.done():
                wakened.set_result(None)
                await settle()
        self._elapsed = until
        await settle()


async def settle(rounds: int = 25) -> None:
    """Give every ready coroutine the turns it needs to come to rest (no input or output is waited for)."""
    for _ in range(rounds):
        await asyncio.sleep(0)


class CountingIds:
    """``ports.clock.Ids`` that counts from 1; its jitter is a constant."""

    def __init__(self, jitter: float = 0.5) -> None:
        self._next = itertools.count(1)
        self._jitter = jitter

    def new(self) -> str:
        return f"{next(self._next):032x}"

    def jitter(self) -> float:
        return self._jitter
