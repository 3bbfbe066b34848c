"""The database as a whole: is it there, is it of this schema, out and in again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol


class Maintenance(Protocol):
    """The database as a whole."""

    async def ping(self) -> None: ...

    async def meta_get(self, key: str) -> str | None: ...

    async def meta_set(self, key: str, value: str) -> None: ...

    async def migrate(self) -> None:
        """To the newest schema, under one lock."""
        ...

    async def schema_version(self) -> str | None: ...

    def dump(self) -> AsyncIterator[tuple[str, Sequence[Mapping[str, Any]]]]:
        """Every table in dependency order, rows in batches, from one consistent snapshot. JSON-ready values."""
        ...

    async def load(self, batches: AsyncIterator[tuple[str, Sequence[Mapping[str, Any]]]]) -> int:
        """Fill an empty database from a dump; all or nothing. Returns the number of rows. ``Conflict`` if not empty."""
        ...
