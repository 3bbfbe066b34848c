"""The neutral model in RouterOS: the whole of it, routes and the mobile interface.

Each part has a reader and a writer. A reader takes what the model can say and passes over the rest without a word. A
writer does nothing where the reader already finds what is wanted: so whatever is odd on a box stays as it is until
somebody wants that part changed. The line is in ``routeros_wan``, the inside in ``routeros_lan``, what comes in in
``routeros_firewall``.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from cpe_manager.domain.cpe_config import CpeConfig, StaticRoute
from cpe_manager.domain.cpe_mobile import Mobile
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.requirements import is_label
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.routeros import firewall, snmp
from cpe_manager.kit.routeros import lan as inside
from cpe_manager.kit.routeros import wan as line
from cpe_manager.kit.routeros.language import OURS, Box, Edit, Item

_ROUTE: Final = "ip route"
_APN: Final = "interface lte apn"
_LTE: Final = "interface lte"
# Above what any WAN has: the route stands by.
_STANDBY: Final = "200"
# What an APN is called where nobody named one.
_APN_DEFAULT: Final = "internet"


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
        mobile=_read_mobile(box),
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
    _write_mobile(edit, wanted.mobile)
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


def _lte(box: Box) -> Item | None:
    return box.first(_LTE)


def _apn(box: Box, modem: Item) -> Item | None:
    """The profile that a modem uses; None for the system's own as long as nobody named an APN in it."""
    name = next(iter(modem.words("apn-profiles")), "default")
    item = box.first(_APN, name=name) or (box.first(_APN, default="yes") if name == "default" else None)
    return None if item is not None and item.handle and "apn" not in item.values else item


def _read_mobile(box: Box) -> Mobile | None:
    modem = _lte(box)
    profile = _apn(box, modem) if modem is not None else None
    if modem is None or profile is None:
        return None
    active = modem.active and profile.on("add-default-route", default=True)
    log_in = (
        (profile.text("user"), profile.text("password")) if profile.text("authentication", "none") != "none" else ()
    )
    apn = profile.text("apn", _APN_DEFAULT)
    return attempt(Mobile, apn, active, *log_in) or attempt(Mobile, apn, active)


def _write_mobile(edit: Edit, wanted: Mobile | None) -> None:
    if _read_mobile(edit.box) == wanted:
        return
    modem = _lte(edit.box) or edit.box.own(_LTE, "default-name=lte1", default_name="lte1", name="lte1")
    profile = _apn(edit.box, modem)
    if wanted is None:
        # The modem stays: what is in the box is no matter of configuration. Without an APN of its own it is idle.
        edit.put(modem, apn_profiles="default", disabled="yes")
        shared = profile is not None and profile.handle
        if shared and profile is not None:
            edit.put(profile, apn=_APN_DEFAULT)
            profile.values.pop("apn")
        elif profile is not None:
            edit.drop(profile)
        modem.values.pop("apn-profiles", None)
        return
    if profile is None or profile.handle:
        taken = edit.box.first(_APN, name=f"{OURS}mobile")
        values = {"apn": wanted.apn, "default-route-distance": _STANDBY, "name": f"{OURS}mobile"}
        profile = taken or edit.add(_APN, values)
        edit.put(modem, apn_profiles=f"{OURS}mobile")
        line.add_outside(edit, modem.text("name") or modem.text("default-name", "lte1"))
    values_of: dict[str, str | None] = {}
    if profile.text("apn", _APN_DEFAULT) != wanted.apn:
        values_of["apn"] = wanted.apn
    had = profile.text("authentication", "none") != "none"
    if had != bool(wanted.username):
        values_of["authentication"] = "chap" if wanted.username else "none"
    if wanted.username or had:
        values_of |= {"user": wanted.username, "password": wanted.password}
    if wanted.active != profile.on("add-default-route", default=True):
        values_of["add-default-route"] = "yes" if wanted.active else "no"
    edit.put_all(profile, values_of)
    if wanted.active and not modem.active:
        edit.put(modem, disabled="no")
