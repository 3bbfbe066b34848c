"""What the operator's edges say of their BFD and BGP sessions: one question for all lines of an edge, several times a
second, and evidence for the lines whose neighbour it is (by the addresses of the box's next hops)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any, Final

import structlog

from cpe_manager.domain.errors import CpeManagerError
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.platform import EdgeSession, Platforms
from cpe_manager.services.failover.agenda import NEVER, Agenda, Entry
from cpe_manager.services.failover.evidence import TELL_AGAIN, neighbours
from cpe_manager.services.failover.sensed_lines import SensedLine
from cpe_manager.services.failover.sensing_terms import Rhythm, Sink

log = structlog.get_logger(__name__)

NOTHING: Final[Mapping[str, EdgeSession]] = {}


class _Edge:
    """A platform that lines hang on."""

    __slots__ = ("credit", "entry", "error", "found", "lines", "name", "place", "told_at")

    def __init__(self, name: str, now: float) -> None:
        self.name, self.error = name, ""
        self.entry = Entry(lambda _now: NEVER)
        self.lines: list[SensedLine] = []
        self.found: Mapping[str, EdgeSession] = NOTHING
        self.place, self.credit, self.told_at = 0, 0.0, now

    def round(self, now: float) -> list[SensedLine]:
        """The lines whose turn it is to be told of again: all of them come by within ``TELL_AGAIN`` seconds, a few at
        each answer, so that there is no wave."""
        self.credit += min(1.0, (now - self.told_at) / TELL_AGAIN) * len(self.lines)
        self.told_at, number = now, min(int(self.credit), len(self.lines))
        self.credit -= number
        first = self.place % max(1, len(self.lines))
        self.place = first + number
        return self.lines[first : self.place] + self.lines[: max(0, self.place - len(self.lines))]


class EdgeSensing:
    """Part of ``Sensing``: ``begin`` runs a coroutine as one of its tasks."""

    def __init__(
        self,
        platforms: Platforms,
        agenda: Agenda,
        begin: Callable[[Coroutine[Any, Any, None], str], None],
        sink: Sink,
        clock: Clock,
        rhythm: Rhythm,
    ) -> None:
        self._platforms, self._agenda, self._begin = platforms, agenda, begin
        self._sink, self._clock, self._rhythm = sink, clock, rhythm
        self._edges: dict[str, _Edge] = {}
        self.heard = float("-inf")
        """When an edge answered last, monotonic."""

    def set_lines(self, lines: Iterable[SensedLine], now: float) -> None:
        by_platform: dict[str, list[SensedLine]] = {}
        for line in lines:
            if line.platform:
                by_platform.setdefault(line.platform, []).append(line)
        for name in set(self._edges) - set(by_platform):
            self._agenda.drop(self._edges.pop(name).entry)
        for name, its in by_platform.items():
            edge = self._edges.get(name)
            if edge is None:
                edge = self._edges[name] = _Edge(name, now)
                edge.entry.fire = partial(self._ask, edge)
                self._agenda.put(edge.entry, now)
            edge.lines, edge.found = its, NOTHING

    def _ask(self, edge: _Edge, _now: float) -> float:
        self._begin(self._asked(edge), "edge-sessions")
        return NEVER

    async def _asked(self, edge: _Edge) -> None:
        """The next question is planned when the answer is there: a slow edge is not asked twice at once."""
        rhythm, began = self._rhythm, self._clock.monotonic()
        again = rhythm.edge_retry
        try:
            found = await self._platforms.get(edge.name).sessions()
            now = self._clock.monotonic()
            self._compare(edge, neighbours(found or NOTHING), now)
            took = self._clock.monotonic() - began
            edge.error, again = "", rhythm.edge_silent
            if found is not None:
                self.heard = now
                # An edge with thousands of sessions gets time between two lists of them, and so do we.
                again = max(rhythm.edge_every - took, 0.5 * took, rhythm.turn)
        except CpeManagerError as error:
            self._compare(edge, NOTHING, self._clock.monotonic())
            if edge.error != error.code:
                log.warning("sensing.edge_silent", platform=edge.name, code=error.code, reason=str(error))
            edge.error = error.code
        finally:
            if self._edges.get(edge.name) is edge:
                self._agenda.put(edge.entry, self._clock.monotonic() + again)

    def _compare(self, edge: _Edge, found: Mapping[str, EdgeSession], now: float) -> None:
        """Told are changes, and what stands of lines whose turn it is, and of those that something speaks against."""
        if found != edge.found:
            edge.found = found
            self._tell(edge.lines, found, again=False)
        if found:
            suspect = [line for line in edge.lines if line.misses > 0 or line.hurried_until > now]
            self._tell([*edge.round(now), *suspect], found, again=True)

    def _tell(self, lines: Iterable[SensedLine], found: Mapping[str, EdgeSession], *, again: bool) -> None:
        at = self._clock.now().timestamp()
        for line in lines:
            if line.gone:
                continue
            for memory, addresses in line.edges:
                session = next((found[address] for address in addresses if address in found), None)
                for evidence in memory.evidence(session, at, again=again):
                    self._sink(evidence)
