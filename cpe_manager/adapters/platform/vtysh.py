"""What is said to FRR, and what its answers mean. Text alone: no session, no clock.

FRR 8 commits every static route by itself, at a cost that grows with all the routes that ``staticd`` has: 500 lines
took minutes in the lab. Between ``XFRR_start_configuration`` and ``XFRR_end_configuration``, which vtysh itself puts
around a configuration file, they are one commit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

from cpe_manager.domain.errors import CommandRefused, FetchIncomplete
from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.domain.failover.next_hops import NextHop, next_hops
from cpe_manager.ports.platform import EdgeSession, Routed

BULK_BEGIN: Final = "XFRR_start_configuration"
BULK_END: Final = "XFRR_end_configuration"
_ABSENT: Final = "% Refusing to remove a non-existent route"
BFD: Final = "show bfd peers brief json"
BGP: Final = "show bgp summary json"


@dataclass(frozen=True, slots=True)
class Static:
    """How our routes are written. ``distance``: below that of any other route to the same addresses. ``tag``: by which
    an operator tells them from his own; 0: none."""

    distance: int = 1
    tag: int = 0


@dataclass(frozen=True, slots=True)
class Prefix:
    """One of the two blocks of a line, with the ways to it."""

    network: IPv4Network | IPv6Network
    mobile: NextHop
    fixed: NextHop | None

    @property
    def show(self) -> str:
        return f"show {'ip' if self.network.version == 4 else 'ipv6'} route {self.network} json"

    def route(self, via: str, static: Static) -> str:
        tag = f" tag {static.tag}" if static.tag else ""
        return f"{'ip' if self.network.version == 4 else 'ipv6'} route {self.network} {via}{tag} {static.distance}"


@dataclass(frozen=True, slots=True)
class Route:
    """An entry of the RIB. ``used``: chosen, and in the kernel. ``usable``: has a next hop that is reached."""

    protocol: str
    distance: int
    tag: int
    used: bool
    usable: bool
    hops: tuple[str, ...]
    """As in the command: an address, with its interface where that was written too."""

    def over(self, hop: NextHop) -> bool:
        return any(text.split(" ", 1)[0] == str(hop.address) for text in self.hops)


def prefixes(routed: Routed) -> tuple[Prefix, ...]:
    """Raises ``CommandRefused`` where a block has no next hop over mobile: half a line is not moved."""
    mobile, fixed = next_hops(routed.mobile_gateway), next_hops(routed.fixed_gateway)
    found: list[Prefix] = []
    for network, hop, back in (
        (routed.ipv4, mobile.ipv4, fixed.ipv4),
        (routed.ipv6, mobile.ipv6, fixed.ipv6),
    ):
        if network is None:
            continue
        if hop is None:
            given = f"mobile_gateway is {routed.mobile_gateway!r}"
            raise CommandRefused(f"line {routed.line_id}: {network} has no next hop over mobile; {given}")
        found.append(Prefix(network, hop, back))
    if not found:
        raise CommandRefused(f"line {routed.line_id}: has no fixed addresses that could be moved")
    return tuple(found)


def change(lines: Iterable[str], *, bulk: bool) -> str:
    """Configuration lines as one text for ``vtysh -c``."""
    body = (BULK_BEGIN, *lines, BULK_END) if bulk else tuple(lines)
    return "\n".join(("configure terminal", *body, "end"))


def complaints(answer: str) -> tuple[str, ...]:
    """What vtysh answered to configuration lines: good ones print nothing. That a route which is to go is not there is
    none: it says what is wished."""
    return tuple(line.strip() for line in answer.splitlines() if line.strip() and line.strip() != _ABSENT)


def knows_no_bulk(complaint: str) -> bool:
    return "XFRR_" in complaint and "Unknown command" in complaint


def documents(text: str) -> list[Any]:
    """The JSON documents in what several ``show ... json`` printed one after the other. Raises ``FetchIncomplete``."""
    decoder, at = json.JSONDecoder(), 0
    found: list[Any] = []
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return found
        try:
            document, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            rest = text[at:].splitlines()[0]
            raise FetchIncomplete(f"the edge answered {rest[:200]!r} where JSON was asked for") from None
        found.append(document)


def routes(document: Mapping[str, Any], prefix: Prefix) -> tuple[Route, ...]:
    """The entries of exactly this prefix. FRR answers with a wider one when it has none of its own."""
    return tuple(_route(entry) for entry in document.get(str(prefix.network), ()))


def _route(entry: Mapping[str, Any]) -> Route:
    hops = entry.get("nexthops", ())
    return Route(
        protocol=str(entry.get("protocol", "")),
        distance=int(entry.get("distance", 0)),
        tag=int(entry.get("tag", 0)),
        used=bool(entry.get("selected")) and bool(entry.get("installed")) and not entry.get("queued"),
        usable=any(hop.get("active") for hop in hops),
        hops=tuple(
            f"{hop['ip']} {hop['interfaceName']}" if str(hop["ip"]).startswith("fe80:") else str(hop["ip"])
            for hop in hops
            if "ip" in hop and not hop.get("resolver")
        ),
    )


def carrier(found: Sequence[Route], prefix: Prefix) -> Carrier | None:
    """Over what one block is reached. Without a fixed next hop of its own, whatever is not mobile is the fixed line."""
    used = next((route for route in found if route.used), None)
    if used is None:
        return None
    if used.over(prefix.mobile):
        return Carrier.MOBILE
    return Carrier.FIXED if prefix.fixed is None or used.over(prefix.fixed) else None


def ours(found: Sequence[Route], static: Static) -> tuple[Route, ...]:
    """Routes that we made, by distance and tag, also over a gateway that the line had before."""
    return tuple(
        route
        for route in found
        if route.protocol == "static" and route.distance == static.distance and route.tag == static.tag
    )


def way_back(found: Sequence[Route], prefix: Prefix, static: Static) -> bool:
    """Whether traffic has somewhere to go when our route is taken away."""
    mine = ours(found, static)
    return any(
        route.usable and route not in mine and (prefix.fixed is None or route.over(prefix.fixed)) for route in found
    )


def bfd_sessions(document: Any) -> dict[str, bool]:
    """Neighbour address to up or not; of several sessions with one neighbour all have to be up."""
    states: dict[str, bool] = {}
    for peer in document:
        address = str(peer.get("peer", ""))
        states[address] = states.get(address, True) and peer.get("status") == "up"
    return states


def bgp_sessions(document: Mapping[str, Any]) -> dict[str, bool]:
    """Neighbour address to established or not, over all address families."""
    states: dict[str, bool] = {}
    for family in document.values():
        if isinstance(family, dict):
            for address, peer in family.get("peers", {}).items():
                states[address] = states.get(address, True) and peer.get("state") == "Established"
    return states


def edge_sessions(bfd: Mapping[str, bool], bgp: Mapping[str, bool]) -> dict[str, EdgeSession]:
    return {address: EdgeSession(bfd.get(address), bgp.get(address)) for address in {**bfd, **bgp}}
