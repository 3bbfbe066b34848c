"""What a CPE's configuration says, in words of no vendor: the items of §5.2.1.3 and what changes and failover need.

Interfaces are named by their role, never by their native name: a driver finds out from the text at hand which native
interface plays which role. So the same value describes a Cisco and an OpenWrt box, and a configuration can be carried
onto another family (§5.1.2.4). Everything that is no part of this model stays in the text, word for word: ``render``
changes only lines that carry the model.

Values are canonical: two configurations that mean the same are equal. What has no order is a sorted tuple
(``CpeConfig`` sorts), what has one (access rules) keeps it. ``None`` means: not configured. Every constructor refuses
what no box can mean, with ``InputError``; entitlement and policy are no concern here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Final, Literal

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_mobile import Mobile, Ports, Protocol
from cpe_manager.domain.model.requirements import host_on, is_domain, is_label, require, text, unique, word

_MAC: Final = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")

Action = Literal["accept", "drop", "reject"]


class Role(StrEnum):
    """What an interface is for."""

    WAN = "wan"
    LAN = "lan"
    MOBILE = "mobile"


class WifiSecurity(StrEnum):
    OPEN = "open"
    WPA2 = "wpa2"
    WPA2_WPA3 = "wpa2-wpa3"
    WPA3 = "wpa3"


@dataclass(frozen=True, slots=True)
class Wan:
    """The internet side (§3.3). ``address`` and ``gateway`` belong to mode ``static``, the log-in to ``pppoe``.

    ``address`` may also stand with ``pppoe``: a fixed address that the box insists on. ``ip_pack`` are extra fixed IPv4
    addresses (§3.3.2: 4 to 32, so /30 to /27); the CPE takes the first host of them as a second address on the LAN.
    ``ipv6_prefix`` is the fixed /56 (§3.3.1); the CPE has ``::1`` of its first /64 on the LAN. ``ipv6_router`` is the
    customer's router in that /64 (``::10`` unless changed, §3.3.2) to which the second /57 is routed; None: it is not.
    """

    mode: Literal["dhcp", "static", "pppoe"]
    address: IPv4Interface | None = None
    gateway: IPv4Address | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    ipv6_prefix: IPv6Network | None = None
    ipv6_router: IPv6Address | None = None
    ip_pack: IPv4Network | None = None

    def __post_init__(self) -> None:
        if self.mode == "static":
            require(self.address is not None and self.gateway is not None, "a static WAN needs address and gateway")
            assert self.address is not None
            require(self.gateway in self.address.network, f"gateway {self.gateway} is not on-link")
            require(self.gateway != self.address.ip, "gateway and own address are the same")
            host_on(self.address)
        else:
            require(self.gateway is None, f"a gateway has no place in mode {self.mode}")
        if self.mode == "dhcp":
            require(self.address is None, "an address has no place in mode dhcp")
        if self.mode == "pppoe":
            require(bool(self.username), "PPPoE needs a user name")
            require(self.address is None or self.address.network.prefixlen == 32, "a PPPoE address is a /32")
            word("PPP user name", self.username)
            text("PPP password", self.password)
        else:
            require(not self.username and not self.password, f"a log-in has no place in mode {self.mode}")
        if self.ipv6_prefix is not None:
            require(self.ipv6_prefix.prefixlen == 56, f"{self.ipv6_prefix} is no /56")
        if self.ipv6_router is not None:
            inside = self.lan_ipv6
            require(inside is not None, "a router behind the CPE needs an IPv6 prefix")
            assert inside is not None
            require(self.ipv6_router in inside.network, f"{self.ipv6_router} is not in {inside.network}")
            require(self.ipv6_router not in (inside.ip, inside.network.network_address), "that address is the CPE's")
        if self.ip_pack is not None:
            require(27 <= self.ip_pack.prefixlen <= 30, f"IP pack {self.ip_pack} is not 4 to 32 addresses")

    @property
    def lan_ipv6(self) -> IPv6Interface | None:
        """The CPE's own IPv6 address on the LAN: ``::1`` in the first /64 of the block."""
        if self.ipv6_prefix is None:
            return None
        return IPv6Interface(f"{self.ipv6_prefix.network_address + 1}/64")

    @property
    def routed_ipv6(self) -> IPv6Network | None:
        """The half of the block that goes to the customer's router: the second /57."""
        return None if self.ipv6_prefix is None else list(self.ipv6_prefix.subnets(new_prefix=57))[1]

    @property
    def ip_pack_address(self) -> IPv4Interface | None:
        """The CPE's own address in the IP pack: its first host."""
        if self.ip_pack is None:
            return None
        return IPv4Interface(f"{self.ip_pack.network_address + 1}/{self.ip_pack.prefixlen}")


@dataclass(frozen=True, slots=True)
class Lan:
    """The inside: the CPE's own address, which is the customer's default gateway."""

    address: IPv4Interface

    def __post_init__(self) -> None:
        host_on(self.address)
        if not 8 <= self.address.network.prefixlen <= 30:
            raise InputError(f"{self.address} is no LAN")


@dataclass(frozen=True, slots=True)
class DhcpServer:
    """DHCP on the LAN: the pool (both ends included), lease time in seconds, reservations by MAC address."""

    first: IPv4Address
    last: IPv4Address
    lease_seconds: int = 86_400
    domain: str = ""
    reservations: tuple[Reservation, ...] = ()

    def __post_init__(self) -> None:
        require(self.first <= self.last, f"DHCP pool {self.first}-{self.last} runs backwards")
        # Whole minutes, up to 365 days: what every family can say.
        require(120 <= self.lease_seconds <= 31_536_000, "a DHCP lease lasts 2 minutes to a year")
        require(self.lease_seconds % 60 == 0, "a DHCP lease is whole minutes")
        require(not self.domain or is_domain(self.domain), f"{self.domain!r} is no domain name")
        order = sorted(self.reservations, key=lambda r: (int(r.address), r.mac))
        object.__setattr__(self, "reservations", tuple(order))
        unique("reserved address", [int(r.address) for r in self.reservations])
        unique("reserved MAC address", [r.mac for r in self.reservations])


@dataclass(frozen=True, slots=True)
class Reservation:
    """A MAC address (lower case, colons) that always gets the same address."""

    mac: str
    address: IPv4Address

    def __post_init__(self) -> None:
        # There may be hundreds of them, and a reason costs more to write than a name to compare.
        if _MAC.fullmatch(self.mac) is None:
            raise InputError(f"{self.mac!r} is no MAC")


@dataclass(frozen=True, slots=True)
class Wifi:
    """One radio's customer network. ``channel`` 0 is automatic. The three settings a customer changes by right are
    ``ssid``, ``key`` and ``channel`` (§5.2.1.1)."""

    band: Literal["2.4", "5"]
    ssid: str
    security: WifiSecurity = WifiSecurity.WPA2
    key: str = field(default="", repr=False)
    channel: int = 0
    enabled: bool = True

    def __post_init__(self) -> None:
        text("SSID", self.ssid)
        require(1 <= len(self.ssid) <= 32, f"SSID {self.ssid!r} is not 1 to 32 characters")
        channels = range(14) if self.band == "2.4" else (0, 36, 40, 44, 48, 52, 56, 60, 64, 100, 104, 108, 112, 116)
        require(self.channel in channels, f"channel {self.channel} does not exist at {self.band} GHz")
        if self.security is WifiSecurity.OPEN:
            require(not self.key, "an open wifi has no key")
        else:
            text("wifi key", self.key)
            require(8 <= len(self.key) <= 63, "a wifi key has 8 to 63 characters")


@dataclass(frozen=True, slots=True)
class PortMapping:
    """An opened port (§3.4): from the internet to a host inside. ``inside_port`` is the first of as many as ``ports``
    has; ``source`` restricts who may come in."""

    protocol: Protocol
    ports: Ports
    inside: IPv4Address
    inside_port: int
    source: IPv4Network | None = None

    def __post_init__(self) -> None:
        require(self.inside_port >= 1 and self.inside_port + self.ports.count - 1 <= 65535, "inside ports run over")


@dataclass(frozen=True, slots=True)
class AccessRule:
    """One line of the managed firewall's list for what comes in from the internet (§3.7). ``None`` is any.

    ``protocol`` ``ip`` is all of them; ports need ``tcp`` or ``udp``.
    """

    action: Action
    protocol: Literal["ip", "icmp", "tcp", "udp"] = "ip"
    source: IPv4Network | None = None
    destination: IPv4Network | None = None
    ports: Ports | None = None

    def __post_init__(self) -> None:
        require(self.ports is None or self.protocol in ("tcp", "udp"), "ports need tcp or udp")


@dataclass(frozen=True, slots=True)
class Timer:
    """How long an idle session is remembered, in seconds: per protocol, or per port of it (§3.7)."""

    protocol: Protocol
    seconds: int
    port: int | None = None

    def __post_init__(self) -> None:
        require(10 <= self.seconds <= 86_400, "a session timer is 10 seconds to a day")
        require(self.port is None or 1 <= self.port <= 65535, f"port {self.port} does not exist")


@dataclass(frozen=True, slots=True)
class Firewall:
    """``inbound``: what happens to what no rule names. ``rules`` in the order in which they are tried."""

    inbound: Action = "drop"
    rules: tuple[AccessRule, ...] = ()
    timers: tuple[Timer, ...] = ()

    def __post_init__(self) -> None:
        order = sorted(self.timers, key=lambda t: (t.protocol, t.port or 0))
        object.__setattr__(self, "timers", tuple(order))
        unique("session timer", [(t.protocol, t.port) for t in self.timers])


@dataclass(frozen=True, slots=True)
class StaticRoute:
    """A static IPv4 route by gateway address; ``distance`` 1 is the usual administrative distance.

    The WAN's own default route is part of ``Wan``; a floating default over mobile is part of ``Mobile``.
    """

    network: IPv4Network
    gateway: IPv4Address
    distance: int = 1

    def __post_init__(self) -> None:
        require(1 <= self.distance <= 250, f"distance {self.distance} is not 1 to 250")
        require(self.network.prefixlen > 0, "a default route belongs to the WAN or the mobile interface")


@dataclass(frozen=True, slots=True)
class SnmpCommunity:
    """A v2c community. ``source`` restricts who may ask."""

    name: str = field(repr=False)
    write: bool = False
    source: IPv4Network | None = None

    def __post_init__(self) -> None:
        require(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}", self.name) is not None, "a community is one word")


@dataclass(frozen=True, slots=True)
class Snmp:
    communities: tuple[SnmpCommunity, ...] = ()
    location: str = ""
    contact: str = ""
    trap_hosts: tuple[IPv4Address, ...] = ()

    def __post_init__(self) -> None:
        for what, value in (("location", self.location), ("contact", self.contact)):
            require(
                not value or re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9 .,@+-]{0,60}[A-Za-z0-9])?", value) is not None,
                f"SNMP {what} {value!r} is no plain text of 1 to 62 characters",
            )
            require("  " not in value, f"SNMP {what} {value!r} holds two blanks in a row")
        object.__setattr__(self, "communities", tuple(sorted(self.communities, key=lambda c: c.name)))
        object.__setattr__(self, "trap_hosts", tuple(sorted(set(self.trap_hosts))))
        unique("community", [c.name for c in self.communities])


@dataclass(frozen=True, slots=True)
class Management:
    """How the operator reaches the box: who may, and which services listen."""

    sources: tuple[IPv4Network, ...] = ()
    """Networks that may manage the box; empty: not restricted."""
    ssh: bool = True
    telnet: bool = False
    """Port 23 is the operator's management port (§5.2.2.1)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", tuple(sorted(set(self.sources))))


@dataclass(frozen=True, slots=True)
class CpeConfig:
    """All of it. Compare two with ``==``; ``cpe_differences`` lists what differs."""

    hostname: str
    wan: Wan | None = None
    lan: Lan | None = None
    dhcp: DhcpServer | None = None
    wifi: tuple[Wifi, ...] = ()
    port_mappings: tuple[PortMapping, ...] = ()
    firewall: Firewall = field(default_factory=Firewall)
    routes: tuple[StaticRoute, ...] = ()
    mobile: Mobile | None = None
    snmp: Snmp = field(default_factory=Snmp)
    management: Management = field(default_factory=Management)
    dns: tuple[IPv4Address, ...] = ()
    """Name servers in the order in which they are asked."""

    def __post_init__(self) -> None:
        require(is_label(self.hostname), f"{self.hostname!r} is no host name")
        object.__setattr__(self, "wifi", tuple(sorted(self.wifi, key=lambda w: w.band)))
        object.__setattr__(self, "port_mappings", tuple(sorted(self.port_mappings, key=_mapping_order)))
        object.__setattr__(self, "routes", tuple(sorted(self.routes, key=lambda r: (r.network, r.gateway))))
        unique("wifi band", [w.band for w in self.wifi])
        unique("route", [(r.network, r.gateway) for r in self.routes])
        unique("name server", self.dns)
        self._check_dhcp()
        self._check_mappings()

    def _check_dhcp(self) -> None:
        if self.dhcp is None:
            return
        if self.lan is None:
            raise InputError("a DHCP server needs a LAN")
        inside = self.lan.address.network
        ends = (self.dhcp.first, self.dhcp.last)
        hosts = range(int(inside.network_address) + 1, int(inside.broadcast_address))
        for address in (*ends, *(r.address for r in self.dhcp.reservations)):
            # There may be hundreds of them, and a reason costs more to write than a number to compare.
            if int(address) in hosts and address != self.lan.address.ip:
                continue
            require(address in inside, f"{address} is not on the LAN {inside}")
            require(address not in (inside.network_address, inside.broadcast_address), f"{address} is no host")
            require(address != self.lan.address.ip, f"{address} is the CPE's own address")
        own = self.lan.address.ip
        require(not self.dhcp.first <= own <= self.dhcp.last, f"the DHCP pool holds the CPE's own address {own}")

    def _check_mappings(self) -> None:
        taken: dict[str, PortMapping] = {}
        for mapping in self.port_mappings:
            before = taken.get(mapping.protocol)
            if before is not None and before.ports.last >= mapping.ports.first:
                raise InputError(f"{mapping.protocol} {mapping.ports} is mapped twice (see {before.ports})")
            taken[mapping.protocol] = mapping


def _mapping_order(mapping: PortMapping) -> tuple[str, int]:
    return mapping.protocol, mapping.ports.first
