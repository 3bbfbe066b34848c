"""What netifd and mwan3 tell of a box's interfaces, made from what is configured, and which way its traffic takes."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

from simulators.dialects.shell import Call
from simulators.dialects.uci import Package, Section
from simulators.dialects.uplink import Default, Link, mobile_address, nearest, nslookup, ping
from simulators.generate.site import make_site
from simulators.personas.base import Reply
from simulators.state import DeviceState

_DIALLED = ("pppoe", "dhcp")
_MODEMS = ("qmi", "mbim", "modemmanager", "ncm", "3g", "wwan")


def dump(network: Package, state: DeviceState) -> dict[str, object]:
    """`ubus call network.interface dump`."""
    return {"interface": [_told(section, network, state) for section in _interfaces(network)]}


def balance(packages: Mapping[str, Package], state: DeviceState) -> dict[str, object]:
    """`ubus call mwan3 status`: the interfaces that it watches, and which of them each policy leads to."""
    network, watched = packages["network"], watching(packages.get("mwan3"))
    online = {name: _carries(name, network, state) for name in watched}
    policies = {
        policy.name: [{"interface": name, "percent": 100} for name in _led(policy, packages["mwan3"], online)[:1]]
        for policy in _of_kind(packages.get("mwan3"), "policy")
    }
    interfaces = {name: {"status": "online" if up else "offline", "enabled": True} for name, up in online.items()}
    return {"interfaces": interfaces, "policies": {"ipv4": policies, "ipv6": {}}}


def watching(package: Package | None) -> list[str]:
    """What mwan3 is enabled for."""
    return [section.name for section in _of_kind(package, "interface") if _text(section, "enabled") == "1"]


def _led(policy: Section, package: Package, online: Mapping[str, bool]) -> list[str]:
    """The interfaces of a policy that are online, those of the lowest metric first."""
    members = [member for word in _text(policy, "use_member").split() if (member := package.find(word))]
    members.sort(key=lambda member: int(_text(member, "metric") or 1))
    return [name for member in members if online.get(name := _text(member, "interface"))]


def way(packages: Mapping[str, Package], state: DeviceState) -> str:
    """The interface that traffic to the internet takes; empty: none."""
    network, mwan3 = packages["network"], packages.get("mwan3")
    watched = watching(mwan3)
    if mwan3 is not None and watched:
        online = {name: _carries(name, network, state) for name in watched}
        rule = next((_text(rule, "use_policy") for rule in _of_kind(mwan3, "rule")), "")
        policies = _of_kind(mwan3, "policy")
        policy = next((one for one in policies if one.name == rule), next(iter(policies), None))
        found = _led(policy, mwan3, online) if policy is not None else []
        if found:
            return found[0]
    defaults = [
        Default(section.name, "", int(_text(section, "metric") or 0))
        for section in _interfaces(network)
        if _routes(section, network, state)
    ]
    return next((one.interface for one in nearest(defaults)), "")


def _carries(name: str, network: Package, state: DeviceState) -> bool:
    """Whether an echo comes back over an interface."""
    section = next((one for one in _interfaces(network) if one.name == name), None)
    if section is None or not _routes(section, network, state):
        return False
    return _modem(section) or state.line_carries


def pinged(packages: Mapping[str, Package], state: DeviceState, call: Call) -> Reply:
    network = packages["network"]
    links = [
        Link(section.name, _up(section, network, state), tuple(_addresses(section, state)))
        for section in _interfaces(network)
    ]
    return ping(links, call, online=_carries(way(packages, state), network, state))


def resolved(packages: Mapping[str, Package], state: DeviceState, call: Call) -> Reply:
    return nslookup(call, online=_carries(way(packages, state), packages["network"], state))


def _of_kind(package: Package | None, kind: str) -> list[Section]:
    return [section for section in package.sections if section.kind == kind] if package is not None else []


def _interfaces(network: Package) -> list[Section]:
    return _of_kind(network, "interface")


def _outside(section: Section, network: Package) -> bool:
    """Whether it stands on the fixed line: the interface of that name, and those on top of it."""
    device = _text(section, "device")
    line = next((one for one in _interfaces(network) if one.name == "wan"), None)
    same = line is not None and device == _text(line, "device") and bool(device)
    return section.name == "wan" or device == "@wan" or same


def _modem(section: Section) -> bool:
    return _text(section, "proto") in _MODEMS


def _up(section: Section, network: Package, state: DeviceState) -> bool:
    on = _text(section, "disabled") != "1" and _text(section, "auto") != "0"
    if _modem(section):
        return on and state.mobile_up and bool(_text(section, "apn"))
    return on and (state.line_up or not _outside(section, network))


def _told(section: Section, network: Package, state: DeviceState) -> dict[str, object]:
    up, device = _up(section, network, state), _text(section, "device")
    line = next((one for one in _interfaces(network) if one.name == device.removeprefix("@")), section)
    below = f"pppoe-{line.name}" if _text(line, "proto") == "pppoe" else _text(line, "device")
    below = "wwan0" if _modem(section) else below
    split = [address.partition("/") for address in _addresses(section, state)] if up else []
    told = {"interface": section.name, "up": up, "pending": False, "available": True, "proto": _text(section, "proto")}
    if not up:
        return told
    return {
        **told,
        "l3_device": below,
        "metric": int(_text(section, "metric") or 0),
        "ipv4-address": [{"address": ip, "mask": int(length)} for ip, _, length in split],
        "route": _routes(section, network, state),
    }


def _routes(section: Section, network: Package, state: DeviceState) -> list[dict[str, object]]:
    proto, gateway = _text(section, "proto"), _text(section, "gateway")
    if not _up(section, network, state) or _text(section, "defaultroute") == "0":
        return []
    if proto in _DIALLED or gateway or _modem(section):
        hop = gateway or (mobile_address(state.spec) if _modem(section) else make_site(state.spec).wan_gateway)
        return [{"target": "0.0.0.0", "mask": 0, "nexthop": hop}]
    return []


def _addresses(section: Section, state: DeviceState) -> Iterable[str]:
    if _text(section, "proto") in _DIALLED:
        return [f"{make_site(state.spec).wan_ip}/32"]
    if _modem(section):
        return [f"{mobile_address(state.spec)}/32"]
    mask = _text(section, "netmask") or "255.255.255.255"
    given = section.options.get("ipaddr", [])
    words = [given] if isinstance(given, str) else given
    return [str(ipaddress.IPv4Interface(word if "/" in word else f"{word}/{mask}")) for word in words]


def _text(section: Section, name: str) -> str:
    value = section.options.get(name, "")
    return value if isinstance(value, str) else " ".join(value)
