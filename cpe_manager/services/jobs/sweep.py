"""The sweep: looks at our own tables every few seconds and issues tickets for what is due and held by nobody.

Level-triggered: a lost ticket, a killed worker or an engine that forgets costs seconds, never work.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from cpe_manager.domain.errors import StoreError
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.engine import Engine, Ticket
from cpe_manager.ports.stores import JobStore
from cpe_manager.services.jobs.jobs import SIMPLE_TICKET, shard_ticket

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds between looks at due work, and between the chores (alarms, follow-ups, schedules, metrics)."""

    sweep: float = 2.0
    chores: float = 30.0


class Sweep:
    """One in every process that works; several do no harm, for the engine keeps one waiting ticket of a kind and id."""

    def __init__(
        self,
        jobs: JobStore,
        engine: Engine,
        clock: Clock,
        rhythm: Rhythm,
        chores: Sequence[tuple[str, Callable[[], Awaitable[None]]]],
    ) -> None:
        self._jobs, self._engine, self._clock = jobs, engine, clock
        self._rhythm, self._chores = rhythm, chores

    async def run(self) -> None:
        """Until cancelled. A database that is away for a while is waited for."""
        next_chores = self._clock.monotonic()
        while True:
            await self._guarded("tickets", self.issue)
            if self._clock.monotonic() >= next_chores:
                for name, chore in self._chores:
                    await self._guarded(name, chore)
                next_chores = self._clock.monotonic() + self._rhythm.chores
            await self._clock.sleep(self._rhythm.sweep)

    @staticmethod
    async def _guarded(name: str, chore: Callable[[], Awaitable[None]]) -> None:
        try:
            await chore()
        except StoreError as error:
            log.error("sweep.refused", chore=name, code=error.code, reason=str(error))
        except Exception:  # a chore with a defect must not keep tickets from being issued
            log.exception("sweep.defect", chore=name)

    async def issue(self) -> None:
        """Tickets for every due shard and every open job without rows."""
        now = self._clock.now()
        due = await self._jobs.due_shards(now)
        simple = await self._jobs.open_simple_jobs()
        tickets = [shard_ticket(shard.job_id, shard.shard, shard.priority) for shard in due]
        tickets += [Ticket(SIMPLE_TICKET, job.id, job.priority) for job in simple]
        if tickets:
            await self._engine.enqueue(tickets)
