"""What is remembered of a line between two looks at it: one small record for each line, made anew after a restart.

Evidence is taken in here; what it comes to is said in `line_watch`. What comes late, twice or in another order changes
nothing: of each witness only what is newer than its last word is heard, by the sender's own count where it has one
(``Evidence.order``, an agent's uptime), else by when it was seen.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from math import inf
from typing import Final

from cpe_manager.domain.failover.lines import Carrier, Condition, Evidence, FailoverPolicy, Source, Way

SLOT: Final = 10.0
SLOTS: Final = 6
"""Losses are counted over a minute, in slots of ten seconds."""
DYING_GASP: Final = "dying gasp"
"""How ``Evidence.what`` of a trap begins when a box, or the access node for it, says that it loses its power."""
AGENT_CACHE: Final = 4.0
"""net-snmp answers from a cache of some 3 s: an "up" so soon after a linkDown is from before it."""
BOOT_SLACK: Final = 10.0
"""Seconds by which two estimates of when an agent started may differ and still mean the same start."""
SAME_START: Final = 300.0
"""Two coldStarts with the same count, within so many seconds, are one that came twice."""
RELAPSES: Final = 2
UNREST: Final = 1 / 128
"""Weight of one probe in the share of answers that are followed by a loss."""
DEAF_AFTER: Final = 10
"""A kind of probe that fails so often in a row, while another kind is answered, no longer speaks against the way."""
_ICMP: Final = 1
_TCP: Final = 2


@dataclass(slots=True)
class Probes:
    """Echoes and connections over one way. ``heard``: the kinds that have been answered; as long as any has, the others
    say nothing against the way (a box may filter one of them)."""

    last: float = -inf
    last_ok: float = -inf
    last_icmp: float = -inf
    last_tcp: float = -inf
    bad: int = 0
    """Unanswered in a row; ``first_bad``: since when."""
    first_bad: float = 0.0
    good: int = 0
    """Answered in a row; ``first_good``: since when."""
    first_good: float = 0.0
    heard: int = 0
    deaf: int = 0
    """Misses in a row of the connections (TCP) while echoes are answered, or the other way round (negative)."""

    def take(self, seen: Evidence) -> bool:
        """Whether it counted."""
        at, ok = seen.at, seen.ok
        if seen.source is Source.ICMP:
            if at <= self.last_icmp:
                return False
            self.last_icmp, bit = at, _ICMP
        else:
            if at <= self.last_tcp:
                return False
            self.last_tcp, bit = at, _TCP
        if ok is None:
            return False
        if ok:
            self._answered(at, bit)
            return True
        if self.heard and not self.heard & bit:
            return False
        if self.heard == _ICMP | _TCP and not self.bad:
            self._deafness(bit)
        self.last = max(at, self.last)
        if not self.bad:
            self.first_bad = at
        self.bad += 1
        self.good = 0
        return True

    def _answered(self, at: float, bit: int) -> None:
        self.last = max(at, self.last)
        self.last_ok = max(at, self.last_ok)
        self.heard |= bit
        if (self.deaf > 0) == (bit == _TCP):
            self.deaf = 0
        if not self.good:
            self.first_good = at
        self.good += 1
        self.bad = 0

    def _deafness(self, bit: int) -> None:
        """One kind was answered just before the other one was not."""
        step = 1 if bit == _TCP else -1
        self.deaf = self.deaf + step if self.deaf * step >= 0 else step
        if abs(self.deaf) >= DEAF_AFTER:
            self.heard &= ~bit
            self.deaf = 0


@dataclass(slots=True)
class Word:
    """What one witness says and since when: the edge's sessions, or the box of its own port."""

    ok: bool | None = None
    at: float = -inf
    """Since when it says so."""
    seen: float = -inf
    """When it said so last."""

    def take(self, ok: bool | None, at: float) -> None:
        if at < self.seen:
            return
        if ok is not self.ok:
            self.ok, self.at = ok, at
        self.seen = at


@dataclass(slots=True)
class Agent:
    """Of the box's SNMP agent: the newest count of each way, and when it started."""

    fixed: float = -inf
    mobile: float = -inf
    box: float = -inf
    boot: float = -inf
    """On our clock, estimated; ``polled``: an answer to a question of ours says so, which is never late."""
    polled: bool = False
    boot_seen: float = -inf
    cold: float = -inf
    """The count of the last start that was announced, and when it was (``cold_at``)."""
    cold_at: float = -inf

    def news(self, seen: Evidence, order: float) -> bool:
        """Whether this is newer than all that the agent has said of this way before."""
        boot = seen.at - order
        asked = seen.source is not Source.TRAP
        if seen.restarted and not asked:
            if order == self.cold and seen.at - self.cold_at < SAME_START:
                return False
            self.cold, self.cold_at = order, seen.at
        if self.boot > -inf and boot > self.boot + BOOT_SLACK and (seen.restarted or asked):
            self._began(boot, asked=asked)
        elif self.boot > -inf and boot < self.boot - BOOT_SLACK:
            if self.polled and not asked:
                return False  # said before the agent started anew
            self.boot, self.polled = boot, self.polled or asked
        elif asked or self.boot == -inf:
            self.boot, self.polled = boot, self.polled or asked
        if asked:
            self.boot_seen = seen.at
        way = seen.way
        last = self.fixed if way is Way.FIXED else self.mobile if way is Way.MOBILE else self.box
        if order <= last and (order < last or not asked):
            return False
        if way is Way.FIXED:
            self.fixed = order
        elif way is Way.MOBILE:
            self.mobile = order
        else:
            self.box = order
        return True

    def _began(self, boot: float, *, asked: bool) -> None:
        self.fixed = self.mobile = self.box = -inf
        self.boot, self.polled = boot, asked


@dataclass(slots=True)
class Memory:
    """Of one line. ``down`` and what follows is what `line_watch.verdict` has come to."""

    fixed: Probes = field(default_factory=Probes)
    mobile: Probes = field(default_factory=Probes)
    box: Probes = field(default_factory=Probes)
    """Over whatever way the box itself is reached (``Way.MANAGEMENT``)."""
    bfd: Word = field(default_factory=Word)
    bgp: Word = field(default_factory=Word)
    port: Word = field(default_factory=Word)
    """The box of its fixed port: traps, polls, sessions."""
    radio: Word = field(default_factory=Word)
    """The box of its mobile connection, or the edge's BFD session over it."""
    agent: Agent = field(default_factory=Agent)
    newest: float = -inf
    alive: float = -inf
    """When the box gave its last sign of life that is no answer to a probe."""
    gasp: float = -inf
    restarted: float = -inf
    carries: Carrier | None = None
    carries_at: float = -inf
    signal: float | None = None
    errors: float = 0.0
    """Share of frames with errors, as the last poll told it."""
    port_by: str = ""
    slot: int = 0
    sent: array[float] = field(default_factory=lambda: array("f", bytes(4 * SLOTS)))
    lost: array[float] = field(default_factory=lambda: array("f", bytes(4 * SLOTS)))
    unrest: float = 0.0
    """How often an answered probe is followed by one that is not."""
    up_since: float | None = None
    down: bool = False
    down_since: float = 0.0
    brown: bool = False
    """It loses so many packets that answers between are no sign of its being up again."""
    relapses: int = 0
    """Answers between misses while it was down."""
    degraded: bool = False
    degraded_since: float = 0.0
    dead: bool = False
    dead_since: float = 0.0
    revived: float = -inf
    condition: Condition = Condition.UNKNOWN
    since: float = 0.0

    def clear(self) -> None:
        """Know nothing any more."""
        empty = Memory()
        for name in Memory.__slots__:
            setattr(self, name, getattr(empty, name))

    def forget_losses(self) -> None:
        for index in range(SLOTS):
            self.sent[index] = self.lost[index] = 0.0


def observe(memory: Memory, seen: Evidence, policy: FailoverPolicy) -> bool:
    """Take one thing in that was seen of the line. False when the verdict cannot be another for it before its own
    ``look_again``: nearly always, as nearly all is one more answer of a line that is well.

    Conventions beyond those of ``Evidence``: standing sessions at the edge are told again at least every
    ``witness_within / 2`` seconds, not only when they change; what polls say, each time. ``loss`` of a probe is the
    share lost of those that it sums up, of a poll the share of frames with errors since the last one. A trap whose
    ``what`` begins with `DYING_GASP` says that the box has lost its power. A poll without an answer is ``ok`` None
    and has no ``order``.
    """
    source, at = seen.source, seen.at
    memory.newest = max(at, memory.newest)
    steady = memory.condition is Condition.UP and _steady(memory)
    if source is Source.ICMP or source is Source.TCP:
        if seen.signal is not None:
            memory.signal = seen.signal
        way = seen.way
        if way is Way.FIXED:
            _over_fixed(memory, seen, policy)
        elif way is Way.MOBILE:
            steady = steady or _answers_again(memory, at, policy)
            memory.mobile.take(seen)
        else:
            memory.box.take(seen)
        return not (steady and seen.ok)
    if source is Source.BFD or source is Source.BGP:
        if seen.way is not Way.MOBILE:
            (memory.bfd if source is Source.BFD else memory.bgp).take(seen.ok, at)
        elif source is Source.BFD:
            memory.radio.take(seen.ok, at)
    else:
        _from_box(memory, seen)
        if seen.carries is not None or seen.loss:
            return True
    return not (steady and seen.ok is not False and _steady(memory))


def _steady(memory: Memory) -> bool:
    """Nobody says anything against anything."""
    if memory.fixed.bad or memory.mobile.bad or memory.box.bad:
        return False
    if memory.bfd.ok is False or memory.port.ok is False or memory.bgp.ok is False:
        return False
    return bool(memory.mobile.good or memory.mobile.last == -inf)


def _answers_again(memory: Memory, at: float, policy: FailoverPolicy) -> bool:
    """Whether the mobile way of a line that is lost or suspect has answered since the loss began: one answer more says
    nothing new of it. A suspect line is asked several times a second."""
    mobile = memory.mobile
    if not mobile.good or mobile.bad or memory.gasp > -inf or at - mobile.last > stale_after(policy):
        return False
    if memory.down:
        return memory.condition is Condition.LINE_DOWN
    against = max(memory.bfd.at, memory.port.at, memory.bgp.at, memory.fixed.first_bad)
    return memory.condition is Condition.UP and mobile.last_ok > against


def _over_fixed(memory: Memory, seen: Evidence, policy: FailoverPolicy) -> None:
    probes, at = memory.fixed, seen.at
    gap = at - probes.last
    calm, answering = not probes.bad, probes.good > 0
    if not probes.take(seen):
        return
    if memory.down and answering and not seen.ok:
        memory.relapses += 1
        memory.brown = memory.brown or memory.relapses >= RELAPSES
    if gap > stale_after(policy):
        # What happened in between nobody knows.
        memory.up_since = None
        memory.forget_losses()
        calm = True
        if seen.ok:
            probes.good, probes.first_good = 1, at
        else:
            probes.bad, probes.first_bad = 1, at
    slot = int(at / SLOT)
    if slot > memory.slot:
        for passed in range(max(memory.slot + 1, slot - SLOTS + 1), slot + 1):
            memory.sent[passed % SLOTS] = memory.lost[passed % SLOTS] = 0.0
        memory.slot = slot
    memory.sent[slot % SLOTS] += 1.0
    share = seen.loss if seen.loss is not None else 0.0 if seen.ok else 1.0
    memory.lost[slot % SLOTS] += share
    if seen.ok:
        # A run of misses counts once, and only when it is over: not against the loss that it may turn out to be.
        memory.unrest += ((0.0 if calm else 1.0) - memory.unrest) * UNREST


def _from_box(memory: Memory, seen: Evidence) -> None:
    """Traps, polls and sessions."""
    at, source, way = seen.at, seen.source, seen.way
    if seen.order is not None:
        boot = memory.agent.boot
        if not memory.agent.news(seen, seen.order):
            return
        if -inf < boot < memory.agent.boot - BOOT_SLACK:
            _started(memory, at)
    if source is Source.TRAP and seen.ok is False and seen.what.lower().startswith(DYING_GASP):
        memory.gasp = max(at, memory.gasp)
        return
    if seen.ok is not None or seen.order is not None or seen.restarted:
        memory.alive = max(at, memory.alive)
    if seen.restarted:
        _started(memory, at)
    if seen.carries is not None and at >= memory.carries_at:
        memory.carries, memory.carries_at = seen.carries, at
    if seen.signal is not None:
        memory.signal = seen.signal
    if way is Way.FIXED:
        _of_port(memory, seen)
    elif way is Way.MOBILE and seen.ok is not None:
        memory.radio.take(seen.ok, at)


def _of_port(memory: Memory, seen: Evidence) -> None:
    port, at = memory.port, seen.at
    polled = seen.source is Source.SNMP
    if polled and seen.loss is not None:
        memory.errors = seen.loss
    if seen.ok is None:
        return
    if polled and seen.ok and port.ok is False and memory.port_by == Source.TRAP and at < port.at + AGENT_CACHE:
        return
    if not polled and not seen.ok and memory.fixed.last_ok > port.at:
        # News, though it was down by its own word before: the linkUp between has been lost.
        port.ok = None
    port.take(seen.ok, at)
    memory.port_by = seen.source


def _started(memory: Memory, at: float) -> None:
    memory.restarted = max(at, memory.restarted)
    memory.port, memory.radio = Word(), Word()


def stale_after(policy: FailoverPolicy) -> float:
    """Seconds after which evidence says nothing any more."""
    return max(policy.stale_after, 3 * policy.probe_every, 3 * policy.poll_every)
