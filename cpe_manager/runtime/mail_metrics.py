"""What the sender of mails counts, as metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

LABELS: Final[Mapping[str, tuple[str, ...]]] = {"cpe_mails": ("outcome",), "cpe_mail_outbox": ("state",)}


class MailMetrics:
    """``services.telling.notices.MailGauges``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._mails = Counter(
            "cpe_mails",
            "Tries of this process to hand over a mail: sent, failed for good, retried later",
            LABELS["cpe_mails"],
            registry=registry,
        )
        self._outbox = Gauge("cpe_mail_outbox", "Mails that wait, and mails that were given up",
                             LABELS["cpe_mail_outbox"], registry=registry)  # fmt: skip
        self._oldest = Gauge("cpe_mail_oldest_seconds", "How long the oldest mail waits", registry=registry)

    def mail(self, outcome: str) -> None:
        self._mails.labels(outcome).inc()

    def outbox(self, queued: int, failed: int, oldest_seconds: float) -> None:
        self._outbox.labels("queued").set(queued)
        self._outbox.labels("failed").set(failed)
        self._oldest.set(oldest_seconds)
