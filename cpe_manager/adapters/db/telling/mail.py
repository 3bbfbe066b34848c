"""The outbox of mails. Who sends one holds its row for a while, and writes with the fence that it got then."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import delete, exists, func, or_, select, update

from cpe_manager.adapters.db import cursors
from cpe_manager.adapters.db.backup.overdue import clear_alarms, raise_alarms
from cpe_manager.adapters.db.tables import event
from cpe_manager.adapters.db.telling.mail_tables import mail, mail_cursor
from cpe_manager.adapters.db.transactions import Connections, Transaction, chunks
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.events import Alarm, NewEvent
from cpe_manager.domain.paging import Page
from cpe_manager.domain.telling.mail import Mail, State, gathered
from cpe_manager.ports.mail import Waiting

_M = mail.c
_C = mail_cursor.c
_THE_ONE: Final = 1
_FIELDS: Final = tuple(Mail.__dataclass_fields__)
_UNTRIED: Final = (_M.state == "queued", _M.attempts == 0, _M.owner.is_(None))
_STANDING: Final = ("state", "attempts", "next_at", "reason", "sent_at")


class SqlMail:
    """``MailStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def cursor(self) -> int:
        found = await self._db.read(_cursor)
        return await self._db.write(_begun) if found is None else found

    async def fill(self, since: int, upto: int, mails: Sequence[Mail], dropped: Collection[str] = ()) -> bool:
        async def work(tx: Transaction) -> bool:
            there = (_C.id == _THE_ONE, _C.event_id == since)
            moved = await tx.run(update(mail_cursor).where(*there).values(event_id=upto))
            if not moved.rowcount:
                return False
            await _put(tx, [one for one in mails if not one.about])
            for one in mails:
                if one.about and not await _gathered(tx, one):
                    await _put(tx, [one])
            for about in chunks(list(dropped)):
                await tx.run(delete(mail).where(_M.about.in_(about), *_UNTRIED))
            return True

        return await self._db.write(work)

    async def told_of(self, about: str) -> bool:
        return bool(await self._db.read(lambda tx: tx.rows(select(_M.id).where(_M.about == about).limit(1))))

    async def take(self, owner: str, *, now: datetime, until: datetime, limit: int) -> Sequence[Mail]:
        earlier = mail.alias("earlier")
        due = (
            _M.state == "queued",
            or_(_M.next_at.is_(None), _M.next_at <= now),
            or_(_M.held_until.is_(None), _M.held_until <= now),
            ~exists(
                select(earlier.c.id).where(
                    earlier.c.recipient == _M.recipient,
                    earlier.c.state == "queued",
                    earlier.c.event_id < _M.event_id,
                )
            ),
        )
        # Looked at without a lock first: there is nothing to be done as a rule.
        if not await self._db.read(lambda tx: tx.rows(select(_M.id).where(*due).limit(1))):
            return []

        async def work(tx: Transaction) -> Sequence[Mail]:
            query = select(_M.id).where(*due).order_by(_M.event_id, _M.id).limit(limit)
            ids = [row.id for row in await tx.rows(query.with_for_update(skip_locked=True))]
            held = {"owner": owner, "held_until": until, "fence": _M.fence + 1}
            await tx.run(update(mail).where(_M.id.in_(ids)).values(held))
            found = select(mail).where(_M.id.in_(ids)).order_by(_M.event_id, _M.id)
            return [_mail(row) for row in await tx.rows(found)]

        return await self._db.write(work)

    async def settle(
        self,
        mails: Sequence[Mail],
        *,
        events: Sequence[NewEvent] = (),
        alarm: Alarm | None = None,
        cleared: str | None = None,
        at: datetime,
    ) -> None:
        async def work(tx: Transaction) -> None:
            for one in mails:
                values = {name: getattr(one, name) for name in _STANDING} | {"owner": None, "held_until": None}
                await tx.run(update(mail).where(_M.id == one.id, _M.fence == one.fence).values(values))
            tx.emit(events)
            if alarm is not None:
                await raise_alarms(tx, [alarm], once=True)
            if cleared is not None:
                await clear_alarms(tx, [cleared], at)

        await self._db.write(work)

    async def mails(self, *, state: State | None = None, after: str | None = None, limit: int = 50) -> Page[Mail]:
        query = select(mail).order_by(_M.id.desc()).limit(limit + 1)
        if state is not None:
            query = query.where(_M.state == state)
        if after is not None:
            query = query.where(_M.id < cursors.decode(after, str)[0])
        rows = await self._db.read(lambda tx: tx.rows(query))
        return cursors.page([_mail(row) for row in rows], limit, lambda one: (one.id,))

    async def mail(self, mail_id: str) -> Mail:
        return await self._db.read(lambda tx: _one(tx, mail_id))

    async def retry(self, mail_id: str | None, events: Sequence[NewEvent], at: datetime) -> int:
        async def work(tx: Transaction) -> int:
            which = _M.state == "failed"
            if mail_id is not None:
                found = await _one(tx, mail_id)
                if found.state == "sent":
                    raise Conflict(f"mail {mail_id} was sent")
                which = _M.id == mail_id
            again = {
                "state": "queued", "attempts": 0, "next_at": at, "created_at": at, "owner": None, "held_until": None,
                "fence": _M.fence + 1,
            }  # fmt: skip
            count = (await tx.run(update(mail).where(which).values(again))).rowcount
            tx.emit(events)
            return count

        return await self._db.write(work)

    async def waiting(self) -> Waiting:
        figures = (func.count(), func.min(_M.created_at), func.min(_M.event_id))
        query = select(_M.state, *figures).where(_M.state != "sent").group_by(_M.state)
        rows = {row[0]: row for row in await self._db.read(lambda tx: tx.rows(query))}
        queued, failed = rows.get("queued"), rows.get("failed")
        count = failed[1] if failed else 0
        return Waiting(queued[1], count, queued[2], queued[3]) if queued else Waiting(0, count)

    async def forget(self, before: datetime) -> int:
        old = (_M.state != "queued", _M.created_at < before)
        if not await self._db.read(lambda tx: tx.rows(select(_M.id).where(*old).limit(1))):
            return 0
        return (await self._db.write(lambda tx: tx.run(delete(mail).where(*old)))).rowcount

    async def release_all(self) -> None:
        free = {"owner": None, "held_until": None, "fence": _M.fence + 1}
        await self._db.write(lambda tx: tx.run(update(mail).where(_M.owner.is_not(None)).values(free)))


async def _put(tx: Transaction, mails: Sequence[Mail]) -> None:
    for part in chunks([{name: getattr(one, name) for name in _FIELDS} for one in mails], 100):
        made = tx.insert(mail).values(list(part))
        await tx.run(made.on_conflict_do_nothing(index_elements=["event_id", "recipient"]))


async def _gathered(tx: Transaction, fresh: Mail) -> bool:
    """Whether one about the same waits, which has its words now."""
    same = (_M.about == fresh.about, _M.recipient == fresh.recipient, *_UNTRIED)
    rows = await tx.rows(select(mail).where(*same).order_by(_M.event_id.desc()).limit(1).with_for_update())
    if not rows:
        return False
    whole = gathered(_mail(rows[0]), fresh)
    values = {"kind": whole.kind, "subject": whole.subject, "body": whole.body}
    await tx.run(update(mail).where(_M.id == whole.id).values(values))
    return True


async def _cursor(tx: Transaction) -> int | None:
    rows = await tx.rows(select(_C.event_id).where(_C.id == _THE_ONE))
    return int(rows[0].event_id) if rows else None


async def _begun(tx: Transaction) -> int:
    last = (await tx.rows(select(func.coalesce(func.max(event.c.id), 0))))[0][0]
    made = tx.insert(mail_cursor).values(id=_THE_ONE, event_id=last)
    await tx.run(made.on_conflict_do_nothing(index_elements=["id"]))
    found = await _cursor(tx)
    return int(last) if found is None else found


async def _one(tx: Transaction, mail_id: str) -> Mail:
    rows = await tx.rows(select(mail).where(_M.id == mail_id))
    if not rows:
        raise NotFound(f"no such mail: {mail_id}")
    return _mail(rows[0])


def _mail(row: AnyRow) -> Mail:
    return Mail(**{name: getattr(row, name) for name in _FIELDS})
