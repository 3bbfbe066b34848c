"""The database as a whole: is it there, which schema has it, the small table of facts about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from sqlalchemy import select

from cpe_manager.adapters.db import transfer
from cpe_manager.adapters.db.engine import Target
from cpe_manager.adapters.db.migrator import current_revision, upgrade
from cpe_manager.adapters.db.tables import meta
from cpe_manager.adapters.db.transactions import Connections, Transaction, to_its_end
from cpe_manager.ports.maintenance import Maintenance

T = TypeVar("T")


class SqlMaintenance(Maintenance):
    """``Maintenance`` over SQL, and a table of small facts (``meta_get``, ``meta_set``)."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def ping(self) -> None:
        await self._db.read(lambda tx: tx.rows(select(1)))

    async def migrate(self) -> None:
        """As the port says. Raises ``StoreError`` for a database of a newer program."""
        await _in_thread(upgrade, self._db)

    async def schema_version(self) -> str | None:
        """None for an empty database."""
        return await _in_thread(current_revision, self._db)

    async def meta_get(self, key: str) -> str | None:
        rows = await self._db.read(lambda tx: tx.rows(select(meta.c.value).where(meta.c.key == key)))
        return rows[0].value if rows else None

    async def meta_set(self, key: str, value: str) -> None:
        async def work(tx: Transaction) -> None:
            insert = tx.insert(meta).values(key=key, value=value)
            await tx.run(insert.on_conflict_do_update(index_elements=["key"], set_={"value": value}))

        await self._db.write(work)

    async def dump(self) -> AsyncIterator[tuple[str, Sequence[Mapping[str, Any]]]]:
        async with self._db.snapshot() as connection, aclosing(transfer.dump(connection)) as batches:
            async for batch in batches:
                yield batch

    async def load(self, batches: AsyncIterator[tuple[str, Sequence[Mapping[str, Any]]]]) -> int:
        return await self._db.write_once(lambda tx: transfer.load(tx, batches))


async def _in_thread(step: Callable[[Target], T], connections: Connections) -> T:
    """Alembic is synchronous. A cancelled caller waits: a thread cannot be stopped, and must not outlive the caller."""
    return await to_its_end(asyncio.to_thread(step, connections.target), "db-migrate")
