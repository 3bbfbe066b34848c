"""The links and default routes of a Linux box, made from what its daemons run with."""

from __future__ import annotations

import re

from simulators.dialects.shell import Call
from simulators.dialects.uplink import Default, Link, ip_tool, mobile_address, nearest, only_up, ping
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
        up = state.mobile_up if block[1].startswith("wwan") else state.line_up or not outside
        found[block[1]] = Link(block[1], up and "\n shutdown" not in f"\n{block[2]}", addresses)
    for path, text in files.items():
        unit = re.search(r"^unit (\d+)$", text, re.MULTILINE)
        if not path.startswith("/etc/ppp/peers/") or unit is None:
            continue
        dialled = "pppoe" in text and re.search(r"^user ", text, re.MULTILINE) is not None
        if dialled and state.line_up:
            found[f"ppp{unit[1]}"] = Link(f"ppp{unit[1]}", up=True, addresses=(f"{make_site(state.spec).wan_ip}/32",))
        elif re.search(r"^connect .* -T ?\S", text, re.MULTILINE) and state.mobile_up:
            found[f"ppp{unit[1]}"] = Link(f"ppp{unit[1]}", up=True, addresses=(f"{mobile_address(state.spec)}/32",))
    for name in re.findall(r"^iface (\S+) inet dhcp", files.get(_INTERFACES, ""), re.MULTILINE):
        found[name] = Link(name, state.line_up, (f"{make_site(state.spec).wan_ip}/24",))
    return found


def mobile_links(files: dict[str, str]) -> set[str]:
    """Names of the modem's interfaces: its own, and what pppd makes of it."""
    dialled = (
        unit[1]
        for path, text in files.items()
        if path.startswith("/etc/ppp/peers/") and re.search(r"^connect ", text, re.MULTILINE)
        if (unit := re.search(r"^unit (\d+)$", text, re.MULTILINE))
    )
    return {"wwan0", *(f"ppp{number}" for number in dialled)}


def defaults(state: DeviceState, files: dict[str, str]) -> list[Default]:
    """The default route in force. FRR gives the kernel the one of the shortest distance, with metric 20, unless what
    somebody else has put there goes before: that one's distance is the highest byte of its metric."""
    there = links(state, files)
    found = [_static(line, there) for line in re.findall(r"^ip route 0\.0\.0\.0/0 (.*)$", state.running, re.MULTILINE)]
    found += [_given(state, files, name) for name in _asked(files)]
    return nearest(only_up(there, found))


def _asked(files: dict[str, str]) -> list[str]:
    return re.findall(r"^iface (\S+) inet dhcp", files.get(_INTERFACES, ""), re.MULTILINE)


def _given(state: DeviceState, files: dict[str, str], name: str) -> Default:
    stanza = re.search(rf"^iface {re.escape(name)} inet dhcp.*\n((?:[ \t]+.*\n)*)", files[_INTERFACES], re.MULTILINE)
    metric = re.search(r"^[ \t]+metric (\d+)", stanza[1] if stanza else "", re.MULTILINE)
    return Default(name, make_site(state.spec).wan_gateway, int(metric[1]) >> 24 if metric else 0)


def _static(words: str, there: dict[str, Link]) -> Default:
    """`GATEWAY [INTERFACE] [DISTANCE]` or `INTERFACE [DISTANCE]`."""
    via, *rest = words.split()
    distance = int(rest.pop()) if rest and rest[-1].isdecimal() else 1
    if not via[0].isdigit():
        return Default(via, "", distance)
    return Default(rest[0] if rest else _over(via, there), via, distance)


def _over(gateway: str, there: dict[str, Link]) -> str:
    head = gateway.rpartition(".")[0]
    names = (name for name, link in there.items() for address in link.addresses if address.startswith(f"{head}."))
    return next(names, "eth0")


def online(state: DeviceState, files: dict[str, str]) -> bool:
    """Whether packets to the internet get there: over the modem, or over a line that carries."""
    found = defaults(state, files)
    return bool(found) and (found[0].interface in mobile_links(files) or state.line_carries)


def ip(state: DeviceState, files: dict[str, str], call: Call) -> Reply:
    return ip_tool(links(state, files), defaults(state, files), call)


def pinged(state: DeviceState, files: dict[str, str], call: Call) -> Reply:
    return ping(list(links(state, files).values()), call, online=online(state, files))
