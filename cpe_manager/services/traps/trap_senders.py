"""Who can have sent a trap. The inventory is asked by the address that it came from; but a box's address changes with
the way that its traffic takes, and behind a mobile operator's NAT it is nobody's. In this order, the first that finds
somebody counts:

1. active devices whose address in the inventory it is;
2. the box of the line whose line address, mobile address or fixed addresses it is one of;
3. a v3 message: the device whose engine it names, as learned from proven messages or from polls;
4. a v2c message: the device whose name it carries as sysName.0.

That makes nobody a sender, it only says whose community or keys have to prove it. A stranger at a known address who
names another device is refused: 3 and 4 are for addresses that are nobody's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final, Literal

import structlog

from cpe_manager.domain.errors import CpeManagerError
from cpe_manager.domain.failover.lines import LineRecord
from cpe_manager.domain.fleet.inventory import Device, Group, LifeState
from cpe_manager.domain.fleet.settings_inheritance import resolve
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.sessions import Credentials
from cpe_manager.ports.snmp import Datagram, Notification, Sender, SnmpTarget, TrapIntake
from cpe_manager.ports.stores import DeviceFilter, EventStore, InventoryStore
from cpe_manager.services.fleet.targets import known, snmp_target_of

log = structlog.get_logger()

KNOWN_SECONDS: Final = 60.0
UNKNOWN_SECONDS: Final = 15.0
"""How long it is believed who is behind an address; a device that was just added waits no longer than the second."""
MOST_ADDRESSES: Final = 100_000
MOST_ENGINES: Final = 100_000
_By = Literal["address", "name"]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A device that may have sent it. ``target`` None: it has no SNMP access, so nothing that it sends can be
    proven."""

    name: str
    sender: Sender | None
    target: SnmpTarget | None


Neighbours = tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class TrapStores:
    inventory: InventoryStore
    events: EventStore
    credentials: Credentials


class TrapSenders:
    """Devices by what gives them away; remembered for a minute. ``engine_place``: the address at which a poll has met
    an engine; None when none has."""

    def __init__(
        self,
        stores: TrapStores,
        intake: TrapIntake,
        clock: Clock,
        engine_place: Callable[[bytes], str | None] = lambda _engine: None,
    ) -> None:
        self._stores, self._intake, self._clock = stores, intake, clock
        self.engine_place = engine_place
        self._known: OrderedDict[tuple[_By, str], tuple[float, Neighbours]] = OrderedDict()
        self._ways: dict[str, str] = {}
        self._blocks: dict[int, dict[IPv4Network | IPv6Network, str]] = {}
        self._engines: OrderedDict[bytes, str] = OrderedDict()

    def set_lines(self, records: Iterable[LineRecord]) -> None:
        """Whose addresses those are that boxes have beside the one in the inventory."""
        ways: dict[str, str] = {}
        blocks: dict[int, dict[IPv4Network | IPv6Network, str]] = {}
        for record in records:
            setup, device = record.line.setup, record.line.device
            ways |= {address: device for address in (setup.line_address, setup.mobile_address) if address}
            for block in (setup.fixed_ipv4, setup.fixed_ipv6):
                if block is not None:
                    blocks.setdefault(block.prefixlen + 1000 * block.version, {})[block] = device
        self._ways, self._blocks = ways, blocks

    def proven(self, one: Notification) -> None:
        """Remember the engine of a message whose keys fitted."""
        if one.engine:
            self._engines[one.engine] = one.sender.name
            self._engines.move_to_end(one.engine)
            if len(self._engines) > MOST_ENGINES:
                self._engines.popitem(last=False)

    async def look_up(self, datagrams: Sequence[Datagram]) -> Sequence[Neighbours]:
        """Who can have sent each; nobody for a stranger. Raises ``StoreError``."""
        found = await self._by("address", {one.host for one in datagrams})
        strangers = [one for one in datagrams if not found[one.host]]
        if not strangers:
            return [found[one.host] for one in datagrams]
        clues = {id(one): self._clue(one) for one in strangers}
        by_way: dict[_By, Mapping[str, Neighbours]] = {
            by: await self._by(by, {what for kind, names in clues.values() if kind == by for what in names})
            for by in ("address", "name")
        }

        def behind(one: Datagram) -> Neighbours:
            if found[one.host]:
                return found[one.host]
            kind, names = clues[id(one)]
            return next((got for name in names if (got := by_way[kind][name])), ())

        return [behind(one) for one in datagrams]

    def _clue(self, one: Datagram) -> tuple[_By, Sequence[str]]:
        """What to ask the inventory for instead of the address that it came from, the likeliest first."""
        way = self._ways.get(one.host) or self._block(one.host)
        if way:
            return "name", (way,)
        hint = self._intake.hint(one)
        if hint.engine:
            name = self._engines.get(hint.engine)
            if name:
                return "name", (name,)
            place = self.engine_place(hint.engine)
            return "address", (place,) if place else ()
        # Many boxes call themselves by their whole domain name.
        short = hint.name.partition(".")[0]
        return "name", tuple(dict.fromkeys(name for name in (hint.name, short) if name))

    def _block(self, host: str) -> str | None:
        try:
            address = ip_address(host)
        except ValueError:
            return None
        for size, blocks in self._blocks.items():
            version, length = divmod(size, 1000)
            if version == address.version:
                kind = IPv4Network if version == 4 else IPv6Network
                if name := blocks.get(kind((int(address), length), strict=False)):
                    return name
        return None

    async def _by(self, by: _By, wanted: set[str]) -> Mapping[str, Neighbours]:
        now = self._clock.monotonic()
        stale = [what for what in wanted if (by, what) not in self._known or self._known[by, what][0] <= now]
        if stale:
            await self._learn(by, stale, now)
        return {what: self._known[by, what][1] for what in wanted}

    async def _learn(self, by: _By, wanted: Sequence[str], now: float) -> None:
        active = (LifeState.ACTIVE,)
        where = (
            DeviceFilter(addresses=tuple(wanted), states=active)
            if by == "address"
            else DeviceFilter(names=tuple(wanted), states=active)
        )
        found: dict[str, list[Neighbour]] = {what: [] for what in wanted}
        devices = await self._stores.inventory.all_devices(where)
        groups = {group.name: group for group in await self._stores.inventory.groups()} if devices else {}
        for device in devices:
            found[device.address if by == "address" else device.name].append(self._neighbour(device, groups))
        for what, neighbours in found.items():
            until = now + (KNOWN_SECONDS if neighbours else UNKNOWN_SECONDS)
            self._known[by, what] = (until, tuple(neighbours))
            self._known.move_to_end((by, what))
        # Not those of this batch, even when strangers without number knock.
        while len(self._known) > max(MOST_ADDRESSES, 2 * len(wanted)):
            self._known.popitem(last=False)

    def _neighbour(self, device: Device, groups: Mapping[str, Group]) -> Neighbour:
        try:
            resolved = resolve(device, groups)
            access = self._stores.credentials.get(known("credential", resolved.credential)).snmp
        except CpeManagerError as error:
            log.info("traps.no_access", device=device.name, error=str(error))
            return Neighbour(device.name, None, None)
        if access is None:
            return Neighbour(device.name, None, None)
        sender = Sender(device.id, device.name, access)
        return Neighbour(device.name, sender, snmp_target_of(device, resolved, access))
