"""What a RouterOS box knows at the moment beside its configuration: what runs, dynamic addresses and routes."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from simulators.dialects.routeros_box import Box
from simulators.dialects.routeros_tree import Item, Tree
from simulators.dialects.uplink import Link, answers, mobile_address
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
                if menu == "interface lte":
                    return on and box.state.mobile_up
                return on and (box.state.line_up or name not in _outside(box))
    return None


def _outside(box: Box) -> set[str]:
    """Ports that the fixed line may be plugged into."""
    members = box.tree.menus.get("interface list member", ())
    found = {one.values.get("interface", "") for one in members if one.values.get("list") == "WAN"}
    return {name for name in found if not name.startswith("lte")}


@dataclass(frozen=True, slots=True)
class _Side:
    """What the other side gives an interface. distance: of its default route; None: it gives none."""

    interface: str
    address: str
    gateway: str
    distance: str | None


def _sides(box: Box) -> list[_Side]:
    """PPPoE, DHCP and mobile connections that are up."""
    site, tree = make_site(box.state.spec), box.tree
    clients = [
        (menu, one, one.values.get("name" if menu.endswith("pppoe-client") else "interface", ""))
        for menu in ("interface pppoe-client", "ip dhcp-client")
        for one in tree.menus.get(menu, ())
    ]
    found = [
        _Side(name, site.wan_ip, site.wan_gateway, _distance(tree, menu, one))
        for menu, one, name in clients
        if tree.value(menu, one, "disabled") != "yes" and running(box, name)
    ]
    for modem in tree.menus.get("interface lte", ()):
        name = modem.values.get("name") or modem.values.get("default-name", "")
        profiles = tree.value("interface lte", modem, "apn-profiles").split(",")
        apn = next((one for one in tree.menus["interface lte apn"] if one.values.get("name") == profiles[0]), None)
        if running(box, name) and apn is not None:
            address = mobile_address(box.state.spec)
            found.append(_Side(name, address, address, _distance(tree, "interface lte apn", apn)))
    return found


def _distance(tree: Tree, menu: str, item: Item) -> str | None:
    if tree.value(menu, item, "add-default-route") == "no":
        return None
    return tree.value(menu, item, "default-route-distance")


def dynamic(box: Box, menu: str) -> list[Item]:
    """What the other side gave: addresses and default routes over PPPoE, DHCP and the modem."""
    found = list[dict[str, str]]()
    for side in _sides(box) if menu in ("ip address", "ip route") else ():
        if menu == "ip address":
            found.append({"address": f"{side.address}/32", "interface": side.interface, "network": side.gateway})
        elif side.distance is not None:
            found.append({"dst-address": "0.0.0.0/0", "gateway": side.interface, "distance": side.distance})
    return [Item(_DYNAMIC + number, values) for number, values in enumerate(found)]


def usable(box: Box, route: Item) -> bool:
    """Whether a route may be used: its gateway is an interface that runs, or on the network of one."""
    return bool(immediate(box, route)) and route.values.get("disabled") != "yes"


def immediate(box: Box, route: Item) -> str:
    """The next hop with the interface to it, as `immediate-gw` shows them; empty when there is no way there."""
    gateway, _, named = route.values.get("gateway", "").partition("%")
    if not gateway[:1].isdigit():
        return gateway if running(box, gateway) else ""
    over = (one.values["interface"] for one in _addresses(box) if _holds(one, gateway))
    name = next((name for name in over if running(box, name) and named in ("", name)), "")
    return f"{gateway}%{name}" if name else ""


def active(box: Box, route: Item) -> bool:
    """Whether a route is in force: of those to one network that may be used, those of the shortest distance are."""
    if not usable(box, route):
        return False
    return _far(box, route) == min(_far(box, one) for one in _rivals(box, route) if usable(box, one))


def _rivals(box: Box, route: Item) -> list[Item]:
    routes = [*box.tree.menus.get("ip route", ()), *dynamic(box, "ip route")]
    return [one for one in routes if _towards(one) == _towards(route)]


def _towards(route: Item) -> str:
    return route.values.get("dst-address", "0.0.0.0/0")


def _far(box: Box, route: Item) -> int:
    return int(box.tree.value("ip route", route, "distance"))


def seen(box: Box, route: Item) -> Item:
    """A route as `print` shows it."""
    return Item(route.number, {**route.values, "immediate-gw": immediate(box, route)})


def _addresses(box: Box) -> list[Item]:
    static = [one for one in box.tree.menus.get("ip address", ()) if one.values.get("disabled") != "yes"]
    return [*static, *dynamic(box, "ip address")]


def _holds(item: Item, gateway: str) -> bool:
    return ipaddress.IPv4Address(gateway) in ipaddress.IPv4Interface(item.values["address"]).network


def defaults(box: Box) -> Sequence[Item]:
    routes = [*box.tree.menus.get("ip route", ()), *dynamic(box, "ip route")]
    return [one for one in routes if _towards(one) == "0.0.0.0/0" and active(box, one)]


def echoes(box: Box, target: str, count: int) -> int:
    """How many of so many come back. Raises ``ValueError`` for what is no address."""
    links = [
        Link(one.values["interface"], bool(running(box, one.values["interface"])), (one.values["address"],))
        for one in _addresses(box)
    ]
    return count if answers(target, links, online=_online(box)) else 0


def _online(box: Box) -> bool:
    """Whether packets to the internet get there: over the modem, or over a line that carries."""
    over = [immediate(box, one).rpartition("%")[2] for one in defaults(box)]
    modems = {one.values.get("name", "") for one in box.tree.menus.get("interface lte", ())}
    return bool(over) and (over[0] in modems or box.state.line_carries)
