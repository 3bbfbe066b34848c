"""Watches every line: what is seen of it goes in, what is decided is written down, and then it is done (§3.8).

All lines are in the memory of the one process that has the lead, with one heap of timers. `observe` never waits. What
changes is written in batches; what has an effect is written before it, at once, and then handed to the conductor,
whose outcome comes back as one more thing to decide upon. After a restart what was under way goes on under its own
name.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import structlog

from cpe_manager.domain.errors import CpeManagerError, InputError, StoreError
from cpe_manager.domain.failover import act_under_way, decide, record_after
from cpe_manager.domain.failover_policy import may_return, may_switch, policy_of, test_due
from cpe_manager.domain.line_watch import Memory, observe, verdict
from cpe_manager.domain.lines import (
    Act,
    Carrier,
    Condition,
    Decision,
    Evidence,
    FailoverPolicy,
    FailoverState,
    LineRecord,
    Verdict,
)
from cpe_manager.domain.node_watch import Nodes
from cpe_manager.ports.clock import Clock, Ids
from cpe_manager.ports.lines import LineStore
from cpe_manager.services.failover import Done
from cpe_manager.services.line_acts import Acts, Conducting
from cpe_manager.services.line_moves import Change, Incidents, Pending, move_of
from cpe_manager.services.line_writing import Writer

log = structlog.get_logger()

SLICE_SECONDS: Final = 0.005
"""After so much deciding the loop gets a turn: probes are answered meanwhile."""
ASK_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 10.0
"""Between looks for lines that were set up, changed or taken away."""
LEAD_SECONDS: Final = 15.0
TESTS_AT_ONCE: Final = 2
CALM: Final = frozenset({Condition.UP})


class LineObserver(Protocol):
    """Told of what is decided; the metrics implement it."""

    def lines(self, states: Mapping[str, int]) -> None: ...

    def decided(self, seconds: float) -> None: ...

    def acted(self, act: str, ok: bool, seconds: float) -> None: ...  # noqa: FBT001


class Readying(Protocol):
    """Keeps devices ready for a swift switch."""

    def want(self, device_ids: list[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class WatcherParts:
    store: LineStore
    conductor: Conducting
    clock: Clock
    ids: Ids
    observer: LineObserver
    readying: Readying | None = None


@dataclass(frozen=True, slots=True)
class WatcherRules:
    """``owner`` names this process; ``policy`` is the installation's, ``freezes`` its change freezes."""

    owner: str
    policy: FailoverPolicy = field(default_factory=FailoverPolicy)
    freezes: str = ""


@dataclass(slots=True)
class Watched:
    """One line in memory."""

    record: LineRecord
    policy: FailoverPolicy
    memory: Memory = field(default_factory=Memory)
    incidents: Incidents = field(default_factory=Incidents)
    done: Done | None = None
    writing: bool = False
    due: float = float("inf")
    condition: Condition = Condition.UNKNOWN
    """Of the last verdict."""
    suspicion: bool = False
    last_change: str = ""


class Watcher:
    """``run`` is a task of the daemon's; `observe`, `nudge` and `records` are for others of the same loop."""

    def __init__(self, parts: WatcherParts, rules: WatcherRules) -> None:
        self._parts, self._rules = parts, rules
        self._lines: dict[str, Watched] = {}
        self._nodes = Nodes()
        self._parents: dict[str, str] = {}
        self._down: set[str] = set()
        self._dirty: dict[str, None] = {}
        self._timers: list[tuple[float, int, str]] = []
        self._order = itertools.count()
        self._wake, self._asked = asyncio.Event(), asyncio.Event()
        self._writer = Writer(parts.store, parts.clock, self._written, self._refused, self._opened)
        self._acts = Acts(parts.conductor, parts.clock, self._came, parts.observer)
        self._stopping = False
        self.leading = False
        self.changed: Callable[[], None] = lambda: None
        """Called when lines were added, changed or taken away; whoever looks at lines sets it."""

    # What others call.

    def observe(self, seen: Evidence) -> None:
        """Never waits, never raises; what is not of a line of ours is passed over."""
        watched = self._lines.get(seen.line_id)
        if watched is None:
            return
        observe(watched.memory, seen, watched.policy)
        calm = seen.ok is True and watched.condition in CALM and not watched.suspicion and seen.carries is None
        if not calm or watched.record.state is not FailoverState.FIXED:
            self._mark(seen.line_id)

    def nudge(self) -> None:
        """Somebody in this process has asked for something, or set a line up."""
        self._asked.set()

    def records(self) -> list[LineRecord]:
        """The lines that are watched here; none while another process has the lead."""
        return [one.record for one in self._lines.values()]

    def policy(self, line_id: str) -> FailoverPolicy:
        found = self._lines.get(line_id)
        return self._rules.policy if found is None else found.policy

    def stop(self) -> None:
        """Phase one: nothing new is begun."""
        self._stopping = True

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if not await self._lead():
                await self._parts.clock.sleep(LEAD_SECONDS / 3)
                continue
            self.leading = True
            try:
                await self._load()
                await self._together(
                    self._judging, self._writer.run, self._asking, self._looking, self._staying
                )  # fmt: skip
            except StoreError as error:
                log.error("lines.hindered", code=error.code, reason=str(error))
                await self._parts.clock.sleep(1.0)
            finally:
                self.leading = False
                await self._let_go()

    # Being the one.

    async def _lead(self) -> bool:
        now = self._parts.clock.now()
        try:
            return await self._parts.store.lead(self._rules.owner, now + timedelta(seconds=LEAD_SECONDS), now)
        except StoreError as error:
            log.error("lines.lead_refused", code=error.code, reason=str(error))
            return False

    async def _staying(self) -> None:
        """Returns when the lead is lost, or could not be kept until it ran out."""
        kept = self._parts.clock.monotonic()
        while True:
            await self._parts.clock.sleep(LEAD_SECONDS / 3)
            if await self._lead():
                kept = self._parts.clock.monotonic()
            elif self._parts.clock.monotonic() - kept >= LEAD_SECONDS * 0.6:
                log.warning("lines.lead_lost", owner=self._rules.owner)
                return

    async def _together(self, *bodies: Callable[[], Awaitable[None]]) -> None:
        """Until one of them ends; the others end with it."""
        tasks = [asyncio.ensure_future(body()) for body in bodies]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _let_go(self) -> None:
        await self._acts.stop()
        self._writer.drop()
        self._lines.clear()
        self._nodes, self._parents = Nodes(), {}
        self._down.clear()
        self._dirty.clear()
        self._timers.clear()
        self.changed()

    async def _load(self) -> None:
        """Read everything, and take up what a process before this one has left half-way."""
        for record in await self._parts.store.watched():
            self._add(record)
        after: str | None = None
        while True:
            page = await self._parts.store.incidents(open_only=True, after=after, limit=500)
            for one in page.items:
                if one.subject == "node":
                    self._parents[one.node] = one.id
                elif (watched := self._lines.get(one.line_id or "")) is not None:
                    how = {"priority": one.priority} if one.subject == "line" else {"defective": True}
                    watched.incidents = replace(watched.incidents, **how)
            after = page.next
            if after is None:
                break
        log.info("lines.watched", lines=len(self._lines), owner=self._rules.owner)
        for line_id, watched in self._lines.items():
            act = act_under_way(watched.record)
            if act is not Act.NOTHING:
                log.info("failover.taken_up", device=watched.record.line.device, act=act.value)
                self._acts.begin(watched.record, watched.policy, act)
            self._mark(line_id)
        self.changed()

    def _add(self, record: LineRecord) -> None:
        known = self._lines.get(record.line.id)
        policy = self._policy(record)
        if known is None:
            self._lines[record.line.id] = Watched(record, policy)
            self._nodes.note(record.line.node, record.line.id, None)
            return
        if known.record.line.node != record.line.node:
            self._nodes.forget(known.record.line.node, record.line.id)
            self._nodes.note(record.line.node, record.line.id, None)
        known.record, known.policy = record, policy

    def _policy(self, record: LineRecord) -> FailoverPolicy:
        try:
            return policy_of(record.line.setup.policy, self._rules.policy)
        except InputError as error:
            log.error("lines.policy_refused", device=record.line.device, reason=str(error))
            return self._rules.policy

    # Deciding.

    def _mark(self, line_id: str) -> None:
        self._dirty[line_id] = None
        self._wake.set()

    def _now(self) -> float:
        return self._parts.clock.now().timestamp()

    async def _judging(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            self._ripen(self._now())
            began = loop.time()
            while self._dirty and not self._stopping:
                line_id = next(iter(self._dirty))
                del self._dirty[line_id]
                watched = self._lines.get(line_id)
                if watched is not None and not watched.writing:
                    self._judge(watched, self._now())
                if loop.time() - began > SLICE_SECONDS:
                    await asyncio.sleep(0)
                    began = loop.time()
            pause = self._timers[0][0] - self._now() if self._timers else LOOK_SECONDS
            await self._woken(self._wake, min(max(pause, 0.001), LOOK_SECONDS))

    async def _woken(self, event: asyncio.Event, seconds: float) -> None:
        if event.is_set():
            return
        sleep = asyncio.ensure_future(self._parts.clock.sleep(seconds))
        told = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait({sleep, told}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            told.cancel()

    def _ripen(self, now: float) -> None:
        while self._timers and self._timers[0][0] <= now:
            due, _, line_id = heapq.heappop(self._timers)
            watched = self._lines.get(line_id)
            if watched is not None and watched.due == due:
                watched.due = float("inf")
                self._dirty[line_id] = None

    def _judge(self, watched: Watched, now: float) -> None:
        record, policy = watched.record, watched.policy
        said = verdict(watched.memory, now, policy)
        watched.condition, watched.suspicion = said.condition, said.suspicion
        node_down = self._with_its_node(record, said, now)
        done = watched.done
        decision = decide(
            record, said, now, policy, node_down=node_down, entitled=record.line.setup.entitled,
            done=None if done is None else done.outcome,
            may_return=may_return(now, policy, self._rules.freezes),
            may_switch=may_switch(record, policy, self._switching(record) if node_down else 0),
        )  # fmt: skip
        watched.done = None
        self._set_timer(record.line.id, watched, decision, now)
        after = record_after(record, decision, said, now)
        if decision.act is Act.SWITCH:
            after = replace(after, switch_id=self._parts.ids.new(), push_id="")
            self._parts.observer.decided(max(0.0, now - said.since))
        elif done is not None and done.push_id and not decision.settled:
            after = replace(after, push_id=done.push_id)
        parent = self._parents.get(record.line.node) if node_down else None
        at = datetime.fromtimestamp(now, UTC)
        change = Change(record, after, decision, at, watched.incidents, parent, watched.last_change)
        if change.written:
            self._write(watched, change)

    def _write(self, watched: Watched, change: Change) -> None:
        watched.writing = True
        looked_for = change.after.state in {FailoverState.SUSPECT, FailoverState.FAILED} and not watched.last_change
        act = change.decision.act
        pending = Pending(move_of(change, self._parts.ids.new()), act, change.left, looked_for)
        self._writer.put(pending, at_once=act is not Act.NOTHING)

    def _set_timer(self, line_id: str, watched: Watched, decision: Decision, now: float) -> None:
        if decision.look_again is None:
            watched.due = float("inf")
            return
        due = max(decision.look_again, now + 0.001)
        if due != watched.due:
            watched.due = due
            heapq.heappush(self._timers, (due, next(self._order), line_id))

    def _with_its_node(self, record: LineRecord, said: Verdict, now: float) -> bool:
        """Whether the line is down with its access node; the others are looked at when that begins or ends."""
        node, line_id = record.line.node, record.line.id
        if not node:
            return False
        since = said.since if said.condition is Condition.LINE_DOWN else None
        self._nodes.note(node, line_id, since)
        lines = self._nodes.down(node, now, self._rules.policy)
        if bool(lines) != (node in self._down):
            if lines:
                self._down.add(node)
                words = f"access node {node} is down: {len(lines)} lines went at once"
                log.warning("lines.node_down", node=node, lines=len(lines))
                self._writer.node(node, lines, words)
            else:
                self._down.discard(node)
            for other in lines:
                self._mark(other)
        return line_id in lines

    def _switching(self, record: LineRecord) -> int:
        node = record.line.node
        others = (one.record for one in self._lines.values() if one.record.line.node == node)
        return sum(one.state is FailoverState.SWITCHING and one.line.id != record.line.id for one in others)

    # What comes back.

    async def _written(self, pending: Pending) -> None:
        watched = self._lines.get(pending.line_id)
        if watched is None:
            return
        before = watched.record
        watched.writing = False
        watched.record = replace(pending.move.record, revision=pending.move.record.revision + 1)
        watched.incidents = pending.left
        if pending.move.transition is not None:
            watched.last_change = pending.move.transition.last_change
            if watched.record.state is FailoverState.FIXED:
                watched.last_change = ""
        if pending.act is not Act.NOTHING and not self._stopping:
            self._acts.begin(watched.record, watched.policy, pending.act)
        if watched.record.state is not before.state:
            self.changed()
        self._mark(pending.line_id)

    async def _refused(self, pending: Pending) -> None:
        """Somebody else has written the line since it was read: an order, or a set-up."""
        await self._reload(pending.line_id)

    def _came(self, line_id: str, done: Done) -> None:
        watched = self._lines.get(line_id)
        if watched is not None:
            watched.done = done
            self._mark(line_id)

    async def _reload(self, line_id: str) -> None:
        try:
            record = await self._parts.store.line(line_id)
        except StoreError:
            raise
        except CpeManagerError:
            self._forget(line_id)
            return
        self._add(record)
        self._lines[line_id].writing = False
        self._mark(line_id)

    def _forget(self, line_id: str) -> None:
        watched = self._lines.pop(line_id, None)
        if watched is not None:
            self._nodes.forget(watched.record.line.node, line_id)

    # What is looked for.

    async def _asking(self) -> None:
        """Orders of operators, each second; lines that were set up or changed, now and then and when told."""
        looked = self._parts.clock.monotonic()
        while True:
            self._asked.clear()
            try:
                for record in await self._parts.store.asked():
                    watched = self._lines.get(record.line.id)
                    if watched is not None and not watched.writing and watched.record.revision != record.revision:
                        self._add(record)
                        self._mark(record.line.id)
                if self._asked.is_set() or self._parts.clock.monotonic() - looked >= LOOK_SECONDS:
                    looked = self._parts.clock.monotonic()
                    await self._compare(await self._parts.store.revisions())
            except StoreError as error:
                log.error("lines.hindered", code=error.code, reason=str(error))
            await self._woken(self._asked, ASK_SECONDS)
            if self._asked.is_set():
                looked = float("-inf")

    async def _compare(self, revisions: Mapping[str, int]) -> None:
        gone = self._lines.keys() - revisions.keys()
        for line_id in gone:
            self._forget(line_id)
        stale = [
            line_id
            for line_id, revision in revisions.items()
            if line_id not in self._lines
            or (self._lines[line_id].record.revision != revision and not self._lines[line_id].writing)
        ]
        for line_id in stale:
            await self._reload(line_id)
        if gone or stale:
            self.changed()

    async def _looking(self) -> None:
        """Each second: who is to be kept ready, figures; each minute: planned tests and nodes that are up again."""
        tests = 0.0
        while True:
            self._ready_ones()
            self._parts.observer.lines(Counter(one.record.state.value for one in self._lines.values()))
            self._nodes_up()
            if self._parts.clock.monotonic() >= tests:
                tests = self._parts.clock.monotonic() + 60.0
                await self._plan_tests(self._lines.values())
            await self._parts.clock.sleep(ASK_SECONDS)

    def _ready_ones(self) -> None:
        """Lines in doubt first, then those whose outage has to stay short."""
        if self._parts.readying is None:
            return
        doubtful, quick = [], []
        for one in self._lines.values():
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
        for node in list(self._parents.keys() - self._down):
            lines = [one for one in self._lines.values() if one.record.line.node == node]
            if not any(one.condition is Condition.UNKNOWN for one in lines):
                del self._parents[node]
                self._writer.node(node, tuple(one.record.line.id for one in lines), None)

    def _opened(self, node: str, incident_id: str | None) -> None:
        """The parent incident of a node, once it is written."""
        if incident_id is not None:
            self._parents[node] = incident_id

    async def _plan_tests(self, lines: Iterable[Watched]) -> None:
        at, now = self._parts.clock.now(), self._now()
        running = sum(one.record.wanted == "test" for one in self._lines.values())
        for one in lines:
            if running >= TESTS_AT_ONCE or self._stopping:
                return
            if one.condition is Condition.UP and test_due(one.record, now, one.policy):
                key = f"test:{one.record.line.id}:{at:%Y-%m-%d}"
                try:
                    await self._parts.store.want(
                        one.record.line.id, "test", by="schedule", at=at, reason="planned exercise", key=key
                    )
                except CpeManagerError as error:
                    log.error("lines.test_not_asked", device=one.record.line.device, reason=str(error))
                running += 1
