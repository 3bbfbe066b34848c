"""What both engines do with a ticket once it is its turn."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from cpe_manager.domain.errors import CpeManagerError
from cpe_manager.domain.jobs import Priority
from cpe_manager.ports.engine import Handler, Ticket

RANK = {Priority.URGENT: 2, Priority.NORMAL: 1, Priority.BULK: 0}
DEFAULT_SLOTS = {Priority.URGENT: 8, Priority.NORMAL: 4, Priority.BULK: 2}
_log = structlog.get_logger(__name__)


def outranks(fresh: Ticket, waiting: Ticket) -> bool:
    """Whether ``fresh`` asks for its turn earlier than the same ticket that waits already: by class or by time."""
    if RANK[fresh.priority] != RANK[waiting.priority]:
        return RANK[fresh.priority] > RANK[waiting.priority]
    if waiting.not_before is None:
        return False
    return fresh.not_before is None or fresh.not_before < waiting.not_before


class Handling:
    """Calls handlers, one at a time per ticket within this process, and stops in two phases.

    A ticket whose turn comes while it is being handled is not handled beside itself: the handling that runs is
    repeated once when it ends, with the newer ticket, for the older look may have missed what the newer one is about.
    """

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        self._again: dict[str, Ticket | None] = {}
        """By key of what is being handled: the newer ticket to handle next, if any."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing = False
        self.unfinished: dict[str, Ticket] = {}
        """Tickets not begun, or cancelled, because of ``close``; for engines that can leave them to another process."""

    def register(self, kind: str, handler: Handler) -> None:
        if kind in self._handlers:
            raise ValueError(f"ticket kind {kind!r} has a handler already")
        self._handlers[kind] = handler

    def open(self) -> None:
        self._closing = False
        self.unfinished.clear()

    async def close(self, grace: float) -> None:
        """Begin nothing more; after ``grace`` seconds cancel the tasks that are inside a handler, and wait for them."""
        self._closing = True
        running = set(self._tasks)
        try:
            if running:
                await asyncio.wait(running, timeout=grace)
        finally:
            for task in self._tasks:
                task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def run(self, ticket: Ticket) -> None:
        """Handle the ticket in the current task. Raises nothing but cancellation."""
        if ticket.key in self._again:
            self._again[ticket.key] = ticket
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        turn: Ticket | None = ticket
        try:
            while turn is not None and not self._closing:
                self._again[ticket.key] = None
                await self._call(turn)
                turn = self._again[ticket.key]
        finally:
            self._tasks.discard(task)
            newer = self._again.pop(ticket.key, None)
            if self._closing and (turn is not None or newer is not None):
                self.unfinished[ticket.key] = newer or turn or ticket

    async def _call(self, ticket: Ticket) -> None:
        handler = self._handlers.get(ticket.kind)
        if handler is None:
            _log.warning("ticket_without_handler", kind=ticket.kind, id=ticket.id)
            return
        try:
            await handler(ticket)
        except CpeManagerError as error:
            _log.error("ticket_failed", kind=ticket.kind, id=ticket.id, code=error.code, error=str(error))
        except Exception:  # noqa: BLE001 - one ticket must not end the engine; the sweep issues it again
            _log.exception("ticket_failed", kind=ticket.kind, id=ticket.id)
