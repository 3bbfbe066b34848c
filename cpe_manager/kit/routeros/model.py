"""The neutral model in RouterOS: the whole of it, and routes.

Each part has a reader and a writer. A reader takes what the model can say and passes over the rest without a word. A
writer does nothing where the reader already finds what is wanted: so whatever is odd on a box stays as it is until
somebody wants that part changed. The line is in ``routeros_wan``, the inside in ``routeros_lan``, what comes in in
``routeros_firewall``.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import CpeConfig, StaticRoute
from cpe_manager.domain.model.requirements import is_label
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.routeros import firewall, snmp
from cpe_manager.kit.routeros import lan as inside
from cpe_manager.kit.routeros import wan as line
from cpe_manager.kit.routeros.language import OURS, Box, Edit, Item
from cpe_manager.kit.routeros.mobile import read_mobile, write_mobile

_ROUTE: Final = "ip route"


def read(text: str) -> CpeConfig:
    """The model of a whole export."""
    box = Box(text)
    return CpeConfig(
        hostname=_hostname(box),
        wan=line.read_wan(box),
        lan=inside.read_lan(box),
        dhcp=inside.dhcp_parts(box).value,
        wifi=inside.read_wifi(box),
        port_mappings=firewall.read_mappings(box),
        firewall=firewall.read_firewall(box),
        routes=tuple(_routes(box)),
        mobile=read_mobile(box),
        snmp=snmp.read_snmp(box),
        management=firewall.read_management(box),
        dns=_dns(box),
    )


def commands(text: str, wanted: CpeConfig) -> tuple[str, ...]:
    """What makes ``wanted`` of a configuration. Raises ``InputError`` for a box that cannot carry it."""
    if wanted.wan is None or wanted.lan is None:
        raise InputError(f"a CPE needs a {'WAN' if wanted.wan is None else 'LAN'}")
    box = Box(text)
    edit = Edit(box)
    if _hostname(box) != wanted.hostname:
        edit.put(box.one("system identity"), name=wanted.hostname)
    # What DHCP clients are told follows the LAN and the name servers, so it is looked at before these are changed.
    before, parts, servers = inside.read_lan(box), inside.dhcp_parts(box), _dns(box)
    had = read_mobile(box)
    line.write_wan(edit, wanted.wan)
    inside.write_lan(edit, wanted.lan)
    line.write_extras(edit, wanted.wan)
    inside.write_dhcp(edit, parts, before, wanted.dhcp, wanted.lan)
    if servers != wanted.dns:
        edit.put(box.one("ip dns"), servers=",".join(str(server) for server in wanted.dns))
        told = tuple(str(server) for server in servers), tuple(str(server) for server in wanted.dns)
        inside.follow_dns(edit, parts.network, *told)
    inside.write_wifi(edit, wanted.wifi)
    _write_routes(edit, wanted.routes)
    write_mobile(edit, wanted.mobile, was_preferred=had is not None and had.preferred)
    firewall.write_mappings(edit, wanted.port_mappings)
    firewall.write_firewall(edit, wanted.firewall)
    snmp.write_snmp(edit, wanted.snmp)
    # Last: from here on the box may not take another session from where this one comes.
    firewall.write_management(edit, wanted.management)
    return edit.commands()


def _hostname(box: Box) -> str:
    name = box.one("system identity").text("name", "MikroTik")
    return name if is_label(name) else re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:63].strip("-") or "MikroTik"


def _dns(box: Box) -> tuple[IPv4Address, ...]:
    found = [attempt(IPv4Address, word) for word in box.one("ip dns").words("servers")]
    return tuple(dict.fromkeys(server for server in found if server is not None))


def _route_items(box: Box) -> list[tuple[Item, StaticRoute]]:
    found: list[tuple[Item, StaticRoute]] = []
    for item in box.all(_ROUTE):
        network, gateway = attempt(IPv4Network, item.text("dst-address")), attempt(IPv4Address, item.text("gateway"))
        plain = item.text("routing-table", "main") == "main" and not item.on("blackhole")
        distance = item.text("distance", "1")
        if network is None or gateway is None or not plain or not item.active or not distance.isdecimal():
            continue
        made = attempt(StaticRoute, network, gateway, int(distance))
        if made is not None and all((made.network, made.gateway) != (r.network, r.gateway) for _, r in found):
            found.append((item, made))
    return found


def _routes(box: Box) -> list[StaticRoute]:
    return [route for _, route in _route_items(box)]


def _write_routes(edit: Edit, wanted: tuple[StaticRoute, ...]) -> None:
    missing = {(route.network, route.gateway): route for route in wanted}
    for item, found in _route_items(edit.box):
        route = missing.pop((found.network, found.gateway), None)
        if route is None:
            edit.drop(item)
        elif route.distance != found.distance:
            edit.put(item, distance=str(route.distance))
    for route in missing.values():
        values = {"comment": f"{OURS}route", "dst-address": str(route.network), "gateway": str(route.gateway)}
        edit.add(_ROUTE, {**values, "distance": str(route.distance) if route.distance != 1 else None})
