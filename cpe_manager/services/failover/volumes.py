"""What goes over mobile in a month, line by line: counted in memory, and written now and then
(`domain.failover.mobile_volume`).

A process that is killed loses at most what a line moved within `WRITE_SECONDS`, and a megabyte of one at rest; one that
is stopped loses nothing. What is written only ever grows within a month, so that two processes, of which one still
thinks that it has the lead, do no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from cpe_manager.domain.errors import StoreError
from cpe_manager.domain.failover.mobile_volume import MonthVolume
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.lines import LineStore
from cpe_manager.services.failover.fleet import Fleet, Watched

log = structlog.get_logger()

WRITE_SECONDS: Final = 120.0
LEAST: Final = 1_000_000
"""Octets that are worth a write: the cap's unit. Probes alone take an hour and more for it, so that a fleet at rest
writes next to nothing."""
BATCH: Final = 500
LAST_SECONDS: Final = 5.0
"""How long the last write may hold up the end of the process."""


class Volumes:
    """``run`` goes on until it is cancelled; `flush` is for the end."""

    def __init__(self, store: LineStore, fleet: Fleet, clock: Clock) -> None:
        self._store, self._fleet, self._clock = store, fleet, clock

    async def run(self) -> None:
        while True:
            await self._clock.sleep(WRITE_SECONDS)
            try:
                await self._write(LEAST)
            except StoreError as error:
                log.error("lines.volumes_not_written", code=error.code, reason=str(error))

    async def flush(self) -> None:
        """Write all that is not written yet. Raises nothing: what cannot be written is lost, which is told."""
        try:
            async with asyncio.timeout(LAST_SECONDS):
                await self._write(1)
        except (StoreError, TimeoutError) as error:
            log.error("lines.volumes_not_written", reason=str(error) or "no answer from the database")

    async def _write(self, least: int) -> None:
        due = [(line_id, one) for line_id, one in self._fleet.lines.items() if _unwritten(one) >= least]
        for start in range(0, len(due), BATCH):
            part = due[start : start + BATCH]
            volumes: Mapping[str, MonthVolume] = {line_id: one.volume for line_id, one in part}
            await self._store.count_mobile(volumes)
            for line_id, one in part:
                one.written = volumes[line_id]


def _unwritten(watched: Watched) -> int:
    counted, written = watched.volume, watched.written
    return counted.octets - (written.octets if written.month == counted.month else 0)
