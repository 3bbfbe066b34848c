"""Whether everyone was told: the receivers of webhooks follow the events one after the other (§5.2.2)."""

from __future__ import annotations

from typing import Protocol

from cpe_manager.domain.paging import Page
from cpe_manager.domain.telling.webhooks import Endpoint
from cpe_manager.ports.stores import EventStore


class Endpoints(Protocol):
    """Of the store of webhooks."""

    async def endpoints(self, *, after: str | None = None, limit: int = 50) -> Page[Endpoint]: ...


class Follower(Protocol):
    """Somebody who is told of events one after the other: e-mails, for one."""

    async def cursor(self) -> int | None:
        """Up to which event it has told; None: there is nobody for it to tell."""
        ...


class EveryoneTold:
    """``keeper.Everyone``. A webhook that is disabled tells nobody anything, and is waited for by nobody."""

    def __init__(self, events: EventStore, webhooks: Endpoints, *others: Follower) -> None:
        self._events, self._webhooks, self._others = events, webhooks, others

    async def mark(self) -> int:
        return await self._events.last_id()

    async def reached(self) -> int | None:
        found: list[int] = []
        after: str | None = None
        while True:
            page = await self._webhooks.endpoints(after=after, limit=200)
            found += [one.cursor for one in page.items if one.state == "active"]
            if (after := page.next) is None:
                break
        found += [cursor for one in self._others if (cursor := await one.cursor()) is not None]
        return min(found, default=None)
