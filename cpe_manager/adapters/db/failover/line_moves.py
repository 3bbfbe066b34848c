"""Writing hundreds of steps of lines at once, with history, incidents and events.

The rows of ``line_state`` are locked first, in order of line: that is the lock on a line's incidents as well.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, String, and_, bindparam, or_, select, update

from cpe_manager.adapters.db.failover.line_rows import moment, state_values, transition_values
from cpe_manager.adapters.db.failover.line_tables import incident, line_state, line_transition
from cpe_manager.adapters.db.transactions import Transaction, Values, chunks, in_chunks
from cpe_manager.domain.events import NewEvent, Severity
from cpe_manager.domain.failover.lines import LineRecord
from cpe_manager.domain.failover.mobile_volume import MonthVolume
from cpe_manager.ports.lines import CapNews, IncidentChange, Move

_SUBJECTS = {"line": "line", "backup": "mobile backup", "node": "access node"}


async def move(tx: Transaction, moves: Sequence[Move]) -> list[str]:
    """As ``LineStore.move`` says. A line may be in it more than once, each move with the revision before it."""
    ids = sorted({one.record.line.id for one in moves})
    states = select(line_state.c.line_id, line_state.c.revision).order_by(line_state.c.line_id).with_for_update()
    rows = await in_chunks(tx, ids, lambda part: states.where(line_state.c.line_id.in_(part)))
    revisions = {row.line_id: row.revision for row in rows}
    refused: list[str] = []
    written: list[tuple[Move, int]] = []
    for one in moves:
        line_id = one.record.line.id
        if revisions.get(line_id) != one.record.revision:
            refused.append(line_id)
            continue
        revisions[line_id] += 1
        written.append((one, revisions[line_id]))
    await _write_states(tx, written)
    changes = [(one, change) for one, _ in written for change in one.incidents]
    if changes:
        await _Incidents(tx).change(changes)
    for one, _ in written:
        tx.emit(one.events)
    return refused


async def _write_states(tx: Transaction, written: Sequence[tuple[Move, int]]) -> None:
    # The last one of each line: rows of one statement have no order to rely on.
    latest = {one.record.line.id: (one.record, revision) for one, revision in written}
    values = [{"of": of, "revision": revision, **state_values(record)} for of, (record, revision) in latest.items()]
    await tx.many(update(line_state).where(line_state.c.line_id == bindparam("of")), values)
    told = [(one.transition, revision) for one, revision in written if one.transition is not None]
    for part in chunks(told):
        await tx.run(line_transition.insert(), [transition_values(one, number) for one, number in part])


async def count_mobile(tx: Transaction, volumes: Mapping[str, MonthVolume]) -> None:
    """As ``LineStore.count_mobile`` says."""
    columns, month, octets = line_state.c, bindparam("month", type_=String(7)), bindparam("octets", type_=BigInteger)
    more = or_(columns.mobile_month < month, and_(columns.mobile_month == month, columns.mobile_bytes < octets))
    change = update(line_state).where(columns.line_id == bindparam("of"), more)
    values = [{"of": of, "month": one.month, "octets": one.octets} for of, one in sorted(volumes.items())]
    await tx.many(change.values(mobile_month=month, mobile_bytes=octets), values)


async def tell_caps(tx: Transaction, told: Mapping[str, CapNews]) -> None:
    """As ``LineStore.tell_caps`` says; few lines at a time."""
    for line_id, one in sorted(told.items()):
        new = and_(line_state.c.line_id == line_id, line_state.c.mobile_told < one.mark)
        done = await tx.run(update(line_state).where(new).values(mobile_told=one.mark))
        if done.rowcount:
            tx.emit([one.event])


async def close_all(tx: Transaction, record: LineRecord, reason: str, at: datetime) -> None:
    """End what is open of a line whose state row is locked."""
    move = Move(record, None, (IncidentChange("line", None, reason), IncidentChange("backup", None, reason)), at=at)
    await _Incidents(tx).change([(move, change) for change in move.incidents])


@dataclass(slots=True)
class _Open:
    """An open incident, as it is to be."""

    values: Values
    new: bool = False
    changed: bool = False


@dataclass(slots=True)
class _Incidents:
    """Incidents of lines whose state rows this transaction has locked."""

    tx: Transaction
    open: dict[tuple[str, str], _Open] = field(default_factory=dict)
    touched: list[_Open] = field(default_factory=list)
    parents: set[str] = field(default_factory=set)

    async def change(self, changes: Sequence[tuple[Move, IncidentChange]]) -> None:
        await self._load(sorted({one.record.line.id for one, _ in changes}))
        await self._load_parents(sorted({change.parent_id for _, change in changes if change.parent_id is not None}))
        for one, change in changes:
            self._apply(one, change)
        # What is closed first: one that opens anew may take its place under the index.
        names = ("priority", "reason", "closed_at", "closed_reason", "parent_id")
        changed = [
            {"of": one.values["id"], **{name: one.values[name] for name in names}}
            for one in self.touched
            if one.changed and not one.new
        ]
        await self.tx.many(update(incident).where(incident.c.id == bindparam("of")), changed)
        new = [one.values for one in self.touched if one.new]
        for part in chunks(new):
            await self.tx.run(incident.insert(), part)

    async def _load(self, line_ids: Sequence[str]) -> None:
        still = select(incident).where(incident.c.closed_at.is_(None))
        rows = await in_chunks(self.tx, line_ids, lambda part: still.where(incident.c.line_id.in_(part)))
        for row in rows:
            self._keep(_Open(dict(row._mapping)))

    async def _load_parents(self, ids: Sequence[str]) -> None:
        known = select(incident.c.id)
        rows = await in_chunks(self.tx, ids, lambda part: known.where(incident.c.id.in_(part)))
        self.parents = {row.id for row in rows}

    def _keep(self, one: _Open) -> _Open:
        self.open[one.values["line_id"], one.values["subject"]] = one
        self.touched.append(one)
        return one

    def _apply(self, move: Move, change: IncidentChange) -> None:
        key = (move.record.line.id, change.subject)
        at, parent = _at(move), change.parent_id if change.parent_id in self.parents else None
        found = self.open.get(key)
        if change.priority is None:
            if found is not None:
                del self.open[key]
                found.values |= {"closed_at": at, "closed_reason": change.reason}
                found.changed = True
                self.tx.emit([news("closed", found.values, at)])
            return
        if found is None:
            found = self._keep(_Open(_opened(move, change, at, parent), new=True))
            self.tx.emit([news("opened", found.values, at)])
            return
        before, under = found.values["priority"], found.values["parent_id"]
        if before == change.priority and (parent is None or parent == under):
            return
        found.values |= {"priority": change.priority, "reason": change.reason, "parent_id": parent or under}
        found.changed = True
        self.tx.emit([news("changed", found.values, at, before=before, parent_before=under)])


def _at(move: Move) -> datetime:
    if move.at is not None:
        return move.at
    if move.transition is not None:
        return move.transition.at
    return move.events[0].at if move.events else moment(move.record.since)


def _opened(move: Move, change: IncidentChange, at: datetime, parent: str | None) -> Values:
    line = move.record.line
    return {
        "id": secrets.token_hex(16),
        "subject": change.subject,
        "line_id": line.id,
        "node": line.node,
        "priority": change.priority,
        "opened_at": at,
        "reason": change.reason,
        "closed_at": None,
        "closed_reason": "",
        "parent_id": parent,
        "device_id": line.device_id,
        "device": line.device,
        "site": line.site,
    }


def news(what: str, values: Values, at: datetime, **more: Any) -> NewEvent:
    """``incident.<what>``, with all that a webhook or a ticket needs."""
    priority = values["priority"]
    severity: Severity = "info" if what == "closed" else "error" if priority == 1 else "warning"
    subject = _SUBJECTS[values["subject"]]
    about = values["device"] if values["line_id"] is not None else values["node"]
    reason = values["closed_reason"] if what == "closed" else values["reason"]
    verb = {"opened": f"P{priority} opened", "changed": f"now P{priority}", "closed": f"P{priority} closed"}[what]
    names = ("subject", "line_id", "node", "priority", "parent_id", "device", "site")
    data = {"incident_id": values["id"], **{name: values[name] for name in names}, "reason": reason, **more}
    data["opened_at"] = values["opened_at"].isoformat()
    message = f"{about}: {subject} incident {verb}{': ' if reason else ''}{reason}"
    return NewEvent(f"incident.{what}", at, severity, device_id=values["device_id"], message=message, data=data)


async def node_incident(
    tx: Transaction, node: str, lines: Sequence[str], reason: str | None, at: datetime
) -> str | None:
    """As ``LineStore.node_incident`` says. The lines' state rows are locked first, as everywhere."""
    states = select(line_state.c.line_id).order_by(line_state.c.line_id).with_for_update()
    await in_chunks(tx, sorted(set(lines)), lambda part: states.where(line_state.c.line_id.in_(part)))
    of_node = (incident.c.node == node, incident.c.line_id.is_(None), incident.c.closed_at.is_(None))
    found = await tx.rows(select(incident).where(*of_node).with_for_update())
    if reason is None:
        if not found:
            return None
        values = dict(found[0]._mapping) | {"closed_at": at, "closed_reason": "the access node is up again"}
        ended = {name: values[name] for name in ("closed_at", "closed_reason")}
        await tx.run(update(incident).where(incident.c.id == values["id"]).values(ended))
        tx.emit([news("closed", values, at, lines=len(lines))])
        return str(values["id"])
    parent = str(found[0].id) if found else await _open_node(tx, node, len(lines), reason, at)
    orphans = (incident.c.closed_at.is_(None), incident.c.subject == "line", incident.c.parent_id.is_(None))
    for part in chunks(lines):
        query = select(incident).where(*orphans, incident.c.line_id.in_(part))
        children = await tx.rows(query)
        ids = [row.id for row in children]
        if ids:
            await tx.run(update(incident).where(incident.c.id.in_(ids)).values(parent_id=parent))
        for row in children:
            values = dict(row._mapping) | {"parent_id": parent}
            tx.emit([news("changed", values, at, before=row.priority, parent_before=None)])
    return parent


async def _open_node(tx: Transaction, node: str, lines: int, reason: str, at: datetime) -> str:
    values: Values = {
        "id": secrets.token_hex(16),
        "subject": "node",
        "line_id": None,
        "node": node,
        "priority": 1,
        "opened_at": at,
        "reason": reason,
        "closed_at": None,
        "closed_reason": "",
        "parent_id": None,
        "device_id": None,
        "device": "",
        "site": "",
    }
    made = await tx.run(tx.insert(incident).values(values).on_conflict_do_nothing())
    if made.rowcount:
        tx.emit([news("opened", values, at, lines=lines)])
        return str(values["id"])
    # Another process was quicker between our look and our insert.
    still = (incident.c.node == node, incident.c.line_id.is_(None), incident.c.closed_at.is_(None))
    return str((await tx.rows(select(incident.c.id).where(*still)))[0].id)
