"""What a RouterOS box knows at the moment beside its configuration: what runs, dynamic addresses and routes."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from simulators.dialects.routeros_box import Box
from simulators.dialects.routeros_tree import Item
from simulators.dialects.uplink import Link, answers
from simulators.generate.site import make_site

_DYNAMIC = 0xF0000000
"""Internal numbers of dynamic items begin here."""


def running(box: Box, name: str) -> bool | None:
    """Whether an interface runs; None: there is none of that name."""
    tree = box.tree
    for item in tree.menus.get("interface pppoe-client", ()):
        if item.values.get("name") == name:
            on = item.values.get("disabled", "yes") != "yes"
            return on and bool(running(box, item.values.get("interface", "")))
    for menu in ("interface ethernet", "interface bridge", "interface lte"):
        for item in tree.menus.get(menu, ()):
            if name in (item.values.get("name"), item.values.get("default-name")):
                on = item.values.get("disabled", "no") != "yes"
                return on and (box.state.line_up or name not in _outside(box))
    return None


def _outside(box: Box) -> set[str]:
    """Ports that the fixed line may be plugged into."""
    members = box.tree.menus.get("interface list member", ())
    found = {one.values.get("interface", "") for one in members if one.values.get("list") == "WAN"}
    return {name for name in found if not name.startswith("lte")}


def dynamic(box: Box, menu: str) -> list[Item]:
    """What the other side gave: addresses and default routes over PPPoE and DHCP."""
    site, found = make_site(box.state.spec), list[dict[str, str]]()
    sides = [
        *((one, one.values.get("name", ""), "yes", "no") for one in box.tree.menus.get("interface pppoe-client", ())),
        *((one, one.values.get("interface", ""), "no", "yes") for one in box.tree.menus.get("ip dhcp-client", ())),
    ]
    for client, name, off, routes in sides:
        if client.values.get("disabled", off) == "yes" or not running(box, name):
            continue
        if menu == "ip address":
            found.append({"address": f"{site.wan_ip}/32", "interface": name, "network": site.wan_gateway})
        elif menu == "ip route" and client.values.get("add-default-route", routes) != "no":
            found.append({"dst-address": "0.0.0.0/0", "gateway": name})
    return [Item(_DYNAMIC + number, values) for number, values in enumerate(found)]


def active(box: Box, route: Item) -> bool:
    """Whether a route is in force: its gateway is an interface that runs, or on the network of one."""
    gateway = route.values.get("gateway", "")
    if route.values.get("disabled") == "yes":
        return False
    if not gateway[:1].isdigit():
        return bool(running(box, gateway))
    return any(_holds(one, gateway) and running(box, one.values["interface"]) for one in _addresses(box))


def _addresses(box: Box) -> list[Item]:
    static = [one for one in box.tree.menus.get("ip address", ()) if one.values.get("disabled") != "yes"]
    return [*static, *dynamic(box, "ip address")]


def _holds(item: Item, gateway: str) -> bool:
    return ipaddress.IPv4Address(gateway) in ipaddress.IPv4Interface(item.values["address"]).network


def defaults(box: Box) -> Sequence[Item]:
    routes = [*box.tree.menus.get("ip route", ()), *dynamic(box, "ip route")]
    return [one for one in routes if one.values.get("dst-address", "0.0.0.0/0") == "0.0.0.0/0" and active(box, one)]


def echoes(box: Box, target: str, count: int) -> int:
    """How many of so many come back. Raises ``ValueError`` for what is no address."""
    links = [
        Link(one.values["interface"], bool(running(box, one.values["interface"])), (one.values["address"],))
        for one in _addresses(box)
    ]
    return count if answers(target, links, online=bool(defaults(box))) else 0
