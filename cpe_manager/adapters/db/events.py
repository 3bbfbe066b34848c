"""Events and alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, false, func, not_, or_, select

from cpe_manager.adapters.db.backup import overdue
from cpe_manager.adapters.db.rows import STATUS_COLUMNS, select_alarms, to_alarm, to_status
from cpe_manager.adapters.db.tables import alarm, device, device_status, event
from cpe_manager.adapters.db.transactions import Connections, Transaction
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.events import EVERYTHING, Alarm, Event, EventFilter, NewEvent
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.ports.stores import DeviceStatus, OverdueChange


class SqlEvents:
    """``EventStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def add(self, events: Sequence[NewEvent]) -> None:
        async def work(tx: Transaction) -> None:
            tx.emit(events)

        if events:
            await self._db.write(work)

    async def after(self, event_id: int, *, limit: int = 200, where: EventFilter = EVERYTHING) -> Sequence[Event]:
        return await self._db.read(lambda tx: events_after(tx, event_id, limit, where))

    async def last_id(self) -> int:
        rows = await self._db.read(lambda tx: tx.rows(select(func.coalesce(func.max(event.c.id), 0))))
        return int(rows[0][0])

    async def alarms(self) -> Sequence[Alarm]:
        query = select_alarms().order_by(alarm.c.raised_at, alarm.c.key)
        return [to_alarm(row) for row in await self._db.read(lambda tx: tx.rows(query))]

    async def mark_overdue(self, targets_h: Mapping[str, float], default_h: float, *, now: datetime) -> OverdueChange:
        targets = overdue.Targets(targets_h, default_h, now)
        if not await self._db.read(lambda tx: overdue.find(tx, targets)):
            return OverdueChange()
        return await self._db.write(lambda tx: overdue.mark(tx, targets))

    async def statuses(self) -> Sequence[tuple[str, str, str | None, DeviceStatus]]:
        columns = (device.c.name, device.c.family, device.c.group_name, *STATUS_COLUMNS)
        query = (
            select(*columns)
            .join(device_status, device_status.c.device_id == device.c.id)
            .where(device.c.state == LifeState.ACTIVE.value)
            .order_by(device.c.name)
        )
        rows = await self._db.read(lambda tx: tx.rows(query))
        return [(row.name, row.family or "", row.group_name, to_status(row)) for row in rows]


async def events_after(tx: Transaction, event_id: int, limit: int, where: EventFilter) -> Sequence[Event]:
    """In the order of their ids."""
    query = (
        select(event, device.c.name)
        .outerjoin(device, device.c.id == event.c.device_id)
        .where(event.c.id > event_id, *_matching(where))
        .order_by(event.c.id)
        .limit(limit)
    )
    return [_to_event(row) for row in await tx.rows(query)]


def _matching(where: EventFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if where.kinds:
        conditions.append(_kinds(where.kinds))
    if where.sight.kinds is not None:
        conditions.append(_kinds(where.sight.kinds))
    if where.sight.hidden:
        conditions.append(not_(_kinds(where.sight.hidden)))
    if where.sight.sites is not None:
        conditions.append(event.c.site.in_(sorted(where.sight.sites)))
    if where.device_id is not None:
        conditions.append(event.c.device_id == where.device_id)
    if where.line_id is not None:
        conditions.append(event.c.data["line_id"].as_string() == where.line_id)
    return conditions


def _kinds(patterns: Sequence[str]) -> ColumnElement[bool]:
    kind = event.c.kind
    return or_(
        false(), *(kind.startswith(one[:-1], autoescape=True) if one.endswith("*") else kind == one for one in patterns)
    )


def _to_event(row: AnyRow) -> Event:
    return Event(
        id=row.id,
        kind=row.kind,
        at=row.at,
        severity=row.severity,
        device=row.name,
        device_id=row.device_id,
        job_id=row.job_id,
        message=row.message,
        data=row.data,
    )
