"""A line and all that is seen of it, simulated: what truly happens to line, mobile way, power and our own network, the
evidence that comes of it (late, lost, twice, in another order), and fail-over deciding in a closed loop.

``python -m tests.support.line_world`` lists the patterns; ``--pattern NAME`` prints every decision with its reasons.

A day is simulated in events. Around every change of the truth, and for as long as anything is not well (any loss, any
state but `fixed` or `mobile` with an up line), probes go out at the policy's own pace. In between, when every probe
would be answered (or none), only one in ``quiet`` seconds is simulated, which is less than what makes evidence stale.
That changes no decision: answers of a line that is well only count up. A minute before each change the full pace
begins, so that the loss over a minute and the like are what they would be.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from cpe_manager.domain.failover.failover import Outcome, act_under_way, decide, record_after
from cpe_manager.domain.failover.failover_policy import may_return
from cpe_manager.domain.failover.line_watch import DYING_GASP, Memory, observe, stale_after, verdict
from cpe_manager.domain.failover.lines import (
    Act,
    Condition,
    Decision,
    Evidence,
    FailoverPolicy,
    FailoverState,
    Line,
    LineRecord,
    LineSetup,
    Source,
    Way,
)

DAY = 86_400.0
EPOCH = 1_764_547_200.0
"""2025-12-01, midnight UTC: the simulated day begins here."""


@dataclass(frozen=True)
class Traps:
    lost: float = 0.0
    twice: float = 0.0
    delay: tuple[float, float] = (0.02, 1.0)
    """Seconds on the way; more than the time between two of them puts them into another order."""


@dataclass(frozen=True)
class Pattern:
    """One day. ``changes``: (second, what of the `Truth`, value). ``switches``: how many switches are right, from-to;
    None: as many as there are losses that have to be seen."""

    name: str
    changes: tuple[tuple[float, str, float], ...]
    policy: FailoverPolicy = field(default_factory=FailoverPolicy)
    traps: Traps = Traps()
    bfd: bool = False
    tcp: bool = False
    """The fixed line is probed by TCP, and ICMP is filtered there."""
    answer: tuple[float, float] = (0.01, 0.2)
    """Seconds until an SNMP agent answers; beyond 5 it is too late, and there is no word."""
    mobile_every: float = 5.0
    """Between probes of the mobile way, in multiples of the policy's, while there is no suspicion."""
    boot: float = 45.0
    train: float = 60.0
    restarts: tuple[float, ...] = ()
    """When the manager restarts and knows nothing but its records."""
    steps: tuple[tuple[float, float], ...] = ()
    """(second, by how much): the manager's clock is set."""
    node: bool = False
    """The losses are those of the access node."""
    switches: tuple[int, int] | None = None
    seed: int = 1
    length: float = DAY
    quiet: float = 25.0

    @property
    def bound(self) -> float:
        """Seconds within which a loss is seen: a line that loses single probes needs four times the misses."""
        policy = self.policy
        restless = 4 * policy.misses * policy.probe_every
        return restless + 2 * policy.probe_every * self.mobile_every + policy.trap_confirm + policy.witness_within


@dataclass
class Truth:
    fixed: float = 0.0
    """Share of packets lost on the fixed line, both directions together."""
    carrier: float = 1.0
    mobile: float = 0.0
    power: float = 1.0
    own: float = 0.0
    """Our own network to every address of the line is cut."""
    management: float = 0.0
    """Only the management address is out of reach."""
    agent: float = 1.0
    """Set to 0: the SNMP agent starts anew, and the box does not."""


@dataclass(frozen=True)
class Moment:
    """The truth from a time on, as customers feel it."""

    at: float
    loss: float
    booted: bool
    trained: bool
    mobile: float
    own: bool


@dataclass(frozen=True)
class Logged:
    at: float
    before: FailoverState
    decision: Decision
    condition: Condition
    outcome: str = ""
    flaps: tuple[float, ...] = ()

    def __str__(self) -> str:
        hours, rest = divmod(self.at, 3600)
        clock = f"{int(hours):02d}:{int(rest // 60):02d}:{rest % 60:06.3f}"
        what = f"{self.before} -> {self.decision.state}" + (
            f" [{self.decision.act}]" if self.decision.act != "nothing" else ""
        )
        incident = f" P{self.decision.priority}" if self.decision.priority else ""
        incident += " P3 backup" if self.decision.backup_defective else ""
        return f"{clock}  {what}{incident}\n" + "\n".join(f"              {reason}" for reason in self.decision.reasons)


class World:
    """Runs a pattern. Afterwards ``log`` has every decision that moved the line, ``truth`` the moments."""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self.policy = pattern.policy
        self.random = Random(pattern.seed)
        self.now = 0.0
        self.offset = EPOCH
        self.state = Truth()
        self.memory = Memory()
        setup = LineSetup("line", formula="pro-plus", ordered=True, coverage="passed")
        self.record = LineRecord(Line("line", "", "site", "device", "cpe", "node", setup))
        self.log: list[Logged] = []
        self.truth: list[Moment] = []
        self.chance: list[float] = []
        """Switches when a line that loses single packets had lost as many probes in a row as make a loss by policy."""
        self._run = 0
        self.evidence = 0
        self.verdicts = 0
        self._queue: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._count = itertools.count()
        self._booted_at = self._trained_at = self._registered_at = -1e9
        self._agent_at = -100_000.0
        self._port_told = True
        self._carrier_at = -1e9
        self._bfd_up = True
        self._due = -1.0
        self._dense_until = 0.0
        self._next_mobile = 0.0
        self._last_change = -1e9
        self._mobile_asap = False
        self._only_stale = False
        self._ticks = 0
        self._sequence = 0

    # -- the clockwork

    def at(self, when: float, what: Callable[..., None], *values: object) -> None:
        heapq.heappush(self._queue, (when, next(self._count), what, values))

    def run(self) -> World:
        pattern = self.pattern
        for when, what, value in pattern.changes:
            self.at(when, self._change, what, value)
        for when in pattern.restarts:
            self.at(when, self._restart)
        for when, by in pattern.steps:
            self.at(when, self._step, by)
        self._dense = sorted({when for when, *_ in (*pattern.changes, *pattern.steps)} | set(pattern.restarts))
        self._moment()
        self.at(0.0, self._probe)
        self.at(0.3, self._poll)
        if pattern.bfd:
            self.at(0.1, self._edge)
        while self._queue and self._queue[0][0] <= pattern.length:
            self.now, _, what, values = heapq.heappop(self._queue)
            what(*values)
        self.now = pattern.length
        return self

    @property
    def clock(self) -> float:
        return self.now + self.offset

    def _busy(self) -> bool:
        """Whether the full pace is needed: something is not well, has just changed, or is about to."""
        if self.now - self._last_change < 90.0 or self.now < 70.0:
            return True
        while self._dense and self._dense[0] <= self.now:
            self._dense.pop(0)
        if self._dense and self._dense[0] - self.now < 70.0 + self.pattern.quiet:
            return True
        state = self.state
        if 0 < state.fixed < 1 or 0 < state.mobile < 1:
            return True
        return self.record.state in (FailoverState.SUSPECT, FailoverState.SWITCHING, FailoverState.RETURNING)

    # -- the truth

    @property
    def booted(self) -> bool:
        return bool(self.state.power) and self.now >= self._booted_at

    @property
    def fixed_loss(self) -> float:
        return self.state.fixed if self.booted and self.now >= self._trained_at and self.state.carrier else 1.0

    @property
    def mobile_loss(self) -> float:
        return self.state.mobile if self.booted and self.now >= self._registered_at else 1.0

    def _moment(self) -> None:
        trained = self.now >= self._trained_at
        own = bool(self.state.own)
        self.truth.append(Moment(self.now, self.fixed_loss, self.booted, trained, self.mobile_loss, own))

    def _change(self, what: str, value: float) -> None:
        before = self.state.power
        setattr(self.state, what, value)
        self._last_change = self.now
        if what == "power" and value != before:
            self._power(on=bool(value))
        elif what == "carrier" and self.booted:
            self._carrier_changed()
        elif what == "agent":
            self.state.agent = 1.0
            self._agent_at = self.now + 0.5
            self.at(self.now + 0.6, self._trap, Way.MANAGEMENT, True, "coldStart", True)
        self._moment()
        self._edge_soon()

    def _power(self, *, on: bool) -> None:
        pattern = self.pattern
        if not on:
            if pattern.seed % 2:
                self._deliver(0.05, Source.TRAP, Way.MANAGEMENT, ok=False, what=f"{DYING_GASP} (ONT)")
            return
        self._booted_at = self.now + pattern.boot
        self._agent_at = self._booted_at + 3.0
        self._registered_at = self._booted_at + 15.0
        self._trained_at = self._booted_at + pattern.train
        for later in (self._booted_at, self._registered_at, self._trained_at):
            self.at(later, self._again)
        self.at(self._agent_at + 0.1, self._trap, Way.MANAGEMENT, True, "coldStart", True)
        self.at(self._trained_at + 0.1, self._trap, Way.FIXED, True, "linkUp", False)

    def _again(self) -> None:
        self._last_change = self.now
        self._moment()
        self._edge_soon()

    def _carrier_changed(self) -> None:
        self._carrier_at = self.now
        up = bool(self.state.carrier)
        self._trap(Way.FIXED, up, "linkUp" if up else "linkDown", False)

    # -- the manager

    def _restart(self) -> None:
        self.memory = Memory()
        self._last_change = self.now
        if (act := act_under_way(self.record)) is not Act.NOTHING:
            self.at(self.now + 2.0, self._done, act, self.record.since)
        self._decide()

    def _step(self, by: float) -> None:
        self.offset += by
        self._last_change = self.now

    def _deliver(self, after: float, source: Source, way: Way, *, ok: bool | None, **more: object) -> None:
        self.at(self.now + after, self._arrive, source, way, ok, more)

    def _arrive(self, source: Source, way: Way, ok: bool | None, more: dict[str, object]) -> None:
        self.evidence += 1
        seen = Evidence("line", source, way, ok, self.clock, **more)  # type: ignore[arg-type]
        if observe(self.memory, seen, self.policy):
            self._decide()

    def _look(self, due: float) -> None:
        if due != self._due:
            return
        later = self.memory.fixed.last + stale_after(self.policy) - self.offset
        if self._only_stale and later > self.now + 1.0:
            # What it waited for is that nothing is seen any more, and there was.
            self._due = later
            self.at(later, self._look, later)
        else:
            self._decide()

    def _decide(self, done: Outcome | None = None) -> None:
        for _ in range(8):
            self.verdicts += 1
            now, policy = self.clock, self.policy
            seen = verdict(self.memory, now, policy)
            node_down = self.pattern.node and seen.condition is Condition.LINE_DOWN
            decision = decide(
                self.record, seen, now, policy, node_down=node_down, done=done, may_return=may_return(now, policy)
            )
            self._mobile_asap = seen.suspicion
            after = record_after(self.record, decision, seen, now)
            if after.state is not self.record.state or decision.act is not Act.NOTHING:
                self.log.append(
                    Logged(
                        self.now, self.record.state, decision, seen.condition, done.reason if done else "", after.flaps
                    )
                )
            self.record = after
            done = None
            if decision.act is not Act.NOTHING:
                self._sequence += 1
                if decision.act is Act.SWITCH:
                    if self._run >= self.policy.misses:
                        self.chance.append(self.now)
                    self.record = replace(after, switch_id=f"switch-{self._sequence}")
                took = self.random.uniform(0.3, 6.0)
                self.at(self.now + took, self._done, decision.act, after.since)
            well = seen.condition is Condition.UP and not seen.suspicion and decision.state is FailoverState.FIXED
            self._only_stale = well and decision.look_again == seen.look_again
            if decision.look_again is None:
                return
            if decision.look_again > now:
                due = self.now + decision.look_again - now
                if due != self._due:
                    self._due = due
                    self.at(due, self._look, due)
                return
        raise AssertionError(f"decides round in circles: {decision}")

    def _done(self, act: Act, since: float) -> None:
        if act_under_way(self.record) is not act or self.record.since != since:
            return  # it was given up in the meantime
        if act is Act.SWITCH:
            works = self.mobile_loss < 0.5
            done = Outcome(works, "verified" if works else "nothing answers through mobile", defective=not works)
        else:
            reachable = self.booted and min(self.mobile_loss, self.fixed_loss) < 0.9
            done = Outcome(reachable, "done" if reachable else "the box does not answer")
        self._decide(done)

    # -- what is seen

    def _lost(self, loss: float) -> bool:
        return loss >= 1.0 or (loss > 0.0 and self.random.random() < loss)

    def _probe(self) -> None:
        policy, state = self.policy, self.state
        if not self._busy():
            self._at_peace()
            self.at(self.now + max(self.pattern.quiet, policy.probe_every), self._probe)
            return
        every = policy.probe_every
        timeout = min(1.0, every * 0.9)
        unseen = bool(state.own)
        source = Source.TCP if self.pattern.tcp else Source.ICMP
        ok = not (unseen or self._lost(self.fixed_loss))
        self._run = self._run + 1 if not ok and 0.0 < self.fixed_loss < 1.0 else 0
        self._deliver(0.012 if ok else timeout, source, Way.FIXED, ok=ok)
        if self.pattern.tcp:
            self._deliver(timeout, Source.ICMP, Way.FIXED, ok=False)
        if self.now >= self._next_mobile or self._mobile_asap:
            ok = not (unseen or self._lost(self.mobile_loss))
            self._deliver(self.random.uniform(0.04, 0.12) if ok else timeout, Source.ICMP, Way.MOBILE, ok=ok)
            self._next_mobile = self.now + policy.probe_every * self.pattern.mobile_every - 0.5 * policy.probe_every
        self.at(self.now + every * self.random.uniform(0.98, 1.02), self._probe)

    def _poll(self) -> None:
        policy, state = self.policy, self.state
        busy = self._busy()
        every = policy.poll_every if busy else max(policy.poll_every, self.pattern.quiet)
        self.at(self.now + every * self.random.uniform(0.98, 1.02), self._poll)
        if not busy:
            return  # see _at_peace
        way_in = min(self.fixed_loss, self.mobile_loss)
        reached = not (state.own or state.management or self._lost(way_in))
        self._deliver(0.02 if reached else 1.0, Source.TCP, Way.MANAGEMENT, ok=reached)
        after = self.random.uniform(*self.pattern.answer)
        if reached and after < 5.0 and self.now > self._agent_at:
            told = {"order": round(self.now - self._agent_at, 2)}
            # The agent's cache: what it says of its ports may be 3 s old.
            up = bool(state.carrier) if self.now - self._carrier_at > 3.0 else not state.carrier
            self._deliver(after, Source.SNMP, Way.FIXED, ok=up and self.now >= self._trained_at, **told)
            self._deliver(after, Source.SNMP, Way.MOBILE, ok=self.now >= self._registered_at, **told)
        else:
            self._deliver(5.0, Source.SNMP, Way.MANAGEMENT, ok=None)

    def _at_peace(self) -> None:
        """All that is seen at one moment of a stretch in which nothing changes, at once."""
        state, pattern, clock = self.state, self.pattern, self.clock
        fixed, mobile = not state.own and self.fixed_loss < 1.0, not state.own and self.mobile_loss < 1.0
        reached = (fixed or mobile) and not state.management
        source = Source.TCP if pattern.tcp else Source.ICMP
        seen = [
            Evidence("line", source, Way.FIXED, fixed, clock),
            Evidence("line", Source.ICMP, Way.MOBILE, mobile, clock),
        ]
        if pattern.bfd:
            up = self._bfd_up
            seen += [Evidence("line", source, Way.FIXED, up, clock) for source in (Source.BFD, Source.BGP)]
        self._ticks += 1
        if not (fixed and mobile and reached) or self._ticks % 4 == 0:
            # Who says again that all is well need not be asked as often as what would go stale.
            seen.append(Evidence("line", Source.TCP, Way.MANAGEMENT, reached, clock))
            if reached and pattern.answer[0] < 5.0:
                order = round(self.now - self._agent_at, 2)
                up = bool(state.carrier) and self.now >= self._trained_at
                seen.append(Evidence("line", Source.SNMP, Way.FIXED, up, clock, order=order))
                seen.append(
                    Evidence("line", Source.SNMP, Way.MOBILE, self.now >= self._registered_at, clock, order=order)
                )
        self.evidence += len(seen)
        news = [observe(self.memory, each, self.policy) for each in seen]
        if any(news):
            self._decide()

    def _trap(self, way: Way, ok: bool, what: str, restarted: bool) -> None:
        traps = self.pattern.traps
        order = round(max(0.01, self.now - self._agent_at), 2)
        lags = self.random.uniform(0.0, 3.0)  # net-snmp looks at its ports every now and then
        for _ in range(2 if self.random.random() < traps.twice else 1):
            # It has to find a way out when it is sent: while none is there it is lost.
            if self.random.random() < traps.lost or self._lost(min(self.fixed_loss, self.mobile_loss)):
                continue
            after = lags + self.random.uniform(*traps.delay)
            more = {"what": what, "order": order, "restarted": restarted}
            self.at(self.now + after, self._arrive, Source.TRAP, way, ok, more)

    def _edge_soon(self) -> None:
        if self.pattern.bfd:
            self.at(self.now + 0.3 + self.random.uniform(0.0, 0.2), self._bfd)

    def _bfd(self) -> None:
        """The edge has counted, and is asked."""
        self._bfd_up = self.fixed_loss < 0.5
        self._edge_says()

    def _edge_says(self) -> None:
        up = self._bfd_up
        self._deliver(0.01, Source.BFD, Way.FIXED, ok=up)
        self._deliver(0.01, Source.BGP, Way.FIXED, ok=up)

    def _edge(self) -> None:
        if self._busy():
            self._edge_says()
        self.at(self.now + 2.0, self._edge)


def main(arguments: list[str]) -> int:
    from tests.support.line_judge import faults, switches
    from tests.support.line_patterns import patterns

    parser = argparse.ArgumentParser(description="Decisions of fail-over over a simulated day, line by line")
    parser.add_argument("--pattern", help="its name, or how it begins; without it the names are listed")
    options = parser.parse_args(arguments)
    known = {pattern.name: pattern for pattern in patterns()}
    if not options.pattern:
        sys.stdout.write("\n".join(known) + "\n")
        return 0
    chosen = [pattern for name, pattern in known.items() if name == options.pattern]
    for pattern in chosen or [pattern for name, pattern in known.items() if name.startswith(options.pattern)]:
        world = World(pattern).run()
        sys.stdout.write(f"== {pattern.name}: {pattern.length / 3600:g} h, {world.evidence} pieces of evidence\n")
        changes = [(when, f"{when:.1f} s: {what} = {value:g}") for when, what, value in pattern.changes]
        sys.stdout.write("truth: " + "; ".join(text for _, text in changes[:40]) + "\n")
        sys.stdout.writelines(f"{entry}\n" for entry in world.log)
        wrong = list(faults(world))
        sys.stdout.write(f"{len(switches(world))} switches; {'all right' if not wrong else '; '.join(wrong)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
