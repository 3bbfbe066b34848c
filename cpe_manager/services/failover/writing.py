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
"""How long what has no effect waits for company at least."""
LINGER_TIMES: Final = 3.0
LINGER_MOST: Final = 0.25
URGENT_MOST: Final = 0.05
"""When steps come one after the other, hundreds of lines of them, a transaction for each would cost more than all the
rest: a write waits so many times as long as the last one took, but not longer than this. The first one never does."""
AGAIN_SECONDS: Final = 0.5

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
        self._took = 0.0
        self._ended = float("-inf")

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
            await self._gather()
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

    async def _gather(self) -> None:
        """Let others come that are to be written with those that wait."""
        linger = LINGER_TIMES * self._took
        since = self._clock.monotonic() - self._ended
        if not self._urgent:
            await woken(self._hurry, self._clock, max(LINGER_SECONDS, min(linger, LINGER_MOST) - since))
        if self._urgent and (rest := min(linger, URGENT_MOST) - (self._clock.monotonic() - self._ended)) > 0:
            await self._clock.sleep(rest)

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
        batch = await self._with_changes(batch)
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
        began = self._clock.monotonic()
        self._refusals = set(await self._store.move([one.move for one in batch]))
        self._ended = self._clock.monotonic()
        self._took = self._ended - began

    async def _tell(self, batch: Sequence[Pending]) -> None:
        for one in batch:
            await (self._refused if one.line_id in self._refusals else self._written)(one)

    async def _with_changes(self, batch: Sequence[Pending]) -> list[Pending]:
        """The steps with the last change of their devices, which are looked up all at once."""
        wanted = {
            one.move.record.line.device_id for one in batch if one.wants_change and one.move.transition is not None
        }
        found = await self._store.last_changes(tuple(wanted)) if wanted else {}
        return [_with_change(one, found.get(one.move.record.line.device_id, "")) for one in batch]


def _with_change(one: Pending, found: str) -> Pending:
    if not one.wants_change or one.move.transition is None or not found:
        return one
    transition = replace(one.move.transition, last_change=found)
    events = tuple(
        replace(event, data={**event.data, "last_change": found}) if "last_change" in event.data else event
        for event in one.move.events
    )
    return replace(one, move=Move(one.move.record, transition, one.move.incidents, events, one.move.at))
