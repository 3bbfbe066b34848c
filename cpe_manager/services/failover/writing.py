"""Writes what was decided of lines: many in one transaction, and what waits to have an effect at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from cpe_manager.domain.errors import StoreError
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.lines import LineStore, Move
from cpe_manager.services.failover.moves import Pending
from cpe_manager.services.failover.waiting import woken

log = structlog.get_logger()

BATCH: Final = 500
LINGER_SECONDS: Final = 0.02
"""How long what has no effect waits for company."""
AGAIN_SECONDS: Final = 0.5
MOST_LOOK_UPS: Final = 50
"""Last changes looked up for one batch: a node that fails takes hundreds of lines with it."""

Back = Callable[[Pending], Awaitable[None]]
Opened = Callable[[str, str | None], None]


@dataclass(frozen=True, slots=True)
class _Node:
    name: str
    lines: tuple[str, ...]
    reason: str | None


class Writer:
    """``written`` and ``refused`` are called for each step, in order. A database that refuses is asked again and again:
    nothing is done meanwhile, since nothing may have an effect that is not written down."""

    def __init__(self, store: LineStore, clock: Clock, written: Back, refused: Back, opened: Opened) -> None:
        self._store, self._clock = store, clock
        self._written, self._refused, self._opened = written, refused, opened
        self._urgent: list[Pending] = []
        self._waiting: list[Pending] = []
        self._nodes: list[_Node] = []
        self._any, self._hurry = asyncio.Event(), asyncio.Event()

    def put(self, pending: Pending, *, at_once: bool) -> None:
        (self._urgent if at_once else self._waiting).append(pending)
        self._any.set()
        if at_once:
            self._hurry.set()

    def node(self, name: str, lines: tuple[str, ...], reason: str | None) -> None:
        """The parent incident of an access node: opened, or with ``reason`` None closed."""
        self._nodes.append(_Node(name, lines, reason))
        self._any.set()

    def drop(self) -> None:
        """Forget what waits: another process has the lead, or this one reads everything anew."""
        self._urgent, self._waiting, self._nodes = [], [], []

    async def run(self) -> None:
        """Until cancelled. Raises ``StoreError`` for nothing: it waits."""
        while True:
            await self._any.wait()
            if not self._urgent:
                await woken(self._hurry, self._clock, LINGER_SECONDS)
            self._any.clear()
            self._hurry.clear()
            try:
                await self._urgent_ones()
                await self._node_ones()
                await self._other_ones()
            except StoreError as error:
                log.error("lines.write_refused", code=error.code, reason=str(error))
                self._any.set()
                await self._clock.sleep(AGAIN_SECONDS)

    async def _urgent_ones(self) -> None:
        while self._urgent:
            batch = self._urgent[:BATCH]
            await self._write(batch)
            del self._urgent[: len(batch)]
            await self._tell(batch)

    async def _other_ones(self) -> None:
        """One batch; what is urgent by then goes before the next one."""
        batch = self._waiting[:BATCH]
        if not batch:
            return
        looked_up = [await self._with_change(one) for one in batch[:MOST_LOOK_UPS]]
        batch = [*looked_up, *batch[MOST_LOOK_UPS:]]
        await self._write(batch)
        del self._waiting[: len(batch)]
        await self._tell(batch)
        if self._waiting:
            self._any.set()

    async def _node_ones(self) -> None:
        while self._nodes:
            one = self._nodes[0]
            found = await self._store.node_incident(one.name, one.lines, one.reason, self._clock.now())
            del self._nodes[0]
            if one.reason is not None:
                self._opened(one.name, found)

    async def _write(self, batch: Sequence[Pending]) -> None:
        self._refusals = set(await self._store.move([one.move for one in batch]))

    async def _tell(self, batch: Sequence[Pending]) -> None:
        for one in batch:
            await (self._refused if one.line_id in self._refusals else self._written)(one)

    async def _with_change(self, one: Pending) -> Pending:
        if not one.wants_change or one.move.transition is None:
            return one
        found = await self._store.last_change(one.move.record.line.device_id)
        transition = replace(one.move.transition, last_change=found)
        events = tuple(
            replace(event, data={**event.data, "last_change": found}) if "last_change" in event.data else event
            for event in one.move.events
        )
        move = Move(one.move.record, transition, one.move.incidents, events, one.move.at)
        return replace(one, move=move)
