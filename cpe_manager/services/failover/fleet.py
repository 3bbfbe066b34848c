"""The watched lines in memory: with what was seen of them, whose turn it is to be judged, and which nodes are down."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.failover.failover_policy import policy_of
from cpe_manager.domain.failover.line_watch import Memory
from cpe_manager.domain.failover.lines import Condition, FailoverPolicy, FailoverState, Incident, LineRecord, Verdict
from cpe_manager.domain.failover.mobile_volume import MonthVolume, volume_of
from cpe_manager.domain.failover.node_watch import Nodes
from cpe_manager.services.failover.conductor import Done
from cpe_manager.services.failover.moves import Incidents

log = structlog.get_logger()

NEVER: Final = float("inf")
_NOTHING: Final = MonthVolume()


@dataclass(slots=True)
class Watched:
    """One line in memory."""

    record: LineRecord
    policy: FailoverPolicy
    memory: Memory = field(default_factory=Memory)
    incidents: Incidents = field(default_factory=Incidents)
    done: Done | None = None
    writing: bool = False
    switching: bool = False
    """A switch is being written."""
    due: float = float("inf")
    condition: Condition = Condition.UNKNOWN
    """Of the last verdict."""
    suspicion: bool = False
    last_change: str = ""
    volume: MonthVolume = _NOTHING
    """Over mobile, as it is counted here; ``written``: as the database has it."""
    written: MonthVolume = _NOTHING
    told: str = ""
    """Mark of what was told of its data cap by this process, as far as it knows."""


_DECIDED_ON: Final = frozenset({FailoverState.SUSPECT, FailoverState.SWITCHING, FailoverState.RETURNING})
"""States that a line leaves within moments, by what is decided and done."""


class Fleet:
    """``policy`` is the installation's."""

    def __init__(self, policy: FailoverPolicy) -> None:
        self._policy = policy
        self.lines: dict[str, Watched] = {}
        self.parents: dict[str, str] = {}
        """Open parent incidents by access node."""
        self.down: set[str] = set()
        """Access nodes that are down."""
        self.decided_on: set[str] = set()
        """Lines that something speaks against, or that are being moved."""
        self.wake = asyncio.Event()
        self._nodes = Nodes()
        self._dirty: dict[str, None] = {}
        self._timers: list[tuple[float, int, str]] = []
        self._order = itertools.count()

    def clear(self) -> None:
        self.lines.clear()
        self.parents.clear()
        self.down.clear()
        self.decided_on.clear()
        self._nodes = Nodes()
        self._dirty.clear()
        self._timers.clear()

    def add(self, record: LineRecord) -> None:
        """A line, or what somebody else has written of one that is here."""
        line_id, node = record.line.id, record.line.node
        known = self.lines.get(line_id)
        policy = self.policy(record)
        if known is None:
            volume = volume_of(record)
            new = self.lines[line_id] = Watched(record, policy, volume=volume, written=volume)
            self.stands(new, record)
            self._nodes.note(node, line_id, None)
            return
        if known.record.line.node != node:
            self._nodes.forget(known.record.line.node, line_id)
            self._nodes.note(node, line_id, None)
        known.policy = policy
        self.stands(known, record)

    def stands(self, watched: Watched, record: LineRecord) -> None:
        """A line as it is written."""
        watched.record = record
        change = self.decided_on.add if record.state in _DECIDED_ON else self.decided_on.discard
        change(record.line.id)

    def forget(self, line_id: str) -> None:
        watched = self.lines.pop(line_id, None)
        self.decided_on.discard(line_id)
        if watched is not None:
            self._nodes.forget(watched.record.line.node, line_id)

    def policy(self, record: LineRecord) -> FailoverPolicy:
        try:
            return policy_of(record.line.setup.policy, self._policy)
        except InputError as error:
            log.error("lines.policy_refused", device=record.line.device, reason=str(error))
            return self._policy

    def open_incidents(self, found: Sequence[Incident]) -> None:
        """Incidents that a process before this one has opened."""
        for one in found:
            if one.subject == "node":
                self.parents[one.node] = one.id
            elif (watched := self.lines.get(one.line_id or "")) is not None:
                line = one.subject == "line"
                before = watched.incidents
                watched.incidents = replace(before, priority=one.priority) if line else replace(before, defective=True)

    # Whose turn it is.

    def mark(self, line_id: str) -> None:
        self._dirty[line_id] = None
        self.wake.set()

    def next(self) -> Watched | None:
        """A line that is to be judged; one whose last step is being written comes again when it is."""
        while self._dirty:
            line_id = next(iter(self._dirty))
            del self._dirty[line_id]
            watched = self.lines.get(line_id)
            if watched is not None and not watched.writing:
                return watched
        return None

    def look_again(self, watched: Watched, at: float | None, now: float) -> None:
        """From now on it is looked at then, if nothing is seen before."""
        if at is None:
            watched.due = NEVER
            return
        due = max(at, now + 0.001)
        if due != watched.due:
            watched.due = due
            heapq.heappush(self._timers, (due, next(self._order), watched.record.line.id))

    def ripen(self, now: float) -> float:
        """Mark those whose time has come; the seconds until the next one's has (`NEVER` when there is none)."""
        while self._timers and self._timers[0][0] <= now:
            due, _, line_id = heapq.heappop(self._timers)
            watched = self.lines.get(line_id)
            if watched is not None and watched.due == due:
                watched.due = NEVER
                self._dirty[line_id] = None
        return self._timers[0][0] - now if self._timers else NEVER

    # Access nodes.

    def note(self, record: LineRecord, said: Verdict, now: float) -> tuple[str, ...]:
        """The lines that are down with the access node of this one; empty when it is not down."""
        node = record.line.node
        if not node:
            return ()
        since = said.since if said.condition is Condition.LINE_DOWN else None
        self._nodes.note(node, record.line.id, since)
        return self._nodes.down(node, now, self._policy)

    def of_node(self, node: str) -> list[Watched]:
        return [one for one in self.lines.values() if one.record.line.node == node]

    def switching(self, record: LineRecord) -> int:
        """Other lines of its node that are being switched."""
        others = (one for one in self.of_node(record.line.node) if one.record.line.id != record.line.id)
        return sum(one.switching or one.record.state is FailoverState.SWITCHING for one in others)
