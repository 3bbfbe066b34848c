"""Change requests. Whoever takes one further holds its row's lock; whoever makes one holds the row that numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, and_, delete, exists, func, or_, select, update

from cpe_manager.adapters.db import cursors
from cpe_manager.adapters.db.backup.versions import sealed_values
from cpe_manager.adapters.db.changes.change_rows import new_values, number_of, select_changes, standing, to_change
from cpe_manager.adapters.db.changes.change_tables import change_request, change_step, change_ticket
from cpe_manager.adapters.db.rows import SEALED_COLUMNS, to_sealed
from cpe_manager.adapters.db.tables import device, push, sealed_object, site
from cpe_manager.adapters.db.transactions import Connections, Transaction
from cpe_manager.domain.backup.backups import SealedObject
from cpe_manager.domain.changes.requests import FROM, ChangeRecord, ChangeRequest, ChangeState, ChangeStep
from cpe_manager.domain.changes.telling import told, turned
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.paging import Page
from cpe_manager.ports.changes import ChangeFilter, Turn

_S = ChangeState
_C = change_request.c
_ENDED: Final = (_S.DONE, _S.REVERTED, _S.REFUSED, _S.DECLINED, _S.WITHDRAWN, _S.EXPIRED)
_BLOCKING: Final = (_S.EXECUTING, _S.STUCK)
_QUIET: Final = frozenset({"push_id", "look_at", "tries", "reason"})


class SqlChanges:
    """``ChangeStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def create(self, change: ChangeRequest, parameters: SealedObject) -> ChangeRequest:
        return await self._db.write(lambda tx: _create(tx, change, parameters))

    async def turn(self, turn: Turn) -> ChangeRequest:
        return await self._db.write(lambda tx: _turn(tx, turn))

    async def note(self, change_id: str, revision: int, values: Mapping[str, Any]) -> bool:
        if strange := values.keys() - _QUIET:
            raise ValueError(f"not without a step: {', '.join(sorted(strange))}")
        mine = and_(_C.id == change_id, _C.revision == revision)
        written = await self._db.write(lambda tx: tx.run(update(change_request).where(mine).values(dict(values))))
        return bool(written.rowcount)

    async def change(self, id_or_ticket: str, sites: Collection[str] | None = None) -> ChangeRecord:
        async def work(tx: Transaction) -> ChangeRecord:
            number = number_of(id_or_ticket)
            query = select_changes().where(_C.id == id_or_ticket if number is None else _C.number == number)
            if sites is not None:
                query = query.where(site.c.name.in_(list(sites)))
            rows = await tx.rows(query)
            if not rows:
                raise NotFound(f"no such change request: {id_or_ticket}")
            of = select(change_step).where(change_step.c.change_id == rows[0].id).order_by(change_step.c.number)
            steps = (
                ChangeStep(each.number, ChangeState(each.state), each.at, each.by, each.reason)
                for each in await tx.rows(of)
            )
            return ChangeRecord(to_change(rows[0]), tuple(steps))

        return await self._db.read(work)

    async def keyed(self, key: str) -> ChangeRequest | None:
        rows = await self._db.read(lambda tx: tx.rows(select_changes().where(_C.key == key)))
        return to_change(rows[0]) if rows else None

    async def changes(self, wanted: ChangeFilter, *, after: str | None = None, limit: int = 50) -> Page[ChangeRequest]:
        query = select_changes().where(*_wishes(wanted)).order_by(_C.number.desc()).limit(limit + 1)
        if after is not None:
            query = query.where(_C.number < cursors.decode(after, int)[0])
        rows = await self._db.read(lambda tx: tx.rows(query))
        found = cursors.page(rows, limit, lambda row: (row.number,))
        return Page(tuple(to_change(row) for row in found.items), found.next)

    async def parameters(self, change_id: str) -> SealedObject:
        return await self._sealed(change_id, _C.parameters_id, "no such change request")

    async def effect(self, change_id: str) -> SealedObject:
        return await self._sealed(change_id, _C.effect_id, "no such change request, or nothing was shown for it")

    async def _sealed(self, change_id: str, column: ColumnElement[Any], missing: str) -> SealedObject:
        query = select(*SEALED_COLUMNS).join(change_request, column == sealed_object.c.id).where(_C.id == change_id)
        rows = await self._db.read(lambda tx: tx.rows(query))
        if not rows:
            raise NotFound(f"{missing}: {change_id}")
        return to_sealed(rows[0])

    async def to_evaluate(self, now: datetime, until: datetime, limit: int) -> Sequence[ChangeRequest]:
        due = select(_C.id).where(_C.state == _S.SUBMITTED.value, _free(_C, now)).order_by(_C.number).limit(limit)
        # Looked at without a lock first: there is nothing to be done as a rule.
        if not await self._db.read(lambda tx: tx.rows(due.limit(1))):
            return []

        async def work(tx: Transaction) -> Sequence[ChangeRequest]:
            ids = [row.id for row in await tx.rows(due.with_for_update(skip_locked=True))]
            await tx.run(update(change_request).where(_C.id.in_(ids)).values(look_at=until))
            rows = await tx.rows(select_changes().where(_C.id.in_(ids)).order_by(_C.number))
            return [to_change(row) for row in rows]

        return await self._db.write(work)

    async def to_do(self, now: datetime, limit: int = 500) -> Sequence[ChangeRequest]:
        ended = exists().where(push.c.id == _C.push_id, push.c.ended_at.is_not(None))
        settled = exists().where(push.c.id == _C.push_id, push.c.settled_at.is_not(None))
        answered = or_(_C.by_right, _C.expires_at <= now)
        decidable = or_(
            and_(_C.state == _S.ACCEPTED.value, answered),
            _C.state == _S.APPROVED.value,
            and_(_due(_C, now), ~_behind(now)),
            and_(_C.state == _S.EXECUTING.value, or_(_C.push_id.is_(None), ended)),
            and_(_C.state == _S.STUCK.value, settled),
        )
        query = select_changes().where(decidable, _free(_C, now)).order_by(_C.ordered_at, _C.id).limit(limit)
        return [to_change(row) for row in await self._db.read(lambda tx: tx.rows(query))]

    async def unclosed(self, limit: int) -> Sequence[ChangeRequest]:
        ended = _C.state.in_([state.value for state in _ENDED])
        query = select_changes().where(ended).order_by(_C.ended_at, _C.id).limit(limit)
        return [to_change(row) for row in await self._db.read(lambda tx: tx.rows(query))]

    async def release_all(self) -> None:
        held = and_(_C.state.in_([_S.SUBMITTED.value, _S.EXECUTING.value]), _C.look_at.is_not(None))
        await self._db.write(lambda tx: tx.run(update(change_request).where(held).values(look_at=None)))

    async def counts(self) -> Mapping[ChangeState, int]:
        query = select(_C.state, func.count()).group_by(_C.state)
        found = {row[0]: row[1] for row in await self._db.read(lambda tx: tx.rows(query))}
        return {state: found.get(state.value, 0) for state in ChangeState}


async def _create(tx: Transaction, change: ChangeRequest, parameters: SealedObject) -> ChangeRequest:
    first = tx.insert(change_ticket).values(id=1, last=0).on_conflict_do_nothing(index_elements=["id"])
    await tx.run(first)
    # Locked before the key is looked for, so that no number is taken for a request that is not made.
    last = (await tx.rows(select(change_ticket.c.last).where(change_ticket.c.id == 1).with_for_update()))[0].last
    if change.key is not None:
        known = await tx.rows(select_changes().where(_C.key == change.key))
        if known:
            return to_change(known[0])
    await tx.run(update(change_ticket).where(change_ticket.c.id == 1).values(last=last + 1))
    await tx.run(sealed_object.insert(), [sealed_values(parameters)])
    await tx.run(change_request.insert(), [new_values(change, last + 1, parameters.id)])
    made = to_change((await tx.rows(select_changes().where(_C.id == change.id)))[0])
    await _step(tx, made, made.submitted_at, made.submitted_by)
    tx.emit([told(made, made.submitted_at, made.submitted_by)])
    return made


async def _turn(tx: Transaction, turn: Turn) -> ChangeRequest:
    rows = await tx.rows(select_changes().where(_C.id == turn.change_id).with_for_update(of=change_request))
    if not rows:
        raise NotFound(f"no such change request: {turn.change_id}")
    change = to_change(rows[0])
    if change.revision != turn.revision:
        raise Conflict(f"{change.ticket} is at revision {change.revision}")
    if turn.to not in FROM[change.state]:
        raise Conflict(f"{change.ticket} is {change.state}")
    if turn.to is _S.EXECUTING:
        await _require_alone(tx, change)
    made = turned(change, turn.to, turn.reason, turn.code, turn.values)
    values = standing(made)
    if turn.effect is not None:
        await tx.run(sealed_object.insert(), [sealed_values(turn.effect)])
        values["effect_id"] = turn.effect.id
    await tx.run(update(change_request).where(_C.id == made.id).values(values))
    if turn.effect is not None and rows[0].effect_id is not None:
        await tx.run(delete(sealed_object).where(sealed_object.c.id == rows[0].effect_id))
    await _step(tx, made, turn.at, turn.by)
    tx.emit([told(made, turn.at, turn.by, turn.kind)])
    return made


async def _require_alone(tx: Transaction, change: ChangeRequest) -> None:
    """One at a time changes a device; the device's row is the lock of those who ask."""
    await tx.rows(select(device.c.id).where(device.c.id == change.device_id).with_for_update(key_share=True))
    blocking = [state.value for state in _BLOCKING]
    others = select(_C.id).where(_C.device_id == change.device_id, _C.id != change.id, _C.state.in_(blocking))
    if await tx.rows(others.limit(1)):
        raise Conflict(f"another change of {change.device} executes or is stuck")


async def _step(tx: Transaction, made: ChangeRequest, at: datetime, by: str) -> None:
    mine = change_step.c.change_id == made.id
    last = (await tx.rows(select(func.coalesce(func.max(change_step.c.number), 0)).where(mine)))[0][0]
    values = {
        "change_id": made.id,
        "number": last + 1,
        "state": made.state.value,
        "at": at,
        "by": by,
        "reason": made.reason,
    }
    await tx.run(change_step.insert(), [values])


def _wishes(wanted: ChangeFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.sites is not None:
        found.append(site.c.name.in_(list(wanted.sites)))
    if wanted.device is not None:
        found.append(device.c.name == wanted.device)
    if wanted.states is not None:
        found.append(_C.state.in_([state.value for state in wanted.states]))
    if wanted.type is not None:
        found.append(_C.type == wanted.type)
    if wanted.bulk_id is not None:
        found.append(_C.bulk_id == wanted.bulk_id)
    if wanted.by_right is not None:
        found.append(_C.by_right.is_(wanted.by_right))
    if wanted.not_submitted_by is not None:
        found.append(_C.submitted_by_id != wanted.not_submitted_by)
    return found


def _free(c: Any, now: datetime) -> ColumnElement[bool]:
    return or_(c.look_at.is_(None), c.look_at <= now)


def _due(c: Any, now: datetime) -> ColumnElement[bool]:
    return and_(c.state == _S.SCHEDULED.value, or_(c.not_before.is_(None), c.not_before <= now))


def _behind(now: datetime) -> ColumnElement[bool]:
    """Whether another one of the same device goes before."""
    other: FromClause = change_request.alias("other")
    o = other.c
    earlier = or_(o.ordered_at < _C.ordered_at, and_(o.ordered_at == _C.ordered_at, o.id < _C.id))
    waiting = and_(or_(o.state == _S.APPROVED.value, _due(o, now)), _free(o, now), earlier)
    blocking = o.state.in_([state.value for state in _BLOCKING])
    return exists(select(o.id).where(o.device_id == _C.device_id, o.id != _C.id, or_(blocking, waiting)))
