"""The acts that are under way, one for each line at the most, and what they come to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from cpe_manager.domain.errors import CpeManagerError, StoreError
from cpe_manager.domain.failover.failover import Outcome
from cpe_manager.domain.failover.lines import Act, FailoverPolicy, LineRecord
from cpe_manager.ports.clock import Clock
from cpe_manager.services.failover.conductor import Done

log = structlog.get_logger()

AGAIN_SECONDS: Final = 1.0
"""Until an act that the database kept from its work is begun again; it is named, so it is the same one."""


class Conducting(Protocol):
    async def switch(self, record: LineRecord, policy: FailoverPolicy) -> Done: ...

    async def give_back(self, record: LineRecord, policy: FailoverPolicy) -> Done: ...

    async def roll_back(self, record: LineRecord, policy: FailoverPolicy) -> Done: ...


class ActObserver(Protocol):
    def acted(self, act: str, ok: bool, seconds: float) -> None: ...


class Acts:
    """``came`` is told of each end."""

    def __init__(
        self, conductor: Conducting, clock: Clock, came: Callable[[str, Done], None], observer: ActObserver
    ) -> None:  # fmt: skip
        self._clock, self._came, self._observer = clock, came, observer
        self._how = {
            Act.SWITCH: conductor.switch,
            Act.RETURN: conductor.give_back,
            Act.ROLL_BACK: conductor.roll_back,
        }
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, record: LineRecord, policy: FailoverPolicy, act: Act) -> None:
        """An act of the line that is still under way was given up by whoever decided this one: it is stopped first."""
        before = self._tasks.get(record.line.id)
        made = self._do(record, policy, act, before)
        self._tasks[record.line.id] = asyncio.create_task(made, name=f"{act} {record.line.device}")

    async def stop(self) -> None:
        """What is under way is left as it stands, and taken up by whoever has the lead next."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    async def _do(
        self, record: LineRecord, policy: FailoverPolicy, act: Act, before: asyncio.Task[None] | None
    ) -> None:  # fmt: skip
        if before is not None and not before.done():
            before.cancel()
            await asyncio.gather(before, return_exceptions=True)
        began = self._clock.monotonic()
        log.info("failover.begun", device=record.line.device, act=act.value, switch_id=record.switch_id)
        done = await self._done(record, policy, act)
        seconds = self._clock.monotonic() - began
        write = log.info if done.outcome.ok else log.warning
        write(
            "failover.ended", device=record.line.device, act=act.value, switch_id=record.switch_id,
            ok=done.outcome.ok, reason=done.outcome.reason, push_id=done.push_id, seconds=round(seconds, 3),
        )  # fmt: skip
        self._observer.acted(act.value, done.outcome.ok, seconds)
        if self._tasks.get(record.line.id) is asyncio.current_task():
            del self._tasks[record.line.id]
            self._came(record.line.id, done)

    async def _done(self, record: LineRecord, policy: FailoverPolicy, act: Act) -> Done:
        while True:
            try:
                return await self._how[act](record, policy)
            except StoreError as error:
                log.error("failover.hindered", device=record.line.device, code=error.code, reason=str(error))
                await self._clock.sleep(AGAIN_SECONDS)
            except CpeManagerError as error:
                return Done(Outcome(False, str(error)))
            except Exception as error:  # a defect must not leave a line under way for ever
                log.exception("failover.defect", device=record.line.device, act=act.value)
                return Done(Outcome(False, f"internal error ({type(error).__name__}); the log has the details"))
