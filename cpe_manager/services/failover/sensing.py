"""Looks at every line from here, all the time, and hands on what is seen: echoes over both ways, SNMP polls,
connections to the management address, and what the edges say of their sessions.

One agenda for all lines, no task for each; what costs more than a callback (a poll, a connection) gets a task while it
runs, and there is a bound to those. When this process cannot keep up, polls become rarer, probes never do, and figures
say so. When nothing at all answers any more, it is us who cannot see: from then on silence speaks against nobody.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from zlib import crc32

import structlog

from cpe_manager.domain.errors import ConnectFailed, CredentialMissing, DeviceError
from cpe_manager.domain.failover.lines import Evidence, FailoverPolicy, LineRecord, Source, Way
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.platform import Platforms
from cpe_manager.ports.reach import Reach
from cpe_manager.ports.sensing import Echoes, LinePoller, LineReading, SensingFigures
from cpe_manager.services.failover.agenda import Agenda
from cpe_manager.services.failover.edge_sensing import EdgeSensing
from cpe_manager.services.failover.sensed_lines import Place, SensedLine, sensed
from cpe_manager.services.failover.sensing_terms import Rhythm, SensingObserver, Sink, is_moved

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Senses:
    """What is looked with."""

    echoes: Echoes
    poller: LinePoller
    reach: Reach
    platforms: Platforms


class Sensing:
    """``run`` goes on for ever; everything else is called from the same event loop and never waits."""

    def __init__(
        self,
        senses: Senses,
        sink: Sink,
        policy: FailoverPolicy,
        clock: Clock,
        observer: SensingObserver,
        rhythm: Rhythm | None = None,
    ) -> None:
        self.rhythm = rhythm or Rhythm()
        self._senses, self._sink, self._policy = senses, sink, policy
        self._clock, self._observer = clock, observer
        self._agenda = Agenda()
        self._lines: dict[str, SensedLine] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._polling = self._connecting = self._addresses = 0
        self._silent_in_a_row = 0
        self._lag = 0.0
        self._heard = float("-inf")
        self._figures = self._fresh()
        self._edges = EdgeSensing(senses.platforms, self._agenda, self._begin, sink, clock, self.rhythm)

    def set_lines(self, records: Iterable[LineRecord], places: Mapping[str, Place] | None = None) -> None:
        """From now on exactly these. What is known of a line that was looked at before stays where it is the same."""
        places = places or {}
        watched = [record for record in records if record.line.setup.watched]
        wanted = {record.line.id: record.line for record in watched}
        for line_id in set(self._lines) - set(wanted):
            self._forget(self._lines.pop(line_id))
        now = self._clock.monotonic()
        for line_id, line in wanted.items():
            before, place = self._lines.get(line_id), places.get(line_id)
            if before is not None and before.is_of(line.setup, place):
                continue
            if before is not None:
                self._forget(before)
            new = self._lines[line_id] = sensed(line, place, self._policy, before)
            self._start(new, now)
        for record in watched:
            self._move(self._lines[record.line.id], is_moved(record), now)
        self._addresses = sum(bool(line.fixed) + bool(line.mobile) for line in self._lines.values())
        self._edges.set_lines(self._lines.values(), now)

    def hurry(self, line_id: str) -> None:
        """Look at a line closely for a while, from now on: something speaks against it."""
        line, now, rhythm = self._lines.get(line_id), self._clock.monotonic(), self.rhythm
        if line is None:
            return
        if line.hurried_until <= now:
            fast = min(line.probe_every, rhythm.hurry_every)
            if line.echo.due > now + fast:
                self._agenda.put(line.echo, max(now, line.echoed_at + fast))
            self._agenda.put(line.poll, max(now, line.polled_at + rhythm.tcp_silent))
            if line.host:
                self._agenda.put(line.connect, now)
        line.hurried_until = now + rhythm.hurry

    def moved(self, line_id: str, moved: bool) -> None:
        """A line's traffic goes over mobile from now on, or again over the fixed line. That it has been decided ends
        the close look at it: whoever moves it proves the way by himself."""
        line = self._lines.get(line_id)
        if line is not None:
            line.hurried_until = float("-inf")
            self._move(line, moved, self._clock.monotonic())

    def _move(self, line: SensedLine, moved: bool, now: float) -> None:
        if moved and not line.moved and (line.fixed or line.mobile):
            self._agenda.put(line.echo, min(line.echo.due, max(now, line.echoed_at + line.probe_every)))
        line.moved = moved

    def counts(self) -> Mapping[str, int]:
        return {"lines": len(self._lines), "polling": self._polling, "connecting": self._connecting}

    @property
    def pressed(self) -> bool:
        """Whether this process hardly keeps up with looking, or did not within the last second or two."""
        late = max(self._lag, self._figures.lag)
        return self._figures.stretch > 1.0 or late > self.rhythm.pressed

    async def run(self) -> None:
        """For ever."""
        rhythm, clock, agenda = self.rhythm, self._clock, self._agenda
        reported = clock.monotonic()
        try:
            while True:
                now = clock.monotonic()
                done, late = agenda.work(now, rhythm.at_once)
                self._figures.lag = max(self._figures.lag, late)
                if now - reported >= rhythm.report:
                    self._report()
                    reported = now
                if done == rhythm.at_once:
                    await clock.sleep(0)
                    continue
                wait = agenda.next - clock.monotonic()
                await clock.sleep(min(rhythm.longest_turn, max(rhythm.turn, wait)))
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # Echoes

    def _start(self, line: SensedLine, now: float) -> None:
        """Spread over their periods by name, so that thousands of lines are no wave."""
        share = crc32(line.id.encode()) / 2**32
        line.echo.fire = partial(self._echo, line)
        line.poll.fire = partial(self._poll, line)
        line.connect.fire = partial(self._connect, line)
        if line.fixed or line.mobile:
            self._agenda.put(line.echo, now + share * line.probe_every)
        self._agenda.put(line.poll, now + share * line.poll_every)
        if line.host:
            self._agenda.put(line.connect, now + share * self.rhythm.tcp_every)

    def _forget(self, line: SensedLine) -> None:
        line.gone = True
        for entry in (line.echo, line.poll, line.connect):
            self._agenda.drop(entry)

    def _echo(self, line: SensedLine, now: float) -> float:
        if line.fixed:
            self._send(line, Way.FIXED, line.fixed, line.fixed_wait, self.rhythm.fixed_source)
        if line.mobile and line.asks_mobile(now, self.rhythm.mobile_idle):
            self._send(line, Way.MOBILE, line.mobile, line.mobile_wait, self.rhythm.mobile_source)
        every = line.probe_every
        if line.hurried_until > now:
            # That the mobile way answers is soon known: it is the fixed one that has to be looked at so closely.
            every = min(every, self.rhythm.hurry_every if line.fixed else self.rhythm.tcp_silent)
        elif not line.fixed:
            # Nothing is sent before the mobile way's own turn; whatever speaks against the line brings that on.
            every = max(every, line.mobile_due - now)
        return line.next_echo(now, every)

    def _send(self, line: SensedLine, way: Way, host: str, wait: float, source: str) -> None:
        told = partial(self._echoed, line, way)
        try:
            if self._senses.echoes.send(host, wait, told, source=source):
                return
            why = "no room to send an echo"
        except ConnectFailed as error:
            why = str(error)
            # While others answer, a route that has gone is that line's own loss; at other times it is ours.
            if line.heard(way) and self._clock.monotonic() - self._heard < 1.0:
                self._echoed(line, way, None)
                return
        self._figures.echoes[(way.value, "unsent")] += 1
        self._sink(Evidence(line.id, Source.ICMP, way, None, self._at(), why))

    def _echoed(self, line: SensedLine, way: Way, took: float | None) -> None:
        if line.gone:
            return
        if took is not None:
            self._silent_in_a_row, self._heard = 0, self._clock.monotonic()
            line.answered(way, took)
            self._figures.echoes[(way.value, "answered")] += 1
            self._sink(Evidence(line.id, Source.ICMP, way, True, self._at()))
            return
        self._silent_in_a_row += 1
        line.silent(way)
        self._figures.echoes[(way.value, "silent")] += 1
        ok, what = (None, "nothing answers us any more") if self.blind else (False, "no echo")
        self._sink(Evidence(line.id, Source.ICMP, way, ok, self._at(), what))
        # A second opinion: the box itself, over whatever way.
        if way is Way.FIXED and line.host and line.connect.due > self._clock.monotonic() + self.rhythm.tcp_silent:
            self._agenda.put(line.connect, self._clock.monotonic())

    @property
    def blind(self) -> bool:
        """Whether it is us who cannot see: a whole round of all addresses without one answer, and no edge answers
        either. Of a few addresses nobody can tell."""
        return (
            self._addresses >= self.rhythm.blind_from
            and self._silent_in_a_row >= self._addresses
            and self._clock.monotonic() - self._edges.heard > self.rhythm.edge_retry
        )

    # Polls

    def _poll(self, line: SensedLine, now: float) -> float:
        every, stretch = line.poll_every, self._figures.stretch
        # Decided when it is due, not ahead: once this process keeps up again, polls are as frequent again at once.
        if line.polling or self._too_soon(line, now, min(stretch, self.rhythm.slower)):
            self._figures.polls["skipped"] += 1
            return now + every
        try:
            asked = self._senses.poller.ask(line.id, partial(self._read, line))
        except ConnectFailed as error:
            self._unread(line, error)
            return now + every
        if not asked:
            if self._too_soon(line, now, stretch):
                self._figures.polls["skipped"] += 1
                return now + every
            if self._polling >= self.rhythm.most_polls:
                self._figures.polls["postponed"] += 1
                return now + self.rhythm.poll_again
            self._polling += 1
            self._begin(self._polled(line), "line-poll")
        line.polling, line.polled_at = True, now
        return now + every

    @staticmethod
    def _too_soon(line: SensedLine, now: float, stretch: float) -> bool:
        return stretch > 1.0 and now - line.polled_at < (stretch - 0.5) * line.poll_every

    def _read(self, line: SensedLine, got: LineReading | DeviceError) -> None:
        """A poll that needed no task."""
        line.polling = False
        if isinstance(got, LineReading):
            self._tell(line, got)
        else:
            self._unread(line, got)

    async def _polled(self, line: SensedLine) -> None:
        try:
            reading = await self._senses.poller.poll(line.id)
        except CredentialMissing:
            if not line.gone:
                self._agenda.put(line.poll, self._clock.monotonic() + self.rhythm.unasked)
        except DeviceError as error:
            self._unread(line, error)
        else:
            self._tell(line, reading)
        finally:
            line.polling = False
            self._polling -= 1

    def _tell(self, line: SensedLine, reading: LineReading) -> None:
        self._figures.polls["answered"] += 1
        if line.gone:
            return
        line.answered_at = self._clock.monotonic()
        errors = 0.0
        for evidence in line.polls.evidence(line.id, reading, self._at()):
            errors = max(errors, evidence.loss or 0.0)
            self._sink(evidence)
        # Any loss leaves errors behind: where polls are rare, the line would be called degraded for long after it.
        again = self._clock.monotonic() + self.rhythm.errors_again
        if errors >= line.degraded_loss / 2 and line.poll.due > again:
            self._agenda.put(line.poll, again)

    def _unread(self, line: SensedLine, error: DeviceError) -> None:
        self._figures.polls["silent" if error.code == "timeout" else "failed"] += 1
        if not line.gone:
            self._sink(Evidence(line.id, Source.SNMP, Way.MANAGEMENT, None, self._at(), f"poll: {error.code}"))

    # Connections to the box itself

    def _connect(self, line: SensedLine, now: float) -> float:
        rhythm = self.rhythm
        suspect = line.misses > 0 or line.hurried_until > now
        every = rhythm.tcp_silent if suspect else rhythm.tcp_every
        # A box that has just answered a poll lives: no connection is wasted on it, nor a line of its log.
        if line.connecting or (not suspect and now - line.answered_at < rhythm.tcp_every):
            return now + every
        if self._connecting >= rhythm.most_tcp:
            self._figures.connections["postponed"] += 1
            return now + rhythm.poll_again
        line.connecting = True
        self._connecting += 1
        self._begin(self._connected(line), "line-connection")
        return now + every

    async def _connected(self, line: SensedLine) -> None:
        try:
            why = await self._senses.reach.tcp(line.host, line.port, self.rhythm.tcp_timeout)
        finally:
            line.connecting = False
            self._connecting -= 1
        self._figures.connections["silent" if why else "answered"] += 1
        if not line.gone:
            ok = None if why and self.blind else not why
            self._sink(Evidence(line.id, Source.TCP, Way.MANAGEMENT, ok, self._at(), why))

    # What all share

    def _at(self) -> float:
        return self._clock.now().timestamp()

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("sensing.task_failed", task=task.get_name(), exc_info=error)

    def _fresh(self, stretch: float = 1.0) -> SensingFigures:
        return SensingFigures(len(self._lines), Counter(), Counter(), Counter(), stretch=stretch)

    def _report(self) -> None:
        figures, rhythm = self._figures, self.rhythm
        figures.lines = len(self._lines)
        blind = self.blind
        if blind and not figures.blind:
            log.error("sensing.blind", addresses=self._addresses)
        figures.blind = blind
        self._observer.sensed(figures)
        self._lag = figures.lag
        waiting = figures.polls["postponed"] > 0
        behind, most = figures.lag > rhythm.late or waiting, rhythm.slowest if waiting else rhythm.slower
        stretch = min(most, figures.stretch * 1.5) if behind else max(1.0, figures.stretch * 0.75)
        self._figures = self._fresh(stretch)
        self._figures.blind = blind
