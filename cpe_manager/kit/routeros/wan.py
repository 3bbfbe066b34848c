"""The internet side of a RouterOS box in the neutral model: the line, its addresses, and what it brings beside them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Final

from cpe_manager.domain.model.cpe_config import Wan
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.routeros import lan as inside
from cpe_manager.kit.routeros.language import OURS, Box, Edit, Item

_PPPOE: Final = "interface pppoe-client"
_PROFILE: Final = "ppp profile"
_DHCP: Final = "ip dhcp-client"
_ADDRESS: Final = "ip address"
_ROUTE: Final = "ip route"
_ADDRESS6: Final = "ipv6 address"
_ROUTE6: Final = "ipv6 route"
_CLIENT6: Final = "ipv6 dhcp-client"
_LTE: Final = "interface lte"
_NAT: Final = "ip firewall nat"
_MEMBER: Final = "interface list member"
_OWN_PROFILES: Final = ("default", "default-encryption")


@dataclass(frozen=True, slots=True)
class _WanParts:
    """The items that the internet side is made of."""

    mode: str
    client: Item | None = None
    address: Item | None = None
    route: Item | None = None


def clients(box: Box) -> list[Item]:
    """PPPoE clients; the box leaves out of an export that one is disabled, since they are made so."""
    return box.all(_PPPOE)


def is_on(item: Item) -> bool:
    return not item.on("disabled", default=item.path == _PPPOE)


def _wan_parts(box: Box) -> _WanParts:
    pppoe = [item for item in clients(box) if is_on(item)]
    if pppoe:
        leading = [item for item in pppoe if item.on("add-default-route")]
        return _WanParts("pppoe", [*leading, *pppoe][0])
    for client in box.all(_DHCP):
        if client.active and client.text("add-default-route", "yes") != "no" and is_line(box, client):
            return _WanParts("dhcp", client)
    return _static_parts(box)


def is_line(box: Box, item: Item) -> bool:
    """Whether an item's interface can be the fixed line: it is neither the LAN's nor a modem's."""
    name = item.text("interface")
    return name not in (inside.lan_interface(box), *modems(box))


def modems(box: Box) -> list[str]:
    named = [item.text("name") or item.text("default-name") for item in box.all(_LTE)]
    return ["lte1", *named]


def _static_parts(box: Box) -> _WanParts:
    for route in box.all(_ROUTE):
        gateway = attempt(IPv4Address, route.text("gateway"))
        if not route.active or gateway is None or route.text("dst-address", "0.0.0.0/0") != "0.0.0.0/0":
            continue
        for item in box.all(_ADDRESS):
            address = attempt(IPv4Interface, item.text("address"))
            if address is not None and item.active and gateway in address.network and is_line(box, item):
                return _WanParts("static", None, item, route)
    return _WanParts("")


def _profile(box: Box, client: Item) -> Item | None:
    return box.first(_PROFILE, name=client.text("profile", "default"))


def _core(box: Box) -> Wan | None:
    """The WAN without what is beside its own address."""
    parts = _wan_parts(box)
    if parts.mode == "pppoe" and parts.client is not None:
        profile = _profile(box, parts.client)
        own = attempt(IPv4Interface, f"{profile.text('local-address')}/32") if profile else None
        user, password = parts.client.text("user"), parts.client.text("password")
        return attempt(Wan, "pppoe", own, None, user, password) or attempt(Wan, "pppoe", None, None, user, password)
    if parts.mode == "dhcp":
        return Wan("dhcp")
    if parts.address is not None and parts.route is not None:
        address = attempt(IPv4Interface, parts.address.text("address"))
        return attempt(Wan, "static", address, attempt(IPv4Address, parts.route.text("gateway")))
    return None


def read_wan(box: Box) -> Wan | None:
    core = _core(box)
    if core is None:
        return None
    prefix, router, pack = _prefix(box), None, _pack(box)
    if prefix is not None:
        found = _router(box, prefix[1])
        router = found[1] if found else None
    log_in = (core.mode, core.address, core.gateway, core.username, core.password)
    whole = attempt(Wan, *log_in, prefix[1] if prefix else None, router, pack[1] if pack else None)
    return whole or core


def _prefix(box: Box) -> tuple[Item, IPv6Network] | None:
    """The fixed block, from the box's own address in its first /64 on the LAN. An export leaves a /64 out."""
    for item in box.all(_ADDRESS6, interface=inside.lan_interface(box)):
        text = item.text("address")
        address = attempt(IPv6Interface, text if "/" in text else f"{text}/64")
        if address is None or not item.active or item.text("from-pool") or not address.ip.is_global:
            continue
        block = address.network.supernet(new_prefix=56) if address.network.prefixlen == 64 else None
        if block is not None and address.ip == block.network_address + 1:
            return item, block
    return None


def _router(box: Box, prefix: IPv6Network) -> tuple[Item, IPv6Address] | None:
    half = list(prefix.subnets(new_prefix=57))[1]
    for item in box.all(_ROUTE6, dst_address=str(half)):
        gateway = attempt(IPv6Address, item.text("gateway"))
        if item.active and gateway is not None and gateway in IPv6Network((prefix.network_address, 64)):
            return item, gateway
    return None


def _pack(box: Box) -> tuple[Item, IPv4Network] | None:
    main = inside.lan_item(box)
    for item, address in inside.lan_addresses(box):
        network = address.network
        extra = main is not None and item is not main[0] and not inside.is_private(address)
        if extra and 27 <= network.prefixlen <= 30 and address.ip == network.network_address + 1:
            return item, network
    return None


def _port(box: Box) -> str:
    """The port that the fixed line is plugged into."""
    dialled = [item.text("interface") for item in (*clients(box), *box.all(_DHCP)) if is_line(box, item)]
    others = {item.text("name") for item in clients(box)} | {*modems(box), inside.lan_interface(box)}
    members = [item.text("interface") for item in box.all(_MEMBER, list="WAN")]
    return next((name for name in (*dialled, *members) if name and name not in others), "ether1")


def outside_interface(text: str) -> str:
    """The interface with the internet address: that of PPPoE where the line is dialled. Empty when there is none."""
    parts = _wan_parts(Box(text))
    if parts.client is not None and parts.mode == "pppoe":
        return parts.client.text("name")
    item = parts.client or parts.address
    return item.text("interface") if item is not None else ""


def add_outside(edit: Edit, interface: str) -> None:
    """The firewall knows the internet by the list WAN."""
    lists = [item.text("name") for item in edit.box.all("interface list")]
    if "WAN" in lists and edit.box.first(_MEMBER, interface=interface, list="WAN") is None:
        edit.add(_MEMBER, {"comment": f"{OURS}wan", "interface": interface, "list": "WAN"})


def write_wan(edit: Edit, wanted: Wan) -> None:
    before, box = _core(edit.box), edit.box
    core = Wan(wanted.mode, wanted.address, wanted.gateway, wanted.username, wanted.password)
    if before == core:
        return
    parts, port = _wan_parts(box), _port(box)
    if parts.mode == "static" and wanted.mode != "static":
        edit.drop(parts.route)
        edit.drop(parts.address)
    if wanted.mode == "pppoe":
        _write_pppoe(edit, parts, port, wanted)
    for client in clients(box):
        if wanted.mode != "pppoe" and is_on(client):
            edit.put(client, disabled="yes")
    if wanted.mode == "dhcp":
        _write_dhcp(edit, port)
    for client in box.all(_DHCP):
        if wanted.mode != "dhcp" and client.active and is_line(box, client):
            edit.put(client, disabled="yes")
    if wanted.mode == "static":
        _write_static(edit, parts, port, wanted)


def _write_pppoe(edit: Edit, parts: _WanParts, port: str, wanted: Wan) -> None:
    client = parts.client if parts.mode == "pppoe" else next(iter(clients(edit.box)), None)
    if client is None:
        values = {"add-default-route": "yes", "disabled": "no", "interface": port, "name": "pppoe-out1"}
        client = edit.add(_PPPOE, {**values, "password": wanted.password, "user": wanted.username})
        add_outside(edit, "pppoe-out1")
    values = {"add-default-route": "yes"} if not client.on("add-default-route") else {}
    values |= {} if is_on(client) else {"disabled": "no"}
    edit.put_all(client, {**values, "password": wanted.password, "user": wanted.username})
    _write_fixed(edit, client, wanted)


def _write_fixed(edit: Edit, client: Item, wanted: Wan) -> None:
    """The address that the box insists on is its PPP profile's. One that others use too is left alone."""
    box = edit.box
    profile = _profile(box, client)
    name = client.text("profile", "default")
    address = None if wanted.address is None else str(wanted.address.ip)
    if (profile.text("local-address") if profile else "") == (address or ""):
        return
    users = [item for path in (_PPPOE, "ppp secret") for item in box.all(path, profile=name)]
    if profile is not None and name not in _OWN_PROFILES and users == [client]:
        edit.put(profile, local_address=address)
        return
    if address is None:
        edit.put(client, profile="default")
        return
    ours = box.first(_PROFILE, name=f"{OURS}wan") or edit.add(_PROFILE, {"name": f"{OURS}wan"})
    edit.put(ours, local_address=address)
    edit.put(client, profile=f"{OURS}wan")


def _write_dhcp(edit: Edit, port: str) -> None:
    client = edit.box.first(_DHCP, interface=port)
    if client is None:
        edit.add(_DHCP, {"comment": f"{OURS}wan", "disabled": "no", "interface": port})
        add_outside(edit, port)
        return
    if client.text("add-default-route", "yes") == "no":
        edit.put(client, add_default_route="yes")
    if not client.active:
        edit.put(client, disabled="no")


def _write_static(edit: Edit, parts: _WanParts, port: str, wanted: Wan) -> None:
    assert wanted.address is not None
    if parts.address is not None and parts.route is not None:
        inside.put_address(edit, parts.address, wanted.address)
        edit.put(parts.route, gateway=str(wanted.gateway))
        return
    inside.add_address(edit, wanted.address, port, f"{OURS}wan")
    edit.add(_ROUTE, {"comment": f"{OURS}wan", "dst-address": "0.0.0.0/0", "gateway": str(wanted.gateway)})
    add_outside(edit, port)


def write_extras(edit: Edit, wanted: Wan) -> None:
    """What the line brings beside its own address; it lies on the LAN, which is as wanted by now."""
    _write_prefix(edit, wanted)
    found = _pack(edit.box)
    if wanted.ip_pack != (found[1] if found else None):
        _write_pack(edit, found[0] if found else None, wanted.ip_pack_address)


def _write_prefix(edit: Edit, wanted: Wan) -> None:
    box = edit.box
    found = _prefix(box)
    before = found[1] if found else None
    route = _router(box, before) if before is not None else None
    if (before, route[1] if route else None) != (wanted.ipv6_prefix, wanted.ipv6_router):
        _write_router(edit, route[0] if route else None, wanted)
    if before == wanted.ipv6_prefix:
        return
    if wanted.lan_ipv6 is None:
        edit.drop(found[0] if found else None)
    elif found is not None:
        edit.put(found[0], address=str(wanted.lan_ipv6))
    else:
        values = {"address": str(wanted.lan_ipv6), "comment": f"{OURS}wan", "interface": inside.lan_interface(box)}
        edit.add(_ADDRESS6, values)
    _write_uplink6(edit, wanted)


def _write_router(edit: Edit, route: Item | None, wanted: Wan) -> None:
    if wanted.ipv6_router is None:
        edit.drop(route)
        return
    values = {"dst-address": str(wanted.routed_ipv6), "gateway": str(wanted.ipv6_router)}
    if route is None:
        edit.add(_ROUTE6, {"comment": f"{OURS}wan", **values})
    else:
        edit.put_all(route, values)


def _write_uplink6(edit: Edit, wanted: Wan) -> None:
    """The way out for IPv6. A box that has one of its own keeps it."""
    box = edit.box
    ours = box.first(_CLIENT6, comment=f"{OURS}wan")
    if wanted.ipv6_prefix is None:
        edit.drop(ours)
        return
    others = [item for item in box.all(_CLIENT6) if item.active and item is not ours]
    others += [item for item in box.all(_ROUTE6) if item.text("dst-address", "::/0") == "::/0" and item.active]
    if others:
        return
    parts = _wan_parts(box)
    interface = parts.client.text("name") if wanted.mode == "pppoe" and parts.client else _port(box)
    if ours is not None:
        edit.put(ours, interface=interface)
        return
    values = {"add-default-route": "yes", "comment": f"{OURS}wan", "interface": interface, "pool-name": f"{OURS}wan"}
    edit.add(_CLIENT6, {**values, "request": "prefix"})


def _write_pack(edit: Edit, item: Item | None, wanted: IPv4Interface | None) -> None:
    box = edit.box
    # Hosts with addresses of their own are not hidden behind the box's.
    exempt = box.first(_NAT, comment=f"{OURS}pack")
    if wanted is None:
        edit.drop(item)
        edit.drop(exempt)
        return
    if item is not None:
        inside.put_address(edit, item, wanted)
    else:
        inside.add_address(edit, wanted, inside.lan_interface(box), f"{OURS}pack")
    if exempt is not None:
        edit.put(exempt, src_address=str(wanted.network))
        return
    values = {"action": "accept", "chain": "srcnat", "comment": f"{OURS}pack", "out-interface-list": "WAN"}
    edit.add(_NAT, {**values, "src-address": str(wanted.network)}, before=box.first(_NAT, chain="srcnat"))
