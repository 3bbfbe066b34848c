"""Keeps the leases of this process alive, and stops the work of those that were lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from cpe_manager.domain.errors import StoreError
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.stores import JobStore, Lease

log = structlog.get_logger()


class LeaseKeeper:
    """Renews every ``ttl / 3`` seconds. A lease that is another's now, or was asked back, loses its task."""

    def __init__(self, jobs: JobStore, clock: Clock, *, ttl: float) -> None:
        self._jobs, self._clock, self._ttl = jobs, clock, ttl
        self._held: dict[str, tuple[Lease, asyncio.Task[None] | None]] = {}

    def hold(self, lease: Lease, task: asyncio.Task[None]) -> None:
        before = self._held.get(lease.device_id)
        if before is not None and before[1] is not None:
            # Its lease ran out while nothing could be written, and was taken again here: one session is enough.
            before[1].cancel("lease lost")
        self._held[lease.device_id] = (lease, task)

    def session_over(self, lease: Lease) -> None:
        """The session has ended, the result is not written yet: keep the lease, there is nothing to stop any more."""
        held = self._held.get(lease.device_id)
        if held is not None and held[0].fence == lease.fence:
            self._held[lease.device_id] = (held[0], None)

    def forget(self, leases: Iterable[Lease]) -> None:
        for lease in leases:
            held = self._held.get(lease.device_id)
            if held is not None and held[0].fence == lease.fence:
                del self._held[lease.device_id]

    def __len__(self) -> int:
        return len(self._held)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(self._ttl / 3)
            await self.renew()

    async def renew(self) -> None:
        if not self._held:
            return
        mine = [lease for lease, _ in self._held.values()]
        try:
            kept = await self._jobs.renew(mine, now=self._clock.now(), ttl=self._ttl)
        except StoreError as error:
            # The leases run on until they expire; the next round may get through.
            log.error("lease.renew_refused", code=error.code, reason=str(error), leases=len(mine))
            return
        still = {lease.device_id: lease for lease in kept}
        for lease in mine:
            current = self._held.get(lease.device_id)
            if current is None or current[0].fence != lease.fence:
                continue
            if lease.device_id in still:
                self._held[lease.device_id] = (still[lease.device_id], current[1])
                continue
            log.warning("lease.lost", device_id=lease.device_id, fence=lease.fence)
            if current[1] is not None:
                current[1].cancel("lease lost")
