"""Writes the ends of attempts in batches: one row at a time would cost as much CPU as the SSH session itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from cpe_manager.domain.errors import StoreError
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.stores import JobStore, Settled

log = structlog.get_logger()

BATCH = 200
LINGER_SECONDS = 0.15
"""How long the first result of a batch waits for company: a transaction costs as much as several sessions."""
PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Waits in seconds between tries of a batch that the database refused."""


class Settler:
    """Group commit: whatever ended while the last batch was being written goes into the next one.

    A batch that the database keeps refusing (disk full, locked) is dropped after the last pause: nothing is lost by
    it, for the rows are still due and the device will be fetched again; ``hindrance`` then says why work stands still.
    """

    def __init__(self, jobs: JobStore, clock: Clock, forget: Callable[[Sequence[Settled]], None]) -> None:
        self._jobs, self._clock, self._forget = jobs, clock, forget
        self._waiting: list[tuple[Settled, asyncio.Future[bool]]] = []
        self._wake = asyncio.Event()
        self.hindrance: str | None = None
        self.hindrance_code: str | None = None

    async def settle(self, result: Settled) -> bool:
        """Returns once it is written: True, or False when it was refused (fence passed) or dropped."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((result, future))
        self._wake.set()
        # Shielded by being a bare future: a cancelled caller must not take the write with it.
        return await asyncio.shield(future)

    async def run(self) -> None:
        """The writer; runs until cancelled."""
        while True:
            await self._wake.wait()
            if len(self._waiting) < BATCH:
                await self._clock.sleep(LINGER_SECONDS)
            self._wake.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                await self._write(batch)

    async def drain(self) -> None:
        """Write what is left, for the second phase of stopping."""
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            await self._write(batch)

    async def _write(self, batch: list[tuple[Settled, asyncio.Future[bool]]]) -> None:
        results = [result for result, _ in batch]
        written: set[int] = set()
        try:
            refused = await self._settle_patiently(results)
            if refused is not None:
                lost = {id(result) for result in refused}
                written = {id(result) for result in results} - lost
                for result in refused:
                    log.warning("backup.fence_passed", device_id=result.lease.device_id, fence=result.lease.fence)
        finally:
            self._forget(results)
            for result, future in batch:
                if not future.done():
                    future.set_result(id(result) in written)

    async def _settle_patiently(self, results: Sequence[Settled]) -> Sequence[Settled] | None:
        for pause in (*PAUSES, None):
            try:
                refused = await self._jobs.settle(results)
            except StoreError as error:
                self.hindrance, self.hindrance_code = str(error), error.code
                log.error("backup.settle_refused", code=error.code, reason=str(error), results=len(results))
                if pause is None:
                    return None
                await self._clock.sleep(pause)
            else:
                self.hindrance = self.hindrance_code = None
                return refused
        return None
