"""Starting, listing and cancelling jobs. Starting writes rows and hands out tickets; the work is done elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cpe_manager.domain.errors import InputError, NotFound
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.domain.jobs import DeviceWork, Job, JobKind, JobState, Outcome, Priority
from cpe_manager.domain.paging import Page
from cpe_manager.domain.timing import Window, shards, spread
from cpe_manager.ports.clock import Clock, Ids
from cpe_manager.ports.engine import Engine, Ticket
from cpe_manager.ports.stores import DeviceFilter, InventoryStore, JobStore, NewWork

SHARD_TICKET = "backup.shard"
SIMPLE_TICKET = "job"


def shard_ticket(job_id: str, shard: int, priority: Priority) -> Ticket:
    return Ticket(SHARD_TICKET, f"{job_id}/{shard}", priority)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A backup job to be made. ``window``: rows become due spread over it; None means all at once."""

    trigger: str
    where: DeviceFilter
    by: str | None = None
    occurrence: str | None = None
    window: Window | None = None
    priority: Priority = Priority.NORMAL


class Jobs:
    """The jobs as people and programs see them."""

    def __init__(
        self,
        store: JobStore,
        inventory: InventoryStore,
        engine: Engine,
        clock: Clock,
        ids: Ids,
        *,
        shard_size: int,
    ) -> None:
        self._store, self._inventory, self._engine = store, inventory, engine
        self._clock, self._ids, self._shard_size = clock, ids, shard_size

    async def start_backup(self, request: RunRequest) -> Job | None:
        """A backup job over the active devices that match; None when the occurrence was taken already.

        Raises ``InputError`` when a named device does not exist or is not active, or nothing matches a manual request.
        """
        devices = await self._inventory.all_devices(request.where)
        self._check_names(request, devices)
        active = [device for device in devices if device.state is LifeState.ACTIVE]
        if not active and request.trigger == "manual":
            raise InputError("no active device matches")
        now = self._clock.now()
        job = Job(
            id=self._ids.new(),
            kind=JobKind.BACKUP,
            state=JobState.OPEN,
            trigger=request.trigger,
            created_at=now,
            priority=request.priority,
            occurrence=request.occurrence,
            requested_by=request.by,
        )
        work = self._work(active, now, request.window)
        if not await self._store.create(job, work):
            return None
        if not work:
            await self._store.finish(job.id, JobState.DONE, at=now, result={"devices": 0}, error=None)
        due = {row.shard for row in work if row.not_before <= now}
        await self._engine.enqueue([shard_ticket(job.id, shard, job.priority) for shard in sorted(due)])
        return await self._store.job(job.id)

    @staticmethod
    def _check_names(request: RunRequest, devices: Sequence[Device]) -> None:
        by_name = {device.name: device for device in devices}
        for name in request.where.names or ():
            device = by_name.get(name)
            if device is None:
                raise InputError(f"no device {name}")
            if device.state is not LifeState.ACTIVE:
                raise InputError(f"{name} is {device.state}; only active devices are backed up")

    def _work(self, devices: Sequence[Device], now: datetime, window: Window | None) -> list[NewWork]:
        """Rows in the order in which they fall due, so that a shard is a slice of the window."""
        if window is None:
            timed = [(now, device.id) for device in devices]
        else:
            timed = sorted((spread(device.id, window.start, window.end), device.id) for device in devices)
        return [
            NewWork(device_id, number, at)
            for number, slice_ in shards(timed, self._shard_size)
            for at, device_id in slice_
        ]

    async def first_backup(self, device_ids: Sequence[str]) -> None:
        """A backup right after devices were added or resumed, ahead of the bulk (§4.2: the first at installation)."""
        if not device_ids:
            return
        wanted = set(device_ids)
        devices = await self._inventory.all_devices(DeviceFilter(states=(LifeState.ACTIVE,)))
        names = tuple(device.name for device in devices if device.id in wanted)
        if names:
            await self.start_backup(RunRequest("added", DeviceFilter(names=names), priority=Priority.NORMAL))

    async def start(
        self, kind: JobKind, params: Mapping[str, Any], *, by: str | None, trigger: str = "manual",
        occurrence: str | None = None, priority: Priority = Priority.NORMAL,
    ) -> Job | None:  # fmt: skip
        """A job without device rows; None when the occurrence was taken already."""
        job = Job(
            id=self._ids.new(),
            kind=kind,
            state=JobState.OPEN,
            trigger=trigger,
            created_at=self._clock.now(),
            priority=priority,
            params=dict(params),
            occurrence=occurrence,
            requested_by=by,
        )
        if not await self._store.create(job):
            return None
        await self._engine.enqueue([Ticket(SIMPLE_TICKET, job.id, priority)])
        return job

    async def of_occurrence(self, occurrence: str) -> Job:
        """Raises ``NotFound``."""
        return await self._store.of_occurrence(occurrence)

    async def once(self, occurrence: str | None, start: Callable[[], Awaitable[Job | None]]) -> Job:
        """The job that is of the occurrence already, else the one that ``start`` makes of it. None: any number."""
        if occurrence is not None:
            with suppress(NotFound):
                return await self.of_occurrence(occurrence)
        job = await start()
        if job is None:  # somebody else was faster with the same occurrence
            assert occurrence is not None
            return await self.of_occurrence(occurrence)
        return job

    async def list(self, *, after: str | None = None, limit: int = 50, state: JobState | None = None) -> Page[Job]:
        return await self._store.jobs(after=after, limit=limit, state=state)

    async def show(self, job_id: str) -> Job:
        return await self._store.job(job_id)

    async def work(
        self, job_id: str, *, after: str | None = None, limit: int = 200, outcome: Outcome | None = None
    ) -> Page[DeviceWork]:
        return await self._store.work(job_id, after=after, limit=limit, outcome=outcome)

    async def cancel(self, job_id: str, *, by: str) -> Job:
        """Raises ``Conflict`` when it has ended. What is in flight ends by itself."""
        return await self._store.cancel(job_id, at=self._clock.now(), by=by)
