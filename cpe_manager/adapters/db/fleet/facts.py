"""What devices said of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from cpe_manager.adapters.db.tables import device, device_facts
from cpe_manager.adapters.db.transactions import Connections, Transaction, in_chunks
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.errors import NotFound
from cpe_manager.ports.driver import Facts
from cpe_manager.ports.facts import DeviceFacts

_LONGEST = 250
"""Characters kept of what a device calls itself."""


class SqlFacts:
    """``FactsStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def get(self, device_id: str) -> DeviceFacts | None:
        return (await self._db.read(lambda tx: load(tx, [device_id]))).get(device_id)

    async def put(self, found: Sequence[DeviceFacts]) -> None:
        async def work(tx: Transaction) -> None:
            ids = sorted({one.device_id for one in found})
            known = await in_chunks(tx, ids, lambda part: select(device.c.id).where(device.c.id.in_(part)))
            if missing := set(ids) - {row.id for row in known}:
                raise NotFound(f"no such device: {min(missing)}")
            await save(tx, found)

        if found:
            await self._db.write(work)


async def load(tx: Transaction, device_ids: Sequence[str]) -> dict[str, DeviceFacts]:
    query = select(device_facts)
    rows = await in_chunks(tx, device_ids, lambda part: query.where(device_facts.c.device_id.in_(part)))
    return {row.device_id: _to_facts(row) for row in rows}


async def save(tx: Transaction, found: Sequence[DeviceFacts]) -> None:
    rows = {one.device_id: _values(one) for one in found}
    insert = tx.insert(device_facts)
    changed = {column.name: insert.excluded[column.name] for column in device_facts.c if column.name != "device_id"}
    statement = insert.on_conflict_do_update(index_elements=["device_id"], set_=changed)
    await tx.many(statement, [rows[device_id] for device_id in sorted(rows)])


def _values(one: DeviceFacts) -> dict[str, Any]:
    facts = one.facts
    texts = {name: getattr(facts, name)[:_LONGEST] for name in ("hostname", "model", "serial", "os_release")}
    return {"device_id": one.device_id, **texts, "uptime": facts.uptime, "source": one.source, "at": one.at}


def _to_facts(row: AnyRow) -> DeviceFacts:
    facts = Facts(row.hostname, row.model, row.serial, row.os_release, row.uptime)
    return DeviceFacts(row.device_id, facts, row.source, row.at)
