"""When backups start: five-field cron on APScheduler, which decides *when* and nothing else.

Nothing is stored here: the timetable is rebuilt from our own table, and every node may fire the same occurrence, since
its key makes one run of them (``cpe_manager.domain.timing.occurrence_key``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from apscheduler.events import EVENT_JOB_SUBMITTED
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.schedules import Schedule
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.timer import OnFire

TriggerOf = Callable[[Schedule], Any]

_FIELDS = ("minute", "hour", "day", "month", "day_of_week")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_GRACE_SECONDS = 5.0
_TICK = timedelta(microseconds=1)
_log = structlog.get_logger(__name__)


def validate(cron: str, timezone: str, now: datetime) -> None:
    """Raise ``InputError`` unless ``cron`` (five fields) in ``timezone`` (IANA name) names an instant to come."""
    if _next_of(_trigger(cron, timezone), now) is None:
        raise InputError(f"cron {cron!r} never fires: no such date exists")


def next_time(schedule: Schedule, now: datetime) -> datetime | None:
    """The first instant after ``now`` at which the schedule fires, UTC; None when it is disabled or never does."""
    return _next_of(cron_trigger(schedule), now) if schedule.enabled else None


def previous_time(schedule: Schedule, now: datetime) -> datetime | None:
    """The latest instant at or before ``now`` at which it should have fired and whose window is open still, UTC.

    This is the occurrence to make up for when a daemon starts. An occurrence from before the schedule was made is none.
    """
    if not schedule.enabled:
        return None
    trigger = cron_trigger(schedule)
    earliest = now - timedelta(minutes=schedule.window_minutes)
    if schedule.created_at is not None:
        earliest = max(earliest, schedule.created_at)
    latest, fires = None, _next_of(trigger, earliest)
    while fires is not None and fires <= now:
        latest, fires = fires, _next_of(trigger, fires)
    return latest


def cron_trigger(schedule: Schedule) -> Any:
    """The APScheduler trigger of a schedule. Raises ``InputError``."""
    return _trigger(schedule.cron, schedule.timezone)


class Timetable:
    """``ports.timer.Timer``.

    It may fire late (a machine that slept wakes up, occurrences missed meanwhile come as one, the latest), and once in
    each of October's repeated hours: what is too late, or the same run, is for the callback to decide. A callback that
    raises is logged; catching up (``previous``) is what makes up for it.
    """

    def __init__(self, clock: Clock, trigger_of: TriggerOf = cron_trigger) -> None:
        self._clock = clock
        self._trigger_of = trigger_of
        self._on_fire: OnFire | None = None
        self._schedules: dict[str, Schedule] = {}
        self._firing: set[asyncio.Task[None]] = set()
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._scheduler.add_listener(self._submitted, EVENT_JOB_SUBMITTED)

    def validate(self, cron: str, timezone: str) -> None:
        validate(cron, timezone, self._clock.now())

    def next(self, schedule: Schedule, now: datetime) -> datetime | None:
        return next_time(schedule, now)

    def previous(self, schedule: Schedule, now: datetime) -> datetime | None:
        return previous_time(schedule, now)

    def start(self, on_fire: OnFire) -> None:
        """On the running loop. What became due since a ``replace`` before this fires at once."""
        self._on_fire = on_fire
        self._scheduler.start()

    def replace(self, schedules: Sequence[Schedule]) -> None:
        """Make these the timetable; disabled ones do not fire. Raises ``InputError``, and then changes nothing.

        A schedule whose timing did not change is left alone, so that an occurrence that is due at this very moment is
        not lost; a new one fires from now on.
        """
        now = self._clock.now()
        wanted = {schedule.id: schedule for schedule in schedules if schedule.enabled}
        changed = {
            key: self._trigger_of(schedule)
            for key, schedule in wanted.items()
            if key not in self._schedules or _timing(self._schedules[key]) != _timing(schedule)
        }
        for gone in (self._schedules.keys() - wanted.keys()) | (changed.keys() & self._schedules.keys()):
            if self._scheduler.get_job(gone) is not None:
                self._scheduler.remove_job(gone)
        self._schedules = wanted
        for key, trigger in changed.items():
            self._scheduler.add_job(
                _nothing,
                trigger,
                id=key,
                # Counted from here: while the timetable has not started, the library would count from its start.
                next_run_time=trigger.get_next_fire_time(None, now),
                name=wanted[key].name,
                misfire_grace_time=max(1, wanted[key].window_minutes * 60),
                coalesce=True,
                max_instances=1,
            )

    async def stop(self, grace: float = _GRACE_SECONDS) -> None:
        """Fire no more; give callbacks that run ``grace`` seconds, then cancel them and wait for that."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
            await asyncio.sleep(0)  # the library does the work of shutting down in the loop's next turn
        if self._firing:
            await asyncio.wait(self._firing, timeout=grace)
        for task in self._firing:
            task.cancel()
        await asyncio.gather(*self._firing, return_exceptions=True)

    def _submitted(self, event: Any) -> None:
        """The scheduled time is in the event alone: the library does not hand it to the job."""
        schedule = self._schedules.get(event.job_id)
        if schedule is None or self._on_fire is None:
            return
        for scheduled in event.scheduled_run_times:
            task = asyncio.create_task(
                self._fire(self._on_fire, schedule, scheduled.astimezone(UTC)), name=f"schedule:{schedule.name}"
            )
            self._firing.add(task)
            task.add_done_callback(self._firing.discard)

    async def _fire(self, on_fire: OnFire, schedule: Schedule, scheduled_at: datetime) -> None:
        try:
            await on_fire(schedule, scheduled_at)
        except Exception:  # noqa: BLE001 - whatever it was, the other schedules have to go on firing
            _log.exception("schedule_failed", schedule=schedule.name, scheduled_at=scheduled_at.isoformat())


async def _nothing() -> None:
    """The library wants a function to run; what is to be done hangs on its event, which knows the scheduled time."""


def _timing(schedule: Schedule) -> tuple[str, str, int]:
    return schedule.cron, schedule.timezone, schedule.window_minutes


def _next_of(trigger: Any, after: datetime) -> datetime | None:
    """The first firing strictly after ``after``.

    Through UTC: in the hour that March leaves out, the library answers with a wall-clock time that does not exist.
    """
    fires: datetime | None = trigger.get_next_fire_time(None, after.astimezone(UTC) + _TICK)
    return None if fires is None else fires.astimezone(UTC)


def _trigger(cron: str, timezone: str) -> Any:
    fields = cron.split()
    if len(fields) != len(_FIELDS):
        raise InputError(f"cron {cron!r} has {len(fields)} fields instead of five (minute hour day month weekday)")
    zone = _zone(timezone)
    if fields[2] != "*" and fields[4] != "*":
        # Unix cron fires when either matches, the library when both do: too different to guess what is meant.
        raise InputError(f"cron {cron!r} limits both day of month and weekday: make it two schedules")
    fields[4] = _weekdays(cron, fields[4].lower())
    for name, value in zip(_FIELDS, fields, strict=True):
        try:
            CronTrigger(**{name: value}, timezone=zone)
        except ValueError as error:
            raise InputError(f"cron {cron!r}: {name.replace('_', ' ')}: {error}") from error
    return CronTrigger(**dict(zip(_FIELDS, fields, strict=True)), timezone=zone)


def _zone(timezone: str) -> tzinfo:
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # the last two: "../x", a folder's name
        raise InputError(f"time zone {timezone!r} is not known (an IANA name such as Europe/Brussels)") from error


def _weekdays(cron: str, field: str) -> str:
    """Cron's weekdays as names, for the library counts from Monday where cron counts from Sunday (0 and 7)."""
    if field == "*":
        return field
    days: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        low, dash, high = ("0", "-", "6") if span == "*" else span.partition("-")
        first = _weekday(cron, low)
        last = _weekday(cron, high) if dash else first
        if dash and last == 0 and first > 0:
            last = 7  # "fri-sun"
        if last < first or (step and not (step.isdecimal() and int(step) > 0)):
            raise InputError(f"cron {cron!r}: weekday {part!r} is no range of days")
        days |= {day % 7 for day in range(first, last + 1, int(step or 1))}
    return ",".join(_DAYS[day] for day in sorted(days))


def _weekday(cron: str, text: str) -> int:
    if text in _DAYS:
        return _DAYS.index(text)
    if text.isdecimal() and int(text) <= 7:
        return int(text)
    raise InputError(f"cron {cron!r}: weekday {text!r} is none of sun-sat or 0-7")
