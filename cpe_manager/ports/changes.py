"""Where change requests are kept. Every method is one transaction; all raise ``StoreError``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from cpe_manager.domain.backup.backups import SealedObject
from cpe_manager.domain.changes.requests import ChangeRecord, ChangeRequest, ChangeState
from cpe_manager.domain.paging import Page


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """None: any. ``sites``: names; what lies outside does not exist."""

    sites: Collection[str] | None = None
    device: str | None = None
    """By name."""
    states: tuple[ChangeState, ...] | None = None
    type: str | None = None
    bulk_id: str | None = None
    by_right: bool | None = None
    not_submitted_by: str | None = None
    """Id of an account whose own requests are left out."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One step of a request: ``values`` are fields of ``ChangeRequest`` that become others with it; ``look_at`` and
    ``tries`` begin anew where it does not say. ``effect``: what the change does, sealed, in place of what was kept.
    ``kind``: of the event, where it is another one than ``change.<state>``."""

    change_id: str
    revision: int
    """That it is made on; another one in the store makes it none."""
    to: ChangeState
    at: datetime
    by: str
    reason: str = ""
    code: str = ""
    values: tuple[tuple[str, Any], ...] = ()
    effect: SealedObject | None = field(default=None, repr=False)
    kind: str = ""


class ChangeStore(Protocol):
    async def create(self, change: ChangeRequest, parameters: SealedObject) -> ChangeRequest:
        """With its ticket number (``change.ticket`` is not heeded), first step and event ``change.submitted``. The
        request that has the same ``key`` already, if any, and then nothing is written. Ticket numbers have no gaps."""
        ...

    async def turn(self, turn: Turn) -> ChangeRequest:
        """Step, state and event in one transaction. Raises ``NotFound``, ``Conflict`` when the request is at another
        revision, cannot go there from where it is, or is to execute while another one of its device does or is stuck.
        """
        ...

    async def note(self, change_id: str, revision: int, values: Mapping[str, Any]) -> bool:
        """Write ``push_id``, ``look_at``, ``tries`` or ``reason`` without a step; False when it is at another revision
        by now, and then nothing is written."""
        ...

    async def change(self, id_or_ticket: str, sites: Collection[str] | None = None) -> ChangeRecord:
        """Raises ``NotFound``, also for a request outside ``sites``."""
        ...

    async def keyed(self, key: str) -> ChangeRequest | None: ...

    async def changes(self, wanted: ChangeFilter, *, after: str | None = None, limit: int = 50) -> Page[ChangeRequest]:
        """Newest first; the cursor is opaque."""
        ...

    async def parameters(self, change_id: str) -> SealedObject:
        """Raises ``NotFound``."""
        ...

    async def effect(self, change_id: str) -> SealedObject:
        """What was last shown, as it would be done. Raises ``NotFound``."""
        ...

    async def to_evaluate(self, now: datetime, until: datetime, limit: int) -> Sequence[ChangeRequest]:
        """Submitted ones, oldest first, for whoever asks alone: nobody else gets them before ``until``."""
        ...

    async def to_do(self, now: datetime, limit: int = 500) -> Sequence[ChangeRequest]:
        """Open requests about which something may be decided now, oldest approval first: accepted ones that are the
        customer's by right or have expired, approved ones, scheduled ones that are due, executing ones whose push was
        not made or has ended, and stuck ones whose push was settled.

        Of the due ones of one device only the one approved first, and none while another one of it executes or is
        stuck: order is kept per device.
        """
        ...

    async def unclosed(self, limit: int) -> Sequence[ChangeRequest]:
        """Ended ones that are not closed yet, oldest first."""
        ...

    async def release_all(self) -> None:
        """Forget who is at what: for the start of the only process."""
        ...

    async def counts(self) -> Mapping[ChangeState, int]:
        """All states named."""
        ...
