"""What the services need from the database. Every method is one transaction, and returns domain values.

All raise ``StoreError`` (``StoreBusy`` when locked past the busy timeout, ``StoreFull`` when out of space). Times are
aware UTC. Methods over many rows are written for hundreds of rows a call: one row at a time costs as much as a session.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from cpe_manager.domain.backup.backups import Backup, BackupState, Draft, FileDraft, FileInfo, LastGood, SealedObject
from cpe_manager.domain.backup.drift import LastChange
from cpe_manager.domain.events import EVERYTHING, Alarm, Event, EventFilter, NewEvent
from cpe_manager.domain.fleet.inventory import Device, Group, LifeState, LineKind
from cpe_manager.domain.jobs import DeviceWork, Job, JobKind, JobState, Outcome, Priority
from cpe_manager.domain.paging import Page
from cpe_manager.ports.facts import DeviceFacts


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """What is known of a device's backups and host key, for lists and metrics."""

    device_id: str
    last_attempt_at: datetime | None = None
    last_success_at: datetime | None = None
    """Last time a complete configuration was fetched, stored or found unchanged."""
    last_error_code: str | None = None
    last_error: str | None = None
    failures: int = 0
    """Failed attempts since the last success."""
    current_backup_id: str | None = None
    overdue_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class HostKey:
    """A host key in OpenSSH public-key form; ``state`` is ``pinned`` or ``offered`` (differs, waits for a person)."""

    device_id: str
    key: str
    fingerprint: str
    state: str
    first_seen_at: datetime
    accepted_by: str | None = None


@dataclass(frozen=True, slots=True)
class DeviceView:
    device: Device
    status: DeviceStatus
    host_keys: tuple[HostKey, ...] = ()

    @property
    def pinned_keys(self) -> tuple[str, ...]:
        """What a session is opened with; empty for a device that was never visited."""
        return tuple(key.key for key in self.host_keys if key.state == "pinned")


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """Conditions are joined by AND; None means any. ``groups`` lists group names (already expanded)."""

    names: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    families: tuple[str, ...] | None = None
    states: tuple[LifeState, ...] | None = None
    sites: tuple[str, ...] | None = None
    addresses: tuple[str, ...] | None = None
    access_nodes: tuple[str, ...] | None = None
    search: str | None = None
    """Substring of name, site or address."""
    overdue: bool | None = None


@dataclass(frozen=True, slots=True)
class SiteChange:
    name: str
    id: str


@dataclass(frozen=True, slots=True)
class LineChange:
    id: str
    site: str
    ref: str
    kind: LineKind | None
    access_node: str | None


@dataclass(frozen=True, slots=True)
class InventoryChanges:
    """Everything one import or one verb changes, applied in one transaction or not at all."""

    at: datetime
    sites: tuple[SiteChange, ...] = ()
    """Sites to make (existing names are left as they are)."""
    lines: tuple[LineChange, ...] = ()
    """Lines to make or update, by (site, ref)."""
    groups: tuple[Group, ...] = ()
    """Groups to make or replace, by name."""
    add: tuple[Device, ...] = ()
    update: tuple[Device, ...] = ()
    """Whole rows by id; ``line`` and ``site`` are names."""
    events: tuple[NewEvent, ...] = ()


class InventoryStore(Protocol):
    async def apply(self, changes: InventoryChanges) -> None:
        """Raises ``Conflict`` when a name is already taken by an active or suspended device."""
        ...

    async def devices(self, where: DeviceFilter, *, after: str | None = None, limit: int = 100) -> Page[DeviceView]:
        """Ordered by (name, id); the cursor is opaque. Decommissioned ones only when asked for by state."""
        ...

    async def device(self, name_or_id: str) -> DeviceView:
        """By id, else by name: the one in service, else the latest of that name. Raises ``NotFound``."""
        ...

    async def all_devices(self, where: DeviceFilter) -> Sequence[Device]:
        """Without status; for imports, schedules and jobs."""
        ...

    async def groups(self) -> Sequence[Group]: ...

    async def counts(self) -> Mapping[str, int]:
        """Devices by state."""
        ...

    async def pin(self, device_id: str, keys: Sequence[str], *, at: datetime, by: str) -> None:
        """Make these the only pinned keys and forget the offered ones."""
        ...


@dataclass(frozen=True, slots=True)
class NewWork:
    device_id: str
    shard: int
    not_before: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """Right to talk to a device. ``fence`` counts up with each new owner; writes with an old one are refused."""

    device_id: str
    owner: str
    fence: int
    expires: datetime


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row that is ours to work on: the device, its lease, its pinned keys and its last good version."""

    job_id: str
    lease: Lease
    attempts: int
    """Attempts made before this one."""
    device: Device
    pinned_keys: tuple[str, ...]
    last_good: LastGood | None
    kind: JobKind = JobKind.BACKUP
    facts: DeviceFacts | None = None
    unsaved: bool = False
    """When last asked, it ran something that it would not come up with."""
    bulk: bool = False
    """It is work that gives way to whatever cannot wait."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The end of one attempt, written with its fence: row state, version, status, host key, events, lease released."""

    job_id: str
    lease: Lease
    at: datetime
    outcome: Outcome | None
    """None: not finished, to be tried again at ``retry_at``."""
    retry_at: datetime | None = None
    attempted: bool = True
    """False gives the row back untouched (shutdown, pre-emption): attempts stay as they were."""
    backup_id: str | None = None
    """Id for the new version when ``draft`` is given."""
    draft: Draft | None = None
    file: FileDraft | None = None
    """The box's own backup file, for beside the new version or the current one."""
    quarantine_reason: str | None = None
    error_code: str | None = None
    error: str | None = None
    first_host_key: str | None = None
    offered_host_key: str | None = None
    facts: DeviceFacts | None = None
    saved: bool | None = None
    """Whether the device would come up with what it runs; None when it was not asked, or cannot tell."""
    change: LastChange | None = None
    """Who made the change that was found, if the box says so."""
    events: tuple[NewEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class ShardDue:
    job_id: str
    shard: int
    priority: Priority


class JobStore(Protocol):
    async def create(self, job: Job, work: Sequence[NewWork] = ()) -> bool:
        """False, and nothing written, when ``job.occurrence`` exists already. Emits ``job.started``."""
        ...

    async def job(self, job_id: str) -> Job:
        """With counts. Raises ``NotFound``."""
        ...

    async def of_occurrence(self, occurrence: str) -> Job:
        """The job that took this occurrence, with counts. Raises ``NotFound``."""
        ...

    async def jobs(self, *, after: str | None = None, limit: int = 50, state: JobState | None = None) -> Page[Job]:
        """Newest first, with counts."""
        ...

    async def work(
        self, job_id: str, *, after: str | None = None, limit: int = 200, outcome: Outcome | None = None
    ) -> Page[DeviceWork]:
        """Ordered by device name; the cursor is opaque."""
        ...

    async def due_shards(self, now: datetime) -> Sequence[ShardDue]:
        """Shards of open jobs with a due row whose device nobody holds a live lease on."""
        ...

    async def open_simple_jobs(self) -> Sequence[Job]:
        """Open jobs without device rows (verify, export, rotate, retention)."""
        ...

    async def claim(
        self, job_id: str, shard: int, *, owner: str, now: datetime, ttl: float, limit: int, per_access_node: int
    ) -> Sequence[Claimed]:
        """Lease up to ``limit`` due devices of a shard, oldest ``not_before`` first.

        Skips devices that somebody holds a live lease on, and devices of an access node that already has
        ``per_access_node`` live leases (0: no cap), counted over all workers; urgent pushes are neither counted nor
        held by it. Rows of devices that are no longer
        active become ``cancelled``. Two claims never lease the same device.
        """
        ...

    async def renew(self, leases: Sequence[Lease], *, now: datetime, ttl: float) -> Sequence[Lease]:
        """The leases that are still ours, with new expiry; those taken over by others are missing from the answer."""
        ...

    async def settle(self, results: Sequence[Settled]) -> Sequence[Settled]:
        """Write attempts in one transaction. Returns those refused because their fence has passed (nothing written).

        A ``draft`` becomes a version: ``good`` (and current), or ``quarantined`` when a reason is given. A doubted
        draft with the fingerprint of the device's newest quarantined or refused version adds no second copy.
        Closes the job (``job.finished``) when its last row ends."""
        ...

    async def take(self, job_id: str, *, owner: str, now: datetime, ttl: float) -> bool:
        """Hold a job without device rows for ``ttl`` seconds (again to renew); the first time sets ``started_at``.

        False when it has ended or another owner's hold is alive."""
        ...

    async def finish(
        self, job_id: str, state: JobState, *, at: datetime, result: Mapping[str, Any], error: str | None
    ) -> bool:
        """End a simple job; False when it was not open any more."""
        ...

    async def cancel(self, job_id: str, *, at: datetime, by: str) -> Job:
        """Due rows become ``cancelled``; sessions end by themselves. Raises ``NotFound``, ``Conflict`` (ended)."""
        ...

    async def release_all(self, now: datetime) -> int:
        """Let go of every lease and hold, whoever has it: for a start as the only process. Returns how many were live.

        Fences stay, so whatever an earlier owner still writes is refused."""
        ...

    async def preempt(self, device_id: str) -> None:
        """Ask whoever holds the lease to give it back; ``renew`` then leaves it out."""
        ...


class BackupStore(Protocol):
    async def versions(
        self, position_id: str, *, after: str | None = None, limit: int = 50, state: BackupState | None = None
    ) -> Page[Backup]:
        """Newest first; the cursor is opaque."""
        ...

    async def backup(self, backup_id: str) -> Backup:
        """Raises ``NotFound``."""
        ...

    async def number(self, position_id: str, number: int) -> Backup:
        """Version ``number`` of a position. Raises ``NotFound``."""
        ...

    async def redacted(self, backup_id: str) -> bytes:
        """Compressed redacted view."""
        ...

    async def sealed(self, backup_id: str) -> SealedObject: ...

    def each_sealed(
        self, *, key_id_not: str | None = None
    ) -> AsyncIterator[Sequence[tuple[Backup, SealedObject, bytes]]]:
        """Every version with sealed object and redacted bytes, in batches of some hundreds; no long transaction."""
        ...

    async def file(self, backup_id: str) -> FileInfo | None:
        """What is kept of the box's own backup file beside a version; None when there is none."""
        ...

    async def sealed_file(self, backup_id: str) -> SealedObject:
        """Raises ``NotFound``."""
        ...

    def each_file(self) -> AsyncIterator[Sequence[tuple[Backup, FileInfo, SealedObject]]]:
        """Every file with its version, in batches."""
        ...

    def each_other_sealed(self, *, key_id_not: str) -> AsyncIterator[Sequence[SealedObject]]:
        """Sealed objects that are no version (orders of pushes, files), wrapped by another key, in batches."""
        ...

    async def rewrap(self, wrapped: Sequence[tuple[str, str, bytes]]) -> None:
        """Set (object id, key id, wrapped key)."""
        ...

    async def key_ids(self) -> Mapping[str, int]:
        """Sealed objects by the key that wraps them."""
        ...

    async def decide(self, backup_id: str, *, accept: bool, at: datetime, by: str) -> Backup:
        """Quarantined -> good (and current, when newest) or refused. Raises ``Conflict`` when it is not quarantined."""
        ...

    async def positions(self, *, after: str | None = None, limit: int = 500) -> Page[str]: ...

    async def delete(self, backup_ids: Sequence[str]) -> int:
        """Delete versions with their sealed objects. Refuses (skips) any device's current version, and the confirmed
        one of any position. Returns how many."""
        ...

    async def current(self, *, after: str | None = None, limit: int = 500) -> Page[tuple[Device, Backup, bytes]]:
        """Each non-decommissioned device's current version with its redacted bytes; for the git export."""
        ...


@dataclass(frozen=True, slots=True)
class OverdueChange:
    raised: tuple[Alarm, ...] = ()
    cleared: tuple[Alarm, ...] = field(default=())


class EventStore(Protocol):
    async def add(self, events: Sequence[NewEvent]) -> None: ...

    async def after(self, event_id: int, *, limit: int = 200, where: EventFilter = EVERYTHING) -> Sequence[Event]: ...

    async def last_id(self) -> int: ...

    async def alarms(self) -> Sequence[Alarm]: ...

    async def mark_overdue(self, targets_h: Mapping[str, float], default_h: float, *, now: datetime) -> OverdueChange:
        """Raise and clear ``backup.overdue`` alarms of active devices, with events.

        Target age in hours by device id, ``default_h`` for the rest. A device without any success counts from
        ``installed_at``. Writes nothing when nothing changed.
        """
        ...

    async def statuses(self) -> Sequence[tuple[str, str, str | None, DeviceStatus]]:
        """(name, family or '', group, status) of every active device; for metrics."""
        ...
