"""Replacements and their journals. What a holder writes is written under its fence, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select

from cpe_manager.adapters.db import cursors
from cpe_manager.adapters.db.replacement.replacement_tables import replacement, replacement_step
from cpe_manager.adapters.db.row_holds import RowHolds
from cpe_manager.adapters.db.tables import backup, device, device_facts, push
from cpe_manager.adapters.db.transactions import Connections, Lock, Transaction, Values
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.backup.backups import BackupState
from cpe_manager.domain.errors import Conflict
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.domain.paging import Page
from cpe_manager.domain.replacement.replacements import (
    Answers,
    Ask,
    Entry,
    Progress,
    Replacement,
    ReplacementRecord,
    Result,
    Stage,
    Step,
    Unit,
)
from cpe_manager.ports.replacements import PUSH_KEY, Hold

_OPEN = replacement.c.ended_at.is_(None)
_HOLDS = RowHolds(replacement, "replacement")


class SqlReplacements:
    """``ReplacementStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def create(self, replacement: Replacement) -> Replacement:
        return await self._db.write(lambda tx: _create(tx, replacement))

    async def replacement(self, replacement_id: str) -> ReplacementRecord:
        async def work(tx: Transaction) -> ReplacementRecord:
            found = await _one(tx, replacement_id)
            steps = select(replacement_step).where(replacement_step.c.replacement_id == replacement_id)
            rows = await tx.rows(steps.order_by(replacement_step.c.number))
            return ReplacementRecord(_to_replacement(found), [_to_entry(row) for row in rows])

        return await self._db.read(work)

    async def replacements(
        self, *, position_id: str | None = None, open_only: bool = False, after: str | None = None, limit: int = 50
    ) -> Page[Replacement]:
        columns = replacement.c
        query = select(replacement).order_by(columns.created_at.desc(), columns.id.desc()).limit(limit + 1)
        if position_id is not None:
            query = query.where(columns.position_id == position_id)
        if open_only:
            query = query.where(_OPEN)
        if after is not None:
            created, last = cursors.decode(after, str, str)
            at = cursors.to_time(created)
            query = query.where(or_(columns.created_at < at, and_(columns.created_at == at, columns.id < last)))
        rows = [_to_replacement(row) for row in await self._db.read(lambda tx: tx.rows(query))]
        return cursors.page(rows, limit, lambda one: (one.created_at.isoformat(), one.id))

    async def due(self, now: datetime) -> Sequence[str]:
        return [row.id for row in await self._db.read(lambda tx: tx.rows(_HOLDS.due(now)))]

    async def hold(self, replacement_id: str, *, owner: str, now: datetime, ttl: float) -> Hold | None:
        fence = await self._db.write(lambda tx: _HOLDS.take(tx, replacement_id, owner, now, ttl))
        return None if fence is None else Hold(replacement_id, owner, fence)

    async def renew(self, hold: Hold, *, now: datetime, ttl: float) -> bool:
        until = now + timedelta(seconds=ttl)
        return await self._db.write(lambda tx: _HOLDS.renew(tx, hold.replacement_id, hold, until))

    async def release(self, hold: Hold) -> None:
        await self._db.write(lambda tx: _HOLDS.release(tx, hold.replacement_id, hold))

    async def release_all(self) -> None:
        await self._db.write(_HOLDS.release_all)

    async def advance(
        self, hold: Hold, progress: Progress, entry: Entry | None = None, events: Sequence[NewEvent] = ()
    ) -> None:
        async def work(tx: Transaction) -> None:
            await _HOLDS.require(tx, hold.replacement_id, hold)
            await _HOLDS.set(tx, hold.replacement_id, **_progress_values(progress))
            if entry is not None:
                await _append(tx, hold.replacement_id, entry)
            tx.emit(events)

        await self._db.write(work)

    async def answer(self, replacement_id: str, answers: Answers, event: NewEvent) -> Replacement:
        async def work(tx: Transaction) -> Replacement:
            row = await _HOLDS.locked(tx, replacement_id)
            if row.ended_at is not None:
                raise Conflict(f"the replacement has ended already: {row.stage}")
            await _HOLDS.set(tx, replacement_id, **_answer_values(answers), asks=[], not_before=event.at)
            tx.emit([event])
            return _to_replacement(await _one(tx, replacement_id))

        return await self._db.write(work)

    async def restorable(self, position_id: str) -> str | None:
        """What a push of a replacement went back to, or would have, is what the new hardware came with."""
        bare = select(push.c.snapshot_id).join(replacement, replacement.c.new_device_id == push.c.device_id)
        bare = bare.where(push.c.snapshot_id.is_not(None), push.c.key.contains(PUSH_KEY, autoescape=True))
        good = and_(backup.c.position_id == position_id, backup.c.state == BackupState.GOOD.value)
        query = select(backup.c.id).where(good, backup.c.id.not_in(bare)).order_by(backup.c.number.desc()).limit(1)
        rows = await self._db.read(lambda tx: tx.rows(query))
        return rows[0].id if rows else None

    async def releases(self) -> Sequence[tuple[str, str]]:
        told = select(device_facts.c.device_id, device_facts.c.os_release).join(
            device, device.c.id == device_facts.c.device_id
        )
        query = told.where(device.c.state != LifeState.DECOMMISSIONED.value, device_facts.c.os_release != "")
        return [(row.device_id, row.os_release) for row in await self._db.read(lambda tx: tx.rows(query))]


async def _create(tx: Transaction, new: Replacement) -> Replacement:
    await tx.lock(Lock.CLAIM)
    if new.key is not None:
        known = await tx.rows(select(replacement).where(replacement.c.key == new.key))
        if known:
            return _to_replacement(known[0])
    other = await tx.rows(select(replacement.c.id).where(replacement.c.position_id == new.position_id, _OPEN))
    if other:
        raise Conflict(f"{new.device} is being replaced already ({other[0].id}); cancel that first")
    await tx.run(replacement.insert(), [_values(new)])
    message = f"{new.device}: hardware {new.unit.serial} ordered by {new.requested_by}"
    data = {"replacement_id": new.id, "device": new.device, "serial": new.unit.serial, "by": new.requested_by}
    tx.emit([NewEvent("replacement.ordered", new.created_at, device_id=new.device_id, message=message, data=data)])
    return new


async def _one(tx: Transaction, replacement_id: str) -> AnyRow:
    rows = await tx.rows(select(replacement).where(replacement.c.id == replacement_id))
    if not rows:
        raise _HOLDS.missing(replacement_id)
    return rows[0]


async def _append(tx: Transaction, replacement_id: str, entry: Entry) -> None:
    steps = replacement_step.c
    last = select(func.coalesce(func.max(steps.number), 0)).where(steps.replacement_id == replacement_id)
    number = (await tx.rows(last))[0][0] + 1
    result = None if entry.result is None else entry.result.value
    values = {"step": entry.step.value, "at": entry.at, "result": result, "reason": entry.reason}
    await tx.run(replacement_step.insert(), [{"replacement_id": replacement_id, "number": number, **values}])


def _values(one: Replacement) -> Values:
    return {
        "id": one.id,
        "device_id": one.device_id,
        "position_id": one.position_id,
        "device": one.device,
        "site": one.site,
        "unit": asdict(one.unit),
        "created_at": one.created_at,
        "requested_by": one.requested_by,
        "version": one.version,
        "key": one.key,
        "fence": 0,
        **_answer_values(one.answers),
        **_progress_values(one.progress),
    }


def _answer_values(answers: Answers) -> Values:
    return {
        "accepted_key": answers.key,
        "accepted_plan": answers.plan,
        "names": dict(answers.names),
        "consent": answers.consent,
        "consent_by": answers.consent_by,
        "consent_at": answers.consent_at,
        "answered": answers.answered,
        "cancelled_by": answers.cancelled_by,
    }


def _progress_values(progress: Progress) -> Values:
    return {
        "stage": progress.stage.value,
        "asks": [ask.value for ask in progress.asks],
        "questions": progress.questions,
        "offered_key": progress.offered_key,
        "plan": dict(progress.plan),
        "report": dict(progress.report),
        "backup_id": progress.backup_id,
        "push_id": progress.push_id,
        "new_device_id": progress.new_device_id,
        "note": progress.note,
        "not_before": progress.not_before,
        "reason": progress.reason,
        "ended_at": progress.ended_at,
    }


def _to_replacement(row: AnyRow) -> Replacement:
    answers = Answers(
        key=row.accepted_key,
        plan=row.accepted_plan,
        names=row.names,
        consent=row.consent,
        consent_by=row.consent_by,
        consent_at=row.consent_at,
        answered=row.answered,
        cancelled_by=row.cancelled_by,
    )
    progress = Progress(
        stage=Stage(row.stage),
        asks=tuple(Ask(ask) for ask in row.asks),
        questions=row.questions,
        offered_key=row.offered_key,
        plan=row.plan,
        report=row.report,
        backup_id=row.backup_id,
        push_id=row.push_id,
        new_device_id=row.new_device_id,
        note=row.note,
        not_before=row.not_before,
        reason=row.reason,
        ended_at=row.ended_at,
    )
    return Replacement(
        id=row.id,
        device_id=row.device_id,
        position_id=row.position_id,
        device=row.device,
        site=row.site,
        unit=Unit(**row.unit),
        created_at=row.created_at,
        requested_by=row.requested_by,
        version=row.version,
        key=row.key,
        answers=answers,
        progress=progress,
    )


def _to_entry(row: AnyRow) -> Entry:
    return Entry(Step(row.step), row.at, None if row.result is None else Result(row.result), row.reason)
