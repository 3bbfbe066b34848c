"""Writes the ends of attempts in batches: one row at a time would cost as much CPU as the SSH session itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from cpe_manager.domain.errors import StoreError
from cpe_manager.domain.jobs import Outcome
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.stores import JobStore, Settled
from cpe_manager.services.jobs.hindrance import Hindrance

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
    A result that cannot be written at all is found by halving its batch, and fails its device alone.
    """

    def __init__(
        self, jobs: JobStore, clock: Clock, forget: Callable[[Sequence[Settled]], None], hindrance: Hindrance
    ) -> None:
        self._jobs, self._clock, self._forget, self._hindrance = jobs, clock, forget, hindrance
        self._waiting: list[tuple[Settled, asyncio.Future[bool]]] = []
        self._wake = asyncio.Event()
        self._ended = False

    async def settle(self, result: Settled) -> bool:
        """Returns once it is written: True, or False when it was refused (fence passed) or dropped.

        Dropped at once when the writer was cancelled: nobody is to wait for it, its lease runs out by itself.
        """
        if self._ended:
            self._forget([result])
            return False
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((result, future))
        self._wake.set()
        # Shielded by being a bare future: a cancelled caller must not take the write with it.
        return await asyncio.shield(future)

    async def run(self) -> None:
        """The writer; runs until cancelled. What waits already is written first, also by a writer started anew."""
        self._ended = False
        try:
            while True:
                if not self._waiting:
                    self._wake.clear()
                    await self._wake.wait()
                if len(self._waiting) < BATCH:
                    await self._clock.sleep(LINGER_SECONDS)
                await self.drain()
        except asyncio.CancelledError:
            self._ended = True
            self._let_go(self._waiting)
            self._waiting = []
            raise

    async def drain(self) -> None:
        """Write what is waiting now; by itself, the second phase of stopping."""
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            await self._write(batch)

    async def _write(self, batch: list[tuple[Settled, asyncio.Future[bool]]]) -> None:
        written: frozenset[int] = frozenset()
        try:
            written = await self._written([result for result, _ in batch])
        finally:
            self._let_go(batch, written)

    def _let_go(
        self, batch: list[tuple[Settled, asyncio.Future[bool]]], written: frozenset[int] = frozenset()
    ) -> None:  # fmt: skip
        self._forget([result for result, _ in batch])
        for result, future in batch:
            if not future.done():
                future.set_result(id(result) in written)

    async def _written(self, results: Sequence[Settled]) -> frozenset[int]:
        """The ``id()`` of those that were written as they are."""
        try:
            refused = await self._settle_patiently(results)
        except Exception:  # whatever is wrong with one result, the others have to be written
            log.exception("backup.unwritable", results=len(results))
            return await self._halved(results)
        if refused is None:
            return frozenset()
        for result in refused:
            log.warning("backup.fence_passed", device_id=result.lease.device_id, fence=result.lease.fence)
        return frozenset(map(id, results)) - frozenset(map(id, refused))

    async def _halved(self, results: Sequence[Settled]) -> frozenset[int]:
        if len(results) > 1:
            middle = len(results) // 2
            return await self._written(results[:middle]) | await self._written(results[middle:])
        one = results[0]
        reason = "internal error: its result could not be written; the log has the details"
        failed = Settled(one.job_id, one.lease, one.at, Outcome.FAILED, error_code="internal", error=reason)
        try:
            await self._settle_patiently([failed])
        except Exception:  # nothing is left to be said of it; its lease runs out, the sweep comes back
            log.exception("backup.unwritable", device_id=one.lease.device_id)
        return frozenset()

    async def _settle_patiently(self, results: Sequence[Settled]) -> Sequence[Settled] | None:
        """Those refused by their fence; None when the database refused to the end."""
        for pause in (*PAUSES, None):
            try:
                refused = await self._jobs.settle(results)
            except StoreError as error:
                self._hindrance.result_refused(error)
                log.error("backup.settle_refused", code=error.code, reason=str(error), results=len(results))
                if pause is not None:
                    await self._clock.sleep(pause)
            else:
                self._hindrance.written()
                return refused
        return None
