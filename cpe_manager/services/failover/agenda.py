"""What has to be done when: one heap for all, since a task for each of ten thousand lines would cost more than its
work does."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Final

NEVER: Final = float("inf")


class Entry:
    """Something that comes again and again. ``fire`` is given the time and answers when it wants to be called next
    (``NEVER``: not by itself)."""

    __slots__ = ("due", "fire")

    def __init__(self, fire: Callable[[float], float]) -> None:
        self.fire = fire
        self.due = NEVER


class Agenda:
    """Entries by the time that they are due. Moving one costs as much as adding it; those of old are passed over."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Entry]] = []
        self._order = itertools.count()

    def put(self, entry: Entry, due: float) -> None:
        """From now on it is due then and at no other time."""
        entry.due = due
        if due < NEVER:
            heapq.heappush(self._heap, (due, next(self._order), entry))

    def drop(self, entry: Entry) -> None:
        entry.due = NEVER

    @property
    def next(self) -> float:
        """When the next one is due, or was before it was moved."""
        return self._heap[0][0] if self._heap else NEVER

    def work(self, now: float, most: int) -> tuple[int, float]:
        """Fire what is due, ``most`` at once. How many that were, and by how many seconds the latest was late."""
        done, late = 0, 0.0
        heap = self._heap
        while heap and heap[0][0] <= now and done < most:
            due, _, entry = heapq.heappop(heap)
            if entry.due != due:
                continue
            done += 1
            late = max(late, now - due)
            entry.due = NEVER
            again = entry.fire(now)
            if entry.due == NEVER and again < NEVER:
                self.put(entry, again)
        return done, late
