"""When the audit log was last looked at, as metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge


class AuditMetrics:
    """``services.access.audit_watch.AuditGauges``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._verified = Gauge(
            "cpe_audit_verified_timestamp_seconds",
            "When the audit log was last looked at by itself, Unix time; not a number before the first time",
            registry=registry,
        )
        self._whole = Gauge(
            "cpe_audit_verified_whole_timestamp_seconds",
            "When that was last done from the first entry on, Unix time",
            registry=registry,
        )
        self._broken = Gauge("cpe_audit_broken", "1: the audit log was edited, or has a gap", registry=registry)
        self._verified.set(float("nan"))
        self._whole.set(float("nan"))

    def audit(self, verified_at: float, whole_at: float | None, *, fault: bool) -> None:
        self._verified.set(verified_at)
        self._whole.set(float("nan") if whole_at is None else whole_at)
        self._broken.set(fault)
