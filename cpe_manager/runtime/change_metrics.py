"""What the keeper of change requests counts, as metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from cpe_manager.domain.changes.requests import ChangeRequest, ChangeState

SECONDS: Final = (0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)
LABELS: Final[Mapping[str, tuple[str, ...]]] = {"cpe_changes": ("state",), "cpe_change_turns": ("type", "state")}


class ChangeMetrics:
    """``services.changes.keeper.ChangeObserver``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._standing = Gauge("cpe_changes", "Change requests by state", ("state",), registry=registry)
        self._turns = Counter(
            "cpe_change_turns",
            "Steps that this process took with change requests",
            ("type", "state"),
            registry=registry,
        )
        self._began = Histogram(
            "cpe_change_begin_seconds",
            "From the approval of a standard change to its execution",
            buckets=SECONDS,
            registry=registry,
        )

    def turned(self, change: ChangeRequest) -> None:
        self._turns.labels(change.type, change.state.value).inc()

    def began(self, seconds: float) -> None:
        self._began.observe(seconds)

    def standing(self, counts: Mapping[ChangeState, int]) -> None:
        for state in ChangeState:
            self._standing.labels(state.value).set(counts.get(state, 0))
