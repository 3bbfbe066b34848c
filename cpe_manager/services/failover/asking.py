"""A box that is asked again and again over what its own route goes: one session, one reading of its configuration.

The reading tells which interface is which, and that does not change while one waits; each question after it is the one
small look at the routing table that its driver has. A session that is lost, or does not answer, is opened anew by the
next question.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from cpe_manager.domain.errors import CpeManagerError, DeviceTimeout
from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.ports.driver import Carrying, Driver
from cpe_manager.ports.shell import Shell

log = structlog.get_logger()

ANSWER_SECONDS: Final = 5.0
"""What a question over a session that is open may take. The first one also connects and reads: that takes what it takes
with that box."""
FIRST_PAUSE, LAST_PAUSE, GROWTH = 0.2, 2.0, 1.5
"""Between two questions: what is about to come true does so soon or late."""


class CarryingDriver(Driver, Carrying, Protocol):
    """A driver that can be asked."""


class Asking(Protocol):
    """One who asks a box."""

    async def carrying(self) -> Carrier | None:
        """Over what the box's own route goes; None: it does not tell. Raises ``CpeManagerError``."""
        ...


class Dumb:
    """``Asking`` for a box that cannot be asked."""

    async def carrying(self) -> Carrier | None:
        return None


@dataclass(slots=True)
class Pauses:
    """The waiting between questions, which grows; never beyond the time that is left."""

    pause: float = FIRST_PAUSE

    def next(self, left: float) -> float:
        now, self.pause = self.pause, min(LAST_PAUSE, self.pause * GROWTH)
        return max(0.0, min(now, left))


Opening = Callable[[], AbstractAsyncContextManager[Shell]]


@asynccontextmanager
async def asked(driver: CarryingDriver, opening: Opening) -> AsyncIterator[Asking]:
    """Nothing is opened before the first question."""
    made = _Asking(driver, opening)
    # A session belongs to the task that opened it; questions come from many.
    task = asyncio.create_task(made.serve(), name="asking a box")
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class _Asking:
    def __init__(self, driver: CarryingDriver, opening: Opening) -> None:
        self._driver, self._opening = driver, opening
        self._questions: asyncio.Queue[asyncio.Future[Carrier | None]] = asyncio.Queue()
        self._text: str | None = None

    async def carrying(self) -> Carrier | None:
        answer: asyncio.Future[Carrier | None] = asyncio.get_running_loop().create_future()
        self._questions.put_nowait(answer)
        return await answer

    async def serve(self) -> None:
        while True:
            question = await self._questions.get()
            try:
                async with self._opening() as shell:
                    if self._text is None:
                        self._text = (await self._driver.fetch(shell)).text
                    while True:
                        _answer(question, await self._look(shell, self._text))
                        question = await self._questions.get()
            except CpeManagerError as error:
                _refuse(question, error)
            except Exception as error:  # a driver's defect is one answer that is missing
                log.exception("failover.asking_defect")
                _refuse(question, CpeManagerError(f"internal error ({type(error).__name__}); the log has the details"))

    async def _look(self, shell: Shell, text: str) -> Carrier | None:
        scope = asyncio.timeout(ANSWER_SECONDS)
        try:
            async with scope:
                return await self._driver.carrying(shell, text)
        except TimeoutError:
            if not scope.expired():
                raise
            raise DeviceTimeout(f"the box did not say within {ANSWER_SECONDS:g} s what its route goes over") from None


def _answer(question: asyncio.Future[Carrier | None], carrier: Carrier | None) -> None:
    if not question.done():  # who asked may have gone
        question.set_result(carrier)


def _refuse(question: asyncio.Future[Carrier | None], error: CpeManagerError) -> None:
    if not question.done():
        question.set_exception(error)
