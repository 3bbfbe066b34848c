"""Roll-outs. Whoever changes one holds its row's lock; how its devices fare is asked of their pushes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, or_, select, update

from cpe_manager.adapters.db import cursors
from cpe_manager.adapters.db.backup.versions import sealed_values
from cpe_manager.adapters.db.push import push_holds
from cpe_manager.adapters.db.push.push_writes import create_pushes
from cpe_manager.adapters.db.rollout.rollout_tables import rollout, rollout_device
from cpe_manager.adapters.db.tables import device, push, sealed_object
from cpe_manager.adapters.db.transactions import Connections, Transaction, Values
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.events import NewEvent, Severity
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.domain.jobs import Job
from cpe_manager.domain.paging import Page
from cpe_manager.domain.push.checks import Check
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.domain.push.pushes import Push, PushKind
from cpe_manager.domain.rollout.rollouts import (
    OVER,
    DeviceEnd,
    Rollout,
    RolloutDevice,
    RolloutState,
    Standing,
    Strategy,
    WaveStanding,
)
from cpe_manager.ports.rollouts import NewRolloutDevice, Turn
from cpe_manager.ports.stores import NewWork

_S = RolloutState
_FROM: Final[Mapping[RolloutState, frozenset[RolloutState]]] = {
    _S.RUNNING: frozenset({_S.PLANNED, _S.PAUSED}),
    _S.PAUSED: frozenset({_S.RUNNING}),
    _S.STOPPED: frozenset({_S.RUNNING}),
    _S.DONE: frozenset({_S.RUNNING}),
    _S.CANCELLED: frozenset({_S.PLANNED, _S.RUNNING, _S.PAUSED}),
}
_KINDS: Final[Mapping[RolloutState, tuple[str, Severity]]] = {
    _S.PAUSED: ("rollout.paused", "info"),
    _S.STOPPED: ("rollout.stopped", "error"),
    _S.DONE: ("rollout.finished", "info"),
    _S.CANCELLED: ("rollout.cancelled", "warning"),
}
_D = rollout_device.c
_TABLES = rollout_device.outerjoin(push, push.c.id == _D.push_id)
_STUCK: Final = "an earlier push of it is stuck and not settled"
_UNASKED = push.c.withdrawn_by.is_(None)
_FLYING = and_(_D.push_id.is_not(None), push.c.ended_at.is_(None))
_how_it_ended: Final[ColumnElement[str]] = case(
    (_D.skipped.is_not(None), DeviceEnd.SKIPPED.value),
    (_D.push_id.is_(None), DeviceEnd.WAITING.value),
    (push.c.ended_at.is_(None), DeviceEnd.IN_FLIGHT.value),
    (push.c.phase == Phase.CONFIRMED.value, DeviceEnd.CONFIRMED.value),
    (
        and_(push.c.phase == Phase.WITHDRAWN.value, push.c.code == Check.NOTHING.value),
        DeviceEnd.UNCHANGED.value,
    ),
    else_=DeviceEnd.FAILED.value,
)


class SqlRollouts:
    """``RolloutStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def create(self, new: Rollout) -> Rollout:
        async def work(tx: Transaction) -> Rollout:
            values = _values(new)
            made = tx.insert(rollout).values(values).on_conflict_do_nothing(index_elements=["key"])
            if await tx.rows(made.returning(rollout.c.id)):
                return new
            return (await _read(tx, select(rollout).where(rollout.c.key == new.key)))[0]

        return await self._db.write(work)

    async def add(self, rollout_id: str, devices: Sequence[NewRolloutDevice]) -> None:
        await self._db.write(lambda tx: _add(tx, rollout_id, devices))

    async def rollout(self, rollout_id: str) -> Rollout:
        return await self._db.read(lambda tx: _one(tx, rollout_id))

    async def keyed(self, key: str) -> Rollout | None:
        found = await self._db.read(lambda tx: _read(tx, select(rollout).where(rollout.c.key == key)))
        return found[0] if found else None

    async def rollouts(
        self, *, state: RolloutState | None = None, after: str | None = None, limit: int = 50
    ) -> Page[Rollout]:
        query = select(rollout).order_by(rollout.c.created_at.desc(), rollout.c.id.desc()).limit(limit + 1)
        if state is not None:
            query = query.where(rollout.c.state == state.value)
        if after is not None:
            created, last = cursors.decode(after, str, str)
            at = cursors.to_time(created)
            query = query.where(or_(rollout.c.created_at < at, and_(rollout.c.created_at == at, rollout.c.id < last)))
        found = await self._db.read(lambda tx: _read(tx, query))
        return cursors.page(found, limit, lambda one: (one.created_at.isoformat(), one.id))

    async def devices(
        self, rollout_id: str, *, end: DeviceEnd | None = None, after: str | None = None, limit: int = 200
    ) -> Page[RolloutDevice]:
        columns = (push.c.phase, push.c.reason, push.c.ended_at, device.c.name, _how_it_ended.label("end"))
        query = select(rollout_device, *columns).select_from(_TABLES.join(device, device.c.id == _D.device_id))
        query = query.where(_D.rollout_id == rollout_id).order_by(_D.position, _D.device_id).limit(limit + 1)
        if end is not None:
            query = query.where(_how_it_ended == end.value)
        if after is not None:
            query = query.where(_D.position > cursors.decode(after, int)[0])
        rows = [_to_device(row) for row in await self._db.read(lambda tx: tx.rows(query))]
        return cursors.page(rows, limit, lambda one: (one.position,))

    async def active(self) -> Sequence[Rollout]:
        flying = select(1).select_from(_TABLES).where(_D.rollout_id == rollout.c.id, _FLYING, _UNASKED).exists()
        given_up = and_(rollout.c.state == RolloutState.CANCELLED.value, rollout.c.give_up, flying)
        query = select(rollout).where(or_(rollout.c.state == RolloutState.RUNNING.value, given_up))
        rows = await self._db.read(lambda tx: tx.rows(query.order_by(rollout.c.created_at, rollout.c.id)))
        return [_to_rollout(row, {}) for row in rows]

    async def counts(self) -> Mapping[RolloutState, int]:
        query = select(rollout.c.state, func.count()).group_by(rollout.c.state)
        found = {row[0]: row[1] for row in await self._db.read(lambda tx: tx.rows(query))}
        return {state: found.get(state.value, 0) for state in RolloutState}

    async def standing(self, of: Rollout) -> Standing:
        return await self._db.read(lambda tx: _standing(tx, of))

    async def start(self, of: Rollout, wave: int, job: Job, pushes: Mapping[str, Push]) -> Mapping[str, Push] | None:
        return await self._db.write(lambda tx: _start(tx, of, wave, job, pushes))

    async def turn(self, rollout_id: str, turn: Turn) -> Rollout:
        return await self._db.write(lambda tx: _turn(tx, rollout_id, turn))

    async def in_flight(self, rollout_id: str) -> Sequence[str]:
        query = select(push.c.id).select_from(_TABLES).where(_D.rollout_id == rollout_id, _FLYING, _UNASKED)
        return [row.id for row in await self._db.read(lambda tx: tx.rows(query.order_by(push.c.id)))]


async def _one(tx: Transaction, rollout_id: str) -> Rollout:
    found = await _read(tx, select(rollout).where(rollout.c.id == rollout_id))
    if not found:
        raise NotFound(f"no such roll-out: {rollout_id}")
    return found[0]


async def _read(tx: Transaction, query: Select[Any]) -> list[Rollout]:
    """With counts, one query for all of them."""
    rows = await tx.rows(query)
    counts: defaultdict[str, dict[DeviceEnd, int]] = defaultdict(lambda: dict.fromkeys(DeviceEnd, 0))
    of = select(_D.rollout_id, _how_it_ended.label("end"), func.count()).select_from(_TABLES)
    of = of.where(_D.rollout_id.in_([row.id for row in rows])).group_by(_D.rollout_id, _how_it_ended)
    for rollout_id, end, number in await tx.rows(of) if rows else ():
        counts[rollout_id][DeviceEnd(end)] = number
    return [_to_rollout(row, counts[row.id]) for row in rows]


async def _locked(tx: Transaction, rollout_id: str) -> AnyRow:
    rows = await tx.rows(select(rollout).where(rollout.c.id == rollout_id).with_for_update())
    if not rows:
        raise NotFound(f"no such roll-out: {rollout_id}")
    return rows[0]


async def _add(tx: Transaction, rollout_id: str, devices: Sequence[NewRolloutDevice]) -> None:
    row = await _locked(tx, rollout_id)
    if row.state != RolloutState.PLANNED:
        raise Conflict(f"the roll-out is {row.state} already")
    query = select(_D.device_id).where(
        _D.rollout_id == rollout_id, _D.device_id.in_([one.device_id for one in devices])
    )
    known = {found.device_id for found in await tx.rows(query)}
    fresh = [one for one in devices if one.device_id not in known]
    await tx.many(sealed_object.insert(), [sealed_values(one.order) for one in fresh])
    rows = [
        {
            "rollout_id": rollout_id,
            "device_id": one.device_id,
            "wave": one.wave,
            "position": one.position,
            "access_node": one.access_node,
            "order_id": one.order.id,
        }
        for one in fresh
    ]
    await tx.many(rollout_device.insert(), rows)


async def _standing(tx: Transaction, of: Rollout) -> Standing:
    grouped = select(
        _D.wave, _how_it_ended.label("end"), func.count().label("number"), func.max(push.c.ended_at).label("last")
    )
    grouped = grouped.select_from(_TABLES).where(_D.rollout_id == of.id).group_by(_D.wave, _how_it_ended)
    counts: list[dict[DeviceEnd, int]] = [{} for _ in of.strategy.waves]
    last: list[datetime | None] = [None for _ in of.strategy.waves]
    for row in await tx.rows(grouped):
        counts[row.wave][DeviceEnd(row.end)] = row.number
        ends = [at for at in (last[row.wave], row.last) if at is not None]
        last[row.wave] = max(ends, default=None)
    waves = [WaveStanding(each, at) for each, at in zip(counts, last, strict=True)]
    flying = select(_D.access_node, func.count().label("number")).select_from(_TABLES)
    flying = flying.where(_D.rollout_id == of.id, _FLYING, _D.access_node.is_not(None)).group_by(_D.access_node)
    busy = {row.access_node: row.number for row in await tx.rows(flying)}
    first = next((number for number, wave in enumerate(waves) if not wave.over), None)
    if first is None or not waves[first].waiting:
        return Standing(waves, busy)
    return Standing(waves, busy, await _candidates(tx, of, first, busy))


async def _candidates(
    tx: Transaction, of: Rollout, wave: int, busy: Mapping[str, int]
) -> Sequence[tuple[str, str | None]]:
    """As many as may be in flight, none of a node that is full: so one node's devices never hide those of others."""
    most = of.strategy.per_access_node
    waiting = and_(_D.rollout_id == of.id, _D.wave == wave, _D.push_id.is_(None), _D.skipped.is_(None))
    query = select(_D.device_id, _D.access_node, _D.position).where(waiting)
    if not most:
        rows = await tx.rows(query.order_by(_D.position).limit(of.strategy.max_in_flight))
        return [(row.device_id, row.access_node) for row in rows]
    full = [node for node, number in busy.items() if number >= most]
    query = query.where(or_(_D.access_node.is_(None), _D.access_node.not_in(full)))
    rank = func.row_number().over(partition_by=_D.access_node, order_by=_D.position)
    ranked = query.add_columns(rank.label("rank")).subquery("ranked")
    room = or_(ranked.c.access_node.is_(None), ranked.c.rank <= most)
    # Nodes that are half full offer more than they may; twice as many candidates leave enough of the others.
    limit = 2 * of.strategy.max_in_flight
    rows = await tx.rows(select(ranked).where(room).order_by(ranked.c.position).limit(limit))
    return [(row.device_id, row.access_node) for row in rows]


async def _start(
    tx: Transaction, of: Rollout, wave: int, job: Job, pushes: Mapping[str, Push]
) -> Mapping[str, Push] | None:
    row = await _locked(tx, of.id)
    if row.state != RolloutState.RUNNING or row.revision != of.revision:
        return None
    query = select(_D.device_id, _D.order_id, device.c.state, device.c.name).join(device, device.c.id == _D.device_id)
    query = query.where(_D.rollout_id == of.id, _D.push_id.is_(None), _D.skipped.is_(None))
    rows = await tx.rows(query.where(_D.device_id.in_(list(pushes))).order_by(_D.position))
    stuck = {one.device_id for one in await push_holds.stuck(tx, push_holds.unsettled())}
    ours = [found for found in rows if found.state == LifeState.ACTIVE and found.device_id not in stuck]
    made = {found.device_id: replace(pushes[found.device_id], device=found.name) for found in ours}
    if made:
        work = [(made[d.device_id], d.order_id, NewWork(d.device_id, 0, job.created_at)) for d in ours]
        await create_pushes(tx, job, work)
    values = [
        {"of": d.device_id, "push": made[d.device_id].id, "why": None}
        if d.device_id in made
        else {"of": d.device_id, "push": None, "why": _STUCK if d.device_id in stuck else f"it is {d.state}"}
        for d in rows
    ]
    mine = and_(_D.rollout_id == of.id, _D.device_id == bindparam("of"))
    await tx.many(
        update(rollout_device).where(mine).values(push_id=bindparam("push"), skipped=bindparam("why")), values
    )
    if row.wave is None or row.wave < wave:
        size = of.strategy.waves[wave]
        what = "canaries" if wave == 0 else f"wave {wave} of {len(of.strategy.waves) - 1}"
        data = {"wave": wave, "devices": size}
        tx.emit([_event("rollout.wave", of, job.created_at, f"{of.name}: {what} begins, {size} devices", data=data)])
    now = {"wave": wave, "revision": row.revision + 1}
    await tx.run(update(rollout).where(rollout.c.id == of.id).values(now))
    return made


async def _turn(tx: Transaction, rollout_id: str, turn: Turn) -> Rollout:
    row = await _locked(tx, rollout_id)
    if turn.expected is not None and row.revision != turn.expected:
        raise Conflict("the roll-out was changed meanwhile")
    if RolloutState(row.state) not in _FROM[turn.to]:
        raise Conflict(f"the roll-out is {row.state}")
    values: Values = {"state": turn.to.value, "revision": row.revision + 1, "reason": turn.reason or None}
    if turn.to is RolloutState.RUNNING and row.state == RolloutState.PLANNED:
        found = select(func.count()).select_from(rollout_device).where(_D.rollout_id == rollout_id)
        if (await tx.rows(found))[0][0] != _to_rollout(row, {}).total:
            raise Conflict("the roll-out was not written whole; ask for it again with the same key, or cancel it")
        values["started_at"] = turn.at
    if turn.to in OVER:
        values |= {"ended_at": turn.at, "give_up": turn.give_up}
    await tx.run(update(rollout).where(rollout.c.id == rollout_id).values(values))
    found_now = await _one(tx, rollout_id)
    kind, severity = _KINDS.get(turn.to) or (
        "rollout.started" if row.state == RolloutState.PLANNED else "rollout.resumed",
        "info",
    )
    told = f"{found_now.name}: {kind.partition('.')[2]}" + (f" by {turn.by}" if turn.by else "")
    told += f": {turn.reason}" if turn.reason else ""
    counts = {end.value: number for end, number in found_now.counts.items() if number}
    tx.emit([_event(kind, found_now, turn.at, told, severity=severity, data={"counts": counts})])
    return found_now


def _event(
    kind: str, of: Rollout, at: datetime, message: str, *, data: Mapping[str, Any], severity: Severity = "info"
) -> NewEvent:
    more = {"rollout_id": of.id, "name": of.name, "summary": of.summary}
    return NewEvent(kind, at, severity, message=message, data={**more, **data})


def _values(one: Rollout) -> Values:
    values = {column.name: getattr(one, column.name) for column in rollout.columns}
    strategy = {**asdict(one.strategy), "waves": list(one.strategy.waves)}
    overrides = sorted(lockout.value for lockout in one.overrides)
    return {**values, "strategy": strategy, "overrides": overrides, "kind": one.kind.value, "state": one.state.value}


def _to_rollout(row: AnyRow, counts: Mapping[DeviceEnd, int]) -> Rollout:
    plain = {column.name: getattr(row, column.name) for column in rollout.columns}
    strategy = Strategy(**{**row.strategy, "waves": tuple(row.strategy["waves"])})
    made = Rollout(**{**plain, "strategy": strategy})
    return replace(
        made,
        kind=PushKind(row.kind),
        state=RolloutState(row.state),
        overrides=frozenset(Lockout(value) for value in row.overrides),
        counts=counts,
    )


def _to_device(row: AnyRow) -> RolloutDevice:
    return RolloutDevice(
        device_id=row.device_id,
        device=row.name,
        wave=row.wave,
        position=row.position,
        access_node=row.access_node,
        end=DeviceEnd(row.end),
        push_id=row.push_id,
        phase=row.phase,
        reason=row.skipped or row.reason,
        ended_at=row.ended_at,
    )
