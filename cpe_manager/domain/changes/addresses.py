"""Changes of the internet side's addresses (§3.3): the fixed IPv4 address, the IP pack, the IPv6 block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network
from typing import Any, ClassVar, Final, Literal

from cpe_manager.domain.changes.base import Entry, after_patch, listed
from cpe_manager.domain.changes.entries import Effect, Setting
from cpe_manager.domain.changes.reading import global_ipv6, host, misfit, told
from cpe_manager.domain.model.cpe_config import CpeConfig, Wan
from cpe_manager.domain.model.cpe_config_data import Bounds
from cpe_manager.domain.model.requirements import require
from cpe_manager.domain.push.checks import Check, Finding
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.domain.push.probes import Probe

ROUTER: Final = 0x10
"""Of the customer's router in the first /64 of the block, unless it is changed: ``::10`` (§3.3.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WanAddress:
    address: IPv4Interface = field(
        metadata=told(
            "Fixed address of the line with the prefix length of its network; a PPPoE line takes it without one",
            Bounds(check=host), example="198.51.100.2/30",
        )
    )  # fmt: skip
    gateway: IPv4Address | None = field(
        default=None,
        metadata=told("Default gateway on that network; the present one unless given. A PPPoE line has none",
                      Bounds(check=host), example="198.51.100.1"),
    )  # fmt: skip


class WanAddressChange(Entry[WanAddress]):
    """Gives the line another fixed IPv4 address, with its gateway. A box that is managed at the old address is managed
    at the new one afterwards."""

    name: ClassVar[str] = "wan-address"
    parameters: ClassVar[type] = WanAddress

    def summary(self, wanted: WanAddress, /) -> str:
        return f"internet address {wanted.address}" + (f" by {wanted.gateway}" if wanted.gateway else "")

    def conflicts(self, _wanted: WanAddress, now: CpeConfig, _setting: Setting, /) -> Iterator[Finding]:
        old = now.wan.address if now.wan is not None else None
        if old is None:
            return
        for number, rule in enumerate(now.firewall.rules, 1):
            if rule.destination is not None and rule.destination.prefixlen and old.ip in rule.destination:
                told_rule = f"access rule {number} is for {rule.destination}, where the old address {old.ip} is"
                yield Finding(Check.IN_USE, told_rule, refuses=False)

    def effect(self, wanted: WanAddress, now: CpeConfig, setting: Setting, /) -> Effect:
        wan = now.wan
        if wan is not None and wan.mode == "pppoe":
            new = _of_pppoe(wanted)
            part: dict[str, Any] = {"address": str(new)}
        else:
            new, gateway = _of_network(wanted, wan)
            part = {"mode": "static", "address": str(new), "gateway": str(gateway), "username": None, "password": None}
        patch = {"wan": part}
        after_patch("address", now, patch)
        probes = [Probe("config", f"wan.{name}", value=value) for name, value in part.items() if value is not None]
        moves = wan is not None and wan.address is not None and setting.managed_at == str(wan.address.ip)
        return Effect(
            patch,
            tuple(probes),
            managed_at=str(new.ip) if moves and wan is not None and wan.address != new else None,
            overrides=frozenset({Lockout.ROUTE}),
        )


def _of_pppoe(wanted: WanAddress) -> IPv4Interface:
    if wanted.gateway is not None:
        raise misfit("gateway", "the line logs in by PPPoE, which has no gateway")
    if wanted.address.network.prefixlen != 32:
        raise misfit("address", "the line logs in by PPPoE: its address stands alone, without a network")
    return wanted.address


def _of_network(wanted: WanAddress, wan: Wan | None) -> tuple[IPv4Interface, IPv4Address]:
    new, network = wanted.address, wanted.address.network
    if network.prefixlen > 31:
        raise misfit("address", f"give {new.ip} the prefix length of its network, such as {new.ip}/30")
    gateway = wanted.gateway
    if gateway is None:
        gateway = wan.gateway if wan is not None else None
        if gateway is None or gateway not in network or gateway == new.ip:
            raise misfit("gateway", f"give the default gateway on {network}")
    if gateway not in network:
        raise misfit("gateway", f"{gateway} is not on the line's network {network}")
    if gateway == new.ip:
        raise misfit("gateway", "that is the line's own address")
    if network.prefixlen < 31 and gateway in (network.network_address, network.broadcast_address):
        raise misfit("gateway", f"{gateway} is the network's own or its broadcast address")
    return new, gateway


def _pack(network: IPv4Network) -> None:
    require(27 <= network.prefixlen <= 30, f"{network} is not 4 to 32 addresses (/30 to /27, §3.3.2)")
    # Beside the LAN on one interface a box tells the two apart by that.
    require(network.is_global, f"{network} is not of the internet")


@dataclass(frozen=True, slots=True, kw_only=True)
class IpPack:
    network: IPv4Network = field(
        metadata=told("4 to 32 extra fixed addresses: /30 to /27", Bounds(check=_pack), example="91.198.4.8/29")
    )
    action: Literal["add", "remove"] = field(default="add", metadata=told("Whether they come or go"))


class IpPackChange(Entry[IpPack]):
    """Adds an IP pack, or takes it away (§3.3.2). The CPE has the first address of it; a line has one pack."""

    name: ClassVar[str] = "ip-pack"
    parameters: ClassVar[type] = IpPack

    def summary(self, wanted: IpPack, /) -> str:
        return f"{wanted.action} IP pack {wanted.network}"

    def conflicts(self, wanted: IpPack, now: CpeConfig, _setting: Setting, /) -> Iterator[Finding]:
        there = now.wan.ip_pack if now.wan is not None else None
        if wanted.action == "add":
            if there is not None and there != wanted.network:
                yield Finding(Check.IN_USE, f"the line has the IP pack {there}; that has to be taken away first")
            return
        if there != wanted.network:
            yield Finding(Check.ABSENT, f"the line has {f'the IP pack {there}' if there else 'no IP pack'}")
            return
        if used := [f"{one.protocol} {one.ports}" for one in now.port_mappings if one.inside in there]:
            yield Finding(Check.IN_USE, f"open ports lead into the IP pack {there}: {listed(used)}")

    def effect(self, wanted: IpPack, now: CpeConfig, _setting: Setting, /) -> Effect:
        if now.wan is None:
            raise misfit("network", "nothing is known of the internet side of this device")
        there = now.wan.ip_pack
        if wanted.action == "remove":
            if there != wanted.network:
                raise misfit("network", f"the line has {f'the IP pack {there}' if there else 'no IP pack'}")
            return Effect({"wan": {"ip_pack": None}}, (Probe("config", "wan.ip_pack"),))
        if there not in (None, wanted.network):
            raise misfit("network", f"the line has the IP pack {there}; that has to be taken away first")
        patch = {"wan": {"ip_pack": str(wanted.network)}}
        after_patch("network", now, patch)
        return Effect(patch, (Probe("config", "wan.ip_pack", value=str(wanted.network)),))


def _block(network: IPv6Network) -> None:
    require(network.prefixlen == 56, f"{network} is no /56")
    global_ipv6(network)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ipv6:
    prefix: IPv6Network | None = field(
        default=None,
        metadata=told("Fixed block of the line, a /56; the present one unless given", Bounds(check=_block),
                      example="2001:db8:12:3400::/56"),
    )  # fmt: skip
    routed: bool | None = field(
        default=None,
        metadata=told("Whether the second /57 of the block is routed to the customer's router; as now unless given"),
    )
    router: IPv6Address | None = field(
        default=None,
        metadata=told(
            "The customer's router in the first /64 of the block, to which the second /57 is routed; `::10` there "
            "unless given (§3.3.2)",
            Bounds(check=global_ipv6), example="2001:db8:12:3400::20",
        ),
    )  # fmt: skip
    action: Literal["set", "remove"] = field(
        default="set", metadata=told("`remove` takes the block away, and all else stays out")
    )

    def __post_init__(self) -> None:
        given = {"prefix": self.prefix, "routed": self.routed, "router": self.router}
        some = [name for name, value in given.items() if value is not None]
        if self.action == "remove" and some:
            raise misfit(some[0], "whoever takes the block away gives nothing else")
        if self.action == "set" and not some:
            raise misfit("prefix", "give a prefix, a router, or whether the second half is routed")
        if self.routed is False and self.router is not None:
            raise misfit("router", "what is not routed has no router")


class Ipv6Change(Entry[Ipv6]):
    """Gives the line a fixed IPv6 block (§3.3.1), and routes its second /57 to the customer's router (§3.3.2)."""

    name: ClassVar[str] = "ipv6"
    parameters: ClassVar[type] = Ipv6

    def summary(self, wanted: Ipv6, /) -> str:
        if wanted.action == "remove":
            return "no IPv6 block"
        words = [] if wanted.prefix is None else [f"IPv6 block {wanted.prefix}"]
        if wanted.router is not None:
            words.append(f"second half to {wanted.router}")
        elif wanted.routed is not None:
            words.append("second half to the customer's router" if wanted.routed else "second half not routed")
        return ", ".join(words)

    def conflicts(self, wanted: Ipv6, now: CpeConfig, _setting: Setting, /) -> Iterator[Finding]:
        there = now.wan.ipv6_prefix if now.wan is not None else None
        if wanted.action == "remove" and there is None:
            yield Finding(Check.ABSENT, "the line has no IPv6 block")

    def effect(self, wanted: Ipv6, now: CpeConfig, _setting: Setting, /) -> Effect:
        wan = now.wan
        if wan is None:
            raise misfit("prefix", "nothing is known of the internet side of this device")
        if wanted.action == "remove":
            return Effect({"wan": {"ipv6_prefix": None, "ipv6_router": None}}, (Probe("config", "wan.ipv6_prefix"),))
        prefix = wanted.prefix or wan.ipv6_prefix
        if prefix is None:
            raise misfit("prefix", "the line has no IPv6 block yet: give one")
        router = _router(wanted, wan, prefix)
        part = {"ipv6_prefix": str(prefix), "ipv6_router": None if router is None else str(router)}
        after_patch("prefix" if wanted.router is None else "router", now, {"wan": part})
        return Effect({"wan": part}, tuple(Probe("config", f"wan.{name}", value=value) for name, value in part.items()))


def _router(wanted: Ipv6, wan: Wan, prefix: IPv6Network) -> IPv6Address | None:
    """Where the second half is routed to: one that stays keeps its place in the /64 when the block becomes another."""
    first = IPv6Network((prefix.network_address, 64))
    if wanted.router is not None:
        if wanted.router not in first:
            raise misfit("router", f"{wanted.router} is not in {first}, the first /64 of the block")
        if wanted.router in (first.network_address, first.network_address + 1):
            raise misfit("router", f"{wanted.router} is the CPE's own")
        return wanted.router
    routed = wanted.routed if wanted.routed is not None else wan.ipv6_router is not None
    if not routed:
        return None
    place = ROUTER if wan.ipv6_router is None else int(wan.ipv6_router) & (2**64 - 1)
    return first.network_address + place
