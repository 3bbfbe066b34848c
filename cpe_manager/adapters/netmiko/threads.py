"""Threads for blocking sessions: a limited number, one for each session, none that a deadline has to wait for.

The interpreter's own pools will not do: they share their threads among sessions, wait for each at exit, and count one
that hangs as one that works.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import structlog

from cpe_manager.domain.errors import DeviceTimeout, SessionDropped

T = TypeVar("T")
_log = structlog.get_logger(__name__)
_END: Final = None


@dataclass(slots=True)
class ThreadCounts:
    """Read and written on the event loop alone. ``abandoned``: given up by their session and not yet ended."""

    running: int = 0
    most_running: int = 0
    abandoned: int = 0
    abandoned_ever: int = 0


class Threads:
    """``size`` threads at the most. A thread that was given up counts until it has really ended."""

    def __init__(self, size: int) -> None:
        self._free = asyncio.Semaphore(size)
        self._size = size
        self.counts = ThreadCounts()

    async def start(self, name: str, wait: float) -> Worker:
        """A thread of its own for one session, when one is free. Raises ``DeviceTimeout`` after ``wait`` seconds."""
        try:
            async with asyncio.timeout(wait):
                await self._free.acquire()
        except TimeoutError as error:
            busy = f"{self._size} threads, {self.counts.abandoned} of them hang"
            raise DeviceTimeout(f"{name}: no thread became free within {wait:g} s ({busy})") from error
        self.counts.running += 1
        self.counts.most_running = max(self.counts.most_running, self.counts.running)
        return Worker(name, self.counts, self._ended)

    def _ended(self) -> None:
        self.counts.running -= 1
        self._free.release()


class Worker:
    """Runs one call after another in its thread, for the event loop that made it; ``last`` when all is over.

    ``cut`` ends, from outside, whatever a call waits for; it must not wait itself.
    """

    def __init__(self, name: str, counts: ThreadCounts, on_end: Callable[[], None]) -> None:
        self._name, self._counts, self._on_end = name, counts, on_end
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._given_up = False
        self._over = self._loop.create_future()
        self._last: Callable[[], None] = _nothing
        self._cut: Callable[[], None] = _nothing
        threading.Thread(target=self._work, name=f"netmiko {name}", daemon=True).start()

    def serve(self, *, last: Callable[[], None], cut: Callable[[], None]) -> None:
        """Whose calls it runs."""
        self._last, self._cut = last, cut

    async def run(self, call: Callable[[], T], timeout: float) -> T:
        """The call's result, or ``TimeoutError`` after ``timeout`` seconds. Then, and when cancelled, the thread is
        given up: it takes no further calls, and nobody waits for it."""
        if self._given_up:
            raise SessionDropped(f"{self._name}: the session was given up")
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((call, future))
        scope = asyncio.timeout(timeout)
        try:
            async with scope:
                return await future
        except TimeoutError:
            if scope.expired():
                self._give_up()
            raise
        except asyncio.CancelledError:
            self._give_up()
            raise

    async def finish(self, within: float) -> None:
        """Let the thread do its last call and end; give it up when that takes over ``within`` seconds."""
        if self._given_up:
            return
        self._jobs.put(_END)
        try:
            async with asyncio.timeout(within):
                await asyncio.shield(self._over)
        except TimeoutError:
            self._give_up()
        except asyncio.CancelledError:
            self._give_up()
            raise

    def _give_up(self) -> None:
        if self._over.done() or self._given_up:
            return
        self._given_up = True
        self._counts.abandoned += 1
        self._counts.abandoned_ever += 1
        _log.warning("netmiko.abandoned", session=self._name, hanging=self._counts.abandoned)
        self._cut()
        self._jobs.put(_END)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not _END:
            call, future = job
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits
                self._tell(_fail, future, error)
            else:
                self._tell(_succeed, future, result)
        with suppress(Exception):
            self._last()
        self._tell(self._ended)

    def _ended(self) -> None:
        if self._given_up:
            self._counts.abandoned -= 1
        self._over.set_result(None)
        self._on_end()

    def _tell(self, what: Callable[..., None], *arguments: object) -> None:
        # A loop that is closed by now has nobody left who would want to know.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(what, *arguments)


def _nothing() -> None:
    """For a thread that was started and got no session."""


def _succeed(future: asyncio.Future[Any], result: object) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
