"""Handlers that tests can watch and hold."""

from __future__ import annotations

import asyncio
from collections import Counter

from cpe_manager.ports.engine import Ticket

DEADLINE = 90.0


class Held:
    """Notes each ticket that begins, and lets none end before ``release``."""

    def __init__(self, *, released: bool = False) -> None:
        self.begun: list[Ticket] = []
        self.ended: list[Ticket] = []
        self.cancelled: list[Ticket] = []
        self.most_at_once: Counter[str] = Counter()
        self._inside: Counter[str] = Counter()
        self._released = asyncio.Event()
        self._moved = asyncio.Condition()
        if released:
            self._released.set()

    async def __call__(self, ticket: Ticket) -> None:
        self._inside[ticket.key] += 1
        self.most_at_once[ticket.key] = max(self.most_at_once[ticket.key], self._inside[ticket.key])
        await self._note(self.begun, ticket)
        try:
            await self._released.wait()
        except asyncio.CancelledError:
            await self._note(self.cancelled, ticket)
            raise
        finally:
            self._inside[ticket.key] -= 1
        await self._note(self.ended, ticket)

    def release(self) -> None:
        self._released.set()

    @property
    def inside(self) -> int:
        return self._inside.total()

    def ids(self) -> list[str]:
        return [ticket.id for ticket in self.begun]

    async def begin(self, count: int) -> None:
        """Wait until ``count`` tickets in all have begun."""
        await self._until(self.begun, count)

    async def end(self, count: int) -> None:
        await self._until(self.ended, count)

    async def _note(self, where: list[Ticket], ticket: Ticket) -> None:
        async with self._moved:
            where.append(ticket)
            self._moved.notify_all()

    async def _until(self, where: list[Ticket], count: int) -> None:
        async with asyncio.timeout(DEADLINE), self._moved:
            await self._moved.wait_for(lambda: len(where) >= count)
