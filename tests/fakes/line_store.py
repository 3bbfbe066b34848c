"""Lines kept in memory, faithful to ``LineStore``: the contract suite of the database runs over it as well."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import TypeVar

from cpe_manager.domain.errors import Conflict, NotFound, PreconditionFailed
from cpe_manager.domain.events import NewEvent, Severity
from cpe_manager.domain.failover.lines import FailoverState, Incident, Line, LineRecord, LineSetup, Transition
from cpe_manager.domain.failover.mobile_volume import MonthVolume, volume_of
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.domain.paging import Page
from cpe_manager.ports.lines import CapNews, IncidentChange, Move, Wanted

T = TypeVar("T")


@dataclass(slots=True)
class _Row:
    position_id: str | None
    setup: LineSetup
    record: LineRecord


class MemoryLineStore:
    """``events`` is for tests to look at; ``devices`` (by id) and ``changes`` (words by device id) for them to fill."""

    def __init__(self) -> None:
        self.devices: dict[str, Device] = {}
        self.changes: dict[str, str] = {}
        self.events: list[NewEvent] = []
        self.rows: dict[str, _Row] = {}
        self.transitions: list[tuple[int, Transition]] = []
        self.all_incidents: dict[str, Incident] = {}
        self._refs: dict[tuple[str, str], str] = {}
        self.told: dict[str, str] = {}
        self.orders: list[tuple[str, datetime]] = []
        self._keys: dict[str, tuple[str, str]] = {}
        self._lead: tuple[str, datetime] | None = None
        self._numbers = itertools.count(1)

    def add(self, *devices: Device) -> None:
        """Devices in the inventory, with their lines."""
        for device in devices:
            self.devices[device.id] = device
            if device.line is not None:
                self._refs.setdefault((device.site, device.line), self._id())

    async def watched(self) -> Sequence[LineRecord]:
        found = [self._view(line_id) for line_id, row in sorted(self.rows.items()) if row.setup.watched]
        return [one for one in found if one is not None and self.devices[one.line.device_id].state is LifeState.ACTIVE]

    async def revisions(self) -> Mapping[str, int]:
        return {one.line.id: one.revision for one in await self.watched()}

    async def lines(
        self, *, state: FailoverState | None = None, node: str | None = None, after: str | None = None, limit: int = 50
    ) -> Page[LineRecord]:
        found = [one for line_id in self.rows if (one := self._view(line_id)) is not None]
        found = [one for one in found if state in {None, one.state} and node in {None, one.line.node}]
        keys = {f"{one.line.device} {one.line.id}": one for one in found}
        return _page([(key, keys[key]) for key in sorted(keys)], after, limit)

    async def line(self, name: str) -> LineRecord:
        views = [one for line_id in self.rows if (one := self._view(line_id)) is not None]
        for field in ("id", "device", "ref"):
            found = [one for one in views if getattr(one.line, field) == name]
            if len(found) > 1:
                raise NotFound(f"{name} is the line of more than one site: name its device")
            if found:
                return found[0]
        raise NotFound(f"no such line, or nobody has set it up: {name}")

    async def set_up(
        self, device: str, setup: LineSetup, at: datetime, by: str, *, revision: int | None = None
    ) -> LineRecord:
        in_service = [one for one in self.devices.values() if one.state is not LifeState.DECOMMISSIONED]
        place = next((one for one in in_service if device in {one.id, one.name}), None)
        if place is None:
            raise NotFound(f"no such device in service: {device}")
        line_id = self._line_of(place)
        before = self.rows.get(line_id)
        if revision is not None and revision != (0 if before is None else before.record.revision):
            raise PreconditionFailed(f"the line of {place.name} was changed meanwhile; look again")
        if before is not None and before.position_id != place.position_id and self._view(line_id) is not None:
            raise Conflict("the line is set up for another device already")
        for other, row in self.rows.items():
            if other != line_id and row.position_id == place.position_id:
                row.position_id, row.setup = None, replace(row.setup, watched=False)
        setup = replace(setup, line_id=line_id)
        if before is None:
            nobody = Line(line_id, "", "", "", "", "", setup)
            self.rows[line_id] = _Row(place.position_id, setup, LineRecord(nobody, since=at.timestamp(), revision=1))
        elif setup != before.setup or before.position_id != place.position_id:
            record = replace(before.record, revision=before.record.revision + 1)
            self.rows[line_id] = _Row(place.position_id, setup, record)
        record = self._seen(line_id)
        was = None if before is None else before.setup
        changed = [one.name for one in fields(LineSetup) if was and getattr(was, one.name) != getattr(setup, one.name)]
        if before is None or before is not self.rows[line_id]:
            data = {"line_id": line_id, "line": record.line.ref, "by": by, "changed": dict.fromkeys(changed)}
            data |= {"new": before is None}
            self.events.append(NewEvent("line.changed", at, device_id=place.id, data=data))
        if was is not None and was.watched and not setup.watched:
            for subject in ("line", "backup"):
                self._change(record, IncidentChange(subject, None, "the line is no longer watched"), at)
        return record

    async def move(self, moves: Sequence[Move]) -> Sequence[str]:
        refused = []
        for one in moves:
            row = self.rows.get(one.record.line.id)
            if row is None or row.record.revision != one.record.revision:
                refused.append(one.record.line.id)
                continue
            row.record = replace(one.record, revision=row.record.revision + 1)
            if one.transition is not None:
                self.transitions.append((row.record.revision, one.transition))
            for change in one.incidents:
                self._change(one.record, change, _at(one))
            self.events.extend(one.events)
        return refused

    async def count_mobile(self, volumes: Mapping[str, MonthVolume]) -> None:
        for line_id, one in volumes.items():
            row = self.rows.get(line_id)
            written = volume_of(row.record) if row is not None else None
            if row is not None and written is not None and (written.month, written.octets) < (one.month, one.octets):
                row.record = replace(row.record, mobile_month=one.month, mobile_bytes=one.octets)

    async def tell_caps(self, told: Mapping[str, CapNews]) -> None:
        for line_id, one in told.items():
            if line_id in self.rows and self.told.get(line_id, "") < one.mark:
                self.told[line_id] = one.mark
                self.events.append(one.event)

    async def want(
        self, line_id: str, what: Wanted, *, by: str, at: datetime, reason: str = "", key: str | None = None
    ) -> LineRecord:
        if line_id not in self.rows:
            raise NotFound(f"no such line, or nobody has set it up: {line_id}")
        if key is not None:
            if self._keys.setdefault(key, (line_id, what)) != (line_id, what):
                raise Conflict("the idempotency key was used for another order")
            if f"used {key}" in self._keys:
                return self._seen(line_id)
            self._keys[f"used {key}"] = (line_id, what)
        self.orders.append((line_id, at))
        row = self.rows[line_id]
        asked = {"wanted": what, "wanted_by": by, "wanted_reason": reason, "wanted_at": at.timestamp()}
        row.record = replace(row.record, **asked, revision=row.record.revision + 1)
        record = self._seen(line_id)
        data = {"line_id": line_id, "line": record.line.ref, "what": what, "by": by, "reason": reason}
        self.events.append(NewEvent("line.asked", at, device_id=record.line.device_id, data=data))
        return record

    async def asked(self) -> Sequence[LineRecord]:
        found = (self._view(line_id) for line_id in sorted(self.rows))
        return [one for one in found if one is not None and one.wanted]

    async def history(self, line_id: str | None, *, after: str | None = None, limit: int = 50) -> Page[Transition]:
        found = [one for one in self.transitions if line_id in {None, one[1].line_id}]
        found.sort(key=lambda one: (one[1].at, one[0], one[1].id), reverse=True)
        return _page([(f"{place:09}", one) for place, (_, one) in enumerate(found)], after, limit)

    async def incidents(
        self, *, line_id: str | None = None, open_only: bool = False, after: str | None = None, limit: int = 50
    ) -> Page[Incident]:
        found = [one for one in self.all_incidents.values() if line_id in {None, one.line_id}]
        found = [one for one in found if not open_only or one.closed_at is None]
        found.sort(key=lambda one: (one.opened_at, one.id), reverse=True)
        return _page([(f"{place:09}", one) for place, one in enumerate(found)], after, limit)

    async def node_incident(self, node: str, lines: Sequence[str], reason: str | None, at: datetime) -> str | None:
        still = (one for one in self.all_incidents.values() if one.closed_at is None and one.line_id is None)
        found = next((one for one in still if one.node == node), None)
        if reason is None:
            if found is not None:
                self._put(replace(found, closed_at=at, closed_reason="the access node is up again"), "closed", at)
            return None if found is None else found.id
        if found is None:
            found = Incident(self._id(), "node", None, node, 1, at, reason)
            self._put(found, "opened", at)
        for child in list(self.all_incidents.values()):
            orphan = child.line_id in set(lines) and child.closed_at is None and child.parent_id is None
            if orphan and child.subject == "line":
                self._put(replace(child, parent_id=found.id), "changed", at)
        return found.id

    async def last_change(self, device_id: str) -> str:
        return self.changes.get(device_id, "")

    async def last_changes(self, device_ids: Sequence[str]) -> Mapping[str, str]:
        return {device_id: self.changes[device_id] for device_id in device_ids if device_id in self.changes}

    async def counts(self) -> Mapping[FailoverState, int]:
        states = [one.state for one in await self.watched()]
        return {state: states.count(state) for state in FailoverState}

    async def open_incidents(self) -> Mapping[int, int]:
        still = [one.priority for one in self.all_incidents.values() if one.closed_at is None]
        return {priority: still.count(priority) for priority in (1, 2, 3)}

    async def prune(self, before: datetime, *, keep: int, limit: int) -> int:
        still = [one for one in self.all_incidents.values() if one.closed_at is None]
        steps = [one for one in self.transitions if self._free(one, before, keep, still)][:limit]
        parents = {one.parent_id for one in self.all_incidents.values()}
        incidents = [
            one.id
            for one in self.all_incidents.values()
            if one.closed_at is not None and one.closed_at < before and one.id not in parents
        ][:limit]
        last = {line_id: max(at for of, at in self.orders if of == line_id) for line_id, _ in self.orders}
        orders = [one for one in self.orders if one[1] < before and one[1] != last[one[0]]][:limit]
        self.transitions = [one for one in self.transitions if one not in steps]
        self.orders = [one for one in self.orders if one not in orders]
        for incident_id in incidents:
            del self.all_incidents[incident_id]
        return len(steps) + len(incidents) + len(orders)

    def _free(self, one: tuple[int, Transition], before: datetime, keep: int, still: Sequence[Incident]) -> bool:
        number, step = one
        numbers = sorted((other for other, line in self.transitions if line.line_id == step.line_id), reverse=True)
        since_opened = any(open_.line_id == step.line_id and open_.opened_at <= step.at for open_ in still)
        present = step.switch_id != "" and step.switch_id == self.rows[step.line_id].record.switch_id
        return step.at < before and number not in numbers[:keep] and not since_opened and not present

    async def leader(self, now: datetime) -> tuple[str, datetime] | None:
        return self._lead if self._lead is not None and self._lead[1] > now else None

    async def lead(self, owner: str, until: datetime, now: datetime) -> bool:
        if self._lead is None or self._lead[0] == owner or self._lead[1] <= now:
            self._lead = (owner, until)
        return self._lead[0] == owner

    def _id(self) -> str:
        return f"{next(self._numbers):032x}"

    def _line_of(self, place: Device) -> str:
        if place.line is None:
            mine = (line_id for line_id, row in self.rows.items() if row.position_id == place.position_id)
            known = next(mine, None)
            line_id = known or self._refs.setdefault((place.site, place.name), self._id())
            ref = next(ref for (_, ref), one in self._refs.items() if one == line_id)
            self.devices[place.id] = replace(place, line=ref)
            return line_id
        return self._refs[place.site, place.line]

    def _seen(self, line_id: str) -> LineRecord:
        found = self._view(line_id)
        if found is None:
            raise NotFound(f"no such line, or nobody has set it up: {line_id}")
        return found

    def _view(self, line_id: str) -> LineRecord | None:
        """With the device that is on it now; None when there is none in service."""
        row = self.rows[line_id]
        site, ref = next(key for key, one in self._refs.items() if one == line_id)
        for one in self.devices.values():
            here = one.position_id == row.position_id and one.state is not LifeState.DECOMMISSIONED
            if here and (one.line is None or (one.site, one.line) == (site, ref)):
                line = Line(line_id, ref, one.site, one.id, one.name, one.access_node or "", row.setup, one.site_id)
                return replace(row.record, line=line)
        return None

    def _change(self, record: LineRecord, change: IncidentChange, at: datetime) -> None:
        line = record.line
        parent = change.parent_id if change.parent_id in self.all_incidents else None
        still = (one for one in self.all_incidents.values() if one.closed_at is None and one.line_id == line.id)
        found = next((one for one in still if one.subject == change.subject), None)
        if change.priority is None:
            if found is not None:
                self._put(replace(found, closed_at=at, closed_reason=change.reason), "closed", at)
        elif found is None:
            made = Incident(
                self._id(), change.subject, line.id, line.node, change.priority, at, change.reason,
                parent_id=parent, device=line.device, site=line.site,
            )  # fmt: skip
            self._put(made, "opened", at, line.device_id)
        elif found.priority != change.priority or parent not in {None, found.parent_id}:
            now = replace(found, priority=change.priority, reason=change.reason, parent_id=parent or found.parent_id)
            self._put(now, "changed", at, line.device_id)

    def _put(self, one: Incident, what: str, at: datetime, device_id: str | None = None) -> None:
        self.all_incidents[one.id] = one
        severity: Severity = "info" if what == "closed" else "error" if one.priority == 1 else "warning"
        names = ("subject", "line_id", "node", "priority", "parent_id", "device", "site")
        data = {"incident_id": one.id, **{name: getattr(one, name) for name in names}}
        data["reason"] = one.closed_reason if what == "closed" else one.reason
        self.events.append(NewEvent(f"incident.{what}", at, severity, device_id=device_id, data=data))


def _at(move: Move) -> datetime:
    if move.at is not None:
        return move.at
    if move.transition is not None:
        return move.transition.at
    return move.events[0].at if move.events else datetime.fromtimestamp(move.record.since, UTC)


def _page(found: Sequence[tuple[str, T]], after: str | None, limit: int) -> Page[T]:
    rest = [one for one in found if after is None or one[0] > after]
    return Page(tuple(one for _, one in rest[:limit]), rest[limit - 1][0] if len(rest) > limit else None)
