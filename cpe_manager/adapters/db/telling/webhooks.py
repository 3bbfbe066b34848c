"""Webhooks. Who delivers to an endpoint holds its row for a while, and writes with the fence that it got then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import delete, func, or_, select, update

from cpe_manager.adapters.db import cursors
from cpe_manager.adapters.db.backup.overdue import clear_alarms, raise_alarms
from cpe_manager.adapters.db.backup.versions import sealed_values
from cpe_manager.adapters.db.rows import SEALED_COLUMNS, to_sealed
from cpe_manager.adapters.db.tables import event, sealed_object
from cpe_manager.adapters.db.telling.webhook_tables import webhook, webhook_attempt
from cpe_manager.adapters.db.transactions import Connections, Transaction, Values
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.backup.backups import SealedObject
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.events import Alarm, NewEvent
from cpe_manager.domain.paging import Page
from cpe_manager.domain.telling.webhooks import Attempt, Endpoint

ALARM: Final = "webhook.disabled"
_KEPT: Final = 200
_W = webhook.c
_A = webhook_attempt.c


def alarm_key(endpoint_id: str) -> str:
    return f"{ALARM}:{endpoint_id}"


class SqlWebhooks:
    """``WebhookStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def add(self, endpoint: Endpoint, secret: SealedObject, events: Sequence[NewEvent] = ()) -> Endpoint:
        async def work(tx: Transaction) -> Endpoint:
            last = (await tx.rows(select(func.coalesce(func.max(event.c.id), 0))))[0][0]
            if await tx.rows(select(_W.id).where(_W.name == endpoint.name)):
                raise Conflict(f"a webhook of that name exists: {endpoint.name}")
            await tx.run(sealed_object.insert(), [sealed_values(secret)])
            values = {
                **_standing(endpoint),
                "id": endpoint.id,
                "name": endpoint.name,
                "url": endpoint.url,
                "kinds": list(endpoint.kinds),
                "object_id": endpoint.object_id,
                "created_at": endpoint.created_at,
                "created_by": endpoint.created_by,
                "cursor": last,
                "fence": 0,
                "sites": list(endpoint.sites) if endpoint.sites is not None else None,
                "account_id": endpoint.account_id,
            }
            made = tx.insert(webhook).values(values).on_conflict_do_nothing(index_elements=["name"])
            if not await tx.rows(made.returning(_W.id)):
                raise Conflict(f"a webhook of that name exists: {endpoint.name}")
            tx.emit(events)
            return await _one(tx, endpoint.id)

        return await self._db.write(work)

    async def endpoints(
        self, *, after: str | None = None, limit: int = 50, account_id: str | None = None
    ) -> Page[Endpoint]:
        query = select(webhook).order_by(_W.name).limit(limit + 1)
        if account_id is not None:
            query = query.where(_W.account_id == account_id)
        if after is not None:
            query = query.where(_W.name > cursors.decode(after, str)[0])
        rows = await self._db.read(lambda tx: tx.rows(query))
        return cursors.page([_endpoint(row) for row in rows], limit, lambda one: (one.name,))

    async def endpoint(self, name_or_id: str) -> Endpoint:
        return await self._db.read(lambda tx: _one(tx, name_or_id))

    async def secret(self, endpoint_id: str) -> SealedObject:
        query = select(*SEALED_COLUMNS).join(webhook, _W.object_id == sealed_object.c.id).where(_W.id == endpoint_id)
        rows = await self._db.read(lambda tx: tx.rows(query))
        if not rows:
            raise NotFound(f"no such webhook: {endpoint_id}")
        return to_sealed(rows[0])

    async def attempts(self, endpoint_id: str, limit: int = 20) -> Sequence[Attempt]:
        query = select(webhook_attempt).where(_A.webhook_id == endpoint_id).order_by(_A.number.desc()).limit(limit)
        rows = await self._db.read(lambda tx: tx.rows(query))
        return [Attempt(row.event_id, row.at, row.ok, row.status, row.seconds, row.reason) for row in rows]

    async def remove(self, endpoint_id: str, events: Sequence[NewEvent], at: datetime) -> None:
        async def work(tx: Transaction) -> None:
            rows = await tx.rows(select(_W.object_id).where(_W.id == endpoint_id).with_for_update())
            if not rows:
                raise NotFound(f"no such webhook: {endpoint_id}")
            await tx.run(delete(webhook_attempt).where(_A.webhook_id == endpoint_id))
            await tx.run(delete(webhook).where(_W.id == endpoint_id))
            await tx.run(delete(sealed_object).where(sealed_object.c.id == rows[0].object_id))
            tx.emit(events)
            await clear_alarms(tx, [alarm_key(endpoint_id)], at)

        await self._db.write(work)

    async def take(self, owner: str, *, now: datetime, until: datetime, known: int) -> Sequence[Endpoint]:
        due = (
            _W.state == "active",
            _W.cursor < known,
            or_(_W.next_at.is_(None), _W.next_at <= now),
            or_(_W.held_until.is_(None), _W.held_until <= now),
        )
        # Looked at without a lock first: there is nothing to be done as a rule.
        if not await self._db.read(lambda tx: tx.rows(select(_W.id).where(*due).limit(1))):
            return []

        async def work(tx: Transaction) -> Sequence[Endpoint]:
            rows = await tx.rows(select(_W.id).where(*due).order_by(_W.id).with_for_update(skip_locked=True))
            ids = [row.id for row in rows]
            held = {"owner": owner, "held_until": until, "fence": _W.fence + 1}
            await tx.run(update(webhook).where(_W.id.in_(ids)).values(held))
            return [_endpoint(row) for row in await tx.rows(select(webhook).where(_W.id.in_(ids)).order_by(_W.id))]

        return await self._db.write(work)

    async def settle(
        self,
        endpoint: Endpoint,
        attempts: Sequence[Attempt],
        *,
        until: datetime,
        events: Sequence[NewEvent] = (),
        alarm: Alarm | None = None,
        cleared: bool = False,
    ) -> bool:
        async def work(tx: Transaction) -> bool:
            mine = (_W.id == endpoint.id, _W.fence == endpoint.fence)
            written = await tx.run(update(webhook).where(*mine).values({**_standing(endpoint), "held_until": until}))
            if not written.rowcount:
                return False
            await _note(tx, endpoint.id, attempts)
            tx.emit(events)
            if alarm is not None:
                await raise_alarms(tx, [alarm], once=True)
            if cleared:
                await clear_alarms(tx, [alarm_key(endpoint.id)], endpoint.delivered_at or endpoint.created_at)
            return True

        return await self._db.write(work)

    async def release_all(self) -> None:
        free = {"owner": None, "held_until": None, "fence": _W.fence + 1}
        await self._db.write(lambda tx: tx.run(update(webhook).where(_W.owner.is_not(None)).values(free)))

    async def replay(
        self, endpoint_id: str, since: datetime | None, events: Sequence[NewEvent], at: datetime
    ) -> Endpoint:
        async def work(tx: Transaction) -> Endpoint:
            found = await _one(tx, endpoint_id)
            cursor = found.cursor
            if since is not None:
                first, last = (await tx.rows(select(
                    select(func.min(event.c.id)).where(event.c.at >= since).scalar_subquery(),
                    select(func.coalesce(func.max(event.c.id), 0)).scalar_subquery(),
                )))[0]  # fmt: skip
                cursor = last if first is None else first - 1
            fresh = replace(
                found, cursor=cursor, state="active", reason="", failures=0, failing_since=None, next_at=None
            )  # fmt: skip
            values = {**_standing(fresh), "held_until": None, "owner": None, "fence": _W.fence + 1}
            await tx.run(update(webhook).where(_W.id == found.id).values(values))
            tx.emit(events)
            await clear_alarms(tx, [alarm_key(found.id)], at)
            return await _one(tx, found.id)

        return await self._db.write(work)


async def _note(tx: Transaction, endpoint_id: str, attempts: Sequence[Attempt]) -> None:
    if not attempts:
        return
    mine = _A.webhook_id == endpoint_id
    last = (await tx.rows(select(func.coalesce(func.max(_A.number), 0)).where(mine)))[0][0]
    kept = attempts[-_KEPT:]
    values = [
        {
            "webhook_id": endpoint_id,
            "number": last + number,
            "event_id": one.event_id,
            "at": one.at,
            "ok": one.ok,
            "status": one.status,
            "seconds": one.seconds,
            "reason": one.reason,
        }
        for number, one in enumerate(kept, 1)
    ]
    await tx.many(webhook_attempt.insert(), values)
    await tx.run(delete(webhook_attempt).where(mine, _A.number <= last + len(kept) - _KEPT))


def _standing(endpoint: Endpoint) -> Values:
    return {
        "cursor": endpoint.cursor,
        "state": endpoint.state,
        "reason": endpoint.reason,
        "failures": endpoint.failures,
        "failing_since": endpoint.failing_since,
        "next_at": endpoint.next_at,
        "delivered_at": endpoint.delivered_at,
    }


async def _one(tx: Transaction, name_or_id: str) -> Endpoint:
    # A name that is another one's id means the one with the id.
    order = (_W.id == name_or_id).desc()
    meant = or_(_W.id == name_or_id, _W.name == name_or_id)
    rows = await tx.rows(select(webhook).where(meant).order_by(order).limit(1))
    if not rows:
        raise NotFound(f"no such webhook: {name_or_id}")
    return _endpoint(rows[0])


def _endpoint(row: AnyRow) -> Endpoint:
    return Endpoint(
        id=row.id,
        name=row.name,
        url=row.url,
        kinds=tuple(row.kinds),
        object_id=row.object_id,
        created_at=row.created_at,
        created_by=row.created_by,
        cursor=row.cursor,
        state=row.state,
        reason=row.reason,
        failures=row.failures,
        failing_since=row.failing_since,
        next_at=row.next_at,
        delivered_at=row.delivered_at,
        fence=row.fence,
        sites=tuple(row.sites) if row.sites is not None else None,
        account_id=row.account_id,
    )
