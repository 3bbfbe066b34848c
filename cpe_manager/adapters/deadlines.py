"""When answers are no longer waited for: thousands of questions at a time, and one timer of the event loop for all.

Those whose time is over within the same few milliseconds are told together; what was answered meanwhile stays in its
slot until then, since taking it out would cost more than passing over it.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Deadlines(Generic[T]):
    """``over`` is called from the loop with those whose time is over, at most ``tick`` seconds late as far as the loop
    is not. Times are monotonic, and not the loop's: uvloop's stands still within a turn, and deadlines would come early
    by that."""

    def __init__(self, tick: float, over: Callable[[list[T]], None]) -> None:
        self._tick, self._over = tick, over
        self._slots: dict[int, list[T]] = {}
        self._order: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_slot = 0

    def put(self, one: T, deadline: float) -> None:
        slot = int(deadline / self._tick) + 1
        due = self._slots.get(slot)
        if due is not None:
            due.append(one)
            return
        self._slots[slot] = [one]
        heapq.heappush(self._order, slot)
        if self._timer is None or slot < self._timer_slot:
            self._set_timer()

    def clear(self) -> None:
        """Forget all, and tell nobody."""
        self._slots.clear()
        self._order.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_slot = self._order[0]
        wait = self._timer_slot * self._tick - time.monotonic()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, wait), self._ripe)

    def _ripe(self) -> None:
        self._timer = None
        now, ended = time.monotonic(), list[T]()
        while self._order and self._order[0] * self._tick <= now:
            ended += self._slots.pop(heapq.heappop(self._order))
        if self._order:
            self._set_timer()
        if ended:
            self._over(ended)
