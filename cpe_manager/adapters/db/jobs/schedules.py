"""Schedules: when fleets are backed up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, or_, select, update

from cpe_manager.adapters.db.tables import schedule
from cpe_manager.adapters.db.transactions import Connections, Transaction
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.schedules import Schedule


class SqlSchedules:
    """``ScheduleStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def schedules(self) -> Sequence[Schedule]:
        rows = await self._db.read(lambda tx: tx.rows(select(schedule).order_by(schedule.c.name)))
        return [Schedule(*tuple(row)) for row in rows]

    async def add(self, schedule: Schedule) -> None:
        await self._db.write(lambda tx: _add(tx, schedule))

    async def remove(self, name: str) -> None:
        async def work(tx: Transaction) -> None:
            if not (await tx.run(delete(schedule).where(schedule.c.name == name))).rowcount:
                raise NotFound(f"no such schedule: {name}")

        await self._db.write(work)

    async def fired(self, schedule_id: str, at: datetime) -> None:
        """The last occurrence only moves forward, whichever node tells of it last."""
        older = or_(schedule.c.last_occurrence_at.is_(None), schedule.c.last_occurrence_at < at)
        statement = update(schedule).where(schedule.c.id == schedule_id, older).values(last_occurrence_at=at)
        await self._db.write(lambda tx: tx.run(statement))


async def _add(tx: Transaction, new: Schedule) -> None:
    values = {
        "id": new.id,
        "name": new.name,
        "cron": new.cron,
        "timezone": new.timezone,
        "window_minutes": new.window_minutes,
        "group_name": new.group,
        "enabled": new.enabled,
        "created_at": new.created_at,
        "last_occurrence_at": new.last_occurrence_at,
    }
    insert = tx.insert(schedule).values(values).on_conflict_do_nothing(index_elements=["name"])
    if not await tx.rows(insert.returning(schedule.c.id)):
        raise Conflict(f"a schedule of that name exists: {new.name}")
