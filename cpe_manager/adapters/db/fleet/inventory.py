"""Devices, sites, lines, groups and host keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, func, or_, select, tuple_

from cpe_manager.adapters.db import cursors
from cpe_manager.adapters.db.fleet.inventory_changes import apply_changes
from cpe_manager.adapters.db.rows import (
    ACCESS_NODE,
    DEVICE_COLUMNS,
    DEVICE_FROM,
    STATUS_COLUMNS,
    host_key_values,
    to_device,
    to_status,
)
from cpe_manager.adapters.db.tables import device, device_group, device_host_key, device_status, site
from cpe_manager.adapters.db.transactions import BATCH, Connections, Transaction, chunks
from cpe_manager.domain.errors import NotFound
from cpe_manager.domain.fleet.inventory import Device, Group, LifeState
from cpe_manager.domain.paging import Page
from cpe_manager.ports.stores import DeviceFilter, DeviceView, HostKey, InventoryChanges

_VIEW_FROM = DEVICE_FROM.join(device_status, device_status.c.device_id == device.c.id)


class SqlInventory:
    """``InventoryStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def apply(self, changes: InventoryChanges) -> None:
        async def work(tx: Transaction) -> None:
            await apply_changes(tx, changes)

        await self._db.write(work)

    async def devices(self, where: DeviceFilter, *, after: str | None = None, limit: int = 100) -> Page[DeviceView]:
        query = _views().where(_matches(where)).order_by(device.c.name, device.c.id).limit(limit + 1)
        if after is not None:
            query = query.where(tuple_(device.c.name, device.c.id) > tuple_(*cursors.decode(after, str, str)))

        async def work(tx: Transaction) -> Page[DeviceView]:
            views = await _load_views(tx, query)
            return cursors.page(views, limit, lambda view: (view.device.name, view.device.id))

        return await self._db.read(work)

    async def device(self, name_or_id: str) -> DeviceView:
        latest = (
            device.c.state == LifeState.DECOMMISSIONED,
            func.coalesce(device.c.removed_at, device.c.added_at).desc(),
            device.c.id.desc(),
        )

        async def work(tx: Transaction) -> DeviceView:
            found = await _load_views(tx, _views().where(device.c.id == name_or_id))
            if not found:
                found = await _load_views(tx, _views().where(device.c.name == name_or_id).order_by(*latest).limit(1))
            if not found:
                raise NotFound(f"no such device: {name_or_id}")
            return found[0]

        return await self._db.read(work)

    async def all_devices(self, where: DeviceFilter) -> Sequence[Device]:
        tables = _VIEW_FROM if where.overdue is not None else DEVICE_FROM
        query = select(*DEVICE_COLUMNS).select_from(tables).where(_matches(where, names=False))
        query = query.order_by(device.c.name, device.c.id)

        async def work(tx: Transaction) -> Sequence[Device]:
            if where.names is None:
                return [to_device(row) for row in await tx.rows(query)]
            found: list[Device] = []
            for names in chunks(sorted(set(where.names))):
                found += [to_device(row) for row in await tx.rows(query.where(device.c.name.in_(names)))]
            return found

        return await self._db.read(work)

    async def groups(self) -> Sequence[Group]:
        async def work(tx: Transaction) -> Sequence[Group]:
            rows = await tx.rows(select(device_group).order_by(device_group.c.name))
            return [Group(*row) for row in rows]

        return await self._db.read(work)

    async def counts(self) -> Mapping[str, int]:
        query = select(device.c.state, func.count()).group_by(device.c.state)

        async def work(tx: Transaction) -> Mapping[str, int]:
            found = {row[0]: row[1] for row in await tx.rows(query)}
            return {state.value: found.get(state.value, 0) for state in LifeState}

        return await self._db.read(work)

    async def pin(self, device_id: str, keys: Sequence[str], *, at: datetime, by: str) -> None:
        values = {
            row["fingerprint"]: row for row in (host_key_values(device_id, key, "pinned", at, by) for key in keys)
        }

        async def work(tx: Transaction) -> None:
            known = await tx.rows(select(device.c.id).where(device.c.id == device_id).with_for_update(key_share=True))
            if not known:
                raise NotFound(f"no such device: {device_id}")
            await tx.run(delete(device_host_key).where(device_host_key.c.device_id == device_id))
            await tx.many(device_host_key.insert(), list(values.values()))

        await self._db.write(work)


def _views() -> Select[Any]:
    return select(*DEVICE_COLUMNS, *STATUS_COLUMNS).select_from(_VIEW_FROM)


async def _load_views(tx: Transaction, query: Select[Any]) -> list[DeviceView]:
    rows = await tx.rows(query)
    keys: defaultdict[str, list[HostKey]] = defaultdict(list)
    for ids in chunks([row.id for row in rows], BATCH):
        wanted = select(device_host_key).where(device_host_key.c.device_id.in_(ids))
        for key in await tx.rows(wanted.order_by(device_host_key.c.first_seen_at, device_host_key.c.fingerprint)):
            keys[key.device_id].append(
                HostKey(key.device_id, key.key, key.fingerprint, key.state, key.first_seen_at, key.accepted_by)
            )
    return [DeviceView(to_device(row), to_status(row), tuple(keys[row.id])) for row in rows]


def _matches(where: DeviceFilter, *, names: bool = True) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = []
    if where.states is None:
        conditions.append(device.c.state != LifeState.DECOMMISSIONED)
    lists = (
        (device.c.name, where.names if names else None),
        (device.c.group_name, where.groups),
        (device.c.family, where.families),
        (device.c.state, where.states),
        (site.c.name, where.sites),
        (device.c.address, where.addresses),
        (ACCESS_NODE, where.access_nodes),
    )
    conditions += [column.in_(wanted) for column, wanted in lists if wanted is not None]
    if where.search:
        columns = (device.c.name, site.c.name, device.c.address)
        conditions.append(or_(*(column.icontains(where.search, autoescape=True) for column in columns)))
    if where.overdue is not None:
        overdue = device_status.c.overdue_since
        conditions.append(overdue.is_not(None) if where.overdue else overdue.is_(None))
    return and_(True, *conditions)
