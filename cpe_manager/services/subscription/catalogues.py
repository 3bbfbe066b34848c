"""The catalogues in force: taken from their files when these change, and kept as versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import structlog

from cpe_manager.domain.changes.entries import EntryTerms
from cpe_manager.domain.errors import InputError, StoreError
from cpe_manager.domain.events import Alarm
from cpe_manager.domain.fleet.import_rules import ImportErrors
from cpe_manager.domain.paging import Page
from cpe_manager.domain.subscription.catalogue import ServiceCatalogue
from cpe_manager.domain.subscription.catalogue_data import digest_of
from cpe_manager.ports.catalogue import (
    CATALOGUE_ALARM,
    SHIPPED,
    CatalogueFound,
    CatalogueSource,
    CatalogueStore,
    CatalogueVersion,
)
from cpe_manager.ports.clock import Clock

log = structlog.get_logger()

LOOK_SECONDS: Final = 5.0
"""Between looks at whether a file has changed."""
_KEPT: Final = 16
"""Versions that are held in memory: those that running changes were approved under are few."""


class CatalogueBook:
    """``ports.catalogue.Catalogues``. What is in force is what the database says; one process, the one that serves,
    looks at the files and takes what is new there."""

    def __init__(self, source: CatalogueSource, store: CatalogueStore, clock: Clock) -> None:
        self._source, self._store, self._clock = source, store, clock
        self._read: dict[int, CatalogueVersion] = {}

    async def current(self) -> ServiceCatalogue:
        """Raises ``InputError`` where nothing was taken yet and the files are wrong."""
        return (await self.in_force()).service

    async def entries(self) -> Mapping[str, EntryTerms]:
        return (await self.in_force()).entries

    async def version(self, number: int) -> ServiceCatalogue:
        return (await self.show(number)).service

    async def in_force(self) -> CatalogueVersion:
        number = await self._store.latest_number()
        return await (self._take(self._source.read()) if number == 0 else self.show(number))

    async def show(self, number: int) -> CatalogueVersion:
        """Raises ``NotFound``."""
        found = self._read.get(number)
        if found is None:
            found = self._remember(await self._store.version(number))
        return found

    async def versions(self, *, after: str | None = None, limit: int = 50) -> Page[CatalogueVersion]:
        """Newest first."""
        return await self._store.versions(after=after, limit=limit)

    async def start(self) -> None:
        """Have a catalogue in force. Raises ``InputError`` where the files are wrong and there is none yet."""
        if await self._store.latest_number() == 0:
            await self.in_force()
        await self._take_up()

    async def run(self) -> None:
        """Until cancelled. A database that is away for a while is waited for."""
        while True:
            try:
                await self.look()
            except StoreError as error:
                log.error("catalogue.hindered", code=error.code, reason=str(error))
            await self._clock.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Take what the files say when they have changed. What is wrong with them is told by log and alarm, and leaves
        what is in force as it is; so does a file that is gone."""
        if self._source.changed():
            await self._take_up()

    async def _take_up(self) -> None:
        try:
            found = self._source.read()
        except InputError as error:
            for one in error.problems if isinstance(error, ImportErrors) else (error,):
                log.error("catalogue.refused", reason=str(one))
            await self._complain(f"{error}; what was in force stays so")
            return
        if gone := self._gone(found, await self._store.latest()):
            log.error("catalogue.gone", reason=gone)
            await self._complain(gone)
            return
        before = await self._store.latest_number()
        taken = await self._take(found)
        if taken.number != before:
            log.info(
                "catalogue.taken", version=taken.number, service=taken.service_source, changes=taken.changes_source
            )
        await self._store.complain(None, self._clock.now())

    @staticmethod
    def _gone(found: CatalogueFound, last: CatalogueVersion | None) -> str:
        """Words for a file of the operator's that is not there any more: the shipped one is no news of his. Empty:
        none is gone."""
        if last is None:
            return ""
        pairs = ((found.service_source, last.service_source), (found.changes_source, last.changes_source))
        lost = [before for now, before in pairs if now == SHIPPED and before != SHIPPED]
        if not lost:
            return ""
        return f"{' and '.join(lost)} cannot be found; version {last.number} stays in force"

    async def _take(self, found: CatalogueFound) -> CatalogueVersion:
        digest = digest_of(found.service, found.entries)
        return self._remember(await self._store.take(found, digest, self._clock.now()))

    async def _complain(self, message: str) -> None:
        now = self._clock.now()
        await self._store.complain(Alarm(CATALOGUE_ALARM, CATALOGUE_ALARM, None, None, now, message), now)

    def _remember(self, version: CatalogueVersion) -> CatalogueVersion:
        if len(self._read) >= _KEPT:
            del self._read[min(self._read)]
        self._read[version.number] = version
        return version
