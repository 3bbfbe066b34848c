"""The audit log. Whoever appends holds the head's row to the end of the transaction, so that the chain never forks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Final

from sqlalchemy import ColumnElement, func, or_, select, update

from cpe_manager.adapters.db import cursors
from cpe_manager.adapters.db.access.audit_tables import audit_entry, audit_head
from cpe_manager.adapters.db.events import events_after
from cpe_manager.adapters.db.tables import event
from cpe_manager.adapters.db.transactions import Connections, Transaction
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.access.audit import Head, Link, NewAuditEntry, Seen, Written
from cpe_manager.domain.events import Event, EventFilter
from cpe_manager.domain.paging import Page
from cpe_manager.ports.audit import AuditFilter

_E = audit_entry.c
_H = audit_head.c
_THE_ONE: Final = 1
_BEHIND: Final = 5000
"""So many events of other kinds are passed over before the head is written for their sake alone."""


class SqlAudit:
    """``AuditStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def append(self, entries: Sequence[NewAuditEntry], link: Link) -> tuple[int, Head]:
        async def work(tx: Transaction) -> tuple[int, Head]:
            head, fresh = await _held(tx)
            told = await _last_event(tx) if fresh else 0
            return await _hang(tx, None if fresh else head, entries, link, told)

        return await self._db.write(work)

    async def follow(
        self, kinds: tuple[str, ...], make: Callable[[Event], NewAuditEntry], link: Link, *, limit: int = 500
    ) -> tuple[int, Head | None]:
        where = EventFilter(kinds=kinds)

        async def glance(tx: Transaction) -> bool:
            head = await _head(tx)
            if head is None:
                return True
            last = await _last_event(tx)
            if last <= head.event_id:
                return False
            return last - head.event_id > _BEHIND or bool(await events_after(tx, head.event_id, 1, where))

        # Looked at without a lock first: there is nothing to be done as a rule.
        if not await self._db.read(glance):
            return 0, None

        async def work(tx: Transaction) -> tuple[int, Head | None]:
            head, fresh = await _held(tx)
            known = await _last_event(tx)
            if fresh:
                return 0, (await _hang(tx, None, [], link, known))[1]
            found = await events_after(tx, head.event_id, limit, where)
            # No event appears before one that was seen.
            upto = found[-1].id if len(found) == limit else max(known, head.event_id)
            _, new = await _hang(tx, head, [make(one) for one in found], link, upto)
            return len(found), new

        return await self._db.write(work)

    async def entries(
        self, where: AuditFilter, *, after: str | None = None, limit: int = 50, oldest: bool = False
    ) -> Page[Written]:
        order = _E.number if oldest else _E.number.desc()
        query = select(audit_entry).where(*_matching(where)).order_by(order).limit(limit + 1)
        if after is not None:
            number = cursors.decode(after, int)[0]
            query = query.where(_E.number > number if oldest else _E.number < number)
        rows = await self._db.read(lambda tx: tx.rows(query))
        return cursors.page([_written(row) for row in rows], limit, lambda one: (one.number,))

    async def entry(self, number: int) -> Written | None:
        found = await self.rows(number, 1)
        return found[0] if found and found[0].number == number else None

    async def rows(self, first: int, limit: int) -> Sequence[Written]:
        query = select(audit_entry).where(_E.number >= first).order_by(_E.number).limit(limit)
        return [_written(row) for row in await self._db.read(lambda tx: tx.rows(query))]

    async def ends(self) -> tuple[Head | None, Seen | None]:
        the_one, the_last = _H.id == _THE_ONE, _E.number == select(func.max(_E.number)).scalar_subquery()
        columns = [getattr(_H, name) for name in Head.__dataclass_fields__]
        # One statement: on PostgreSQL two would see two moments.
        query = select(
            *(select(column).where(the_one).scalar_subquery().label(column.name) for column in columns),
            select(_E.number).where(the_last).scalar_subquery().label("last_number"),
            select(_E.digest).where(the_last).scalar_subquery().label("last_digest"),
        )
        row = (await self._db.read(lambda tx: tx.rows(query)))[0]
        head = None if row.number is None else _to_head(row)
        return head, None if row.last_number is None else Seen(row.last_number, row.last_digest)


async def _held(tx: Transaction) -> tuple[Head, bool]:
    """The head, held to the end of the transaction; whether there was none before."""
    empty = Head()
    values = {"id": _THE_ONE, **asdict(empty)}
    made = tx.insert(audit_head).values(values).on_conflict_do_nothing(index_elements=["id"])
    fresh = bool(await tx.rows(made.returning(_H.id)))
    rows = await tx.rows(select(audit_head).where(_H.id == _THE_ONE).with_for_update())
    return _to_head(rows[0]), fresh


async def _hang(
    tx: Transaction, head: Head | None, entries: Sequence[NewAuditEntry], link: Link, event_id: int
) -> tuple[int, Head]:
    ends = await tx.rows(select(_E.number, _E.digest).order_by(_E.number.desc()).limit(1))
    last = Seen(ends[0].number, ends[0].digest) if ends else None
    rows, new = link(head, last, entries, event_id=event_id)
    await tx.many(audit_entry.insert(), [asdict(row) for row in rows])
    await tx.run(update(audit_head).where(_H.id == _THE_ONE).values(asdict(new)))
    return new.number - len(rows) + 1, new


async def _head(tx: Transaction) -> Head | None:
    rows = await tx.rows(select(audit_head).where(_H.id == _THE_ONE))
    return _to_head(rows[0]) if rows else None


async def _last_event(tx: Transaction) -> int:
    return int((await tx.rows(select(func.coalesce(func.max(event.c.id), 0))))[0][0])


def _matching(where: AuditFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if where.actor:
        conditions.append(or_(_E.actor == where.actor, _E.actor_id == where.actor))
    if where.action.endswith("*"):
        conditions.append(_E.action.startswith(where.action[:-1], autoescape=True))
    elif where.action:
        conditions.append(_E.action == where.action)
    for column, wanted in ((_E.target, where.target), (_E.site, where.site), (_E.result, where.result)):
        if wanted:
            conditions.append(column == wanted)
    if where.since is not None:
        conditions.append(_E.at >= where.since)
    if where.until is not None:
        conditions.append(_E.at <= where.until)
    return conditions


def _to_head(row: AnyRow) -> Head:
    return Head(row.number, row.digest, row.event_id, row.key_id, row.seal)


def _written(row: AnyRow) -> Written:
    return Written(**{name: getattr(row, name) for name in Written.__dataclass_fields__})
