"""One session that is kept open, so that nothing has to connect at the moment when it matters.

A session belongs to the task that opened it; here that is a task of its own, and whoever has something to ask borrows
the shell. Another session is opened before the old one reaches its end, and takes over while the old one finishes what
it has begun. A session that drops is opened again, with a growing pause after each attempt that fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cpe_manager.domain.errors import ConnectFailed, DeviceError, DeviceTimeout, HostKeyChanged, SessionDropped
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.sessions import Sessions
from cpe_manager.ports.shell import Shell, Target


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. ``renew_at``: share of the session's longest duration after which another one is opened."""

    first_pause: float = 0.25
    longest_pause: float = 30.0
    renew_at: float = 0.8


@dataclass(eq=False, slots=True)
class Held:
    """An open session and how many are at work on it."""

    shell: Shell
    opened_at: float
    users: int = 0
    lost: bool = False
    """Nobody is to start anything on it any more."""
    kept: dict[str, object] = field(default_factory=dict)
    """What a user of it keeps with it, such as an open terminal."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """To be set when it may be closed."""


class WarmSession:
    """``borrow`` gives the open shell, or waits for the one that is being opened."""

    def __init__(self, sessions: Sessions, target: Target, clock: Clock, pace: Pace | None = None) -> None:
        self._sessions = sessions
        self._target = target
        self._clock = clock
        self._pace = pace or Pace()
        self._current: Held | None = None
        self._opening: asyncio.Task[Held] | None = None
        self._holders: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._not_before = 0.0
        self._failure: DeviceError | None = None
        self._closed = False
        self.opened = 0
        """Sessions so far."""

    @asynccontextmanager
    async def borrow(self, *, urgent: bool = False) -> AsyncIterator[Held]:
        """A shell for the length of the context. Raises what kept a session from being opened.

        ``urgent`` does not wait for the pause after a failed attempt to be over, except where the log-in itself was
        refused: repeating that locks accounts. When the body says that the session is gone, by its error, no one gets
        it again.
        """
        held = await self.ready(urgent=urgent)
        held.users += 1
        try:
            yield held
        except (SessionDropped, DeviceTimeout, ConnectFailed):
            self._retire(held)
            raise
        finally:
            held.users -= 1
            if held.lost and not held.users:
                held.over.set()

    async def ready(self, *, urgent: bool = False) -> Held:
        """The open session; opens it when there is none, and the next one when its time has come."""
        if self._closed:
            raise ConnectFailed(f"{self._place}: is closed")
        held = self._current
        if held is not None and not held.lost:
            if self._clock.monotonic() - held.opened_at > self._pace.renew_at * self._target.session_timeout:
                self._begin_in_background()
            return held
        wait, failure = self._not_before - self._clock.monotonic(), self._failure
        if self._opening is None and wait > 0 and failure is not None and not (urgent and failure.retryable):
            raise _again(failure, f"{failure} (tried again in {wait:.0f} s)")
        # A wait that is given up must not stop the attempt that others wait for.
        return await asyncio.shield(self._begin())

    async def close(self) -> None:
        """End all sessions, those at work as well. To be called once."""
        self._closed = True
        tasks: list[asyncio.Task[Held] | asyncio.Task[None]] = [*self._holders]
        if self._opening is not None:
            tasks.append(self._opening)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._current = None

    @property
    def _place(self) -> str:
        return f"{self._target.name} ({self._target.host}:{self._target.port})"

    def _begin_in_background(self) -> None:
        """Whoever borrows the old session meanwhile is not to hear of it when the new one cannot be opened."""
        if self._opening is None and self._clock.monotonic() >= self._not_before:
            self._begin().add_done_callback(lambda task: task.cancelled() or task.exception())

    def _begin(self) -> asyncio.Task[Held]:
        if self._opening is None:
            self._opening = asyncio.create_task(self._open(), name=f"platform {self._target.name}: opening")
            self._opening.add_done_callback(self._opening_over)
        return self._opening

    def _opening_over(self, task: asyncio.Task[Held]) -> None:
        self._opening = None
        if not task.cancelled():
            task.exception()  # those who wait have it; without one who waits it would be reported as lost

    async def _open(self) -> Held:
        opened: asyncio.Future[Held] = asyncio.get_running_loop().create_future()
        holder = asyncio.create_task(self._hold(opened), name=f"platform {self._target.name}: session")
        self._holders.add(holder)
        holder.add_done_callback(self._holders.discard)
        try:
            held = await opened
        except DeviceError as error:
            pause = min(self._pace.first_pause * 2**self._failures, self._pace.longest_pause)
            self._failures = min(self._failures + 1, 16)
            self._not_before = self._clock.monotonic() + (pause if error.retryable else self._pace.longest_pause)
            self._failure = error
            raise
        except asyncio.CancelledError:
            holder.cancel()
            raise
        self._failures, self._failure, self._not_before = 0, None, 0.0
        if self._current is not None:
            self._retire(self._current)
        self._current = held
        self.opened += 1
        return held

    async def _hold(self, opened: asyncio.Future[Held]) -> None:
        held: Held | None = None
        try:
            async with self._sessions.open(self._target) as session:
                held = Held(session.shell, self._clock.monotonic())
                if not opened.done():
                    opened.set_result(held)
                await held.over.wait()
        except DeviceError as error:
            if not opened.done():
                opened.set_exception(error)
        except Exception as error:
            if opened.done():
                raise
            opened.set_exception(error)
        finally:
            if held is not None:
                held.lost = True
            if not opened.done():
                opened.cancel()

    def _retire(self, held: Held) -> None:
        held.lost = True
        if self._current is held:
            self._current = None
        if not held.users:
            held.over.set()


def _again(error: DeviceError, message: str) -> DeviceError:
    """The same error once more: one that was raised carries the trace of where."""
    if isinstance(error, HostKeyChanged):
        return HostKeyChanged(message, offered=error.offered)
    return type(error)(message)
