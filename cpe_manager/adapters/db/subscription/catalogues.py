"""Versions of the catalogues."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import func, select, update

from cpe_manager.adapters.db import cursors
from cpe_manager.adapters.db.backup.overdue import clear_alarms, raise_alarms
from cpe_manager.adapters.db.failover.line_tables import line_state
from cpe_manager.adapters.db.subscription.subscription_tables import catalogue_version
from cpe_manager.adapters.db.tables import alarm as alarms
from cpe_manager.adapters.db.transactions import Connections, Transaction
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.events import Alarm, NewEvent
from cpe_manager.domain.paging import Page
from cpe_manager.domain.subscription.catalogue_data import (
    entries_from_data,
    entries_to_data,
    service_from_data,
    service_to_data,
)
from cpe_manager.ports.catalogue import CATALOGUE_ALARM, CatalogueFound, CatalogueVersion

_V = catalogue_version.c
_TRIES: Final = 5


class SqlCatalogues:
    """``CatalogueStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def latest(self) -> CatalogueVersion | None:
        return await self._db.read(_latest)

    async def latest_number(self) -> int:
        rows = await self._db.read(lambda tx: tx.rows(select(func.coalesce(func.max(_V.number), 0))))
        return int(rows[0][0])

    async def version(self, number: int) -> CatalogueVersion:
        rows = await self._db.read(lambda tx: tx.rows(select(catalogue_version).where(_V.number == number)))
        if not rows:
            raise NotFound(f"there is no version {number} of the catalogue")
        return _version(rows[0])

    async def versions(self, *, after: str | None = None, limit: int = 50) -> Page[CatalogueVersion]:
        query = select(catalogue_version).order_by(_V.number.desc()).limit(limit + 1)
        if after is not None:
            query = query.where(_V.number < cursors.decode(after, int)[0])
        rows = await self._db.read(lambda tx: tx.rows(query))
        return cursors.page([_version(row) for row in rows], limit, lambda one: (one.number,))

    async def take(self, found: CatalogueFound, digest: str, at: datetime) -> CatalogueVersion:
        return await self._db.write(lambda tx: _take(tx, found, digest, at))

    async def complain(self, alarm: Alarm | None, at: datetime) -> bool:
        said = select(alarms.c.message).where(alarms.c.key == CATALOGUE_ALARM)
        wanted = [] if alarm is None else [alarm.message]
        # Looked at without a lock first: there is nothing to be done as a rule.
        if [row.message for row in await self._db.read(lambda tx: tx.rows(said))] == wanted:
            return False

        async def work(tx: Transaction) -> bool:
            await clear_alarms(tx, [CATALOGUE_ALARM], at)
            if alarm is not None:
                await raise_alarms(tx, [alarm])
            return True

        return await self._db.write(work)


async def _latest(tx: Transaction) -> CatalogueVersion | None:
    rows = await tx.rows(select(catalogue_version).order_by(_V.number.desc()).limit(1))
    return _version(rows[0]) if rows else None


async def _take(tx: Transaction, found: CatalogueFound, digest: str, at: datetime) -> CatalogueVersion:
    for _ in range(_TRIES):
        last = await _latest(tx)
        if last is not None and last.digest == digest:
            return last
        number = 1 if last is None else last.number + 1
        values = {
            "number": number,
            "taken_at": at,
            "digest": digest,
            "service": service_to_data(found.service),
            "entries": entries_to_data(found.entries),
            "service_source": found.service_source,
            "changes_source": found.changes_source,
        }
        made = tx.insert(catalogue_version).values(values).on_conflict_do_nothing(index_elements=["number"])
        # Another process may take one at the same moment: then it is looked at again.
        if await tx.rows(made.returning(_V.number)):
            if last is not None:
                # What lines are entitled to may be another matter now: whoever watches them reads them again.
                await tx.run(update(line_state).values(revision=line_state.c.revision + 1))
            tx.emit([_event(found, number, digest, at)])
            rows = await tx.rows(select(catalogue_version).where(_V.number == number))
            return _version(rows[0])
    raise Conflict("the catalogue was taken by others again and again; look once more")


def _event(found: CatalogueFound, number: int, digest: str, at: datetime) -> NewEvent:
    sources = {"service_source": found.service_source, "changes_source": found.changes_source}
    words = ", ".join(dict.fromkeys(sources.values()))
    message = f"version {number} of the catalogue is in force ({words})"
    return NewEvent("catalogue.changed", at, message=message, data={"version": number, "digest": digest, **sources})


def _version(row: AnyRow) -> CatalogueVersion:
    return CatalogueVersion(
        number=row.number,
        taken_at=row.taken_at,
        digest=row.digest,
        service=service_from_data(row.service, row.number),
        entries=entries_from_data(row.entries),
        service_source=row.service_source,
        changes_source=row.changes_source,
    )
