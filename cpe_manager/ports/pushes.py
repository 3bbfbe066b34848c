"""What the commit path needs from the database. Every method is one transaction; all raise ``StoreError``.

Whatever the owner of a lease writes carries that lease, and is refused with ``FenceLost`` when a newer owner exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from cpe_manager.domain.backup.backups import Draft, SealedObject
from cpe_manager.domain.jobs import Job
from cpe_manager.domain.paging import Page
from cpe_manager.domain.push.commit_path import Entry, Phase
from cpe_manager.domain.push.pushes import Limits, Offer, Push, PushRecord, Settlement, Waiting
from cpe_manager.ports.stores import Claimed, Lease, NewWork


@dataclass(frozen=True, slots=True)
class OpenPush:
    """A push as the one who works on it gets it: with its sealed order."""

    record: PushRecord
    order: SealedObject = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a push. ``code``: why it is none that was wanted, for programs."""

    phase: Phase
    reason: str
    at: datetime
    code: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A push whose plan, checks and way back were made beforehand, at the moment of its effect.

    ``push`` has ``begun_at`` and ``snapshot_id``; a ``draft`` becomes that version. ``journal`` goes up to the
    beginning of APPLY, so that whoever finds it after a crash takes the change back.
    """

    push: Push
    order: SealedObject = field(repr=False)
    job: Job
    journal: Sequence[Entry]
    draft: Draft | None = field(default=None, repr=False)


class PushStore(Protocol):
    async def create(self, push: Push, order: SealedObject, job: Job, work: NewWork) -> Push:
        """Push, job and row in one transaction. The push that has the same ``key`` already, if any, and then nothing is
        written. Emits ``push.requested``. An urgent one has a visit of the device that changes nothing break off.

        Raises ``Conflict`` while an earlier push of the device is stuck and not settled, except for a restore.
        """
        ...

    async def create_prepared(self, new: Prepared, *, owner: str, now: datetime, ttl: float) -> Claimed:
        """Push, job, row, journal and the device's lease in one transaction. Whoever visits the device at the moment
        loses its lease by that: a backup, or a push that has had no effect yet.

        Raises ``Conflict``, with nothing written, while another push of the device has begun or is stuck, when the
        device is not active, and when there is a push with the same ``key``.
        """
        ...

    async def push(self, push_id: str) -> PushRecord:
        """Raises ``NotFound``."""
        ...

    async def keyed(self, key: str) -> Push | None: ...

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

    async def end(self, push: Push, end: Ended, lease: Lease) -> None:
        """Write the end, once, with its event, and for ``stuck`` its alarm; ``confirmed`` settles what is stuck on the
        device. Raises ``FenceLost``."""
        ...

    async def admit(
        self, push: Push, limits: Limits, waiting: Waiting | None, at: datetime, lease: Lease
    ) -> Waiting | None:
        """Let a push begin, or note what it waits for and return that: ``waiting`` itself, or what the limits say.

        Counted under the lock of claims, so two never take the same last place. More failures than allowed raise
        ``push.held``. Raises ``FenceLost``.
        """
        ...

    async def offer(self, push_id: str, offer: Offer, lease: Lease) -> None:
        """Keep the new plan that somebody is asked about. Raises ``FenceLost``."""
        ...

    async def order(self, push_id: str) -> SealedObject:
        """What was asked for. Raises ``NotFound``."""
        ...

    async def settle(self, push_id: str, end: Settlement) -> Push:
        """End the matter of a push that is stuck: event, alarm cleared. Raises ``NotFound``, ``Conflict``."""
        ...

    async def read_since_stuck(self) -> Sequence[tuple[Push, str]]:
        """Pushes that are stuck and whose devices were read whole since, with the id of the version they run."""
        ...

    async def release_held(self, limit: int, at: datetime) -> bool:
        """Clear ``push.held`` when fewer than ``limit`` pushes failed within the hour. True when that was so."""
        ...

    async def withdraw(self, push_id: str, *, at: datetime, by: str) -> Push:
        """Ask for it to be given up. Raises ``NotFound``, ``Conflict`` when it has ended."""
        ...
