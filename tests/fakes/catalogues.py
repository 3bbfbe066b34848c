"""Catalogues in memory, faithful to ``ports.catalogue.Catalogues``: the shipped ones, until others are put in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cpe_manager.domain.changes.entries import EntryTerms
from cpe_manager.domain.errors import NotFound
from cpe_manager.domain.subscription.catalogue import ServiceCatalogue
from tests.support.catalogues import shipped_catalogue, shipped_entries


class MemoryCatalogues:
    def __init__(self) -> None:
        self.versions = [(shipped_catalogue(), shipped_entries())]

    async def current(self) -> ServiceCatalogue:
        return self.versions[-1][0]

    async def version(self, number: int) -> ServiceCatalogue:
        if not 1 <= number <= len(self.versions):
            raise NotFound(f"there is no version {number} of the catalogue")
        return self.versions[number - 1][0]

    async def entries(self) -> Mapping[str, EntryTerms]:
        return self.versions[-1][1]

    def take(self, service: ServiceCatalogue, entries: Mapping[str, EntryTerms] | None = None) -> ServiceCatalogue:
        """Put another one in force, under the next number."""
        made = replace(service, version=len(self.versions) + 1)
        self.versions.append((made, self.versions[-1][1] if entries is None else entries))
        return made
