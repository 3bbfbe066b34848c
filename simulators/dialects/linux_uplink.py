"""The links and default routes of a Linux box, made from what its daemons run with."""

from __future__ import annotations

import re

from simulators.dialects.shell import Call
from simulators.dialects.uplink import Default, Link, ip_tool, only_up, ping
from simulators.generate.site import make_site
from simulators.personas.base import Reply
from simulators.state import DeviceState

_INTERFACES = "/etc/network/interfaces"


def links(state: DeviceState, files: dict[str, str]) -> dict[str, Link]:
    """Interfaces by name; those of PPP are there while they are dialled, which those of the factory are from boot."""
    found: dict[str, Link] = {}
    for block in re.finditer(r"^interface (\S+)\n((?: .*\n)*)", state.running, re.MULTILINE):
        addresses = tuple(re.findall(r"^ ip address (\S+)$", block[2], re.MULTILINE))
        outside = block[1] in ("eth0", "wan0", "wan")
        up = "\n shutdown" not in f"\n{block[2]}" and (state.line_up or not outside)
        found[block[1]] = Link(block[1], up, addresses)
    for path, text in files.items():
        unit = re.search(r"^unit (\d+)$", text, re.MULTILINE)
        if not path.startswith("/etc/ppp/peers/") or unit is None:
            continue
        dialled = "pppoe" in text and re.search(r"^user ", text, re.MULTILINE) is not None
        if dialled and state.line_up:
            found[f"ppp{unit[1]}"] = Link(f"ppp{unit[1]}", up=True, addresses=(f"{make_site(state.spec).wan_ip}/32",))
    for name in re.findall(r"^iface (\S+) inet dhcp", files.get(_INTERFACES, ""), re.MULTILINE):
        found[name] = Link(name, state.line_up, (f"{make_site(state.spec).wan_ip}/24",))
    return found


def defaults(state: DeviceState, files: dict[str, str]) -> list[Default]:
    there = links(state, files)
    routes = re.findall(r"^ip route 0\.0\.0\.0/0 (\S+)", state.running, re.MULTILINE)
    found = [Default(target) if not target[0].isdigit() else _over(target, there) for target in routes]
    asked = re.findall(r"^iface (\S+) inet dhcp", files.get(_INTERFACES, ""), re.MULTILINE)
    found += [Default(name, make_site(state.spec).wan_gateway) for name in asked]
    return only_up(there, found)


def _over(gateway: str, there: dict[str, Link]) -> Default:
    head = gateway.rpartition(".")[0]
    names = (name for name, link in there.items() for address in link.addresses if address.startswith(f"{head}."))
    return Default(next(names, "eth0"), gateway)


def ip(state: DeviceState, files: dict[str, str], call: Call) -> Reply:
    return ip_tool(links(state, files), defaults(state, files), call)


def pinged(state: DeviceState, files: dict[str, str], call: Call) -> Reply:
    return ping(list(links(state, files).values()), call, online=bool(defaults(state, files)))
