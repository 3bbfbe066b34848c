"""What was found when the audit log was last looked at: one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import select, update

from cpe_manager.adapters.db.access.audit_tables import audit_watch
from cpe_manager.adapters.db.backup.overdue import clear_alarms, raise_alarms
from cpe_manager.adapters.db.transactions import Connections, Transaction
from cpe_manager.domain.access.audit import Fault
from cpe_manager.domain.access.audit_watch import Watched
from cpe_manager.domain.events import Alarm, NewEvent

_C = audit_watch.c
_THE_ONE: Final = 1


class SqlAuditWatch:
    """``AuditWatchStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def watched(self) -> Watched | None:
        return await self._db.read(_read)

    async def note(
        self,
        before: Watched | None,
        new: Watched,
        events: Sequence[NewEvent] = (),
        *,
        alarm: Alarm | None = None,
        cleared: str | None = None,
    ) -> bool:
        fault = new.fault
        values = {
            "at": new.at, "number": new.number, "digest": new.digest, "whole_at": new.whole_at,
            "fault": None if fault is None else [fault.number, fault.what, fault.detail],
        }  # fmt: skip

        async def work(tx: Transaction) -> bool:
            if before is None:
                new_row = tx.insert(audit_watch).values(id=_THE_ONE, **values)
                written = await tx.rows(new_row.on_conflict_do_nothing(index_elements=["id"]).returning(_C.id))
            else:
                same = update(audit_watch).where(_C.id == _THE_ONE, _C.at == before.at).values(values)
                written = await tx.rows(same.returning(_C.id))
            if not written:
                return False
            tx.emit(events)
            if alarm is not None:
                await raise_alarms(tx, [alarm], once=True)
            if cleared is not None:
                await clear_alarms(tx, [cleared], new.at)
            return True

        return await self._db.write(work)


async def _read(tx: Transaction) -> Watched | None:
    rows = await tx.rows(select(audit_watch).where(_C.id == _THE_ONE))
    if not rows:
        return None
    row = rows[0]
    return Watched(row.at, row.number, row.digest, row.whole_at, None if row.fault is None else Fault(*row.fault))
