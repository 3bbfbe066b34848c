"""An inventory kept in memory, faithful to ``InventoryStore``: all or nothing, whole rows by id."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.fleet.inventory import Device, Group, LifeState, LineKind
from cpe_manager.domain.paging import Page
from cpe_manager.ports.stores import DeviceFilter, DeviceStatus, DeviceView, HostKey, InventoryChanges


class MemoryInventoryStore:
    """``events`` and ``applied`` are for tests to look at."""

    def __init__(self) -> None:
        self.rows: dict[str, Device] = {}
        self.sites: dict[str, str] = {}
        self.lines: dict[tuple[str, str], tuple[LineKind | None, str | None]] = {}
        self.keys: dict[str, list[HostKey]] = {}
        self.events: list[NewEvent] = []
        self.applied: list[InventoryChanges] = []
        self._groups: dict[str, Group] = {}

    async def apply(self, changes: InventoryChanges) -> None:
        sites, groups, lines = dict(self.sites), dict(self._groups), dict(self.lines)
        rows = dict(self.rows)
        for site in changes.sites:
            sites.setdefault(site.name, site.id)
        groups |= {group.name: group for group in changes.groups}
        for line in changes.lines:
            if line.site not in sites:
                raise NotFound(f"no such site: {line.site}")
            kind = line.kind or lines.get((line.site, line.ref), (None, None))[0]
            lines[line.site, line.ref] = (kind, line.access_node)
            if line.access_node is not None:
                on_line = {i: d for i, d in rows.items() if (d.site, d.line) == (line.site, line.ref)}
                rows |= {i: replace(d, access_node=line.access_node) for i, d in on_line.items()}
        for device in changes.update:
            if device.id not in rows:
                raise NotFound(f"no such device: {device.id}")
        for device in (*changes.update, *changes.add):
            rows[device.id] = self._row(device, sites, groups, lines)
        self._refuse_shared_names(rows)
        self.sites, self._groups, self.lines, self.rows = sites, groups, lines, rows
        self.events.extend(changes.events)
        self.applied.append(changes)

    @staticmethod
    def _row(
        device: Device,
        sites: Mapping[str, str],
        groups: Mapping[str, Group],
        lines: Mapping[tuple[str, str], object],
    ) -> Device:
        if device.site not in sites:
            raise NotFound(f"no such site: {device.site}")
        if device.group is not None and device.group not in groups:
            raise NotFound(f"no such group: {device.group}")
        if device.line is not None and (device.site, device.line) not in lines:
            raise NotFound(f"no such line at its site: {device.line}")
        return replace(device, site_id=sites[device.site])

    @staticmethod
    def _refuse_shared_names(rows: Mapping[str, Device]) -> None:
        in_service = Counter(d.name for d in rows.values() if d.state is not LifeState.DECOMMISSIONED)
        if taken := [name for name, times in in_service.items() if times > 1]:
            raise Conflict(f"the name is already taken by a device in service: {min(taken)}")

    async def devices(self, where: DeviceFilter, *, after: str | None = None, limit: int = 100) -> Page[DeviceView]:
        found = [self._view(device) for device in await self.all_devices(where)]
        if after is not None:
            found = [view for view in found if f"{view.device.name} {view.device.id}" > after]
        page = tuple(found[:limit])
        more = len(found) > limit
        return Page(page, f"{page[-1].device.name} {page[-1].device.id}" if more else None)

    async def device(self, name_or_id: str) -> DeviceView:
        if name_or_id in self.rows:
            return self._view(self.rows[name_or_id])
        named = [device for device in self.rows.values() if device.name == name_or_id]
        if not named:
            raise NotFound(f"no such device: {name_or_id}")
        latest = max(named, key=lambda d: (d.state is not LifeState.DECOMMISSIONED, d.removed_at or d.installed_at))
        return self._view(latest)

    async def all_devices(self, where: DeviceFilter) -> Sequence[Device]:
        found = (device for device in self.rows.values() if _matches(device, where))
        return sorted(found, key=lambda device: (device.name, device.id))

    async def groups(self) -> Sequence[Group]:
        return [self._groups[name] for name in sorted(self._groups)]

    async def counts(self) -> Mapping[str, int]:
        states = Counter(device.state for device in self.rows.values())
        return {state.value: states[state] for state in LifeState}

    async def pin(self, device_id: str, keys: Sequence[str], *, at: datetime, by: str) -> None:
        if device_id not in self.rows:
            raise NotFound(f"no such device: {device_id}")
        self.keys[device_id] = [HostKey(device_id, key, fingerprint(key), "pinned", at, by) for key in keys]

    def offer(self, device_id: str, key: str, at: datetime) -> None:
        """A key that the device showed and that is not the pinned one; a run writes it in the real store."""
        self.keys.setdefault(device_id, []).append(HostKey(device_id, key, fingerprint(key), "offered", at))

    def _view(self, device: Device) -> DeviceView:
        return DeviceView(device, DeviceStatus(device.id), tuple(self.keys.get(device.id, ())))


def fingerprint(key: str) -> str:
    return "SHA256:" + hashlib.sha256(key.encode()).hexdigest()[:16]


def _matches(device: Device, where: DeviceFilter) -> bool:
    if where.states is None and device.state is LifeState.DECOMMISSIONED:
        return False
    pairs = (
        (device.name, where.names),
        (device.group, where.groups),
        (device.family, where.families),
        (device.state, where.states),
        (device.site, where.sites),
        (device.address, where.addresses),
        (device.access_node, where.access_nodes),
    )
    if any(wanted is not None and value not in wanted for value, wanted in pairs):
        return False
    if where.overdue:
        return False  # nothing is ever overdue here: no run is recorded
    text = (where.search or "").casefold()
    return any(text in value.casefold() for value in (device.name, device.site, device.address))
