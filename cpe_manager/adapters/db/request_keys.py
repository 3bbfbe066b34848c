"""Idempotency keys of requests."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select

from cpe_manager.adapters.db.request_key_tables import request_key
from cpe_manager.adapters.db.transactions import Connections, Transaction

_K = request_key.c


class SqlRequestKeys:
    """``RequestKeyStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def claim(self, name: str, digest: str, at: datetime, since: datetime) -> str | None:
        async def work(tx: Transaction) -> str | None:
            await tx.run(delete(request_key).where(_K.at < since))
            insert = tx.insert(request_key).values(name=name, digest=digest, at=at)
            if await tx.rows(insert.on_conflict_do_nothing(index_elements=["name"]).returning(_K.name)):
                return None
            rows = await tx.rows(select(_K.digest).where(_K.name == name))
            return rows[0].digest if rows else None

        return await self._db.write(work)

    async def forget(self, name: str, digest: str) -> None:
        statement = delete(request_key).where(_K.name == name, _K.digest == digest)
        await self._db.write(lambda tx: tx.run(statement))
