"""The engine: it carries tickets to handlers. It may lose them: a sweep issues them again from our own tables."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cpe_manager.domain.jobs import Priority


@dataclass(frozen=True, slots=True)
class Ticket:
    """ "Look at this." ``kind`` picks the handler, ``id`` says what; both together are the ticket's identity."""

    kind: str
    id: str
    priority: Priority = Priority.NORMAL
    not_before: datetime | None = None

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.id}"


Handler = Callable[[Ticket], Awaitable[None]]


class Engine(Protocol):
    """Contract (``tests/contract/engine/test_engine_contract.py``):

    - a ticket that is waiting is not doubled by enqueueing it again; one that is running may be queued once more;
    - the same ticket is never handled twice at the same time by one process;
    - higher classes never wait for lower ones: each class has slots of its own;
    - a handler that raises is logged and forgotten; the sweep is what tries again.
    """

    def register(self, kind: str, handler: Handler) -> None:
        """Before ``start``. One handler per kind."""
        ...

    async def start(self) -> None: ...

    async def enqueue(self, tickets: Sequence[Ticket]) -> None: ...

    async def stop(self, grace: float) -> None:
        """Phase one: take no new ticket. Phase two, ``grace`` seconds later: cancel what still runs and wait for it."""
        ...
