"""The catalogues that are in force, and those that were (§2, §5.2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from cpe_manager.domain.catalogue import ServiceCatalogue
from cpe_manager.domain.changes.entries import EntryTerms


class Catalogues(Protocol):
    """Read from files, each change of them kept as a version."""

    async def current(self) -> ServiceCatalogue: ...

    async def version(self, number: int) -> ServiceCatalogue:
        """Raises ``NotFound``."""
        ...

    async def entries(self) -> Mapping[str, EntryTerms]:
        """The change catalogue in force, by type."""
        ...
