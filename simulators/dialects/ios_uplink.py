"""Where a virtual IOS router's packets go at the moment: its routing table, made from what runs and from its lines."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simulators.dialects.ios_tables import Row, rows
from simulators.dialects.uplink import Link, answers
from simulators.generate.site import make_site
from simulators.state import DeviceState

_STATIC = re.compile(r"^ip route (\d\S+) (\S+) (\S+)(?: (\d\S*\.\S+))?(.*)$", re.MULTILINE)
_GIVEN = 254
"""The distance of what DHCP gives, unless the interface says another."""


@dataclass(frozen=True, slots=True)
class Route:
    """A route in force. ``hop``: the next one, empty where the interface is enough."""

    network: ipaddress.IPv4Network
    distance: int
    interface: str
    hop: str = ""
    connected: bool = False


def table(state: DeviceState) -> list[Route]:
    """All that may be used now; of several to one network the one of the shortest distance is."""
    there = [row for row in rows(state) if row.carries(state)]
    found = [Route(own.network, 0, row.name, "", True) for row in there for own, _ in row.addresses]
    return [*found, *_given(state, there), *_static(state, there)]


def _static(state: DeviceState, there: Sequence[Row]) -> Iterator[Route]:
    for network, mask, target, hop, rest in _STATIC.findall(state.running):
        words = rest.split()
        if "track" in words and not state.line_carries:
            continue  # Its object is an echo over the fixed line.
        distance = int(words[0]) if words and words[0].isdecimal() else 1
        near = [row for row in there if _leads(row, target)]
        if near:
            over = hop or (target if target[0].isdigit() else "")
            over = make_site(state.spec).wan_gateway if target == "dhcp" else over
            yield Route(ipaddress.IPv4Network((network, mask)), distance, near[0].name, over)


def _given(state: DeviceState, there: Sequence[Row]) -> Iterator[Route]:
    """Default routes that the other side gives: over DHCP, and over PPP where it is asked for one."""
    for row in there:
        gateway = make_site(state.spec).wan_gateway
        if any(line.startswith("ip address dhcp") for line in row.lines):
            said = re.search(r"^ip dhcp client default-router distance (\d+)$", "\n".join(row.lines), re.MULTILINE)
            yield Route(ipaddress.IPv4Network("0.0.0.0/0"), int(said[1]) if said else _GIVEN, row.name, gateway)
        if "ppp ipcp route default" in row.lines:
            yield Route(ipaddress.IPv4Network("0.0.0.0/0"), 1, row.name, gateway)


def _leads(row: Row, target: str) -> bool:
    if target == "dhcp":
        return any(line.startswith("ip address dhcp") for line in row.lines)
    if row.name == target:
        return True
    return target[0].isdigit() and any(ipaddress.IPv4Address(target) in own.network for own, _ in row.addresses)


def best(routes: Sequence[Route], target: ipaddress.IPv4Address, *, mask: int | None = None) -> Route | None:
    """The longest prefix, of these the shortest distance. ``mask``: of prefixes of this length only."""
    fitting = [r for r in routes if target in r.network and mask in (None, r.network.prefixlen)]
    return min(fitting, key=lambda route: (-route.network.prefixlen, route.distance), default=None)


def shown(state: DeviceState, words: Sequence[str]) -> str:
    """`show ip route ADDRESS [MASK]`. A default route is shown to who asks for it, and to nobody else."""
    try:
        target = ipaddress.IPv4Address(words[0])
        mask = ipaddress.IPv4Network((0, words[1])).prefixlen if len(words) > 1 else None
    except (ValueError, IndexError):
        return "% Incomplete command.\n\n" if not words else "% Invalid input detected at '^' marker.\n\n"
    route = best(table(state), target, mask=mask)
    if route is None or (route.network.prefixlen == 0 and int(target)):
        return "% Network not in table\n"
    supernet, default = (", supernet", ", candidate default path") if route.network.prefixlen < 8 else ("", "")
    known, metric = ("connected", "0 (connected, via interface)") if route.connected else ("static", "0")
    metric = metric if route.hop or route.connected else "0 (connected)"
    over = route.hop or f"directly connected, via {route.interface}"
    return (
        f'Routing entry for {route.network}{supernet}\n  Known via "{known}", distance {route.distance}, metric '
        f"{metric}{default if route.network.prefixlen == 0 else ''}\n  Routing Descriptor Blocks:\n  * {over}\n"
        "      Route metric is 0, traffic share count is 1\n"
    )


def _online(state: DeviceState) -> bool:
    """Whether packets to the internet get there."""
    route = best(table(state), ipaddress.IPv4Address("198.51.100.7"))
    return route is not None and (route.interface.startswith("Cellular") or state.line_carries)


def pinged(state: DeviceState, words: tuple[str, ...]) -> str:
    """`ping [ipv6] ADDRESS [repeat N] [timeout S]`."""
    target = next((word for word in words if word not in ("ip", "ipv6")), "")
    count = int(words[words.index("repeat") + 1]) if "repeat" in words[:-1] else 5
    links = [Link(r.name, r.carries(state), tuple(str(a) for a, _ in r.addresses)) for r in rows(state)]
    try:
        came = answers(target, links, online=_online(state))
    except ValueError:
        return "% Unrecognized host or address, or protocol not running.\n\n"
    return (
        f"Type escape sequence to abort.\nSending {count}, 100-byte ICMP Echos to {target}, timeout is 2 seconds:\n"
        f"{('!' if came else '.') * count}\nSuccess rate is {100 if came else 0} percent ({count * came}/{count})\n"
    )
