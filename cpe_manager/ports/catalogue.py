"""The catalogues that are in force, and those that were (§2, §5.2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from cpe_manager.domain.changes.entries import EntryTerms
from cpe_manager.domain.events import Alarm
from cpe_manager.domain.paging import Page
from cpe_manager.domain.subscription.catalogue import ServiceCatalogue

SHIPPED: Final = "shipped"
"""Source of a catalogue that came with the product."""
CATALOGUE_ALARM: Final = "catalogue.refused"
"""Kind and key of the alarm that a catalogue's file is wrong, or gone."""


class Catalogues(Protocol):
    """Read from files, each change of them kept as a version."""

    async def current(self) -> ServiceCatalogue: ...

    async def version(self, number: int) -> ServiceCatalogue:
        """Raises ``NotFound``."""
        ...

    async def entries(self) -> Mapping[str, EntryTerms]:
        """The change catalogue in force, by type."""
        ...


@dataclass(frozen=True, slots=True)
class CatalogueFound:
    """What the files say. ``service`` is of version 0 until it was taken. Sources: a path, or ``SHIPPED``."""

    service: ServiceCatalogue
    entries: Mapping[str, EntryTerms]
    service_source: str
    changes_source: str


@dataclass(frozen=True, slots=True)
class CatalogueVersion:
    """Both catalogues as they were in force from ``taken_at`` to the next version. ``digest``: of what they say."""

    number: int
    taken_at: datetime
    digest: str
    service: ServiceCatalogue
    entries: Mapping[str, EntryTerms]
    service_source: str
    changes_source: str


class CatalogueSource(Protocol):
    def changed(self) -> bool:
        """Whether there is something to be read since `read` was called last; true at first. Cheap."""
        ...

    def read(self) -> CatalogueFound:
        """Raises ``InputError`` with file, line and reason (``ImportErrors`` where there are several)."""
        ...


class CatalogueStore(Protocol):
    """Where versions are kept. Every method is one transaction; all raise ``StoreError``."""

    async def latest(self) -> CatalogueVersion | None:
        """What is in force."""
        ...

    async def latest_number(self) -> int:
        """0: there is none yet."""
        ...

    async def version(self, number: int) -> CatalogueVersion:
        """Raises ``NotFound``."""
        ...

    async def versions(self, *, after: str | None = None, limit: int = 50) -> Page[CatalogueVersion]:
        """Newest first."""
        ...

    async def take(self, found: CatalogueFound, digest: str, at: datetime) -> CatalogueVersion:
        """The next version, with its event ``catalogue.changed``; the one in force where that has the same digest."""
        ...

    async def complain(self, alarm: Alarm | None, at: datetime) -> bool:
        """Raise the alarm ``catalogue.refused`` in place of one that says something else, or (None) clear it. Whether
        anything changed."""
        ...
