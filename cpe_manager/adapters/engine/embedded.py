"""The engine inside the process: one queue per priority class, nothing stored.

A restart forgets every ticket; the sweep at start issues them again from our tables.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

import structlog

from cpe_manager.adapters.engine.handling import DEFAULT_SLOTS, Handling, outranks
from cpe_manager.domain.jobs import Priority
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.engine import Handler, Ticket

_log = structlog.get_logger(__name__)


class EmbeddedEngine:
    """``ports.engine.Engine``. ``slots``: tickets of each class handled at once; a class left out has none."""

    def __init__(self, *, clock: Clock, slots: Mapping[Priority, int] = DEFAULT_SLOTS) -> None:
        self._clock = clock
        self._slots = dict(slots)
        self._handling = Handling()
        self._open = False
        self._waiting: dict[str, Ticket] = {}
        """The one valid ticket of each key; queued tickets that are no longer here were replaced by an earlier turn."""
        self._ready: dict[Priority, deque[Ticket]] = {priority: deque() for priority in Priority}
        self._later: list[tuple[datetime, int, Ticket]] = []
        self._order = itertools.count()
        self._running: dict[Priority, set[asyncio.Task[None]]] = {priority: set() for priority in Priority}
        self._timer: asyncio.Task[None] | None = None
        self._timer_for: datetime = clock.now()

    def register(self, kind: str, handler: Handler) -> None:
        self._handling.register(kind, handler)

    async def start(self) -> None:
        self._handling.open()
        self._open = True

    async def enqueue(self, tickets: Sequence[Ticket]) -> None:
        if not self._open:
            _log.debug("tickets_forgotten", count=len(tickets), reason="engine is not running")
            return
        for ticket in tickets:
            waiting = self._waiting.get(ticket.key)
            if waiting is None or outranks(ticket, waiting):
                self._waiting[ticket.key] = ticket
                self._queue(ticket)
        self._set_timer()
        for priority in Priority:
            self._fill(priority)

    async def stop(self, grace: float) -> None:
        self._open = False
        self._waiting.clear()
        self._later.clear()
        if self._timer is not None:
            self._timer.cancel()
            await asyncio.gather(self._timer, return_exceptions=True)
        await self._handling.close(grace)

    def _queue(self, ticket: Ticket) -> None:
        if ticket.not_before is not None and ticket.not_before > self._clock.now():
            heapq.heappush(self._later, (ticket.not_before, next(self._order), ticket))
        else:
            self._ready[ticket.priority].append(ticket)

    def _fill(self, priority: Priority) -> None:
        """Hand out tickets of this class while it has a free slot."""
        queue, running = self._ready[priority], self._running[priority]
        while self._open and queue and len(running) < self._slots.get(priority, 0):
            ticket = queue.popleft()
            if self._waiting.get(ticket.key) is not ticket:
                continue
            del self._waiting[ticket.key]
            task = asyncio.create_task(self._handling.run(ticket), name=f"ticket:{ticket.key}")
            running.add(task)
            task.add_done_callback(partial(self._ended, priority))

    def _ended(self, priority: Priority, task: asyncio.Task[None]) -> None:
        self._running[priority].discard(task)
        if task.cancelled() and self._open:  # the handler's own doing: nobody here cancels before stopping
            _log.error("ticket_cancelled", task=task.get_name())
        self._fill(priority)

    def _set_timer(self) -> None:
        """One task sleeps until the earliest ticket that has to wait; a ticket before that one replaces the task."""
        if not self._later:
            return
        earliest = self._later[0][0]
        if self._timer is not None and not self._timer.done():
            if self._timer_for <= earliest:
                return
            self._timer.cancel()
        self._timer_for = earliest
        self._timer = asyncio.create_task(self._wake(), name="engine-timer")

    async def _wake(self) -> None:
        while self._later:
            self._timer_for = self._later[0][0]
            wait = (self._timer_for - self._clock.now()).total_seconds()
            if wait > 0:
                await self._clock.sleep(wait)
                continue
            ticket = heapq.heappop(self._later)[2]
            self._ready[ticket.priority].append(ticket)
            self._fill(ticket.priority)
