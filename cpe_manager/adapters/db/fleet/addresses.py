"""Public addresses by device."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, ip_network

from sqlalchemy import and_, delete, or_, select

from cpe_manager.adapters.db.fleet.address_tables import address_reading, held_address
from cpe_manager.adapters.db.tables import backup, device, device_status
from cpe_manager.adapters.db.transactions import Connections, Transaction, chunks
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.domain.push.checks import Held
from cpe_manager.ports.addresses import Holder, Read, Unread


class SqlAddresses:
    """``AddressStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def unread(self, limit: int) -> Sequence[Unread]:
        seen, status = address_reading.c, device_status.c
        query = (
            select(status.device_id, status.current_backup_id, backup.c.family)
            .join(backup, backup.c.id == status.current_backup_id)
            .outerjoin(address_reading, seen.device_id == status.device_id)
            .where(or_(seen.backup_id.is_(None), seen.backup_id != status.current_backup_id))
            .order_by(status.device_id)
            .limit(limit)
        )
        rows = await self._db.read(lambda tx: tx.rows(query))
        return [Unread(row.device_id, row.current_backup_id, row.family) for row in rows]

    async def save(self, read: Sequence[Read]) -> None:
        async def work(tx: Transaction) -> None:
            for part in chunks(list(read)):
                ids = [one.device_id for one in part]
                await tx.run(delete(held_address).where(held_address.c.device_id.in_(ids)))
                insert = tx.insert(address_reading)
                newer = insert.on_conflict_do_update(
                    index_elements=["device_id"], set_={"backup_id": insert.excluded.backup_id}
                )
                await tx.many(newer, [{"device_id": one.device_id, "backup_id": one.backup_id} for one in part])
                values = [_values(one.device_id, held) for one in part for held in dict.fromkeys(one.held)]
                await tx.many(tx.insert(held_address).on_conflict_do_nothing(), values)

        if read:
            await self._db.write(work)

    async def holders(self, device_id: str, wanted: Sequence[Held]) -> Sequence[Holder]:
        if not wanted:
            return []
        return await self._db.read(lambda tx: _holders(tx, device_id, wanted))


def _values(device_id: str, held: Held) -> dict[str, object]:
    first, last = held.bounds
    return {
        "device_id": device_id, "version": held.version, "first": first, "last": last, "network": str(held.network),
    }  # fmt: skip


async def _holders(tx: Transaction, device_id: str, wanted: Sequence[Held]) -> Sequence[Holder]:
    other = and_(device.c.id != device_id, device.c.state == LifeState.ACTIVE.value)
    found: list[Holder] = []
    for one in wanted:
        first, last = one.bounds
        held = held_address.c
        # Nothing that is held is wider than an IP pack of 32, so the index bounds the search from below as well.
        overlap = and_(held.version == one.version, held.first.between(first - 31, last), held.last >= first)
        query = select(device.c.name, held.network).join(device, device.c.id == held.device_id)
        rows = await tx.rows(query.where(overlap, other).order_by(device.c.name))
        found += [Holder(row.name, ip_network(row.network)) for row in rows]
        if isinstance(one.network, IPv4Network):
            managed = device.c.address.in_([str(address) for address in one.network])
            known = {holder.device for holder in found}
            rows = await tx.rows(select(device.c.name, device.c.address).where(managed, other).order_by(device.c.name))
            found += [Holder(row.name, ip_network(row.address), managed=True) for row in rows if row.name not in known]
    return found
