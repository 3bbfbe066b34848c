"""Change of the LAN's address and scheme (§3.3): everything that has an address there moves along."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any, ClassVar, Final

from cpe_manager.domain.changes.base import Entry, after_patch
from cpe_manager.domain.changes.entries import Effect, Setting
from cpe_manager.domain.changes.reading import host, misfit, told
from cpe_manager.domain.model.cpe_config import CpeConfig, Lan
from cpe_manager.domain.model.cpe_config_data import Bounds, Data, to_data
from cpe_manager.domain.model.requirements import require
from cpe_manager.domain.push.checks import Check, Finding
from cpe_manager.domain.push.probes import Probe

_PRIVATE: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_PARTS: Final = ("dhcp", "port_mappings", "firewall", "routes", "snmp", "management", "dns")
_HOSTS: Final = frozenset({"first", "last", "address", "inside", "gateway", "dns", "trap_hosts"})
_NETWORKS: Final = frozenset({"source", "destination", "network", "sources"})


def _lan(address: IPv4Interface) -> None:
    host(address)
    length = address.network.prefixlen
    require(8 <= length <= 30, f"a LAN is /8 to /30, and not /{length}")
    private = any(address.network.subnet_of(space) for space in _PRIVATE)
    require(private, f"{address.network} is not private (RFC 1918): hosts of the internet would be out of reach")


@dataclass(frozen=True, slots=True, kw_only=True)
class LanAddress:
    address: IPv4Interface = field(
        metadata=told("The CPE's own address on the LAN, which is the customer's default gateway, with prefix length",
                      Bounds(check=_lan), example="192.168.50.1/24")
    )  # fmt: skip
    first: IPv4Address | None = field(
        default=None,
        metadata=told("First address of the DHCP pool, where it is not to be moved along", Bounds(check=host),
                      example="192.168.50.100"),
    )  # fmt: skip
    last: IPv4Address | None = field(
        default=None, metadata=told("Last address of it", Bounds(check=host), example="192.168.50.199")
    )

    def __post_init__(self) -> None:
        if (self.first is None) != (self.last is None):
            raise misfit("last" if self.last is None else "first", "a pool has two ends: give both or none")
        if self.first is None or self.last is None:
            return
        if self.first > self.last:
            raise misfit("last", f"the pool {self.first}-{self.last} runs backwards")
        for name, end in (("first", self.first), ("last", self.last)):
            if end not in self.address.network:
                raise misfit(name, f"{end} is not in {self.address.network}")


@dataclass(frozen=True, slots=True)
class Move:
    """From one LAN to another: hosts keep their number in the network; in a network that only became wider, or begins
    where the old one began, they keep their address."""

    old: IPv4Interface
    new: IPv4Interface

    @property
    def by(self) -> int:
        old, new = self.old.network, self.new.network
        stays = old.subnet_of(new) or old.network_address == new.network_address
        return 0 if stays else int(new.network_address) - int(old.network_address)

    def host(self, what: str, one: IPv4Address) -> IPv4Address:
        """Raises ``InputError`` for one that has no place in the new LAN."""
        if one not in self.old.network:
            return one
        if one == self.old.ip:
            return self.new.ip
        network, moved = self.new.network, int(one) + self.by
        if not int(network.network_address) < moved < int(network.broadcast_address):
            raise misfit("address", f"{what} {one} does not fit into {network}")
        if moved == int(self.new.ip):
            raise misfit("address", f"{what} {one} would become {self.new.ip}, which is to be the CPE's own address")
        return IPv4Address(moved)

    def network(self, what: str, one: IPv4Network) -> IPv4Network:
        if one == self.old.network:
            return self.new.network
        if not one.subnet_of(self.old.network):
            return one
        if one.prefixlen == 32:
            return IPv4Network(self.host(what, one.network_address))
        start = int(one.network_address) + self.by
        # A part of the LAN that does not begin where one of its size can is no network any more.
        if start % one.num_addresses or not IPv4Network((start, one.prefixlen)).subnet_of(self.new.network):
            raise misfit("address", f"{what} {one} does not fit into {self.new.network}")
        return IPv4Network((start, one.prefixlen))


def _moved(data: Data, move: Move, name: str, place: str) -> Data:
    if isinstance(data, dict):
        return {key: _moved(value, move, key, f"{place}.{key}") for key, value in data.items()}
    if isinstance(data, list):
        return [_moved(value, move, name, f"{place}[{number}]") for number, value in enumerate(data)]
    if name in _HOSTS:
        return str(move.host(place, IPv4Address(data)))
    if name in _NETWORKS:
        return str(move.network(place, IPv4Network(data)))
    return data


class LanAddressChange(Entry[LanAddress]):
    """Gives the LAN another address, or another scheme. DHCP pool, reservations, open ports, static routes and whatever
    else has an address on the LAN move along; what does not fit is refused."""

    name: ClassVar[str] = "lan-address"
    parameters: ClassVar[type] = LanAddress

    def summary(self, wanted: LanAddress, /) -> str:
        return f"LAN {wanted.address}" + (f" with pool {wanted.first}-{wanted.last}" if wanted.first else "")

    def conflicts(self, wanted: LanAddress, now: CpeConfig, _setting: Setting, /) -> Iterator[Finding]:
        if wanted.first is not None and now.dhcp is None:
            yield Finding(Check.ABSENT, "there is no DHCP server: a pool has no use", field="first")
        if now.lan is not None and now.lan.address.network != wanted.address.network and now.port_mappings:
            yield Finding(
                Check.IN_USE,
                "hosts inside that have set their addresses themselves, and to which open ports lead, have to change "
                "them too",
                refuses=False,
            )

    def effect(self, wanted: LanAddress, now: CpeConfig, setting: Setting, /) -> Effect:
        patch: dict[str, Any] = {"lan": {"address": str(wanted.address)}}
        if now.lan is not None:
            patch |= _along(wanted, now, now.lan)
        elif wanted.first is not None:
            raise misfit("first", "there is no DHCP server")
        after = after_patch("address", now, patch)
        probes = [Probe("config", "lan.address", value=str(wanted.address))]
        if after.dhcp is not None:
            ends = {"first": str(after.dhcp.first), "last": str(after.dhcp.last)}
            probes += [Probe("config", f"dhcp.{name}", value=value) for name, value in ends.items()]
        old = now.lan.address.ip if now.lan is not None else None
        moves = old is not None and old != wanted.address.ip and setting.managed_at == str(old)
        return Effect(patch, tuple(probes), managed_at=str(wanted.address.ip) if moves else None)


def _along(wanted: LanAddress, now: CpeConfig, lan: Lan) -> dict[str, Any]:
    """The parts of the model that move along, as far as they change."""
    move, data = Move(lan.address, wanted.address), to_data(now)
    if wanted.first is not None:
        if now.dhcp is None:
            raise misfit("first", "there is no DHCP server")
        # The old pool is not moved at all: it may be the very thing that does not fit.
        data["dhcp"] = {name: value for name, value in data["dhcp"].items() if name not in ("first", "last")}
    parts: dict[str, Any] = {}
    for part in _PARTS:
        if part not in data:
            continue
        moved = _moved(data[part], move, part, part)
        if part == "dhcp" and wanted.first is not None:
            moved |= {"first": str(wanted.first), "last": str(wanted.last)}
        if moved != to_data(now)[part]:
            parts[part] = moved
    return parts
