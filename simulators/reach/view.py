"""What of a box's configuration decides whether somebody outside reaches it, and the decision.

Each family reads its own configuration into a `View`; the rest is the same for all. Nothing here knows of faults.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a box stands: the manager's address, the box's own as the manager has it, and the router of the line's far
    end, which leads to the manager. Lines whose far end answers neither DHCP nor PPPoE give no address.
    by_mobile: the mobile network leads to the manager, too, and from him to the box's address."""

    manager: IPv4Address
    address: IPv4Address
    gateway: IPv4Address
    port: int = 22
    by_mobile: bool = False


@dataclass(slots=True)
class View:
    """addresses: of interfaces that are up, by interface. routes: destination, and next hop or interface; connected
    ones need not be among them. listens: SSH answers at the port. admits: a new connection of the manager's comes
    through the filters. stateless: the filters stop connections that stand as well. distances: of routes, where
    that is another than 1. mobile: the interfaces of mobile connections that are up. line_up: the
    fixed line's link; line_carries: whether anything comes through it."""

    addresses: list[tuple[str, IPv4Interface]] = field(default_factory=list)
    routes: list[tuple[IPv4Network, str]] = field(default_factory=list)
    listens: bool = True
    admits: bool = True
    stateless: bool = False
    distances: dict[tuple[IPv4Network, str], int] = field(default_factory=dict)
    mobile: set[str] = field(default_factory=set)
    line_up: bool = True
    line_carries: bool = True

    def interface(self, at: Surroundings) -> str:
        """The interface that has the address under which the box is managed; empty when none has."""
        return next((name for name, own in self.addresses if own.ip == at.address), "")

    def own(self) -> list[IPv4Interface]:
        """The addresses that the box has, each once."""
        return list(dict.fromkeys(own for _, own in self.addresses))

    def carries(self, at: Surroundings) -> bool:
        """Whether packets still come and go: what a connection that stands needs."""
        return bool(self.interface(at)) and self._leads_back(at) and (self.admits or not self.stateless)

    def answers(self, at: Surroundings) -> bool:
        """Whether a new connection is taken."""
        return self.carries(at) and self.listens and self.admits

    def _leads_back(self, at: Surroundings) -> bool:
        """The longest prefix that holds the manager's address, of these the shortest distance, has to lead to the far
        end of the line, or into a mobile network that leads to him as well. A route whose next hop is on no connected
        network is not in use."""
        ways = [(own.network, "", 0) for _, own in self.addresses]
        ways += [(net, hop, self.distances.get((net, hop), 1)) for net, hop in self.routes if self._in_use(hop, at)]
        fitting = [way for way in ways if at.manager in way[0]]
        best = min(fitting, key=_rank, default=None)
        leading = {hop for net, hop, far in fitting if best is not None and _rank((net, hop, far)) == _rank(best)}
        if leading & self.mobile:
            return at.by_mobile
        return str(at.gateway) in leading and self.line_carries

    def _in_use(self, hop: str, at: Surroundings) -> bool:
        if hop in self.mobile:
            return True
        if hop == str(at.gateway) and not self.line_up:
            return False
        try:
            beside = IPv4Address(hop)
        except ValueError:
            return any(hop == name for name, _ in self.addresses)
        return any(beside in own.network and beside != own.ip for _, own in self.addresses)


def _rank(way: tuple[IPv4Network, str, int]) -> tuple[int, int]:
    network, _, distance = way
    return -network.prefixlen, distance


def interface(words: str) -> IPv4Interface | None:
    """`198.18.7.2/24` or `198.18.7.2 255.255.255.0`; None for what is no address."""
    try:
        return IPv4Interface(words.strip().replace(" ", "/"))
    except ValueError:
        return None


def network(words: str) -> IPv4Network | None:
    try:
        return IPv4Network(words.strip().replace(" ", "/"), strict=False)
    except ValueError:
        return None


def holds(networks: Iterator[str] | list[str], address: IPv4Address) -> bool:
    """Whether an address is in one of these networks."""
    return any(net is not None and address in net for net in map(network, networks))


def spans(ports: str, port: int) -> bool:
    """Whether `22`, `20-30` or `22,80` holds a port."""
    for part in ports.replace(" ", ",").split(","):
        first, _, last = part.replace(":", "-").partition("-")
        if first.isdecimal() and int(first) <= port <= int(last if last.isdecimal() else first):
            return True
    return False
