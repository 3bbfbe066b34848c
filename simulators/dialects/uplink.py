"""The internet side of a box as it is at the moment: made from what the box is configured with, and from whether its
line carries anything (`DeviceState.line_up`)."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from simulators.dialects.shell import Call
from simulators.personas.base import Reply
from simulators.spec import DeviceSpec

_NOBODY = ipaddress.IPv4Network("192.0.2.0/24")
"""Addresses at which no host of the simulated internet answers."""


@dataclass(frozen=True, slots=True)
class Link:
    """An interface: up or not, its IPv4 addresses with lengths."""

    name: str
    up: bool = True
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Default:
    """A default route that may be used: through which interface, over which gateway (empty: the link itself), and how
    far away by its administrative distance or metric."""

    interface: str
    gateway: str = ""
    distance: int = 1


def mobile_address(spec: DeviceSpec) -> str:
    """What the mobile network gives a box."""
    return f"100.72.{spec.seed // 250 % 250}.{spec.seed % 250 + 2}"


def answers(target: str, links: Iterable[Link], *, online: bool) -> bool:
    """Whether an echo comes back: from a host on a link of the box, or from the internet while the box is on it."""
    address = ipaddress.ip_address(target)
    if address in _NOBODY:
        return False
    own = (ipaddress.ip_interface(text).network for link in links if link.up for text in link.addresses)
    return online or any(address.version == network.version and address in network for network in own)


def ping(links: Sequence[Link], call: Call, *, online: bool) -> Reply:
    """`ping -c N -W S TARGET` of iputils, without times."""
    target = call.words[-1] if call.words else ""
    try:
        came = answers(target, links, online=online)
    except ValueError:
        return Reply(error=f"ping: {target}: Name or service not known\n", status=2)
    head = f"PING {target} ({target}) 56(84) bytes of data.\n"
    lines = f"64 bytes from {target}: icmp_seq=1 ttl=57 time=4.11 ms\n" if came else ""
    tail = f"\n--- {target} ping statistics ---\n2 packets transmitted, {2 * came} received\n"
    return Reply(head + lines + tail, status=0 if came else 1)


def nslookup(call: Call, *, online: bool) -> Reply:
    """`nslookup NAME SERVER` of BusyBox, by the box's own server. Names below `invalid` do not exist (RFC 6761)."""
    name, server = [*call.words, "", ""][:2]
    head = f"Server:\t\t{server}\nAddress:\t{server}:53\n\n"
    if not online:
        return Reply(";; connection timed out; no servers could be reached\n\n", status=1)
    if name.endswith(".invalid"):
        return Reply(f"{head}** server can't find {name}: NXDOMAIN\n\n", status=1)
    return Reply(f"{head}Non-authoritative answer:\nName:\t{name}\nAddress: 198.51.100.80\n\n")


def ip_tool(links: Mapping[str, Link], defaults: Sequence[Default], call: Call) -> Reply:
    """iproute2's `ip -j -4 address show dev NAME` and `ip -j -4 route show default`; nothing else of it."""
    words = [word for word in call.words if word not in ("-j", "-4")]
    if words[:3] == ["address", "show", "dev"] and len(words) == 4:
        link = links.get(words[3])
        if link is None:
            return Reply(error=f'Device "{words[3]}" does not exist.\n', status=1)
        return Reply(json.dumps([_shown(link)]) + "\n")
    if words == ["route", "show", "default"]:
        found = [_route(one) for one in defaults]
        return Reply(json.dumps(found) + "\n" if found else "")
    return Reply(error='Object "?" is unknown, try "ip help".\n', status=1)


def _shown(link: Link) -> dict[str, object]:
    flags = ["MULTICAST", *(("UP", "LOWER_UP") if link.up else ("NO-CARRIER", "UP"))]
    rows = [address.partition("/") for address in link.addresses if link.up]
    info = [{"family": "inet", "local": ip, "prefixlen": int(length), "scope": "global"} for ip, _, length in rows]
    return {"ifname": link.name, "flags": flags, "operstate": "UP" if link.up else "DOWN", "addr_info": info}


def _route(one: Default) -> dict[str, object]:
    over = {"gateway": one.gateway} if one.gateway else {"scope": "link"}
    return {"dst": "default", **over, "dev": one.interface, "flags": []}


def nearest(defaults: Iterable[Default]) -> list[Default]:
    """Of several default routes those of the shortest distance: no other is in force."""
    found = list(defaults)
    least = min((one.distance for one in found), default=0)
    return [one for one in found if one.distance == least]


def only_up(links: Mapping[str, Link], defaults: Iterable[Default]) -> list[Default]:
    """Default routes over links that are there and up."""
    return [one for one in defaults if (link := links.get(one.interface)) is not None and link.up]
