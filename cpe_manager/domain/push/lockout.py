"""Would a change cut the path through which the box is managed? Decided from the neutral model before and after it.

Only what the change brings about is predicted: a hindrance that was there before, and did not keep us out, is none.
Nothing here knows a vendor; what a family does beside its model (an access list that nobody can see in it) is beyond
this, and is what arming and the probe over a new session are for.

Traffic that moves to a mobile connection, or back, is no hindrance by itself: whether we come in over an address that
both ways lead to (a loopback) is the network's to know, and in a fail-over the fixed line is dead anyway. The probe
over a new session decides, and the box takes the change back where it fails. A mobile connection that carries and is
taken away in one go is one: nothing says that the fixed line is there again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from cpe_manager.domain.model.cpe_config import AccessRule, CpeConfig


class Lockout(StrEnum):
    """What of the way to the box a change takes away."""

    ADDRESS = "address"
    ROUTE = "route"
    ACCESS_LIST = "access-list"
    FIREWALL = "firewall"
    SERVICE = "service"
    PORT_MAPPING = "port-mapping"


@dataclass(frozen=True, slots=True)
class ManagementPath:
    """The way by which the box is managed at present.

    ``address`` is the box's as we reach it (None: a name or an address outside IPv4, about which nothing is known
    here); ``manager`` is ours as the box sees it, None when unknown; ``port`` is the one on the box.
    """

    address: IPv4Address | None
    manager: IPv4Address | None
    service: Literal["ssh", "telnet"] = "ssh"
    port: int = 22


@dataclass(frozen=True, slots=True)
class Hindrance:
    """One way in which a box would no longer be reached, and why, in a sentence for operators."""

    kind: Lockout
    reason: str

    def __str__(self) -> str:
        return self.reason


def predicted_lockouts(
    before: CpeConfig, after: CpeConfig, path: ManagementPath, then: ManagementPath | None = None
) -> tuple[Hindrance, ...]:
    """What would keep us out after the change and does not before it, in the order of `Lockout`; empty when nothing.

    ``then``: the way by which the box is to be managed after the change, where that is another one. That the old
    address is given up is meant then, and the line's own gateway with it; everything else is judged by the new way.
    """
    known = {(hindrance.kind, hindrance.reason) for hindrance in _hindrances(before, path)}
    found = (*_moves(before, after, path, then), *_hindrances(after, then or path))
    new = [hindrance for hindrance in found if (hindrance.kind, hindrance.reason) not in known]
    order = list(Lockout)
    return tuple(sorted(new, key=lambda hindrance: order.index(hindrance.kind)))


def _moves(
    before: CpeConfig, after: CpeConfig, path: ManagementPath, then: ManagementPath | None
) -> Iterator[Hindrance]:  # fmt: skip
    """What only the two together show: an address that goes, a way back that leads elsewhere."""
    own = path.address is not None and path.address in _own(before)
    if then is None and own and path.address not in _own(after):
        yield Hindrance(Lockout.ADDRESS, f"the box gives up {path.address}, the address it is managed at")
    if then is not None and own and _fixed(after) and then.address not in (None, *_own(after)):
        yield Hindrance(Lockout.ADDRESS, f"the box is to be managed at {then.address}, and would not have that address")
    if before.wan is None or path.manager is None:
        return
    if _way_back(before, path.manager) != "wan":
        return
    if before.mobile is not None and before.mobile.preferred and not (after.mobile is not None and after.mobile.active):
        yield Hindrance(Lockout.ROUTE, "the mobile connection, over which the default route leads, is taken away")
    if after.wan is None:
        yield Hindrance(Lockout.ROUTE, f"without a WAN there is no way back to {path.manager}")
    elif (before.wan.mode, before.wan.username, before.wan.password) != (
        after.wan.mode,
        after.wan.username,
        after.wan.password,
    ):
        yield Hindrance(Lockout.ROUTE, "the way in which the WAN connects changes: the line may not come up again")
    elif before.wan.gateway != after.wan.gateway and not (then is not None and _moved(before, after, path, then)):
        yield Hindrance(
            Lockout.ROUTE, f"the default route leads to {after.wan.gateway} instead of {before.wan.gateway}"
        )


def _hindrances(config: CpeConfig, path: ManagementPath) -> Iterator[Hindrance]:
    reach = config.management
    if not (reach.ssh if path.service == "ssh" else reach.telnet):
        yield Hindrance(Lockout.SERVICE, f"{path.service.upper()} no longer listens")
    for mapping in config.port_mappings:
        taken = mapping.protocol == "tcp" and mapping.ports.first <= path.port <= mapping.ports.last
        if taken and _is_wan(config, path) and (mapping.source is None or _within(path.manager, mapping.source)):
            yield Hindrance(
                Lockout.PORT_MAPPING, f"tcp {path.port}, where the box is managed, is mapped to {mapping.inside}"
            )
    if path.manager is None:
        return
    if reach.sources and not any(path.manager in source for source in reach.sources):
        yield Hindrance(Lockout.ACCESS_LIST, f"{path.manager} is in none of the networks that may manage the box")
    if _way_back(config, path.manager) == "inside":
        yield Hindrance(Lockout.ROUTE, f"the way back to {path.manager} leads into the customer's LAN")
    shutting = _first_match(config.firewall.rules, path)
    if shutting is not None and shutting.action != "accept":
        yield Hindrance(Lockout.FIREWALL, f"an access rule stops tcp {path.port} from {path.manager}")


def _own(config: CpeConfig) -> set[IPv4Address]:
    """The addresses of the box that its configuration fixes; one that DHCP or PPP gives is not among them."""
    own = set()
    if config.wan is not None and config.wan.address is not None:
        own.add(config.wan.address.ip)
    if config.wan is not None and config.wan.ip_pack_address is not None:
        own.add(config.wan.ip_pack_address.ip)
    if config.lan is not None:
        own.add(config.lan.address.ip)
    return own


def _fixed(config: CpeConfig) -> bool:
    """Whether all addresses of the box are in its configuration."""
    return config.wan is None or config.wan.address is not None


def _moved(before: CpeConfig, after: CpeConfig, path: ManagementPath, then: ManagementPath) -> bool:
    """Whether the line itself has moved to another network, which has a gateway of its own: the old one is nobody's
    neighbour there."""
    old, new = before.wan, after.wan
    if old is None or new is None or old.address is None or new.address is None:
        return False
    moves = old.address.ip == path.address and new.address.ip == then.address
    return moves and old.gateway is not None and old.gateway not in new.address.network


def _is_wan(config: CpeConfig, path: ManagementPath) -> bool:
    """Whether we come in from outside: at any address but one of the LAN."""
    return config.lan is None or path.address is None or path.address not in config.lan.address.network


def _within(address: IPv4Address | None, network: IPv4Network) -> bool:
    return address is None or address in network


def _way_back(config: CpeConfig, manager: IPv4Address) -> Literal["inside", "wan"]:
    """Where the box sends its answers, by the longest prefix that holds the manager's address."""
    inside = [config.lan.address.network] if config.lan is not None else []
    if config.wan is not None and config.wan.ip_pack is not None:
        inside.append(config.wan.ip_pack)
    best: tuple[int, Literal["inside", "wan"]] = (-1, "wan")
    for network in inside:
        if manager in network:
            best = max(best, (network.prefixlen, "inside"))
    for route in config.routes:
        if manager in route.network and route.network.prefixlen > best[0]:
            leads: Literal["inside", "wan"] = "inside" if any(route.gateway in lan for lan in inside) else "wan"
            best = (route.network.prefixlen, leads)
    return best[1]


def _first_match(rules: tuple[AccessRule, ...], path: ManagementPath) -> AccessRule | None:
    """The first rule that our connection would meet. One that matches only part of what it might be counts as a match
    when it stops traffic and is passed over when it lets it in: of two readings the worse one is warned of."""
    for rule in rules:
        if rule.protocol not in ("ip", "tcp"):
            continue
        if rule.ports is not None and not rule.ports.first <= path.port <= rule.ports.last:
            continue
        if rule.source is not None and (path.manager is None or path.manager not in rule.source):
            continue
        unknown = rule.destination is not None and path.address is None
        if rule.destination is not None and path.address is not None and path.address not in rule.destination:
            continue
        if unknown and rule.action == "accept":
            continue
        return rule
    return None
