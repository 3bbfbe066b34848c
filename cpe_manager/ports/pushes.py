"""What the commit path needs from the database. Every method is one transaction; all raise ``StoreError``.

Whatever the owner of a lease writes carries that lease, and is refused with ``FenceLost`` when a newer owner exists.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from cpe_manager.domain.backups import Draft, SealedObject
from cpe_manager.domain.commit_path import Entry, Phase
from cpe_manager.domain.jobs import Job
from cpe_manager.domain.paging import Page
from cpe_manager.domain.pushes import Push, PushRecord
from cpe_manager.ports.stores import Lease, NewWork


@dataclass(frozen=True, slots=True)
class OpenPush:
    """A push as the one who works on it gets it: with its sealed order."""

    record: PushRecord
    order: SealedObject = field(repr=False)


class PushStore(Protocol):
    async def create(self, push: Push, order: SealedObject, job: Job, work: NewWork) -> Push:
        """Push, job and row in one transaction. The push that has the same ``key`` already, if any, and then nothing is
        written. Emits ``push.requested``."""
        ...

    async def push(self, push_id: str) -> PushRecord:
        """Raises ``NotFound``."""
        ...

    async def pushes(
        self, *, device_id: str | None = None, open_only: bool = False, after: str | None = None, limit: int = 50
    ) -> Page[Push]:
        """Newest first; the cursor is opaque."""
        ...

    async def of_row(self, job_id: str, device_id: str) -> OpenPush:
        """The push behind a job's row. Raises ``NotFound``."""
        ...

    async def withdrawn(self, push_id: str) -> bool: ...

    async def record(self, push_id: str, entry: Entry, phase: Phase, lease: Lease) -> bool:
        """Append to the journal; whether the push is withdrawn by now. Raises ``FenceLost``."""
        ...

    async def snapshot(self, push: Push, backup_id: str, draft: Draft | None, at: datetime, lease: Lease) -> None:
        """Note the version to go back to; a ``draft`` becomes that version, current and good. Raises ``FenceLost``."""
        ...

    async def end(self, push: Push, phase: Phase, reason: str, at: datetime, lease: Lease) -> None:
        """Write the end, once, with its event, and for ``stuck`` its alarm. Raises ``FenceLost``."""
        ...

    async def withdraw(self, push_id: str, *, at: datetime, by: str) -> Push:
        """Ask for it to be given up. Raises ``NotFound``, ``Conflict`` when it has ended."""
        ...
