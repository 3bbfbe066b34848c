"""Where it is written down who did what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cpe_manager.domain.audit import NewAuditEntry


class AuditTrail(Protocol):
    """What services and the API are given: they write, nothing else."""

    async def note(self, entries: Sequence[NewAuditEntry]) -> None:
        """In one transaction, in this order. Raises ``StoreError``: what cannot be noted is not done."""
        ...
