"""What the watcher of lines counts, as metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from cpe_manager.domain.failover.lines import FailoverState

DECISION_SECONDS: Final = (0.25, 0.5, 0.75, 1, 2, 3, 5, 10, 15, 30, 60)
ACT_SECONDS: Final = (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 60)
LABELS: Final[Mapping[str, tuple[str, ...]]] = {
    "cpe_line_states": ("state",),
    "cpe_failover_acts": ("act", "outcome"),
    "cpe_failover_act_seconds": ("act",),
}


class LineMetrics:
    """``services.failover.rounds.LineObserver``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._states = Gauge(
            "cpe_line_states", "Lines that this process watches, by state", ("state",), registry=registry
        )
        self._decisions = Histogram(
            "cpe_line_decision_seconds",
            "From the first sign of a loss to the decision to switch",
            buckets=DECISION_SECONDS,
            registry=registry,
        )
        self._acts = Counter(
            "cpe_failover_acts", "Switches, returns and roll-backs that ended", ("act", "outcome"), registry=registry
        )
        self._seconds = Histogram(
            "cpe_failover_act_seconds",
            "Duration of a switch, return or roll-back, with its proof",
            ("act",),
            buckets=ACT_SECONDS,
            registry=registry,
        )
        self._mobile = Counter(
            "cpe_line_mobile_seconds", "Time that lines of this process were carried by mobile", registry=registry
        )

    def lines(self, states: Mapping[str, int]) -> None:
        """A second's snapshot of all lines."""
        for state in FailoverState:
            self._states.labels(state.value).set(states.get(state.value, 0))
        self._mobile.inc(states.get(FailoverState.MOBILE.value, 0))

    def decided(self, seconds: float) -> None:
        self._decisions.observe(seconds)

    def acted(self, act: str, ok: bool, seconds: float) -> None:
        self._acts.labels(act, "done" if ok else "failed").inc()
        self._seconds.labels(act).observe(seconds)
