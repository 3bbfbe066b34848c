"""What is looked at every half minute: overdue backups, the jobs that follow a run, figures for the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import structlog

from cpe_manager.domain.errors import CpeManagerError
from cpe_manager.domain.fleet.inventory import DeviceSettings, LifeState
from cpe_manager.domain.fleet.settings_inheritance import resolve
from cpe_manager.domain.jobs import Job, JobKind, JobState, Priority
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.drift import DriftStore
from cpe_manager.ports.stores import DeviceFilter, DeviceStatus, EventStore, InventoryStore
from cpe_manager.services.jobs.jobs import Jobs

log = structlog.get_logger()

RECENT = timedelta(days=2)
TARGETS_SECONDS = 600.0
"""How long the target ages are taken as read: they are settings, and reading a large fleet's takes a second."""


class Alarms:
    """A device whose last good backup is older than its target raises an alarm: state, event, metric."""

    def __init__(self, inventory: InventoryStore, events: EventStore, clock: Clock) -> None:
        self._inventory, self._events, self._clock = inventory, events, clock
        self._targets: Mapping[str, float] = {}
        self._read_at: float | None = None

    async def look(self) -> None:
        now = self._clock.monotonic()
        if self._read_at is None or now - self._read_at >= TARGETS_SECONDS:
            self._targets, self._read_at = await self._read_targets(), now
        default = DeviceSettings().backup_target_hours
        change = await self._events.mark_overdue(self._targets, default, now=self._clock.now())
        for alarm in change.raised:
            log.warning("alarm.raised", kind=alarm.kind, device=alarm.device, message=alarm.message)
        for alarm in change.cleared:
            log.info("alarm.cleared", kind=alarm.kind, device=alarm.device)

    async def _read_targets(self) -> Mapping[str, float]:
        """Hours by device id, for those whose own or group's settings differ from the default."""
        groups = {group.name: group for group in await self._inventory.groups()}
        special = {name for name, group in groups.items() if "backup_target_hours" in group.settings or group.parent}
        default = DeviceSettings().backup_target_hours
        targets: dict[str, float] = {}
        for device in await self._inventory.all_devices(DeviceFilter(states=(LifeState.ACTIVE,))):
            if "backup_target_hours" not in device.settings and device.group not in special:
                continue
            try:
                hours = resolve(device, groups).settings.backup_target_hours
            except CpeManagerError:
                hours = default  # a device that cannot be resolved fails its backups with the reason
            if hours != default:
                targets[device.id] = hours
        return targets


class FollowUps:
    """After each scheduled run: retention, and the export to git where one is configured; once for each run. After the
    first one of a day: the restore drill. ``drills``: the time zone that days are counted in; None: no drills."""

    def __init__(self, jobs: Jobs, clock: Clock, *, export: bool, drills: str | None = None) -> None:
        self._jobs, self._clock, self._export = jobs, clock, export
        self._drills = None if drills is None else ZoneInfo(drills)
        self._seen: set[str] = set()

    async def look(self) -> None:
        after: str | None = None
        while True:
            page = await self._jobs.list(after=after, limit=200)
            for job in page.items:
                if job.id not in self._seen and self._ended_run(job):
                    await self._follow(job)
                    self._seen.add(job.id)
            after = page.next
            # A run made before that ended, if at all, so long after its window that the next one's follow-ups do.
            if after is None or self._clock.now() - page.items[-1].created_at > 2 * RECENT:
                return

    def _ended_run(self, job: Job) -> bool:
        ended = job.kind is JobKind.BACKUP and job.state is not JobState.OPEN and job.finished_at is not None
        return ended and job.finished_at is not None and self._clock.now() - job.finished_at < RECENT

    async def _follow(self, job: Job) -> None:
        if self._export:
            await self._jobs.start(
                JobKind.EXPORT, {}, by=None, trigger=f"after:{job.id}", occurrence=f"export:{job.id}"
            )
        if job.trigger.startswith("schedule:"):
            await self._jobs.start(
                JobKind.RETENTION, {}, by=None, trigger=f"after:{job.id}", occurrence=f"retention:{job.id}"
            )
            await self._drill(job)

    async def _drill(self, job: Job) -> None:
        """In the slots of bulk work, behind whatever run of backups is still under way."""
        if self._drills is None or job.finished_at is None:
            return
        night = job.finished_at.astimezone(self._drills).date().isoformat()
        await self._jobs.start(
            JobKind.DRILL, {}, by=None, trigger=f"after:{job.id}", occurrence=f"drill:{night}", priority=Priority.BULK
        )


class Gauges(Protocol):
    """Takes a new snapshot of the fleet; the metrics implement it."""

    def refresh(
        self,
        statuses: Sequence[tuple[str, str, str | None, DeviceStatus]],
        devices: Mapping[str, int],
        open_jobs: int,
        due_rows: int,
    ) -> None: ...

    def drifting(self, devices: Mapping[str, int]) -> None: ...


@dataclass(frozen=True, slots=True)
class FigureStores:
    inventory: InventoryStore
    events: EventStore
    drift: DriftStore


class Figures:
    """Reads the fleet's state for the metrics, so that a scrape costs the database nothing."""

    def __init__(self, stores: FigureStores, jobs: Jobs, gauges: Gauges) -> None:
        self._inventory, self._events, self._drift = stores.inventory, stores.events, stores.drift
        self._jobs, self._gauges = jobs, gauges

    async def look(self) -> None:
        open_jobs = await self._jobs.list(limit=100, state=JobState.OPEN)
        due = sum(job.counts.get("due", 0) for job in open_jobs.items)
        self._gauges.refresh(await self._events.statuses(), await self._inventory.counts(), len(open_jobs.items), due)
        self._gauges.drifting({verdict.value: number for verdict, number in (await self._drift.counts()).items()})
