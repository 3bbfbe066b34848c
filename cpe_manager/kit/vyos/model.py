"""The neutral model in a VyOS configuration: what it says, and the commands that make it say something else."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from typing import Final, Literal

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import (
    CpeConfig,
    Snmp,
    SnmpCommunity,
    StaticRoute,
    Wifi,
    WifiSecurity,
)
from cpe_manager.domain.model.cpe_features import Feature, require_features
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.redaction import REMOVED
from cpe_manager.kit.vyos import firewall as vyos_firewall
from cpe_manager.kit.vyos import management as vyos_management
from cpe_manager.kit.vyos import wan as vyos_wan
from cpe_manager.kit.vyos.mobile import read_mobile, write_mobile
from cpe_manager.kit.vyos.roles import (
    bridged,
    holds_several,
    is_on,
    lan_of,
    path_of,
)
from cpe_manager.kit.vyos.set_lines import Path, SetLines, commands, copied

FEATURES: Final = frozenset(Feature) - {Feature.TELNET, Feature.WIFI_WPA3}
"""VyOS has no Telnet server. Its radios know WPA2 or WPA3, never both at once; a WPA3 that is there may stay."""
_ROUTES: Final = "protocols static route"
_SNMP: Final = "service snmp"
_COMMUNITY: Final = re.compile(r"[A-Za-z0-9\-_!@*#]{1,100}")
_HOSTNAME: Final = re.compile(r"[A-Za-z0-9][-.A-Za-z0-9]*[A-Za-z0-9]")


def read(text: str) -> CpeConfig:
    """What the text means. Total over what boxes print; raises ``InputError`` when it contradicts itself."""
    return _read(SetLines(text))


def _read(box: SetLines) -> CpeConfig:
    return CpeConfig(
        hostname=box.value("system host-name", "vyos"),
        wan=vyos_wan.read_wan(box),
        lan=vyos_wan.read_lan(box),
        dhcp=vyos_wan.read_dhcp(box),
        wifi=tuple(_radios(box).values()),
        port_mappings=vyos_firewall.read_mappings(box),
        firewall=vyos_firewall.read_firewall(box),
        routes=tuple(_routes(box)),
        mobile=read_mobile(box),
        snmp=_read_snmp(box),
        management=vyos_management.read_management(box),
        dns=tuple(_name_servers(box)),
    )


def render(current: str, wanted: CpeConfig) -> tuple[str, ...]:
    """The commands that make ``current`` mean ``wanted``. Raises ``InputError`` for what VyOS cannot carry."""
    box = SetLines(current)
    require_features(wanted, FEATURES | _kept_features(box, wanted), "vyos")
    _check(wanted)
    old = copied(box.tree)
    before, had = vyos_wan.read_lan(box), read_mobile(box)
    vyos_wan.write_lan(box, wanted.lan)
    vyos_wan.write_dhcp(box, wanted.dhcp, before)
    vyos_wan.write_wan(box, wanted.wan)
    _write_wifi(box, wanted.wifi)
    vyos_firewall.write_mappings(box, wanted.port_mappings)
    vyos_firewall.write_firewall(box, wanted.firewall)
    vyos_management.write_management(box, wanted.management)
    _write_routes(box, wanted.routes)
    write_mobile(box, wanted.mobile, was_preferred=had is not None and had.preferred)
    _write_snmp(box, wanted.snmp)
    if tuple(_name_servers(box)) != wanted.dns:
        others = [one for one in box.values("system name-server") if attempt(IPv4Address, one) is None]
        box.put("system name-server", *map(str, wanted.dns), *others)
    box.put("system host-name", wanted.hostname)
    return commands(old, box.tree, holds_several)


def replacing(current: str, text: str) -> tuple[str, ...]:
    """The commands that make ``current`` exactly ``text``. The device's own passwords, in no stored text, stay."""
    old, new = SetLines(current), SetLines(text)
    new.replace(lambda line: (*line[:-1], _own_word(old, line)) if REMOVED in line[-1] else line)
    # Which leaves hold several values does not matter here: every value that goes is deleted by itself.
    return commands(old.tree, new.tree, lambda _path: True)


def _own_word(box: SetLines, line: Path) -> str:
    """The value that the box has there; a locked password for an account that it does not have."""
    return next((word for word in box.below(line[:-1]) if word.startswith("'")), "'!'")


def _kept_features(box: SetLines, wanted: CpeConfig) -> frozenset[Feature]:
    """WPA3 can be carried where it is already: what a radio supports is not for us to guess."""
    there = {wifi.band for wifi in _radios(box).values() if wifi.security is WifiSecurity.WPA3}
    mixed = any(wifi.security is WifiSecurity.WPA2_WPA3 for wifi in wanted.wifi)
    fresh = any(wifi.security is WifiSecurity.WPA3 and wifi.band not in there for wifi in wanted.wifi)
    return frozenset() if mixed or fresh else frozenset({Feature.WIFI_WPA3})


def _check(wanted: CpeConfig) -> None:
    if _HOSTNAME.fullmatch(wanted.hostname) is None:
        raise InputError(f"{wanted.hostname!r} is no host name of VyOS")
    if any(_COMMUNITY.fullmatch(one.name) is None for one in wanted.snmp.communities):
        raise InputError("an SNMP community of VyOS holds letters, digits, and -_!@*# only")
    if wanted.snmp.trap_hosts and not wanted.snmp.communities:
        raise InputError("traps need a community")


def _name_servers(box: SetLines) -> list[IPv4Address]:
    found = (attempt(IPv4Address, one) for one in box.values("system name-server"))
    return list(dict.fromkeys(one for one in found if one is not None))


def _radios(box: SetLines) -> dict[str, Wifi]:
    """The customer's networks by interface: on each band the first access point that the model can say."""
    found: dict[str, Wifi] = {}
    for name in box.names("interfaces wireless"):
        wifi = _radio(box, path_of(name), name)
        if wifi is not None and not any(wifi.band == one.band for one in found.values()):
            found[name] = wifi
    return found


def _radio(box: SetLines, path: Path, name: str) -> Wifi | None:
    channel = box.value((*path, "channel"), "0")
    security, key = WifiSecurity.OPEN, ""
    if box.value((*path, "type")) != "access-point" or box.has((*path, "security", "wep")):
        return None
    if box.has((*path, "security", "wpa")):
        security = WifiSecurity.WPA3 if box.value((*path, "security", "wpa", "mode")) == "wpa3" else WifiSecurity.WPA2
        key = box.value((*path, "security", "wpa", "passphrase"))
    ssid, number = box.value((*path, "ssid")), int(channel) if channel.isdecimal() else -1
    return attempt(Wifi, _band(box.value((*path, "mode"), "g"), number), ssid, security, key, number, is_on(box, name))


def _band(mode: str, channel: int) -> Literal["2.4", "5"]:
    return "5" if mode in ("a", "ac") or (mode == "ax" and channel > 14) else "2.4"


def _write_wifi(box: SetLines, wanted: tuple[Wifi, ...]) -> None:
    there = _radios(box)
    names = {wifi.band: name for name, wifi in there.items()}
    for name in box.names("interfaces wireless"):
        wifi = _radio(box, path_of(name), name)
        if wifi is None or wifi.band in [one.band for one in wanted]:
            continue
        # All networks of a band go: a second one would be the customer's now.
        box.drop(path_of(name))
        for bridge in box.names("interfaces bridge"):
            box.drop(("interfaces", "bridge", bridge, "member", "interface", name), keep=3)
    for wifi in wanted:
        name = names.get(wifi.band, "")
        if name and there[name] == wifi:
            continue
        _write_radio(box, name or _added_radio(box, wifi), wifi)


def _added_radio(box: SetLines, wifi: Wifi) -> str:
    """An access point on a radio that is not in use, in the LAN's bridge when there is one."""
    taken = box.names("interfaces wireless")
    radios = {box.value(("interfaces", "wireless", one, "physical-device")) for one in taken}
    country = next(
        (code for one in taken if (code := box.value(("interfaces", "wireless", one, "country-code")))), "be"
    )
    first = 0 if wifi.band == "2.4" else 1
    name = next(one for number in range(99) if (one := f"wlan{number}") not in taken)
    radio = next(one for number in (first, *range(99)) if (one := f"phy{number}") not in radios)
    path = path_of(name)
    box.put((*path, "country-code"), country)
    box.put((*path, "mode"), "n" if wifi.band == "2.4" else "ac")
    box.put((*path, "physical-device"), radio)
    box.put((*path, "type"), "access-point")
    inside = lan_of(box)
    if inside.startswith("br") and name not in bridged(box, inside):
        box.mark((*path_of(inside), "member", "interface", name))
    return name


def _write_radio(box: SetLines, name: str, wifi: Wifi) -> None:
    path = path_of(name)
    box.put((*path, "ssid"), wifi.ssid)
    box.put((*path, "channel"), str(wifi.channel))
    if box.value((*path, "mode")) == "ax":
        # Both bands have this mode: the channel alone tells them apart, and automatic tells nothing.
        box.put((*path, "mode"), "n" if wifi.band == "2.4" else "ac")
    wpa = (*path, "security", "wpa")
    if wifi.security is WifiSecurity.OPEN:
        box.drop((*path, "security"))
    else:
        other = box.value((*wpa, "mode")) == "wpa3"
        if (wifi.security is WifiSecurity.WPA3) != other or not box.has((*wpa, "mode")):
            box.put((*wpa, "mode"), "wpa3" if wifi.security is WifiSecurity.WPA3 else "wpa2")
        box.put((*wpa, "passphrase"), wifi.key)
    if wifi.enabled:
        box.drop((*path, "disable"), keep=3)
    else:
        box.mark((*path, "disable"))


def _routes(box: SetLines) -> list[StaticRoute]:
    found: list[StaticRoute] = []
    for name in box.names(_ROUTES):
        for hop in box.names(f"{_ROUTES} {name} next-hop"):
            extra = box.leaves(f"{_ROUTES} {name} next-hop {hop}")
            distance = extra.pop("distance", ["1"])[0]
            network, gateway = attempt(IPv4Network, name), attempt(IPv4Address, hop)
            if network and gateway and not any(extra) and distance.isdecimal():
                made = attempt(StaticRoute, network, gateway, int(distance))
                found += [made] if made else []
    return found


def _write_routes(box: SetLines, wanted: tuple[StaticRoute, ...]) -> None:
    there = _routes(box)
    hops = [(route.network, route.gateway) for route in wanted]
    for route in there:
        if (route.network, route.gateway) not in hops:
            box.drop(f"{_ROUTES} {route.network} next-hop {route.gateway}")
    for route in wanted:
        if route in there:
            continue
        path = ("protocols", "static", "route", str(route.network), "next-hop", str(route.gateway))
        box.mark(path)
        if route.distance == 1:
            box.drop((*path, "distance"), keep=len(path))
        else:
            box.put((*path, "distance"), str(route.distance))


def _read_snmp(box: SetLines) -> Snmp:
    traps = (attempt(IPv4Address, one) for one in box.names(f"{_SNMP} trap-target"))
    texts = (box.value(f"{_SNMP} {leaf}") for leaf in ("location", "contact"))
    fitting = [text if attempt(Snmp, location=text) else "" for text in texts]
    hosts = tuple(one for one in traps if one is not None)
    return Snmp(tuple(_communities(box)), fitting[0], fitting[1], hosts)


def _communities(box: SetLines) -> list[SnmpCommunity]:
    """Those with one source at most. Everybody's network is none, and IPv6 is no part of the model."""
    found: list[SnmpCommunity] = []
    for name in box.names(f"{_SNMP} community"):
        path = f"{_SNMP} community {name}"
        named = [one for one in (*box.values(f"{path} network"), *box.values(f"{path} client")) if ":" not in one]
        sources = [one for one in named if one != "0.0.0.0/0"]
        source = attempt(IPv4Network, sources[0]) if sources else None
        if len(sources) > 1 or (sources and source is None):
            continue
        made = attempt(SnmpCommunity, name, box.value(f"{path} authorization") == "rw", source)
        found += [made] if made else []
    return found


def _write_snmp(box: SetLines, wanted: Snmp) -> None:
    there = _communities(box)
    names = [one.name for one in wanted.communities]
    for one in there:
        if one.name not in names:
            box.drop(f"{_SNMP} community {one.name}")
    for one in wanted.communities:
        path = f"{_SNMP} community {one.name}"
        if one in there:
            continue
        box.put(f"{path} authorization", "rw" if one.write else "ro")
        box.drop(f"{path} client", keep=4)
        box.put(f"{path} network", *([str(one.source)] if one.source else []))
    now = _read_snmp(box)
    for leaf, old, new in (("location", now.location, wanted.location), ("contact", now.contact, wanted.contact)):
        if old != new:
            box.put(f"{_SNMP} {leaf}", *([new] if new else []))
    for host in now.trap_hosts:
        if host not in wanted.trap_hosts:
            box.drop(f"{_SNMP} trap-target {host}")
    for host in wanted.trap_hosts:
        path = f"{_SNMP} trap-target {host} community"
        if box.value(path) not in names:
            box.put(path, names[0])
