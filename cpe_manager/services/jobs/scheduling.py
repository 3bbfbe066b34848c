"""Schedules: kept in our own table, fired by the timer, made into exactly one run per occurrence.

Misfire policy: an occurrence missed while the daemon was down is made up for at start as long as its window is open,
spread over what is left of it; one whose window has closed is skipped, and the next one comes as usual. The
occurrence key makes it safe for every node to fire.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cpe_manager.domain.errors import InputError, NotFound
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.fleet.settings_inheritance import with_descendants
from cpe_manager.domain.jobs import Job, Priority
from cpe_manager.domain.schedules import Schedule
from cpe_manager.domain.timing import fires_at_most_daily, occurrence_key, remaining_window
from cpe_manager.ports.clock import Clock, Ids
from cpe_manager.ports.schedules import ScheduleStore
from cpe_manager.ports.stores import DeviceFilter, EventStore, InventoryStore
from cpe_manager.ports.timer import Timer
from cpe_manager.services.jobs.jobs import Jobs, RunRequest


@dataclass(frozen=True, slots=True)
class ScheduleView:
    schedule: Schedule
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """What a person gives; see ``Schedule`` for the meaning of the fields."""

    name: str
    cron: str
    timezone: str
    window_minutes: int
    group: str | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class ScheduleStores:
    schedules: ScheduleStore
    inventory: InventoryStore
    events: EventStore


class Scheduling:
    """Keeps the timer equal to the table."""

    def __init__(self, stores: ScheduleStores, jobs: Jobs, timer: Timer, clock: Clock, ids: Ids) -> None:
        self._store, self._inventory, self._events = stores.schedules, stores.inventory, stores.events
        self._jobs = jobs
        self._timer, self._clock, self._ids = timer, clock, ids
        self._loaded: Sequence[Schedule] = ()

    async def start(self) -> None:
        """Tell of what was missed for good, catch up on what was not, then hand over to the timer."""
        await self.reload()
        for schedule in self._loaded:
            await self._tell_of_missed(schedule)
        self._timer.start(self._fired)

    async def reload(self) -> None:
        """Follow the table, and make up for occurrences that no run was made of; called again every so often.

        Another node may have changed the table, and the timer tries once: the database may have refused just then.
        """
        await self._follow_table()
        for schedule in self._loaded:
            missed = self._timer.previous(schedule, self._clock.now()) if schedule.enabled else None
            last = schedule.last_occurrence_at
            if missed is not None and (last is None or last < missed):
                await self.fire(schedule, missed)

    async def _follow_table(self) -> None:
        schedules = await self._store.schedules()
        definitions = [(s.id, s.cron, s.timezone, s.window_minutes, s.group, s.enabled) for s in schedules]
        known = [(s.id, s.cron, s.timezone, s.window_minutes, s.group, s.enabled) for s in self._loaded]
        if definitions != known:
            self._timer.replace(schedules)
        self._loaded = schedules

    async def _tell_of_missed(self, schedule: Schedule) -> None:
        """Of the first occurrence after the last one whose window closed with nobody there to fire it."""
        since = schedule.last_occurrence_at or schedule.created_at
        missed = self._timer.next(schedule, since) if schedule.enabled and since is not None else None
        if missed is None or since is None:
            return
        over = remaining_window(missed, schedule.window_minutes, self._clock.now()) is None
        if over and self._key(schedule, missed) != self._key(schedule, since):
            await self._skipped(schedule, missed)

    @staticmethod
    def _key(schedule: Schedule, at: datetime) -> str:
        return occurrence_key(schedule.id, at, schedule.timezone, daily=fires_at_most_daily(schedule.cron))

    async def _fired(self, schedule: Schedule, scheduled_at: datetime) -> None:
        await self.fire(schedule, scheduled_at)

    async def fire(self, schedule: Schedule, scheduled_at: datetime) -> Job | None:
        """The run of one occurrence; None when some node has made it already, or its window has passed."""
        window = remaining_window(scheduled_at, schedule.window_minutes, self._clock.now())
        if window is None:
            await self._skipped(schedule, scheduled_at)
            return None
        request = RunRequest(
            trigger=f"schedule:{schedule.name}",
            where=await self._selection(schedule),
            occurrence=self._key(schedule, scheduled_at),
            window=window,
            priority=Priority.BULK,
        )
        job = await self._jobs.start_backup(request)
        await self._store.fired(schedule.id, scheduled_at)
        return job

    async def _skipped(self, schedule: Schedule, scheduled_at: datetime) -> None:
        message = (
            f"schedule {schedule.name}: the run of {scheduled_at:%Y-%m-%d %H:%M} UTC was missed, its window is over"
        )
        await self._events.add([NewEvent("schedule.skipped", self._clock.now(), "warning", message=message)])

    async def run_now(self, name: str, *, by: str, occurrence: str | None = None) -> Job:
        """The schedule's devices, at once and beside its occurrences; ``occurrence`` names this one run. Raises
        ``NotFound``, ``InputError``."""
        schedule = await self._named(name)

        async def start() -> Job | None:
            where = await self._selection(schedule)
            return await self._jobs.start_backup(RunRequest("manual", where, by=by, occurrence=occurrence))

        return await self._jobs.once(occurrence, start)

    async def _selection(self, schedule: Schedule) -> DeviceFilter:
        if schedule.group is None:
            return DeviceFilter()
        groups = await self._inventory.groups()
        return DeviceFilter(groups=tuple(sorted(with_descendants([schedule.group], groups))))

    async def list(self) -> list[ScheduleView]:
        now = self._clock.now()
        return [
            ScheduleView(schedule, self._timer.next(schedule, now) if schedule.enabled else None)
            for schedule in await self._store.schedules()
        ]

    async def add(self, new: NewSchedule) -> ScheduleView:
        """Raises ``InputError`` for cron, zone, window or group; ``Conflict`` for a name in use."""
        self._timer.validate(new.cron, new.timezone)
        if not 1 <= new.window_minutes <= 24 * 60:
            raise InputError("the window is 1 to 1440 minutes")
        if not new.name.strip():
            raise InputError("a schedule needs a name")
        if new.group is not None and new.group not in {group.name for group in await self._inventory.groups()}:
            raise InputError(f"no group {new.group}")
        now = self._clock.now()
        schedule = Schedule(
            id=self._ids.new(),
            name=new.name.strip(),
            cron=new.cron,
            timezone=new.timezone,
            window_minutes=new.window_minutes,
            group=new.group,
            enabled=new.enabled,
            created_at=now,
        )
        await self._store.add(schedule)
        await self._follow_table()
        return ScheduleView(schedule, self._timer.next(schedule, now) if schedule.enabled else None)

    async def remove(self, name: str) -> None:
        await self._store.remove(name)
        await self._follow_table()

    async def _named(self, name: str) -> Schedule:
        for schedule in await self._store.schedules():
            if name in {schedule.name, schedule.id}:
                return schedule
        raise NotFound(f"no schedule {name}")
