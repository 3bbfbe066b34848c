"""What is looked for now and then beside what is seen: orders, set-ups, planned tests, whom to keep ready."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from cpe_manager.domain.errors import CpeManagerError, StoreError
from cpe_manager.domain.failover.failover_policy import test_due
from cpe_manager.domain.failover.lines import Carrier, Condition, FailoverState
from cpe_manager.ports.clock import Clock, Ids
from cpe_manager.ports.lines import LineStore
from cpe_manager.services.failover.acts import Conducting
from cpe_manager.services.failover.fleet import Fleet
from cpe_manager.services.failover.waiting import woken
from cpe_manager.services.failover.writing import Writer

log = structlog.get_logger()

ASK_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 10.0
"""Between looks for lines that were set up, changed or taken away."""
PLAN_SECONDS: Final = 60.0
TESTS_AT_ONCE: Final = 2


class LineObserver(Protocol):
    """Told of what is decided; the metrics implement it."""

    def lines(self, states: Mapping[str, int]) -> None: ...

    def decided(self, seconds: float) -> None: ...

    def acted(self, act: str, ok: bool, seconds: float) -> None: ...


class Readying(Protocol):
    """Keeps devices ready for a swift switch."""

    def want(self, device_ids: Sequence[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class WatcherParts:
    store: LineStore
    conductor: Conducting
    clock: Clock
    ids: Ids
    observer: LineObserver
    readying: Readying | None = None


class Rounds:
    """``asking`` and ``looking`` run until they are cancelled. ``news`` is called when lines came, went or changed."""

    def __init__(self, parts: WatcherParts, fleet: Fleet, writer: Writer, news: Callable[[], None]) -> None:
        self._parts, self._fleet, self._writer, self._news = parts, fleet, writer, news
        self.asked = asyncio.Event()

    async def asking(self) -> None:
        """Orders of operators, each second; lines that were set up or changed, now and then and when told."""
        looked = self._parts.clock.monotonic()
        while True:
            told = self.asked.is_set()
            self.asked.clear()
            try:
                await self._orders()
                if told or self._parts.clock.monotonic() - looked >= LOOK_SECONDS:
                    looked = self._parts.clock.monotonic()
                    await self._compare(await self._parts.store.revisions())
            except StoreError as error:
                log.error("lines.hindered", code=error.code, reason=str(error))
            await woken(self.asked, self._parts.clock, ASK_SECONDS)

    async def _orders(self) -> None:
        for record in await self._parts.store.asked():
            watched = self._fleet.lines.get(record.line.id)
            if watched is not None and not watched.writing and watched.record.revision < record.revision:
                self._fleet.add(record)
                self._fleet.mark(record.line.id)

    async def _compare(self, revisions: Mapping[str, int]) -> None:
        lines = self._fleet.lines
        gone = lines.keys() - revisions.keys()
        for line_id in gone:
            self._fleet.forget(line_id)
        stale = [line_id for line_id, revision in revisions.items() if self._stale(line_id, revision)]
        for line_id in stale:
            await self.reload(line_id)
        if gone or stale:
            self._news()

    def _stale(self, line_id: str, revision: int) -> bool:
        watched = self._fleet.lines.get(line_id)
        return watched is None or (watched.record.revision < revision and not watched.writing)

    async def reload(self, line_id: str) -> None:
        """A line as it stands in the database. Raises ``StoreError``."""
        try:
            record = await self._parts.store.line(line_id)
        except StoreError:
            raise
        except CpeManagerError:
            self._fleet.forget(line_id)
            return
        self._fleet.add(record)
        watched = self._fleet.lines[line_id]
        watched.writing = watched.switching = False
        self._fleet.mark(line_id)

    async def looking(self) -> None:
        """Each second: who is to be kept ready, figures, nodes that are up again; each minute: planned tests."""
        plan = 0.0
        while True:
            self._keep_ready()
            self._parts.observer.lines(Counter(one.record.state.value for one in self._fleet.lines.values()))
            self._nodes_up()
            if self._parts.clock.monotonic() >= plan:
                plan = self._parts.clock.monotonic() + PLAN_SECONDS
                await self._plan_tests()
            await self._parts.clock.sleep(ASK_SECONDS)

    def _keep_ready(self) -> None:
        """Lines in doubt first, then those whose outage has to stay short."""
        if self._parts.readying is None:
            return
        doubtful, quick = [], []
        for one in self._fleet.lines.values():
            setup, record = one.record.line.setup, one.record
            if setup.entitled or setup.moves != "manager" or record.carrier is not Carrier.FIXED:
                continue
            if record.state in {FailoverState.SUSPECT, FailoverState.FAILED}:
                doubtful.append(record.line.device_id)
            elif record.state is FailoverState.FIXED and one.policy.probe_every < 1:
                quick.append(record.line.device_id)
        self._parts.readying.want([*doubtful, *quick])

    def _nodes_up(self) -> None:
        """A parent incident is closed when its node is not down any more; lines of which nothing is known keep it."""
        for node in self._fleet.parents.keys() - self._fleet.down:
            lines = self._fleet.of_node(node)
            if not any(one.condition is Condition.UNKNOWN for one in lines):
                del self._fleet.parents[node]
                self._writer.node(node, tuple(one.record.line.id for one in lines), None)

    async def _plan_tests(self) -> None:
        at, lines = self._parts.clock.now(), self._fleet.lines.values()
        running = sum(one.record.wanted == "test" for one in lines)
        due = [
            one for one in lines if one.condition is Condition.UP and test_due(one.record, at.timestamp(), one.policy)
        ]
        for one in due[: max(0, TESTS_AT_ONCE - running)]:
            line = one.record.line
            key = f"test:{line.id}:{at:%Y-%m-%d}"
            try:
                await self._parts.store.want(
                    line.id, "test", by="schedule", at=at, reason="planned exercise", key=key
                )  # fmt: skip
            except CpeManagerError as error:
                log.error("lines.test_not_asked", device=line.device, reason=str(error))
