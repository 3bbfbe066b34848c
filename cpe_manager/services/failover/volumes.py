"""What goes over mobile in a month, line by line: counted in memory, and written now and then
(`domain.failover.mobile_volume`); and what is told when a line comes near its data cap (`domain.failover.data_cap`).

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
from cpe_manager.domain.failover.data_cap import cap_event, cap_kind, cap_mark
from cpe_manager.domain.failover.mobile_volume import MonthVolume
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.lines import CapNews, LineStore
from cpe_manager.services.failover.fleet import Fleet, Watched

log = structlog.get_logger()

WRITE_SECONDS: Final = 120.0
TELL_SECONDS: Final = 20.0
"""Between looks at caps."""
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
        due = self._clock.monotonic() + WRITE_SECONDS
        while True:
            await self._clock.sleep(TELL_SECONDS)
            try:
                await self._tell()
                if self._clock.monotonic() >= due:
                    due = self._clock.monotonic() + WRITE_SECONDS
                    await self._write(LEAST)
            except StoreError as error:
                log.error("lines.volumes_not_written", code=error.code, reason=str(error))

    async def _tell(self) -> None:
        at, news = self._clock.now().timestamp(), dict[str, CapNews]()
        for line_id, one in self._fleet.lines.items():
            kind = cap_kind(one.volume, one.policy, at)
            if kind and one.told < (mark := cap_mark(kind, at)):
                news[line_id] = CapNews(mark, cap_event(kind, one.record, one.volume, one.policy, at))
        told = list(news.items())
        for start in range(0, len(told), BATCH):
            part = dict(told[start : start + BATCH])
            await self._store.tell_caps(part)
            for line_id, cap in part.items():
                if (watched := self._fleet.lines.get(line_id)) is not None:
                    watched.told = cap.mark

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
