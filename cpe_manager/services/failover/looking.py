"""Keeps those who look at lines in step with the watcher: which lines there are, and where their boxes are reached."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from cpe_manager.domain.errors import CpeManagerError
from cpe_manager.domain.failover.lines import LineRecord
from cpe_manager.domain.fleet.inventory import Device, Group, LifeState
from cpe_manager.domain.fleet.settings_inheritance import resolve
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.driver import Drivers
from cpe_manager.ports.line_oids import LineTarget
from cpe_manager.ports.platform import Platforms
from cpe_manager.ports.sessions import Credentials
from cpe_manager.ports.stores import DeviceFilter, InventoryStore
from cpe_manager.services.failover.line_ports import NONE, LinePorts
from cpe_manager.services.failover.sensed_lines import Place
from cpe_manager.services.failover.waiting import woken
from cpe_manager.services.failover.watching import Watcher
from cpe_manager.services.fleet.targets import known, snmp_target_of

log = structlog.get_logger()

GATHER_SECONDS: Final = 0.2
"""How long a change waits for others: an import of lines is one change for those who look."""
ANEW_SECONDS: Final = 300.0
"""Between looks at addresses and log-ins, which change without a word from the lines."""
AGAIN_SECONDS: Final = 2.0
WARM_SECONDS: Final = 20.0
"""Between looks at whether platforms are ready."""


class Looking(Protocol):
    def set_lines(self, records: Sequence[LineRecord], places: Mapping[str, Place] | None = None) -> None: ...

    def hurry(self, line_id: str) -> None: ...

    def moved(self, line_id: str, moved: bool) -> None: ...


class Polling(Protocol):
    def set_targets(self, targets: Mapping[str, LineTarget]) -> None: ...


class Trapped(Protocol):
    def set_lines(self, records: Sequence[LineRecord]) -> None: ...


@dataclass(frozen=True, slots=True)
class Lookers:
    """``traps``: whoever has to know the lines so that traps are evidence; ``ports``: what configurations say of the
    interfaces of boxes whose lines name none."""

    sensing: Looking
    polling: Polling
    traps: Sequence[Trapped] = ()
    ports: LinePorts | None = None


class Warmth:
    """Keeps the platforms of the watched lines ready, so that moving addresses need not connect first. ``run`` is a
    task of the daemon's."""

    def __init__(self, watcher: Watcher, platforms: Platforms, clock: Clock) -> None:
        self._watcher, self._platforms, self._clock = watcher, platforms, clock

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            names = {record.line.setup.platform for record in self._watcher.records()} - {""}
            await asyncio.gather(*(self._warm(name) for name in sorted(names)))
            await self._clock.sleep(WARM_SECONDS)

    async def _warm(self, name: str) -> None:
        try:
            await self._platforms.get(name).warm()
        except CpeManagerError as error:
            log.warning("platform.not_ready", platform=name, code=error.code, reason=str(error))


class LineLooking:
    """``run`` is a task of the daemon's."""

    def __init__(
        self, watcher: Watcher, lookers: Lookers, inventory: InventoryStore, logins: tuple[Drivers, Credentials],
        clock: Clock,
    ) -> None:  # fmt: skip
        self._watcher, self._lookers, self._inventory, self._clock = watcher, lookers, inventory, clock
        self._drivers, self._credentials = logins
        self._changed = asyncio.Event()
        watcher.changed = self._changed.set
        watcher.suspected = lookers.sensing.hurry
        watcher.moved = lookers.sensing.moved

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._changed.clear()
            try:
                await self._set()
            except CpeManagerError as error:
                log.error("lines.not_looked_at", code=error.code, reason=str(error))
                await self._clock.sleep(AGAIN_SECONDS)
                continue
            await woken(self._changed, self._clock, ANEW_SECONDS)
            await self._clock.sleep(GATHER_SECONDS)

    async def _set(self) -> None:
        records = self._watcher.records()
        devices = await self._devices(records)
        groups = {group.name: group for group in await self._inventory.groups()} if records else {}
        places: dict[str, Place] = {}
        targets: dict[str, LineTarget] = {}
        for record in records:
            device = devices.get(record.line.device_id)
            if device is None:
                continue
            try:
                places[record.line.id] = Place(device.address, resolve(device, groups).port)
                target = self._target(record, device, groups)
            except CpeManagerError as error:
                log.info("lines.not_polled", device=device.name, code=error.code, reason=str(error))
                continue
            if target is not None:
                targets[record.line.id] = target
        self._lookers.polling.set_targets(targets)
        self._lookers.sensing.set_lines(records, places)
        for each in self._lookers.traps:
            each.set_lines(records)
        await self._learn_ports(records, devices, groups)

    async def _learn_ports(
        self, records: Sequence[LineRecord], devices: Mapping[str, Device], groups: Mapping[str, Group]
    ) -> None:
        ports = self._lookers.ports
        if ports is None:
            return
        unnamed = {
            device.id: family
            for record in records
            if not (record.line.setup.fixed_port and record.line.setup.mobile_port)
            and (device := devices.get(record.line.device_id)) is not None
            and (family := resolve(device, groups).family)
        }
        if await ports.learn(unnamed):
            self._changed.set()

    async def _devices(self, records: Sequence[LineRecord]) -> Mapping[str, Device]:
        if not records:
            return {}
        # By name where they are few: the whole fleet may be ten times as large as what is watched.
        names = tuple(record.line.device for record in records) if len(records) <= 500 else None
        where = DeviceFilter(names=names, states=(LifeState.ACTIVE,))
        return {device.id: device for device in await self._inventory.all_devices(where)}

    def _target(self, record: LineRecord, device: Device, groups: Mapping[str, Group]) -> LineTarget | None:
        """None for a device without SNMP access: it is not asked."""
        resolved, setup = resolve(device, groups), record.line.setup
        access = self._credentials.get(known("credential", resolved.credential)).snmp
        if access is None:
            return None
        oids = self._drivers.get(known("family", resolved.family)).spec.snmp.line
        words = self._lookers.ports.get(device.id) if self._lookers.ports is not None else NONE
        fixed = (setup.fixed_port,) if setup.fixed_port else words.fixed
        mobile = (setup.mobile_port,) if setup.mobile_port else words.mobile
        return LineTarget(snmp_target_of(device, resolved, access), oids, fixed, mobile)
