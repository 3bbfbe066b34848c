"""The neutral model in UCI, as OpenWrt and its descendants share it: the whole of it, and the internet side.

Each part has a reader and a writer. A reader takes what the model can say and passes over the rest without a word. A
writer does nothing where the reader already finds what is wanted: so whatever is odd on a box stays as it is until
somebody wants that part changed. The inside is in ``uci_lan``, firewall and reach in ``uci_firewall`` and
``uci_snmp``; the mobile interface differs by family.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Final

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import CpeConfig, Lan, StaticRoute, Wan
from cpe_manager.domain.model.cpe_mobile import Mobile
from cpe_manager.domain.model.requirements import is_label
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.uci import firewall
from cpe_manager.kit.uci import lan as uci_lan
from cpe_manager.kit.uci import snmp as uci_snmp
from cpe_manager.kit.uci.language import OURS, Edit, Section, Uci

_PRIVATE: Final = tuple(IPv4Network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


@dataclass(frozen=True, slots=True)
class MobileWay:
    """How a family writes its mobile interface; ``section``: where that is."""

    read: Callable[[Uci], Mobile | None]
    write: Callable[[Edit, Mobile | None], None]
    section: Callable[[Uci], Section | None]


def read(box: Uci, way: MobileWay) -> CpeConfig:
    """The model of a whole configuration."""
    return CpeConfig(
        hostname=_hostname(box),
        wan=_wan(box),
        lan=uci_lan.read_lan(box),
        dhcp=uci_lan.read_dhcp(box),
        wifi=uci_lan.read_wifi(box),
        port_mappings=firewall.read_mappings(box),
        firewall=firewall.read_firewall(box),
        routes=_first_routes(box),
        mobile=way.read(box),
        snmp=uci_snmp.read_snmp(box),
        management=firewall.read_management(box),
        dns=_dns(box),
    )


def commands(text: str, wanted: CpeConfig, way: MobileWay) -> tuple[str, ...]:
    """What makes ``wanted`` of a configuration. Raises ``InputError`` for a box that cannot carry it."""
    if wanted.wan is None or wanted.lan is None:
        raise InputError(f"a CPE needs a {'WAN' if wanted.wan is None else 'LAN'}")
    box = Uci(text)
    edit = Edit(box)
    _write_hostname(edit, wanted.hostname)
    # The pool is written as a distance from the LAN's address, the dialogue with clients names the name servers.
    before, servers = uci_lan.read_lan(box), _dns(box)
    _write_wan(edit, wanted.wan)
    _write_inside(edit, wanted.lan, wanted.wan)
    _write_dns(edit, wanted.dns)
    uci_lan.write_dhcp(edit, wanted.dhcp, wanted.lan)
    uci_lan.write_dhcp_options(edit, (before, servers), (wanted.lan, wanted.dns))
    uci_lan.write_wifi(edit, wanted.wifi)
    _write_routes(edit, wanted)
    way.write(edit, wanted.mobile)
    firewall.write(edit, wanted)
    return edit.commands()


def _hostname(box: Uci) -> str:
    system = box.first("system", "system")
    name = system.text("hostname") if system else ""
    return name if is_label(name) else re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:63] or "OpenWrt"


def _write_hostname(edit: Edit, name: str) -> None:
    before = _hostname(edit.box)
    if before == name:
        return
    system = edit.box.first("system", "system") or edit.add("system", "system", f"{OURS}system")
    edit.put(system, "hostname", name)
    for section in edit.box.all("snmpd", "system"):
        if section.text("sysName") == before:
            edit.put(section, "sysName", name)


def _wan(box: Uci) -> Wan | None:
    section = uci_lan.interface(box, "wan")
    if section is None:
        return None
    prefix, own = _prefix(box), uci_lan.addresses(section)
    router = _router(box, prefix) if prefix else None
    pack = _pack(box)
    proto = section.text("proto")
    if proto == "static":
        gateway = attempt(IPv4Address, section.text("gateway"))
        return attempt(Wan, "static", own[0] if own else None, gateway, "", "", prefix, router, pack)
    if proto == "pppoe":
        fixed = [address for alias in _aliases(box) for address in uci_lan.addresses(alias)]
        user, password = section.text("username"), section.text("password")
        return attempt(Wan, "pppoe", fixed[0] if fixed else None, None, user, password, prefix, router, pack)
    return Wan("dhcp", None, None, "", "", prefix, router, pack) if proto == "dhcp" else None


def _aliases(box: Uci) -> list[Section]:
    """Fixed addresses on top of PPPoE."""
    return [
        section
        for section in box.all("network", "interface")
        if section.text("device", section.text("ifname")) == "@wan"
        and section.text("proto") == "static"
        and [address.network.prefixlen for address in uci_lan.addresses(section)] == [32]
    ]


def _write_wan(edit: Edit, wanted: Wan) -> None:
    found = _wan(edit.box)
    section = uci_lan.interface(edit.box, "wan") or edit.add("network", "interface", "wan", device="wan")
    for word in ("mode", "address", "gateway", "username", "password"):
        if found is None or getattr(found, word) != getattr(wanted, word):
            _write_wan_protocol(edit, section, wanted)
            break
    _write_aliases(edit, wanted.address if wanted.mode == "pppoe" else None)
    firewall.zone_takes(edit, "wan", True)


def _write_wan_protocol(edit: Edit, section: Section, wanted: Wan) -> None:
    own = wanted.address if wanted.mode == "static" else None
    edit.put(section, "proto", wanted.mode)
    edit.put(section, "ipaddr", str(own.ip) if own else None)
    edit.put(section, "netmask", str(own.netmask) if own else None)
    edit.put(section, "gateway", str(wanted.gateway) if wanted.gateway else None)
    edit.put(section, "username", wanted.username)
    edit.put(section, "password", wanted.password)


def _write_aliases(edit: Edit, wanted: IPv4Interface | None) -> None:
    present = _aliases(edit.box)
    for alias in present[1 if wanted else 0 :]:
        edit.drop(alias)
        firewall.zone_takes(edit, alias.name, False)
    if wanted is None:
        return
    if not present:
        mask = "255.255.255.255"
        alias = edit.add(
            "network", "interface", f"{OURS}fixed", device="@wan", proto="static", ipaddr=str(wanted.ip), netmask=mask
        )
        firewall.zone_takes(edit, alias.name, True)
    elif uci_lan.addresses(present[0])[0] != wanted:
        edit.put(present[0], "ipaddr", str(wanted.ip))
        edit.put(present[0], "netmask", "255.255.255.255")
        edit.put(present[0], "gateway", None)


def _is_pack(address: IPv4Interface) -> bool:
    network = address.network
    first = address.ip == network.network_address + 1
    return 27 <= network.prefixlen <= 30 and first and not any(network.subnet_of(private) for private in _PRIVATE)


def _pack(box: Uci) -> IPv4Network | None:
    return next((a.network for a in uci_lan.addresses(uci_lan.interface(box, "lan"))[1:] if _is_pack(a)), None)


def _lan6(word: str) -> IPv6Network | None:
    """The /56 that an address of the LAN is the first of."""
    own = attempt(IPv6Interface, word)
    if own is None or own.network.prefixlen != 64 or own.ip != own.network.network_address + 1:
        return None
    return attempt(IPv6Network, (own.network.network_address, 56))


def _prefix(box: Uci) -> IPv6Network | None:
    section = uci_lan.interface(box, "lan")
    return next((net for word in section.words("ip6addr") if (net := _lan6(word))), None) if section else None


def _routed(box: Uci, prefix: IPv6Network) -> list[tuple[Section, IPv6Address]]:
    """Routes to the half of the block that is the customer's router's, with that router."""
    half = Wan("dhcp", ipv6_prefix=prefix).routed_ipv6
    found = []
    for section in box.all("network", "route6"):
        target = attempt(IPv6Network, section.text("target"))
        router = attempt(IPv6Address, section.text("gateway"))
        if target == half and router and attempt(Wan, "dhcp", ipv6_prefix=prefix, ipv6_router=router):
            found.append((section, router))
    return found


def _router(box: Uci, prefix: IPv6Network) -> IPv6Address | None:
    return next((router for _, router in _routed(box, prefix)), None)


def _write_inside(edit: Edit, lan: Lan, wan: Wan) -> None:
    section = uci_lan.interface(edit.box, "lan") or edit.add(
        "network", "interface", "lan", device="br-lan", proto="static"
    )
    pack = _pack(edit.box)
    if uci_lan.read_lan(edit.box) != lan or pack != wan.ip_pack:
        others = [a for a in uci_lan.addresses(section)[1:] if not _is_pack(a)]
        own = [lan.address, *others, *([wan.ip_pack_address] if wan.ip_pack_address else [])]
        edit.put(section, "netmask", str(lan.address.netmask) if len(own) == 1 else None)
        edit.put(section, "ipaddr", str(lan.address.ip) if len(own) == 1 else [str(address) for address in own])
        firewall.keep_public(edit, pack, wan.ip_pack)
    before = _prefix(edit.box)
    if before != wan.ipv6_prefix:
        others6 = [word for word in section.words("ip6addr") if not _lan6(word)]
        edit.put(section, "ip6addr", [*([str(wan.lan_ipv6)] if wan.lan_ipv6 else []), *others6])
    old = _routed(edit.box, before) if before else []
    new = _routed(edit.box, wan.ipv6_prefix) if wan.ipv6_prefix else []
    if before != wan.ipv6_prefix or (new[0][1] if new else None) != wan.ipv6_router:
        for route in {id(section): section for section, _ in (*old, *new)}.values():
            edit.drop(route)
        if wan.ipv6_router:
            target, gateway = str(wan.routed_ipv6), str(wan.ipv6_router)
            edit.add("network", "route6", f"{OURS}route6", interface="lan", target=target, gateway=gateway)


def _name_servers(box: Uci) -> list[tuple[Section, list[str]]]:
    sections = [section for section in (uci_lan.interface(box, "wan"), *_aliases(box)) if section is not None]
    return [(section, section.words("dns")) for section in sections]


def _dns(box: Uci) -> tuple[IPv4Address, ...]:
    words = [word for _, words in _name_servers(box) for word in words]
    return tuple(dict.fromkeys(server for word in words if (server := attempt(IPv4Address, word))))


def _write_dns(edit: Edit, wanted: tuple[IPv4Address, ...]) -> None:
    if _dns(edit.box) == wanted:
        return
    words = [str(server) for server in wanted]
    for section, present in _name_servers(edit.box):
        others = [word for word in present if not attempt(IPv4Address, word)]
        edit.put(section, "dns", [*words, *others])
        if section.name == "wan":
            # Without this the line's own name servers would be asked beside ours.
            edit.put(section, "peerdns", "0" if words else None)
        words = []


def _routes(box: Uci) -> list[tuple[StaticRoute, Section]]:
    """Static routes, with several for one network and gateway where a box has them."""
    return [(made, section) for section in box.all("network", "route") if (made := attempt(_route, section))]


def _first_routes(box: Uci) -> tuple[StaticRoute, ...]:
    found: dict[tuple[IPv4Network, IPv4Address], StaticRoute] = {}
    for made, _ in _routes(box):
        found.setdefault((made.network, made.gateway), made)
    return tuple(sorted(found.values(), key=lambda route: (route.network, route.gateway)))


def _route(section: Section) -> StaticRoute:
    target, mask, metric = section.text("target"), section.text("netmask"), section.text("metric")
    network = IPv4Network(f"{target}/{mask}" if mask and "/" not in target else target)
    distance = min(max(1, int(metric) if metric.isdecimal() else 1), 250)
    if section.on("disabled") or section.text("type", "unicast") != "unicast":
        raise ValueError("no route that is in use")
    return StaticRoute(network, IPv4Address(section.text("gateway")), distance)


def _write_routes(edit: Edit, wanted: CpeConfig) -> None:
    if _first_routes(edit.box) == wanted.routes:
        return
    missing = list(wanted.routes)
    for made, section in _routes(edit.box):
        if made in missing:
            missing.remove(made)
        else:
            edit.drop(section)
    for made in missing:
        inside = [wanted.lan.address.network] if wanted.lan else []
        inside += [wanted.wan.ip_pack] if wanted.wan and wanted.wan.ip_pack else []
        side = "lan" if any(made.gateway in network for network in inside) else "wan"
        metric = str(made.distance) if made.distance > 1 else None
        edit.add(
            "network", "route", f"{OURS}route", interface=side, target=str(made.network), gateway=str(made.gateway),
            metric=metric,
        )  # fmt: skip
