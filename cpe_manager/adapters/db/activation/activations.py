"""Activations, their journals and reports. What a holder writes is written under its fence, or not at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import and_, func, or_, select

from cpe_manager.adapters.db import cursors
from cpe_manager.adapters.db.activation.activation_rows import (
    activation_values,
    progress_values,
    promise_values,
    said_values,
    to_activation,
    to_entry,
    to_said,
)
from cpe_manager.adapters.db.activation.activation_tables import activation, activation_report, activation_step
from cpe_manager.adapters.db.backup.overdue import clear_alarms, raise_alarms
from cpe_manager.adapters.db.backup.versions import sealed_values
from cpe_manager.adapters.db.row_holds import RowHolds
from cpe_manager.adapters.db.rows import SEALED_COLUMNS, to_sealed
from cpe_manager.adapters.db.tables import sealed_object
from cpe_manager.adapters.db.transactions import Connections, Lock, Transaction
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.activation.activation_flow import Entry, State
from cpe_manager.domain.activation.activations import Activation, ActivationRecord, ActivationReport, Progress, Said
from cpe_manager.domain.backup.backups import SealedObject
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.events import Alarm, NewEvent
from cpe_manager.domain.paging import Page
from cpe_manager.domain.working_days import Promise
from cpe_manager.ports.activations import ALARMS, UNANSWERED, ActivationFilter, Hold, alarm_key

_A = activation.c
_OPEN: Final = _A.ended_at.is_(None)
_HOLDS: Final = RowHolds(activation, "activation")


class SqlActivations:
    """``ActivationStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def create(self, activation: Activation, order: SealedObject) -> Activation:
        return await self._db.write(lambda tx: _create(tx, activation, order))

    async def activation(self, ref: str, sites: Collection[str] | None = None) -> ActivationRecord:
        async def work(tx: Transaction) -> ActivationRecord:
            found = await _found(tx, ref, sites)
            steps = select(activation_step).where(activation_step.c.activation_id == found.id)
            rows = await tx.rows(steps.order_by(activation_step.c.number))
            return ActivationRecord(to_activation(found), tuple(to_entry(row) for row in rows))

        return await self._db.read(work)

    async def activations(
        self, wanted: ActivationFilter, *, after: str | None = None, limit: int = 50
    ) -> Page[Activation]:
        query = select(activation).order_by(_A.created_at.desc(), _A.id.desc()).limit(limit + 1)
        if wanted.sites is not None:
            query = query.where(_A.site.in_(sorted(wanted.sites)))
        if wanted.device_id is not None:
            query = query.where(_A.device_id == wanted.device_id)
        if wanted.states is not None:
            query = query.where(_A.state.in_([state.value for state in wanted.states]))
        if wanted.open_only:
            query = query.where(_OPEN)
        if after is not None:
            created, last = cursors.decode(after, str, str)
            at = cursors.to_time(created)
            query = query.where(or_(_A.created_at < at, and_(_A.created_at == at, _A.id < last)))
        rows = [to_activation(row) for row in await self._db.read(lambda tx: tx.rows(query))]
        return cursors.page(rows, limit, lambda one: (one.created_at.isoformat(), one.id))

    async def order(self, activation_id: str) -> SealedObject:
        query = select(*SEALED_COLUMNS).join(activation, _A.object_id == sealed_object.c.id)
        rows = await self._db.read(lambda tx: tx.rows(query.where(_A.id == activation_id)))
        if not rows:
            raise _HOLDS.missing(activation_id)
        return to_sealed(rows[0])

    async def due(self, now: datetime) -> Sequence[str]:
        return [row.id for row in await self._db.read(lambda tx: tx.rows(_HOLDS.due(now)))]

    async def hold(self, activation_id: str, *, owner: str, now: datetime, ttl: float) -> Hold | None:
        fence = await self._db.write(lambda tx: _HOLDS.take(tx, activation_id, owner, now, ttl))
        return None if fence is None else Hold(activation_id, owner, fence)

    async def renew(self, hold: Hold, *, now: datetime, ttl: float) -> bool:
        until = now + timedelta(seconds=ttl)
        return await self._db.write(lambda tx: _HOLDS.renew(tx, hold.activation_id, hold, until))

    async def release(self, hold: Hold) -> None:
        await self._db.write(lambda tx: _HOLDS.release(tx, hold.activation_id, hold))

    async def release_all(self) -> None:
        await self._db.write(_HOLDS.release_all)

    async def advance(
        self, hold: Hold, progress: Progress, entry: Entry | None = None, events: Sequence[NewEvent] = ()
    ) -> None:
        async def work(tx: Transaction) -> None:
            await _HOLDS.require(tx, hold.activation_id, hold)
            await _HOLDS.set(tx, hold.activation_id, **progress_values(progress))
            if entry is not None:
                await _append(tx, hold.activation_id, entry)
            tx.emit(events)
            if progress.ended_at is not None:
                await clear_alarms(tx, [alarm_key(kind, hold.activation_id) for kind in ALARMS], progress.ended_at)

        await self._db.write(work)

    async def say(self, before: Activation, said: Said, event: NewEvent, promise: Promise | None = None) -> Activation:
        async def work(tx: Transaction) -> Activation:
            row = await _HOLDS.locked(tx, before.id)
            if row.ended_at is not None:
                raise Conflict(f"the activation of {row.site} has ended already: {row.state}")
            if to_said(row) != before.said:
                raise Conflict(f"somebody else has said something of the activation of {row.site} meanwhile")
            values = said_values(said)
            if promise is not None:
                values |= promise_values(promise)
            await _HOLDS.set(tx, before.id, **values, not_before=event.at)
            if said.rush is not None:
                await clear_alarms(tx, [alarm_key(UNANSWERED, before.id)], event.at)
            tx.emit([event])
            return to_activation(await _one(tx, before.id))

        return await self._db.write(work)

    async def add_report(self, hold: Hold, report: ActivationReport) -> None:
        values = {
            "activation_id": report.activation_id,
            "number": report.number,
            "at": report.at,
            "passed": report.passed,
            "data": dict(report.data),
            "html": report.html,
        }

        async def work(tx: Transaction) -> None:
            await _HOLDS.require(tx, hold.activation_id, hold)
            made = tx.insert(activation_report).values(values)
            await tx.run(made.on_conflict_do_update(index_elements=["activation_id", "number"], set_=values))

        await self._db.write(work)

    async def report(self, activation_id: str, number: int | None = None) -> ActivationReport:
        columns = activation_report.c
        query = select(activation_report).where(columns.activation_id == activation_id)
        if number is not None:
            query = query.where(columns.number == number)
        rows = await self._db.read(lambda tx: tx.rows(query.order_by(columns.number.desc()).limit(1)))
        if not rows:
            raise NotFound(f"no such report of activation {activation_id}")
        row = rows[0]
        return ActivationReport(row.activation_id, row.number, row.at, row.passed, row.data, row.html)

    async def late(self, now: datetime) -> Sequence[Activation]:
        unanswered = and_(_A.rush_answer.is_(None), _A.answer_by <= now)
        query = select(activation).where(_OPEN, or_(_A.risk_at <= now, _A.due_at <= now, unanswered))
        return [to_activation(row) for row in await self._db.read(lambda tx: tx.rows(query.order_by(_A.id)))]

    async def alarm(self, raised: Sequence[Alarm], cleared: Sequence[str], at: datetime) -> None:
        async def work(tx: Transaction) -> None:
            await raise_alarms(tx, raised, once=True)
            await clear_alarms(tx, cleared, at)

        await self._db.write(work)

    async def counts(self) -> Mapping[State, int]:
        query = select(_A.state, func.count()).where(_OPEN).group_by(_A.state)
        found = {row[0]: row[1] for row in await self._db.read(lambda tx: tx.rows(query))}
        return {state: found.get(state.value, 0) for state in State}


async def _create(tx: Transaction, new: Activation, order: SealedObject) -> Activation:
    await tx.lock(Lock.CLAIM)
    if new.key is not None:
        known = await tx.rows(select(activation).where(_A.key == new.key))
        if known:
            return to_activation(known[0])
    other = await tx.rows(select(_A.id).where(_A.site_id == new.site_id, _OPEN))
    if other:
        raise Conflict(f"{new.site} is being activated already ({other[0].id}); cancel that first")
    await tx.run(sealed_object.insert(), [sealed_values(order)])
    await tx.run(activation.insert(), [activation_values(new, order.id)])
    data: dict[str, Any] = {"activation_id": new.id, "site": new.site, "device": new.device, "by": new.requested_by}
    data |= {"formula": new.formula, "technology": new.technology.value, "due_at": new.promise.due_at.isoformat()}
    data |= {"rush": new.rush, "state": State.ORDERED.value}
    message = f"{new.site}: activation of {new.formula} on {new.technology} ordered by {new.requested_by}"
    tx.emit([NewEvent("activation.ordered", new.created_at, device_id=new.device_id, message=message, data=data)])
    return new


async def _found(tx: Transaction, ref: str, sites: Collection[str] | None) -> AnyRow:
    """By id first: a site that is called as another one's activation means that activation."""
    query = select(activation).where(or_(_A.id == ref, _A.site == ref, _A.device == ref))
    if sites is not None:
        query = query.where(_A.site.in_(sorted(sites)))
    order = ((_A.id == ref).desc(), _A.created_at.desc(), _A.id.desc())
    rows = await tx.rows(query.order_by(*order).limit(1))
    if not rows:
        raise _HOLDS.missing(ref)
    return rows[0]


async def _one(tx: Transaction, activation_id: str) -> AnyRow:
    return (await tx.rows(select(activation).where(_A.id == activation_id)))[0]


async def _append(tx: Transaction, activation_id: str, entry: Entry) -> None:
    steps = activation_step.c
    last = select(func.coalesce(func.max(steps.number), 0)).where(steps.activation_id == activation_id)
    values = {
        "activation_id": activation_id,
        "number": (await tx.rows(last))[0][0] + 1,
        "step": entry.step.value,
        "at": entry.at,
        "result": None if entry.result is None else entry.result.value,
        "reason": entry.reason,
        "redo": [step.value for step in entry.redo],
    }
    await tx.run(activation_step.insert(), [values])
