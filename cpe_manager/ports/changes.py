"""Where change requests are kept. Every method is one transaction; all raise ``StoreError``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from cpe_manager.domain.backups import SealedObject
from cpe_manager.domain.changes.requests import ChangeRecord, ChangeRequest, ChangeState
from cpe_manager.domain.paging import Page


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """None: any. ``sites``: names; what lies outside does not exist."""

    sites: Collection[str] | None = None
    device: str | None = None
    states: tuple[ChangeState, ...] | None = None
    type: str | None = None
    bulk_id: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One step of a request: ``values`` are fields of ``ChangeRequest`` that become others with it."""

    change_id: str
    revision: int
    """That it is made on; another one in the store makes it none."""
    to: ChangeState
    at: datetime
    by: str
    reason: str = ""
    values: tuple[tuple[str, Any], ...] = ()


class ChangeStore(Protocol):
    async def create(self, change: ChangeRequest, parameters: SealedObject) -> ChangeRequest:
        """With its ticket number, first step and event ``change.submitted``. The request that has the same ``key``
        already, if any, and then nothing is written."""
        ...

    async def turn(self, turn: Turn) -> ChangeRequest:
        """Step, state and event ``change.<state>`` in one transaction. Raises ``NotFound``, ``Conflict`` when the
        request is at another revision."""
        ...

    async def change(self, id_or_ticket: str, sites: Collection[str] | None = None) -> ChangeRecord:
        """Raises ``NotFound``, also for a request outside ``sites``."""
        ...

    async def changes(self, wanted: ChangeFilter, *, after: str | None = None, limit: int = 50) -> Page[ChangeRequest]:
        """Newest first; the cursor is opaque."""
        ...

    async def parameters(self, change_id: str) -> SealedObject: ...

    async def to_do(self, now: datetime, limit: int = 500) -> Sequence[ChangeRequest]:
        """Open requests about which something may be decided now, oldest first: submitted, approved, due, executing.
        Of those of one device that were approved only the oldest: order is kept per device."""
        ...
