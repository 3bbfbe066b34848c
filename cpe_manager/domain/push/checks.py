"""What a change must not make of a device: judged from the neutral model before and after it, before any effect.

The constructors of the model refuse what no box can mean (a gateway that is not on-link, a DHCP pool outside the LAN,
an outside port that is mapped twice); here is what boxes would take and customers would suffer from. Only what the
change brings about is refused: what a device has been running all along is told as a note, or nobody could change it
any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from itertools import combinations
from typing import Final

from cpe_manager.domain.errors import Conflict
from cpe_manager.domain.model.cpe_config import CpeConfig, PortMapping

MOST_END_USERS: Final = 253
"""IPv4 addresses that a line may have inside (§3.5)."""
RESERVED_PORT: Final = 23
"""The operator's own way in (§5.2.2.1)."""


class Check(StrEnum):
    """Why a push was not begun, or did not become what it was to be; for programs, so a value never changes."""

    NOTHING = "nothing-to-change"
    BASIS = "device-changed"
    HOST_KEY = "host-key-not-pinned"
    MODEL = "model-invalid"
    LOCKOUT = "lockout"
    OVERLAP = "address-overlap"
    ROUTE = "route-unreachable"
    FLEET = "address-in-use"
    OUTSIDE_LAN = "mapping-outside-lan"
    OWN_ADDRESS = "mapping-to-router"
    MAPPED = "port-mapped"
    VOICE = "port-of-voice"
    IN_POOL = "address-in-pool"
    ABSENT = "not-there"
    IN_USE = "in-use"
    CARRY = "family-cannot-carry"
    MANAGEMENT_PORT = "mapping-takes-management"
    RESERVED = "port-reserved"
    END_USERS = "too-many-end-users"
    ENTITLEMENT = "not-entitled"
    NOT_JUDGED = "entitlement-not-judged"
    PROBE = "probe-failed"
    LINE = "line-down"
    DEFAULT_ROUTE = "default-route-lost"
    NOT_AS_WANTED = "not-as-wanted"
    NOT_THERE = "not-at-new-address"
    UNSAVED = "unsaved-changes"
    NOT_BACK = "not-back"
    WITHDRAWN = "withdrawn"


ACCEPTABLE: Final = frozenset(
    {
        *(Check.OVERLAP, Check.ROUTE, Check.FLEET, Check.OUTSIDE_LAN, Check.OWN_ADDRESS, Check.MANAGEMENT_PORT),
        Check.UNSAVED,
    }
)
"""What somebody who knows better may accept. Port 23 and the number of end users are the contract's."""


class Refused(Conflict):
    """A check or a probe said no; ``cause`` says which, for programs."""

    def __init__(self, reason: str, cause: Check) -> None:
        super().__init__(reason)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found. ``refuses`` False: it is told, and the push goes on. ``field``: the parameter of a
    change request that it is about, ``ports[0].port``."""

    check: Check
    reason: str
    refuses: bool = True
    field: str = ""

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}" if self.field else self.reason


def findings(before: CpeConfig, after: CpeConfig, management_port: int = 22) -> tuple[Finding, ...]:
    """What is wrong with a device after a change. ``management_port``: where it listens for us, over TCP."""
    known = set(_wrong(before, management_port))
    found = dict.fromkeys(_wrong(after, management_port))
    return tuple(
        Finding(one.check, f"{one.reason} (it was so before)", refuses=False) if one in known else one for one in found
    )


def _wrong(config: CpeConfig, management_port: int) -> Iterator[Finding]:
    yield from _overlaps(config)
    yield from _routes(config)
    for mapping in config.port_mappings:
        yield from mapping_findings(config, mapping, management_port)
    yield from _end_users(config)


def _overlaps(config: CpeConfig) -> Iterator[Finding]:
    for (one, first), (other, second) in combinations(_networks(config), 2):
        if first.overlaps(second):
            yield Finding(Check.OVERLAP, f"{one} {first} and {other} {second} overlap")


def _networks(config: CpeConfig) -> Iterator[tuple[str, IPv4Network]]:
    if config.lan is not None:
        yield "LAN", config.lan.address.network
    wan = config.wan
    if wan is not None and wan.address is not None:
        yield "WAN", wan.address.network
    if wan is not None and wan.ip_pack is not None:
        yield "IP pack", wan.ip_pack


def _routes(config: CpeConfig) -> Iterator[Finding]:
    """A static route leads to somebody on a network of the box, and takes none of these away."""
    networks = list(_networks(config))
    # What DHCP and PPP give is not known here: then a gateway may be on-link without anything saying so.
    fixed = config.wan is not None and config.wan.mode == "static"
    for route in config.routes:
        if fixed and config.lan is not None and not any(route.gateway in network for _, network in networks):
            yield Finding(Check.ROUTE, f"the gateway {route.gateway} of route {route.network} is on no network of it")
        for name, network in networks:
            if route.network.subnet_of(network) and name != "WAN":
                yield Finding(Check.OVERLAP, f"route {route.network} takes a part of the {name} {network} away")


def mapping_findings(config: CpeConfig, mapping: PortMapping, management_port: int) -> Iterator[Finding]:
    """What is wrong with one port mapping on a device, whether it is there already or not."""
    told = f"{mapping.protocol} {mapping.ports}"
    inside = [network for name, network in _networks(config) if name != "WAN"]
    if inside and not any(mapping.inside in network for network in inside):
        known = ", ".join(map(str, inside))
        behind = any(mapping.inside in route.network for route in config.routes)
        if not behind:
            yield Finding(
                Check.OUTSIDE_LAN, f"{told} is mapped to {mapping.inside}, which is on no network inside ({known})"
            )
    if config.lan is not None and mapping.inside == config.lan.address.ip:
        yield Finding(Check.OWN_ADDRESS, f"{told} is mapped to {mapping.inside}, the router itself")
    if mapping.protocol != "tcp":
        return
    if mapping.ports.first <= RESERVED_PORT <= mapping.ports.last:
        yield Finding(Check.RESERVED, f"{told} takes port 23, which is reserved for the operator (§5.2.2.1)")
    elif mapping.ports.first <= management_port <= mapping.ports.last:
        yield Finding(Check.MANAGEMENT_PORT, f"{told} takes port {management_port}, at which the box is managed")


def end_users(config: CpeConfig) -> int:
    """How many end users DHCP serves: the pool, and what is reserved outside of it."""
    if config.dhcp is None:
        return 0
    first, last = int(config.dhcp.first), int(config.dhcp.last)
    return last - first + 1 + sum(not first <= int(one.address) <= last for one in config.dhcp.reservations)


def _end_users(config: CpeConfig) -> Iterator[Finding]:
    users = end_users(config)
    if users > MOST_END_USERS:
        yield Finding(Check.END_USERS, f"DHCP serves {users} end users; a line has at most {MOST_END_USERS} (§3.5)")


@dataclass(frozen=True, slots=True)
class Held:
    """Public addresses that one device of the fleet holds for itself, first to last; IPv6 by its /56 block."""

    network: IPv4Network | IPv6Network

    @property
    def version(self) -> int:
        return self.network.version

    @property
    def bounds(self) -> tuple[int, int]:
        """First and last address as numbers; of IPv6 the upper 56 bits, in which every block of ours differs."""
        shift = 72 if self.network.version == 6 else 0
        return int(self.network.network_address) >> shift, int(self.network.broadcast_address) >> shift


def held_by(config: CpeConfig) -> tuple[Held, ...]:
    """The fixed addresses of a device (§3.3.1) with its IP pack (§3.3.2): no other one may have them."""
    wan = config.wan
    if wan is None:
        return ()
    own = [] if wan.address is None else [Held(IPv4Network(wan.address.ip))]
    if wan.ip_pack is not None:
        own.append(Held(wan.ip_pack))
    if wan.ipv6_prefix is not None:
        own.append(Held(wan.ipv6_prefix))
    return tuple(own)


def newly_held(before: CpeConfig, after: CpeConfig) -> tuple[Held, ...]:
    """What a change has the device take for itself that it did not hold."""
    known = held_by(before)
    return tuple(one for one in held_by(after) if one not in known)
