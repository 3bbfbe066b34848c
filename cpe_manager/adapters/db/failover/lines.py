"""Lines for fail-over: what is known of them, where they stand, what operators asked for, and who watches."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Select, and_, func, or_, select, tuple_, update

from cpe_manager.adapters.db import cursors
from cpe_manager.adapters.db.failover import line_moves, line_pruning
from cpe_manager.adapters.db.failover.line_rows import (
    ON_THE_LINE,
    select_incidents,
    select_lines,
    select_transitions,
    setup_values,
    state_values,
    to_incident,
    to_record,
    to_transition,
)
from cpe_manager.adapters.db.failover.line_tables import (
    incident,
    line_lead,
    line_order,
    line_setup,
    line_state,
    line_transition,
)
from cpe_manager.adapters.db.rows import ACCESS_NODE
from cpe_manager.adapters.db.tables import device, line, push
from cpe_manager.adapters.db.transactions import Connections, Transaction, in_chunks
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.errors import Conflict, NotFound, PreconditionFailed
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.failover.lines import FailoverState, Incident, Line, LineRecord, LineSetup, Transition
from cpe_manager.domain.failover.mobile_volume import MonthVolume
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.domain.paging import Page
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.ports.lines import CapNews, Move, Wanted

_LEAD = "watcher"
_AT_A_LOOK = 1000
_ACTIVE = device.c.state == LifeState.ACTIVE.value


class SqlLines:
    """``LineStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def watched(self) -> Sequence[LineRecord]:
        return await self._records(select_lines().where(line_setup.c.watched, _ACTIVE).order_by(line.c.id))

    async def revisions(self) -> Mapping[str, int]:
        columns = (line_state.c.line_id, line_state.c.revision)
        query = select_lines().with_only_columns(*columns).where(line_setup.c.watched, _ACTIVE)
        query = query.order_by(line_state.c.line_id).limit(_AT_A_LOOK)
        found: dict[str, int] = {}
        last = ""
        while True:
            # Some at a time: thousands of rows at once would keep everybody else waiting.
            rows = await self._db.read(partial(_rows, query=query.where(line_state.c.line_id > last)))
            found |= {row.line_id: row.revision for row in rows}
            if len(rows) < _AT_A_LOOK:
                return found
            last = rows[-1].line_id

    async def lines(
        self, *, state: FailoverState | None = None, node: str | None = None, after: str | None = None, limit: int = 50
    ) -> Page[LineRecord]:
        query = select_lines().order_by(device.c.name, line.c.id).limit(limit + 1)
        if state is not None:
            query = query.where(line_state.c.state == state.value)
        if node is not None:
            query = query.where(ACCESS_NODE.in_([node]))
        if after is not None:
            query = query.where(tuple_(device.c.name, line.c.id) > tuple_(*cursors.decode(after, str, str)))
        found = await self._records(query)
        return cursors.page(found, limit, lambda one: (one.line.device, one.line.id))

    async def line(self, name: str) -> LineRecord:
        return await self._db.read(lambda tx: _named(tx, name))

    async def set_up(
        self, device: str, setup: LineSetup, at: datetime, by: str, *, revision: int | None = None
    ) -> LineRecord:
        return await self._db.write(lambda tx: _set_up(tx, device, setup, (at, by), revision))

    async def move(self, moves: Sequence[Move]) -> Sequence[str]:
        return await self._db.write(lambda tx: line_moves.move(tx, moves)) if moves else []

    async def count_mobile(self, volumes: Mapping[str, MonthVolume]) -> None:
        if volumes:
            await self._db.write(lambda tx: line_moves.count_mobile(tx, volumes))

    async def tell_caps(self, told: Mapping[str, CapNews]) -> None:
        if told:
            await self._db.write(lambda tx: line_moves.tell_caps(tx, told))

    async def want(
        self, line_id: str, what: Wanted, *, by: str, at: datetime, reason: str = "", key: str | None = None
    ) -> LineRecord:
        asked = {"what": what, "requested_by": by, "reason": reason, "at": at, "key": key}
        return await self._db.write(lambda tx: _want(tx, line_id, asked))

    async def asked(self) -> Sequence[LineRecord]:
        return await self._records(select_lines().where(line_state.c.wanted != "").order_by(line.c.id))

    async def history(self, line_id: str | None, *, after: str | None = None, limit: int = 50) -> Page[Transition]:
        columns = line_transition.c
        query = select_transitions().limit(limit + 1)
        if line_id is not None:
            query = query.where(columns.line_id == line_id)
        if after is not None:
            text, number, last = cursors.decode(after, str, int, str)
            at = cursors.to_time(text)
            earlier = or_(columns.number < number, and_(columns.number == number, columns.id < last))
            query = query.where(or_(columns.at < at, and_(columns.at == at, earlier)))
        rows = await self._db.read(lambda tx: tx.rows(query))
        found = cursors.page(rows, limit, lambda row: (row.at.isoformat(), row.number, row.id))
        return Page(tuple(to_transition(row) for row in found.items), found.next)

    async def incidents(
        self, *, line_id: str | None = None, open_only: bool = False, after: str | None = None, limit: int = 50
    ) -> Page[Incident]:
        columns = incident.c
        query = select_incidents().limit(limit + 1)
        if line_id is not None:
            query = query.where(columns.line_id == line_id)
        if open_only:
            query = query.where(columns.closed_at.is_(None))
        if after is not None:
            text, last = cursors.decode(after, str, str)
            at = cursors.to_time(text)
            query = query.where(or_(columns.opened_at < at, and_(columns.opened_at == at, columns.id < last)))
        found = [to_incident(row) for row in await self._db.read(lambda tx: tx.rows(query))]
        return cursors.page(found, limit, lambda one: (one.opened_at.isoformat(), one.id))

    async def node_incident(self, node: str, lines: Sequence[str], reason: str | None, at: datetime) -> str | None:
        return await self._db.write(lambda tx: line_moves.node_incident(tx, node, lines, reason, at))

    async def last_change(self, device_id: str) -> str:
        return (await self.last_changes((device_id,))).get(device_id, "")

    async def last_changes(self, device_ids: Sequence[str]) -> Mapping[str, str]:
        rank = func.row_number().over(
            partition_by=push.c.device_id, order_by=(push.c.ended_at.desc(), push.c.id.desc())
        )
        columns = (push.c.device_id, push.c.summary, push.c.ended_at, push.c.requested_by, rank.label("rank"))
        # The phase is written a moment before the end.
        confirmed = select(*columns).where(push.c.phase == Phase.CONFIRMED.value, push.c.ended_at.is_not(None))

        def newest(part: Sequence[str]) -> Select[Any]:
            ranked = confirmed.where(push.c.device_id.in_(part)).subquery()
            return select(ranked).where(ranked.c.rank == 1)

        rows = await self._db.read(lambda tx: in_chunks(tx, device_ids, newest))
        return {
            row.device_id: f"{row.ended_at:%Y-%m-%d %H:%M:%S} UTC: {row.summary}, by {row.requested_by}" for row in rows
        }

    async def counts(self) -> Mapping[FailoverState, int]:
        columns = (line_state.c.state, func.count().label("lines"))
        query = select_lines().with_only_columns(*columns).where(line_setup.c.watched, _ACTIVE)
        rows = await self._db.read(lambda tx: tx.rows(query.group_by(line_state.c.state)))
        found = {row.state: row.lines for row in rows}
        return {state: found.get(state.value, 0) for state in FailoverState}

    async def open_incidents(self) -> Mapping[int, int]:
        query = select(incident.c.priority, func.count().label("number")).where(incident.c.closed_at.is_(None))
        rows = await self._db.read(lambda tx: tx.rows(query.group_by(incident.c.priority)))
        found = {row.priority: row.number for row in rows}
        return {priority: found.get(priority, 0) for priority in (1, 2, 3)}

    async def prune(self, before: datetime, *, keep: int, limit: int) -> int:
        return await line_pruning.prune(self._db, before, keep, limit)

    async def leader(self, now: datetime) -> tuple[str, datetime] | None:
        query = select(line_lead).where(line_lead.c.name == _LEAD, line_lead.c.until > now)
        rows = await self._db.read(lambda tx: tx.rows(query))
        return (rows[0].owner, rows[0].until) if rows else None

    async def lead(self, owner: str, until: datetime, now: datetime) -> bool:
        async def work(tx: Transaction) -> bool:
            values = {"owner": owner, "until": until}
            mine = or_(line_lead.c.owner == owner, line_lead.c.until <= now)
            insert = tx.insert(line_lead).values(name=_LEAD, **values)
            await tx.run(insert.on_conflict_do_update(index_elements=["name"], set_=values, where=mine))
            rows = await tx.rows(select(line_lead.c.owner).where(line_lead.c.name == _LEAD))
            return bool(rows[0].owner == owner)

        return await self._db.write(work)

    async def _records(self, query: Select[Any]) -> list[LineRecord]:
        return [to_record(row) for row in await self._db.read(lambda tx: tx.rows(query))]


async def _rows(tx: Transaction, query: Select[Any]) -> Sequence[AnyRow]:
    return await tx.rows(query)


async def _named(tx: Transaction, name: str) -> LineRecord:
    for same in (line.c.id == name, device.c.name == name, line.c.ref == name):
        rows = await tx.rows(select_lines().where(same).limit(2))
        if len(rows) > 1:
            raise NotFound(f"{name} is the line of more than one site: name its device")
        if rows:
            return to_record(rows[0])
    raise NotFound(f"no such line, or nobody has set it up: {name}")


async def _set_up(
    tx: Transaction, name: str, setup: LineSetup, now: tuple[datetime, str], revision: int | None
) -> LineRecord:
    at, by = now
    place = await _device(tx, name)
    line_id = await _line_of(tx, place)
    before = await _locked(tx, line_id)
    if revision is not None and revision != (0 if before is None else before.revision):
        raise PreconditionFailed(f"the line of {place.name} was changed meanwhile; look again")
    if before is not None and before.position_id != place.position_id:
        await _refuse_shared(tx, line_id)
    left = and_(line_setup.c.position_id == place.position_id, line_setup.c.line_id != line_id)
    await tx.run(update(line_setup).where(left).values(position_id=None, watched=False))
    wanted = setup_values(setup)
    was = {} if before is None else before._mapping
    changed = {name: [was.get(name), value] for name, value in wanted.items() if name not in was or was[name] != value}
    anew = before is None or before.position_id != place.position_id
    if changed or anew:
        values = wanted | {"position_id": place.position_id, "changed_at": at, "changed_by": by}
        insert = tx.insert(line_setup).values(line_id=line_id, **values)
        await tx.run(insert.on_conflict_do_update(index_elements=["line_id"], set_=values))
        await _count_up(tx, line_id, at)
    record = to_record((await tx.rows(select_lines().where(line.c.id == line_id)))[0])
    if changed or anew:
        fields = {} if before is None else changed
        data = {"line_id": line_id, "line": record.line.ref, "by": by, "changed": fields, "new": before is None}
        words = f"{place.name}: line set up by {by}" if before is None else f"{place.name}: {', '.join(changed)} of its"
        message = words if before is None else f"{words} line changed by {by}"
        tx.emit([NewEvent("line.changed", at, device_id=place.id, message=message, data=data)])
    if not setup.watched and before is not None and before.watched:
        await line_moves.close_all(tx, record, "the line is no longer watched", at)
    return record


async def _device(tx: Transaction, name: str) -> AnyRow:
    """Locked: two set-ups of one device take turns."""
    columns = (device.c.id, device.c.name, device.c.position_id, device.c.site_id, device.c.line_id)
    here = and_(or_(device.c.id == name, device.c.name == name), device.c.state != LifeState.DECOMMISSIONED.value)
    rows = await tx.rows(select(*columns).where(here).with_for_update(key_share=True))
    if not rows:
        raise NotFound(f"no such device in service: {name}")
    return rows[0]


async def _line_of(tx: Transaction, place: AnyRow) -> str:
    if place.line_id is not None:
        return str(place.line_id)
    rows = await tx.rows(select(line_setup.c.line_id).where(line_setup.c.position_id == place.position_id))
    if not rows:
        values = {"id": secrets.token_hex(16), "site_id": place.site_id, "ref": place.name}
        await tx.run(tx.insert(line).values(values).on_conflict_do_nothing(index_elements=["site_id", "ref"]))
        same = and_(line.c.site_id == place.site_id, line.c.ref == place.name)
        rows = await tx.rows(select(line.c.id.label("line_id")).where(same))
    line_id = str(rows[0].line_id)
    await tx.run(update(device).where(device.c.id == place.id).values(line_id=line_id))
    return line_id


async def _locked(tx: Transaction, line_id: str) -> AnyRow | None:
    await tx.rows(select(line_state.c.line_id).where(line_state.c.line_id == line_id).with_for_update())
    joined = line_setup.join(line_state, line_state.c.line_id == line_setup.c.line_id)
    query = select(line_setup, line_state.c.revision).select_from(joined).where(line_setup.c.line_id == line_id)
    rows = await tx.rows(query)
    return rows[0] if rows else None


async def _refuse_shared(tx: Transaction, line_id: str) -> None:
    """A line that is set up for another position, which has a device on it."""
    others = select(device.c.name).select_from(line_setup.join(device, ON_THE_LINE))
    if rows := await tx.rows(others.where(line_setup.c.line_id == line_id)):
        raise Conflict(f"the line is set up for {rows[0].name} already")


async def _count_up(tx: Transaction, line_id: str, at: datetime) -> None:
    nobody = Line(line_id, "", "", "", "", "", LineSetup(line_id))
    first = state_values(LineRecord(nobody, since=at.timestamp()))
    insert = tx.insert(line_state).values(line_id=line_id, revision=1, **first)
    again = {"revision": line_state.c.revision + 1}
    await tx.run(insert.on_conflict_do_update(index_elements=["line_id"], set_=again))


async def _want(tx: Transaction, line_id: str, asked: Mapping[str, Any]) -> LineRecord:
    locked = select(line_state.c.line_id).where(line_state.c.line_id == line_id).with_for_update()
    if not await tx.rows(locked):
        raise NotFound(f"no such line, or nobody has set it up: {line_id}")
    if asked["key"] is not None:
        known = await tx.rows(select(line_order).where(line_order.c.key == asked["key"]))
        if known and (known[0].line_id, known[0].what) != (line_id, asked["what"]):
            raise Conflict("the idempotency key was used for another order")
        if known:
            return await _named(tx, line_id)
    await tx.run(line_order.insert(), [{"id": secrets.token_hex(16), "line_id": line_id, **asked}])
    values = {
        "wanted": asked["what"],
        "wanted_by": asked["requested_by"],
        "wanted_reason": asked["reason"],
        "wanted_at": asked["at"].timestamp(),
        "revision": line_state.c.revision + 1,
    }
    await tx.run(update(line_state).where(line_state.c.line_id == line_id).values(values))
    record = await _named(tx, line_id)
    told = {"line_id": line_id, "line": record.line.ref, "what": asked["what"], "by": asked["requested_by"]}
    why = f": {asked['reason']}" if asked["reason"] else ""
    message = f"{record.line.device}: {asked['what']} asked for by {asked['requested_by']}{why}"
    data = told | {"reason": asked["reason"]}
    tx.emit([NewEvent("line.asked", asked["at"], device_id=record.line.device_id, message=message, data=data)])
    return record
