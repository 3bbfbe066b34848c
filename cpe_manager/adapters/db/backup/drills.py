"""What came of restore drills, and who is next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, case, delete, func, or_, select, update

from cpe_manager.adapters.db import cursors
from cpe_manager.adapters.db.backup.drill_tables import drill_result
from cpe_manager.adapters.db.backup.overdue import raise_alarms
from cpe_manager.adapters.db.tables import alarm, backup, device, device_status
from cpe_manager.adapters.db.transactions import Connections, Transaction, in_chunks
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.backup.drills import NOT_PROVEN, Candidate, Count, DrillResult, Verdict
from cpe_manager.domain.events import Alarm, NewEvent
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.domain.paging import Page
from cpe_manager.ports.drills import DrillView

_PAGE = 1000
_CURRENT = device.join(device_status, device_status.c.device_id == device.c.id).join(
    backup, backup.c.id == device_status.c.current_backup_id
)
_DRILLED = _CURRENT.outerjoin(drill_result, drill_result.c.backup_id == backup.c.id)
_ACTIVE = device.c.state == LifeState.ACTIVE.value


class SqlDrills:
    """``DrillStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def record(self, result: DrillResult) -> bool:
        return await self._db.write(lambda tx: _record(tx, result))

    async def candidates(self) -> Sequence[Candidate]:
        """As the port says; in pages, so that a large fleet holds up nobody for long."""
        mine = drill_result.alias()
        last = select(func.max(mine.c.at)).where(mine.c.device_id == device.c.id).scalar_subquery().label("last")
        query = (
            select(
                device.c.id, device.c.name, backup.c.family, backup.c.id.label("backup_id"), drill_result.c.verdict,
                last,
            )
            .select_from(_DRILLED)
            .where(_ACTIVE)
            .order_by(device.c.id)
            .limit(_PAGE)
        )  # fmt: skip
        found: list[Candidate] = []
        while rows := await self._rows(query.where(device.c.id > found[-1].device_id) if found else query):
            found += [
                Candidate(row.id, row.name, row.family, row.backup_id, _verdict(row.verdict), row.last) for row in rows
            ]
        return found

    async def drilled_in(self, job_id: str) -> frozenset[str]:
        query = select(drill_result.c.backup_id).where(drill_result.c.job_id == job_id)
        return frozenset(row.backup_id for row in await self._rows(query))

    async def of(self, backup_ids: Sequence[str]) -> Mapping[str, DrillResult]:
        query = select(drill_result)

        async def work(tx: Transaction) -> Mapping[str, DrillResult]:
            rows = await in_chunks(tx, backup_ids, lambda part: query.where(drill_result.c.backup_id.in_(part)))
            return {row.backup_id: _to_result(row) for row in rows}

        return await self._db.read(work) if backup_ids else {}

    async def results(
        self, *, device_id: str | None = None, verdict: Verdict | None = None, family: str | None = None,
        after: str | None = None, limit: int = 50,
    ) -> Page[DrillView]:  # fmt: skip
        current = (device_status.c.current_backup_id == backup.c.id).label("current")
        query = (
            select(drill_result, device.c.name, backup.c.family, backup.c.number, current)
            .select_from(
                drill_result.join(backup, backup.c.id == drill_result.c.backup_id)
                .join(device, device.c.id == drill_result.c.device_id)
                .join(device_status, device_status.c.device_id == device.c.id)
            )
            .order_by(drill_result.c.at.desc(), drill_result.c.backup_id.desc())
            .limit(limit + 1)
        )
        given = {device.c.id: device_id, drill_result.c.verdict: verdict and verdict.value, backup.c.family: family}
        query = query.where(*(column == value for column, value in given.items() if value is not None))
        if after is not None:
            text, last = cursors.decode(after, str, str)
            at = cursors.to_time(text)
            earlier = and_(drill_result.c.at == at, drill_result.c.backup_id < last)
            query = query.where(or_(drill_result.c.at < at, earlier))
        rows = [
            DrillView(_to_result(row), row.name, row.family, row.number, bool(row.current))
            for row in await self._rows(query)
        ]
        return cursors.page(rows, limit, lambda one: (one.result.at.isoformat(), one.result.backup_id))

    async def counts(self, waiting_since: datetime) -> Sequence[Count]:
        waits = and_(drill_result.c.verdict.is_(None), backup.c.captured_at < waiting_since)
        query = (
            select(
                backup.c.family,
                drill_result.c.verdict,
                func.count().label("devices"),
                func.sum(case((waits, 1), else_=0)).label("waiting"),
                func.min(drill_result.c.at).label("oldest"),
            )
            .select_from(_DRILLED)
            .where(_ACTIVE)
            .group_by(backup.c.family, drill_result.c.verdict)
        )
        return [
            Count(row.family, _verdict(row.verdict), row.devices, int(row.waiting), row.oldest)
            for row in await self._rows(query)
        ]

    async def alarm(self, key: str, message: str | None, *, at: datetime) -> bool:
        return await self._db.write(lambda tx: _alarm(tx, key, message, at))

    async def _rows(self, query: Select[Any]) -> Sequence[AnyRow]:
        return await self._db.read(lambda tx: tx.rows(query))


async def _record(tx: Transaction, result: DrillResult) -> bool:
    version = (
        select(backup.c.number, device.c.name)
        .join(device, device.c.id == backup.c.device_id)
        .where(backup.c.id == result.backup_id)
        .with_for_update(of=backup, read=True)
    )
    found = await tx.rows(version)
    if not found:
        return False
    values = {
        "backup_id": result.backup_id,
        "device_id": result.device_id,
        "verdict": result.verdict.value,
        "at": result.at,
        "seconds": result.seconds,
        "lines": result.lines,
        "reason": result.reason,
        "job_id": result.job_id,
    }
    insert = tx.insert(drill_result).values(values)
    await tx.run(insert.on_conflict_do_update(index_elements=["backup_id"], set_=values))
    if result.verdict in NOT_PROVEN:
        name, number = found[0].name, found[0].number
        message = f"{name}: version {number} was not brought back in a drill: {result.reason}"
        data = {"backup_id": result.backup_id, "version": number, "verdict": result.verdict.value}
        where = {"device_id": result.device_id, "job_id": result.job_id}
        tx.emit([NewEvent("drill.failed", result.at, "error", message=message, data=data, **where)])
    return True


async def _alarm(tx: Transaction, key: str, message: str | None, at: datetime) -> bool:
    known = bool(await tx.rows(select(alarm.c.key).where(alarm.c.key == key).with_for_update()))
    if message is None:
        if known:
            await tx.run(delete(alarm).where(alarm.c.key == key))
            data = {"key": key, "kind": key}
            tx.emit([NewEvent("alarm.cleared", at, message=f"{key} is over", data=data)])
        return known
    if known:
        await tx.run(update(alarm).where(alarm.c.key == key).values(message=message))
    else:
        await raise_alarms(tx, [Alarm(key, key, None, None, at, message)])
    return not known


def _verdict(value: str | None) -> Verdict | None:
    return None if value is None else Verdict(value)


def _to_result(row: AnyRow) -> DrillResult:
    return DrillResult(
        backup_id=row.backup_id,
        device_id=row.device_id,
        verdict=Verdict(row.verdict),
        at=row.at,
        seconds=row.seconds,
        lines=row.lines,
        reason=row.reason,
        job_id=row.job_id,
    )
