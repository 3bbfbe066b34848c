"""What netifd tells of a box's interfaces, made from what is configured."""

from __future__ import annotations

import ipaddress

from simulators.dialects.shell import Call
from simulators.dialects.uci import Package, Section
from simulators.dialects.uplink import Link, ping
from simulators.generate.site import make_site
from simulators.personas.base import Reply
from simulators.state import DeviceState

_DIALLED = ("pppoe", "dhcp")


def dump(network: Package, state: DeviceState) -> dict[str, object]:
    """`ubus call network.interface dump`."""
    return {"interface": [_told(section, network, state) for section in _interfaces(network)]}


def pinged(network: Package, state: DeviceState, call: Call) -> Reply:
    links = [
        Link(section.name, _up(section, network, state), tuple(_addresses(section, state)))
        for section in _interfaces(network)
    ]
    online = any(_routes(section, network, state) for section in _interfaces(network))
    return ping(links, call, online=online)


def _interfaces(network: Package) -> list[Section]:
    return [section for section in network.sections if section.kind == "interface"]


def _outside(section: Section, network: Package) -> bool:
    """Whether it stands on the fixed line: the interface of that name, and those on top of it."""
    device = _text(section, "device")
    line = next((one for one in _interfaces(network) if one.name == "wan"), None)
    same = line is not None and device == _text(line, "device") and bool(device)
    return section.name == "wan" or device == "@wan" or same


def _up(section: Section, network: Package, state: DeviceState) -> bool:
    on = _text(section, "disabled") != "1" and _text(section, "auto") != "0"
    return on and (state.line_up or not _outside(section, network))


def _told(section: Section, network: Package, state: DeviceState) -> dict[str, object]:
    up, device = _up(section, network, state), _text(section, "device")
    line = next((one for one in _interfaces(network) if one.name == device.removeprefix("@")), section)
    below = f"pppoe-{line.name}" if _text(line, "proto") == "pppoe" else _text(line, "device")
    split = [address.partition("/") for address in _addresses(section, state)] if up else []
    told = {"interface": section.name, "up": up, "pending": False, "available": True, "proto": _text(section, "proto")}
    if not up:
        return told
    return {
        **told,
        "l3_device": below,
        "ipv4-address": [{"address": ip, "mask": int(length)} for ip, _, length in split],
        "route": _routes(section, network, state),
    }


def _routes(section: Section, network: Package, state: DeviceState) -> list[dict[str, object]]:
    proto, gateway = _text(section, "proto"), _text(section, "gateway")
    if not _up(section, network, state) or _text(section, "defaultroute") == "0":
        return []
    if proto in _DIALLED or gateway:
        hop = gateway or make_site(state.spec).wan_gateway
        return [{"target": "0.0.0.0", "mask": 0, "nexthop": hop}]
    return []


def _addresses(section: Section, state: DeviceState) -> list[str]:
    if _text(section, "proto") in _DIALLED:
        return [f"{make_site(state.spec).wan_ip}/32"]
    mask = _text(section, "netmask") or "255.255.255.255"
    given = section.options.get("ipaddr", [])
    words = [given] if isinstance(given, str) else given
    return [str(ipaddress.IPv4Interface(word if "/" in word else f"{word}/{mask}")) for word in words]


def _text(section: Section, name: str) -> str:
    value = section.options.get(name, "")
    return value if isinstance(value, str) else " ".join(value)
