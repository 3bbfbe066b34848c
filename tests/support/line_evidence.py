"""Evidence of one line in few words, for tests of what is made of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from cpe_manager.domain.failover.line_watch import Memory, observe, verdict
from cpe_manager.domain.failover.lines import (
    Carrier,
    Condition,
    Evidence,
    FailoverPolicy,
    Line,
    LineRecord,
    LineSetup,
    Source,
    Verdict,
    Way,
)

START = 1_764_547_200.0


def a_line(**setup: object) -> Line:
    known: dict[str, object] = {"formula": "pro-plus", "ordered": True, "coverage": "passed", **setup}
    return Line("line-1", "L1", "site", "device-1", "cpe-1", "node-1", LineSetup("line-1", **known))  # type: ignore[arg-type]


def a_record(**known: object) -> LineRecord:
    """Of a line that was seen up."""
    given: dict[str, object] = {"line": a_line(), "condition": Condition.UP, "since": START - 1000.0, **known}
    return LineRecord(**given)  # type: ignore[arg-type]


@dataclass
class Seen:
    """Takes evidence in, at a time that goes on by itself, and asks for a verdict whenever it may be another."""

    policy: FailoverPolicy = field(default_factory=FailoverPolicy)
    memory: Memory = field(default_factory=Memory)
    now: float = START

    def of(self, source: Source, way: Way, ok: bool | None, **more: object) -> Seen:
        at = more.pop("at", self.now)
        if observe(self.memory, Evidence("line-1", source, way, ok, at, **more), self.policy):  # type: ignore[arg-type]
            verdict(self.memory, self.now, self.policy)
        return self

    def wait(self, seconds: float) -> Seen:
        self.now += seconds
        return self

    def probes(self, count: int, fixed: bool | None, mobile: bool | None = None, box: bool | None = None) -> Seen:
        """So many rounds of probes, ``probe_every`` apart; None: that way is not asked."""
        for _ in range(count):
            self.now += self.policy.probe_every
            for way, ok in ((Way.FIXED, fixed), (Way.MOBILE, mobile)):
                if ok is not None:
                    self.of(Source.ICMP, way, ok)
            if box is not None:
                self.of(Source.TCP, Way.MANAGEMENT, box)
        return self

    def well(self, count: int = 70) -> Seen:
        return self.probes(count, True, True, True)

    def trap(self, ok: bool, order: float | None = None, way: Way = Way.FIXED, **more: object) -> Seen:
        return self.of(Source.TRAP, way, ok, order=order, **more)

    def bfd(self, ok: bool | None) -> Seen:
        return self.of(Source.BFD, Way.FIXED, ok)

    def carries(self, carrier: Carrier) -> Seen:
        return self.of(Source.CPE, Way.MANAGEMENT, None, carries=carrier)

    @property
    def verdict(self) -> Verdict:
        return verdict(self.memory, self.now, self.policy)

    @property
    def condition(self) -> Condition:
        return self.verdict.condition
