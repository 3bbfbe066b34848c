"""Watches every line: what is seen of it goes in, what is decided is written down, and then it is done (§3.8).

All lines are in the memory of the one process that has the lead, with one heap of timers. `observe` never waits. What
changes is written in batches; what has an effect is written before it, at once, and then handed to the conductor,
whose outcome comes back as one more thing to decide upon. After a restart what was under way goes on under its own
name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from cpe_manager.domain.errors import StoreError
from cpe_manager.domain.failover.failover import act_under_way, decide, record_after
from cpe_manager.domain.failover.failover_policy import may_return, may_switch
from cpe_manager.domain.failover.line_outlook import with_due
from cpe_manager.domain.failover.line_watch import observe, verdict
from cpe_manager.domain.failover.lines import Act, Carrier, Evidence, FailoverPolicy, FailoverState, LineRecord, Verdict
from cpe_manager.domain.failover.mobile_volume import volume_of
from cpe_manager.services.failover.acts import Acts
from cpe_manager.services.failover.conductor import Done
from cpe_manager.services.failover.fleet import Fleet, Watched
from cpe_manager.services.failover.moves import Change, Pending, move_of
from cpe_manager.services.failover.rounds import Rounds, WatcherParts
from cpe_manager.services.failover.sensing_terms import is_moved
from cpe_manager.services.failover.volumes import Volumes
from cpe_manager.services.failover.waiting import woken
from cpe_manager.services.failover.writing import Writer

log = structlog.get_logger()

SLICE_SECONDS: Final = 0.005
"""After so much deciding the loop gets a turn: probes are answered meanwhile."""
LOOK_SECONDS: Final = 10.0
"""Between looks for lines that were set up, changed or taken away."""
LEAD_SECONDS: Final = 6.0
"""How long a process that died keeps the others from watching."""


@dataclass(frozen=True, slots=True)
class WatcherRules:
    """``owner`` names this process; ``policy`` is the installation's, ``freezes`` its change freezes."""

    owner: str
    policy: FailoverPolicy = field(default_factory=FailoverPolicy)
    freezes: str = ""


class Watcher:
    """``run`` is a task of the daemon's; `observe`, `nudge` and `records` are for others of the same loop."""

    def __init__(self, parts: WatcherParts, rules: WatcherRules) -> None:
        self._parts, self._rules = parts, rules
        self._fleet = Fleet(rules.policy)
        self._writer = Writer(parts.store, parts.clock, self._written, self._refused, self._opened)
        self._acts = Acts(parts.conductor, parts.clock, self._came, parts.observer)
        self._rounds = Rounds(parts, self._fleet, self._writer, self._news)
        self._volumes = Volumes(parts.store, self._fleet, parts.clock)
        self._stopping = False
        self.leading = False
        self.changed: Callable[[], None] = lambda: None
        """Called when lines were added, changed or taken away; whoever looks at lines sets it."""
        self.suspected: Callable[[str], None] = lambda _line_id: None
        """Called when something speaks against a line, so that it is looked at more closely."""
        self.moved: Callable[[str, bool], None] = lambda _line_id, _moved: None
        """Called when a line's traffic begins to be moved to mobile (True), and when the fixed line carries again."""

    # What others call.

    def observe(self, seen: Evidence) -> None:
        """Never waits, never raises; what is not of a line of ours is passed over."""
        watched = self._fleet.lines.get(seen.line_id)
        if watched is None:
            return
        news = observe(watched.memory, seen, watched.policy)
        if seen.octets:
            watched.volume = watched.volume.plus(seen.octets, seen.at)
        if news:
            self._fleet.mark(seen.line_id)

    def nudge(self) -> None:
        """Somebody in this process has asked for something, or set a line up."""
        self._rounds.asked.set()

    def records(self) -> list[LineRecord]:
        """The lines that are watched here; none while another process has the lead."""
        return [one.record for one in self._fleet.lines.values()]

    @property
    def deciding(self) -> int:
        """How many lines something speaks against, or are being moved at this moment."""
        return len(self._fleet.decided_on)

    def policy(self, line_id: str) -> FailoverPolicy:
        found = self._fleet.lines.get(line_id)
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
                    self._judging, self._writer.run, self._rounds.asking, self._rounds.looking, self._staying,
                    self._volumes.run,
                )  # fmt: skip
            except StoreError as error:
                log.error("lines.hindered", code=error.code, reason=str(error))
                await self._parts.clock.sleep(1.0)
            finally:
                self.leading = False
                await self._let_go()

    # Being the one.

    async def take_over(self) -> None:
        """Where there is one process alone: whoever had the lead before it is gone. Raises ``StoreError``."""
        now = self._parts.clock.now()
        until = now + timedelta(seconds=LEAD_SECONDS)
        await self._parts.store.lead(self._rules.owner, until, now + timedelta(days=1))

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
        await self._volumes.flush()
        self._writer.drop()
        self._fleet.clear()
        self.changed()

    async def _load(self) -> None:
        """Read everything, and take up what a process before this one has left half-way."""
        for record in await self._parts.store.watched():
            self._fleet.add(record)
        after: str | None = None
        while True:
            page = await self._parts.store.incidents(open_only=True, after=after, limit=500)
            self._fleet.open_incidents(page.items)
            after = page.next
            if after is None:
                break
        log.info("lines.watched", lines=len(self._fleet.lines), owner=self._rules.owner)
        for line_id, watched in self._fleet.lines.items():
            act = act_under_way(watched.record)
            if act is not Act.NOTHING:
                log.info("failover.taken_up", device=watched.record.line.device, act=act.value)
                self._acts.begin(watched.record, watched.policy, act)
            self._fleet.mark(line_id)
        self.changed()

    # Deciding.

    def _now(self) -> float:
        return self._parts.clock.now().timestamp()

    async def _judging(self) -> None:
        loop, fleet = asyncio.get_running_loop(), self._fleet
        while True:
            fleet.wake.clear()
            fleet.ripen(self._now())
            began = loop.time()
            while not self._stopping and (watched := fleet.next()) is not None:
                self._judge(watched, self._now())
                if loop.time() - began > SLICE_SECONDS:
                    await asyncio.sleep(0)
                    began = loop.time()
            pause = fleet.ripen(self._now())
            await woken(fleet.wake, self._parts.clock, min(max(pause, 0.001), LOOK_SECONDS))

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
            may_switch=may_switch(
                record, policy, self._fleet.switching(record) if node_down else 0, octets=_capped(watched, said, now)
            ),
        )  # fmt: skip
        self._fleet.look_again(watched, decision.look_again, now)
        after = record_after(record, decision, said, now)
        if decision.act is Act.SWITCH:
            after = replace(after, switch_id=self._parts.ids.new(), push_id="")
            self._parts.observer.decided(max(0.0, now - said.since))
        elif done is not None and done.push_id and not decision.settled:
            after = replace(after, push_id=done.push_id)
        after = with_due(after, said, now, policy)
        parent = self._fleet.parents.get(record.line.node) if node_down else None
        at = datetime.fromtimestamp(now, UTC)
        change = Change(record, after, decision, at, watched.incidents, parent, watched.last_change)
        if change.written:
            self._write(watched, change)
        else:
            watched.done = None

    def _write(self, watched: Watched, change: Change) -> None:
        watched.writing = True
        counted = replace(change.after, mobile_bytes=watched.volume.octets, mobile_month=watched.volume.month)
        change = replace(change, after=counted)
        looked_for = change.after.state in {FailoverState.SUSPECT, FailoverState.FAILED} and not watched.last_change
        act = change.decision.act
        watched.switching = act is Act.SWITCH
        pending = Pending(move_of(change, self._parts.ids.new()), act, change.left, looked_for, watched.done)
        self._writer.put(pending, at_once=act is not Act.NOTHING)

    def _with_its_node(self, record: LineRecord, said: Verdict, now: float) -> bool:
        """Whether the line is down with its access node; the others are looked at when that begins or ends."""
        fleet, node = self._fleet, record.line.node
        lines = fleet.note(record, said, now)
        if lines and node not in fleet.down:
            fleet.down.add(node)
            log.warning("lines.node_down", node=node, lines=len(lines))
            self._writer.node(node, lines, f"access node {node} is down: {len(lines)} lines went at once")
            for other in lines:
                fleet.mark(other)
        elif not lines:
            fleet.down.discard(node)
        return record.line.id in lines

    def _opened(self, node: str, incident_id: str | None) -> None:
        """The parent incident of a node, once it is written."""
        if incident_id is not None:
            self._fleet.parents[node] = incident_id

    # What comes back.

    async def _written(self, pending: Pending) -> None:
        watched = self._fleet.lines.get(pending.line_id)
        if watched is None:
            return
        before = watched.record
        watched.writing = watched.switching = False
        self._fleet.stands(watched, replace(pending.move.record, revision=pending.move.record.revision + 1))
        watched.written = volume_of(watched.record)
        watched.incidents = pending.left
        if watched.done is pending.done:
            watched.done = None
        if pending.move.transition is not None:
            watched.last_change = pending.move.transition.last_change
            if watched.record.state is FailoverState.FIXED:
                watched.last_change = ""
        if pending.act is not Act.NOTHING and not self._stopping:
            self._acts.begin(watched.record, watched.policy, pending.act)
        if watched.record.state is FailoverState.SUSPECT and before.state is not FailoverState.SUSPECT:
            self.suspected(pending.line_id)
        if (moved := is_moved(watched.record)) is not is_moved(before):
            self.moved(pending.line_id, moved)
        self._fleet.mark(pending.line_id)

    async def _refused(self, pending: Pending) -> None:
        """Somebody else has written the line since it was read: an order, or a set-up."""
        await self._rounds.reload(pending.line_id)

    def _came(self, line_id: str, done: Done) -> None:
        watched = self._fleet.lines.get(line_id)
        if watched is not None:
            watched.done = done
            self._fleet.mark(line_id)

    def _news(self) -> None:
        self.changed()


def _capped(watched: Watched, said: Verdict, now: float) -> int:
    """Octets over mobile that a cap is compared with. A box that has moved by itself spends them whatever we do: that
    the edge does not follow would only take the customer's address from them."""
    there = watched.record.line.setup.moves == "cpe" and said.carries is Carrier.MOBILE
    return 0 if there else watched.volume.within(now)
