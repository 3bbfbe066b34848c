"""Long-running tasks of the daemon: named, started again when they crash, and stopped in two phases."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import structlog

from cpe_manager.domain.errors import CpeManagerError
from cpe_manager.domain.timing import backoff
from cpe_manager.ports.clock import Clock, Ids

Factory = Callable[[], Awaitable[None]]
_log = structlog.get_logger(__name__)


class Restart(StrEnum):
    """What follows when a task ends by itself."""

    ALWAYS = "always"
    """Started again, also when it returns: for tasks that have no end."""
    ON_CRASH = "on_crash"
    """Started again when it raised; returning is its good end."""
    NEVER = "never"
    """Left as it is: failed when it raised."""


class TaskState(StrEnum):
    WAITING = "waiting"
    """Added, the supervisor has not started yet."""
    RUNNING = "running"
    BACKING_OFF = "backing_off"
    """It crashed and will be started again."""
    DONE = "done"
    FAILED = "failed"
    """It raised and is not started again."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class TaskHealth:
    state: TaskState
    restarts: int = 0
    """Since it was added."""
    error: str | None = None
    """The last crash: its class, and for an error of our own its text."""

    @property
    def ok(self) -> bool:
        return self.state in {TaskState.RUNNING, TaskState.DONE}


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds before a crashed task is started again: doubled from ``base`` to ``cap`` with every crash in a row."""

    base: float = 0.5
    cap: float = 30.0
    reset: float = 60.0
    """A task that ran for this long before it crashed starts over at ``base``."""


class Supervisor:
    """Runs tasks made by factories. ``stopping`` is set in phase one of stopping, for tasks that end by themselves."""

    def __init__(self, clock: Clock, ids: Ids, pause: Backoff | None = None) -> None:
        self._clock = clock
        self._ids = ids
        self._pause = pause or Backoff()
        self._wanted: dict[str, tuple[Factory, Restart]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._health: dict[str, TaskHealth] = {}
        self._started = False
        self.stopping = asyncio.Event()

    def add(self, name: str, factory: Factory, restart: Restart = Restart.ALWAYS) -> None:
        """Names are unique. Started at once when the supervisor is, else with ``start``."""
        if name in self._wanted:
            raise ValueError(f"a task named {name!r} is supervised already")
        self._wanted[name] = (factory, restart)
        self._health[name] = TaskHealth(TaskState.WAITING)
        if self._started and not self.stopping.is_set():
            self._run(name)

    def start(self) -> None:
        """Start everything added so far, in that order."""
        self._started = True
        for name in self._wanted:
            if name not in self._tasks:
                self._run(name)

    def health(self) -> Mapping[str, TaskHealth]:
        return dict(self._health)

    @property
    def ok(self) -> bool:
        """Whether every task runs, or has come to its good end."""
        return all(each.ok for each in self._health.values())

    async def stop(self, grace: float) -> None:
        """Phase one: ``stopping`` is set and nothing is started again. Phase two, ``grace`` seconds later: cancel what
        still runs, the last added first, and wait for it."""
        self.stopping.set()
        for name, task in self._tasks.items():
            if self._health[name].state is TaskState.BACKING_OFF:
                task.cancel()
        try:
            if self._tasks:
                await asyncio.wait(self._tasks.values(), timeout=grace)
        finally:
            for task in reversed(self._tasks.values()):
                task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _run(self, name: str) -> None:
        self._health[name] = TaskHealth(TaskState.RUNNING)
        self._tasks[name] = asyncio.create_task(self._supervise(name), name=name)

    async def _supervise(self, name: str) -> None:
        factory, restart = self._wanted[name]
        in_a_row = 0
        try:
            while not self.stopping.is_set():
                began = self._clock.monotonic()
                error = await _run_once(factory)
                if self.stopping.is_set() or not self._goes_on(name, restart, error):
                    break
                in_a_row = 1 if self._clock.monotonic() - began >= self._pause.reset else in_a_row + 1
                await self._back_off(name, in_a_row, error)
        except asyncio.CancelledError:
            self._change(name, TaskState.STOPPED)
            raise
        if self._health[name].state is TaskState.RUNNING:
            self._change(name, TaskState.STOPPED)

    def _goes_on(self, name: str, restart: Restart, error: BaseException | None) -> bool:
        """Whether to start it again; else its final state is set."""
        if error is None and restart is not Restart.ALWAYS:
            self._change(name, TaskState.DONE)
            return False
        if error is not None and restart is Restart.NEVER:
            self._change(name, TaskState.FAILED, _text(error))
            _log.error("task_failed", task=name, error=_text(error), exc_info=_traceback(error))
            return False
        return True

    async def _back_off(self, name: str, in_a_row: int, error: BaseException | None) -> None:
        text = "returned" if error is None else _text(error)
        wait = backoff(in_a_row, self._pause.base, self._pause.cap, self._ids.jitter())
        self._change(name, TaskState.BACKING_OFF, text)
        _log.error("task_restarts", task=name, error=text, seconds=round(wait, 3), exc_info=_traceback(error))
        await self._clock.sleep(wait)
        before = self._health[name]
        self._health[name] = replace(before, state=TaskState.RUNNING, restarts=before.restarts + 1)

    def _change(self, name: str, state: TaskState, error: str | None = None) -> None:
        before = self._health[name]
        self._health[name] = replace(before, state=state, error=error or before.error)


async def _run_once(factory: Factory) -> BaseException | None:
    """How it ended: None when it returned. Raises nothing but the cancellation of the task that it runs in."""
    try:
        await factory()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return error  # not meant for us: something that the task awaited had been cancelled
    except Exception as error:  # noqa: BLE001 - a supervisor is there for whatever a task dies of; it is logged
        return error
    return None


def _text(error: BaseException) -> str:
    """Of a foreign error the class alone: its text may hold anything, and the log has the traceback."""
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, CpeManagerError) else name


def _traceback(error: BaseException | None) -> BaseException | None:
    """An error of our own says what is wrong in its text; any other is a bug, and its traceback is wanted."""
    return None if error is None or isinstance(error, CpeManagerError) else error
