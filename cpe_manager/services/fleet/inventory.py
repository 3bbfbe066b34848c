"""The verbs on devices and groups, as people and programs use them one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from cpe_manager.domain.errors import Conflict, CpeManagerError
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.fleet import import_rules as rules
from cpe_manager.domain.fleet.host_keys import fingerprint
from cpe_manager.domain.fleet.import_plan import Existing, ImportPlan, PlanOptions, plan
from cpe_manager.domain.fleet.import_rules import Known
from cpe_manager.domain.fleet.inventory import Device, DeviceRecord, Group, InventoryDocument, LifeState
from cpe_manager.domain.fleet.settings_inheritance import Resolved, resolve, with_descendants
from cpe_manager.domain.paging import Page
from cpe_manager.ports.clock import Clock, Ids
from cpe_manager.ports.driver import Drivers
from cpe_manager.ports.sessions import Credentials
from cpe_manager.ports.stores import DeviceFilter, DeviceView, HostKey, InventoryChanges, InventoryStore
from cpe_manager.services.fleet.inventory_writing import Writing, Written, retire, write

log = structlog.get_logger()

OnAdded = Callable[[Sequence[str]], Awaitable[None]]
"""Called with the ids of devices that came into service, after they were stored."""

EVERY_STATE = tuple(LifeState)


@dataclass(frozen=True, slots=True)
class Hardware:
    """The unit that takes a position over; None keeps what the old one had (for ``model``: unknown). ``host_key``
    (OpenSSH public-key form) is pinned; empty: the first contact's is."""

    serial: str
    model: str | None = None
    address: str | None = None
    port: int | None = None
    family: str | None = None
    credential: str | None = None
    host_key: str = ""


class Inventory:
    """``by`` is who asks, for the events. Every verb that changes something is one transaction of the store."""

    def __init__(
        self,
        store: InventoryStore,
        clock: Clock,
        ids: Ids,
        drivers: Drivers,
        credentials: Credentials,
        on_added: OnAdded,
    ) -> None:
        self.store = store
        self._clock, self._ids = clock, ids
        self._drivers, self._credentials = drivers, credentials
        self._on_added = on_added
        self.writing = asyncio.Lock()
        """Held from reading to applying: rows are written whole, and two writers would undo each other's work."""

    async def list(self, where: DeviceFilter, *, after: str | None = None, limit: int = 100) -> Page[DeviceView]:
        """Ordered by name; a group stands for those below it too."""
        if where.groups is not None:
            groups = with_descendants(where.groups, await self.store.groups())
            where = replace(where, groups=tuple(sorted(groups)))
        return await self.store.devices(where, after=after, limit=limit)

    async def show(self, name: str) -> DeviceView:
        """By name or id. Raises ``NotFound``."""
        return await self.store.device(name)

    async def in_service(self) -> Sequence[Device]:
        """All devices that are not decommissioned."""
        return await self.store.all_devices(DeviceFilter())

    async def in_force(self, device: Device) -> Resolved:
        """Family, credential, port and settings after inheritance."""
        return resolve(device, {group.name: group for group in await self.store.groups()})

    async def counts(self) -> Mapping[str, int]:
        """Devices by state."""
        return await self.store.counts()

    async def groups(self) -> Sequence[Group]:
        return await self.store.groups()

    async def put_group(self, group: Group, *, by: str, over: Callable[[Group | None], None] | None = None) -> Group:
        """Make a group or replace it as a whole. ``over`` looks at what there is (None: nothing), and raises
        ``PreconditionFailed`` when that is not to be written over.

        Raises ``ImportErrors`` when it is wrong in itself, or when a device would lose its family or come to share an
        address and port.
        """
        async with self.writing:
            existing = Existing(await self.store.all_devices(DeviceFilter()), await self.store.groups())
            if over is not None:
                over(next((known for known in existing.groups if known.name == group.name), None))
            planned = await asyncio.to_thread(
                plan, existing, InventoryDocument(devices=(), groups=(group,)), self.known()
            )
            await self.apply(planned, {}, by=by)
        return next((g for g in await self.store.groups() if g.name == group.name), group)

    async def add(self, record: DeviceRecord, *, by: str, backup: bool = True, host_key: str = "") -> DeviceView:
        """``host_key`` (OpenSSH public-key form) is pinned; without one the first contact's is.

        Raises ``Conflict`` when a device of that name is in service, ``ImportErrors`` when the record is wrong.
        """
        async with self.writing:
            existing = await self._around(record)
            if any(d.name == record.name and d.state is not LifeState.DECOMMISSIONED for d in existing.devices):
                raise Conflict(f"device {record.name} exists already; choose another name or change that one")
            written = await self._carry_out(existing, record, by=by)
            if host_key:
                await self._pin_met(record.name, host_key, by=by)
        await self.first_backup(written.first_backup if backup else ())
        return await self.store.device(record.name)

    async def suspend(self, name: str, *, by: str) -> DeviceView:
        """Raises ``Conflict`` when it is not active."""
        async with self.writing:
            device = await self._in_state(name, LifeState.ACTIVE)
            writing = self._writing(by)
            event = writing.event("device.suspended", device, f"{device.name}: suspended")
            await self._update(replace(device, state=LifeState.SUSPENDED), writing, event)
        return await self.store.device(device.id)

    async def resume(self, name: str, *, by: str, backup: bool = True) -> DeviceView:
        """Raises ``Conflict`` when it is not suspended, ``ImportErrors`` when it cannot be served as it is now."""
        async with self.writing:
            device = await self._in_state(name, LifeState.SUSPENDED)
            record = _record(device, state=LifeState.ACTIVE)
            written = await self._carry_out(await self._around(record), record, by=by)
        await self.first_backup(written.first_backup if backup else ())
        return await self.store.device(device.id)

    async def remove(self, name: str, *, by: str) -> DeviceView:
        """Take a device out of service for good; its history stays. Raises ``Conflict`` when it is out already."""
        async with self.writing:
            device = await self._in_state(name, LifeState.ACTIVE, LifeState.SUSPENDED)
            writing = self._writing(by)
            event = writing.event("device.decommissioned", device, f"{device.name}: decommissioned")
            await self._update(retire(device, writing.at), writing, event)
        return await self.store.device(device.id)

    async def replace_hardware(
        self, name: str, hardware: Hardware, *, by: str, backup: bool = True, suspended: bool = False
    ) -> DeviceView:
        """New hardware takes over position, site and name (§5.1.3); its host key is learned afresh unless it is given.
        ``suspended``: nobody visits it until it is resumed.

        Raises ``Conflict`` when the device is out of service or is that hardware already, ``ImportErrors``.
        """
        async with self.writing:
            device = await self._in_state(name, LifeState.ACTIVE, LifeState.SUSPENDED)
            if device.serial and device.serial.casefold() == hardware.serial.strip().casefold():
                raise Conflict(f"{device.name} is the unit with serial {device.serial} already")
            asked = _record(device, state=LifeState.SUSPENDED if suspended else device.state)
            record = replace(
                asked,
                serial=hardware.serial,
                model=hardware.model,
                address=hardware.address or device.address,
                port=hardware.port,
                family=hardware.family,
                credential=hardware.credential,
            )
            written = await self._carry_out(await self._around(record), record, by=by, swapped=(device.name,))
            if hardware.host_key:
                await self._pin_met(device.name, hardware.host_key, by=by)
        await self.first_backup(written.first_backup if backup else ())
        return await self.store.device(written.changes.add[0].id)

    async def give_credential(self, name: str, credential: str | None, *, by: str) -> DeviceView:
        """The log-in that a device is managed with from now on; None: its group's."""
        async with self.writing:
            device = await self._in_state(name, LifeState.ACTIVE, LifeState.SUSPENDED)
            writing = self._writing(by)
            words = {"before": device.credential, "after": credential}
            event = writing.event(
                "device.changed", device, f"{device.name}: credential changed", changes={"credential": words}
            )
            await self._update(replace(device, credential=credential), writing, event)
        return await self.store.device(device.id)

    async def accept_key(
        self, name: str, *, by: str, fingerprint: str | None = None, forget: bool = False
    ) -> DeviceView:
        """Pin the key that the device offered, in place of the old one; or forget all, and learn at next contact.

        Raises ``Conflict`` when no key was offered, or several were and ``fingerprint`` does not say which.
        """
        view = await self.store.device(name)
        keys = () if forget else (_offered(view, fingerprint),)
        writing = self._writing(by)
        await self.store.pin(view.device.id, [key.key for key in keys], at=writing.at, by=by)
        what = f"host key {keys[0].fingerprint} accepted" if keys else "host keys forgotten"
        prints = [key.fingerprint for key in keys]
        event = writing.event("hostkey.accepted", view.device, f"{view.device.name}: {what}", fingerprints=prints)
        await self.store.apply(InventoryChanges(at=writing.at, events=(event,)))
        return await self.store.device(view.device.id)

    async def _pin_met(self, name: str, key: str, *, by: str) -> None:
        """Pin the key that a device showed before it was added: its first backup must not trust another one."""
        device, writing = (await self.store.device(name)).device, self._writing(by)
        await self.store.pin(device.id, [key], at=writing.at, by=by)
        message = f"{name}: host key {fingerprint(key)} pinned as it was added"
        event = writing.event("hostkey.first_contact", device, message, host_key=key)
        await self.store.apply(InventoryChanges(at=writing.at, events=(event,)))

    def known(self) -> Known:
        """The names that records and groups may refer to."""
        families, platforms = frozenset(self._drivers.families()), frozenset(self._drivers.platforms())
        return Known(families, frozenset(self._credentials.names()), platforms)

    async def apply(self, planned: ImportPlan, sites: Mapping[str, str], *, by: str) -> Written:
        """Store a plan in one transaction; the caller holds ``writing``."""
        written = write(planned, sites, self._writing(by))
        if not planned.is_empty:
            await self.store.apply(written.changes)
        return written

    async def first_backup(self, device_ids: Sequence[str]) -> str | None:
        """Ask for first backups. The devices are stored already, so a failure is a warning: the next run has them."""
        if not device_ids:
            return None
        try:
            await self._on_added(device_ids)
        except CpeManagerError as error:
            log.warning("first backup could not be started", devices=len(device_ids), error=str(error))
            return f"the first backup could not be started ({error}); the next scheduled run makes it"
        return None

    def _writing(self, by: str) -> Writing:
        return Writing(self._ids, self._clock.now(), by)

    async def _in_state(self, name: str, *states: LifeState) -> Device:
        device = (await self.store.device(name)).device
        if device.state not in states:
            raise Conflict(f"{device.name} is {device.state}, not {' or '.join(states)}")
        return device

    async def _update(self, device: Device, writing: Writing, event: NewEvent) -> None:
        await self.store.apply(InventoryChanges(at=writing.at, update=(device,), events=(event,)))

    async def _around(self, record: DeviceRecord) -> Existing:
        """The part of the inventory that one record can collide with, and what tells its site's id."""
        wheres = [
            DeviceFilter(names=(record.name,), states=EVERY_STATE),
            DeviceFilter(sites=(record.site.strip() or record.name,), states=EVERY_STATE),
        ]
        try:
            wheres.append(DeviceFilter(search=rules.address(record.address)))
        except ValueError:
            log.debug("the planner will refuse the address", device=record.name)
        found: dict[str, Device] = {}
        for where in wheres:
            found |= {device.id: device for device in await self.store.all_devices(where)}
        return Existing(tuple(found.values()), await self.store.groups())

    async def _carry_out(
        self, existing: Existing, record: DeviceRecord, *, by: str, swapped: tuple[str, ...] = ()
    ) -> Written:
        planned = plan(existing, InventoryDocument((record,)), self.known(), PlanOptions(swapped=swapped))
        return await self.apply(planned, site_ids(existing), by=by)


def site_ids(existing: Existing) -> dict[str, str]:
    """Ids of the sites that have or had a device, by name."""
    return {device.site: device.site_id for device in existing.devices}


def _record(device: Device, *, state: LifeState) -> DeviceRecord:
    """A record that asks for the device as it is, but for its state."""
    return DeviceRecord(name=device.name, address=device.address, file="", line=0, site=device.site, state=state)


def _offered(view: DeviceView, fingerprint: str | None) -> HostKey:
    offered = [key for key in view.host_keys if key.state == "offered"]
    if not offered:
        raise Conflict(f"{view.device.name} has offered no other host key; there is nothing to accept")
    wanted = [key for key in offered if fingerprint in {None, key.fingerprint}]
    if len(wanted) != 1:
        names = ", ".join(key.fingerprint for key in offered)
        raise Conflict(f"{view.device.name} offered {names}; name the fingerprint of one of them")
    return wanted[0]
