"""Which native interface plays which role in a VyOS configuration, and where its lines stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, ip_interface
from typing import Final, TypeVar

from cpe_manager.domain.errors import InputError
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.vyos.set_lines import Path, SetLines, remembered

T = TypeVar("T")

_SEVERAL: Final = frozenset(
    (
        *("allow-from", "client", "domain-search", "exclude", "listen-address", "name-server", "network", "ntp-server"),
        "state",
    )
)
DEFAULT_ROUTE: Final = "protocols static route 0.0.0.0/0"
_KINDS: Final = {
    "bond": "bonding", "br": "bridge", "dum": "dummy", "eth": "ethernet", "lan": "ethernet", "lo": "loopback",
    "pppoe": "pppoe", "wlan": "wireless", "wwan": "wwan",
}  # fmt: skip
_PRIVATE: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))
_OUTSIDE: Final = re.compile(r"\b(?:wan|internet|uplink|isp|outside|fixed line)\b", re.IGNORECASE)
_INSIDE: Final = re.compile(r"\b(?:lan|office|inside|customer|local)\b", re.IGNORECASE)


def holds_several(path: Path) -> bool:
    """Whether a leaf has several values, so that `set` adds one and does not replace any."""
    name = path[-1]
    if name == "address":
        return path[0] == "interfaces" or path[-2] == "allow-client"
    if name == "interface":
        return path[:2] in (("firewall", "group"), ("firewall", "zone")) or path[-2] == "member"
    return name in _SEVERAL or path == ("service", "ssh", "port")


def path_of(name: str) -> Path:
    """Where an interface is configured: ``eth0.10`` is a virtual one of ``eth0``. Empty for unknown kinds."""
    base, _, vlan = name.partition(".")
    kind = _KINDS.get(base.rstrip("0123456789"))
    if kind is None:
        return ()
    return ("interfaces", kind, base, *(("vif", vlan) if vlan else ()))


def fixed(box: SetLines, name: str) -> list[IPv4Interface]:
    """The IPv4 addresses of an interface that are written down."""
    found = (attempt(ip_interface, one) for one in box.values((*path_of(name), "address")) if "/" in one)
    return [one for one in found if isinstance(one, IPv4Interface)]


def fixed6(box: SetLines, name: str) -> list[IPv6Interface]:
    found = (attempt(ip_interface, one) for one in box.values((*path_of(name), "address")) if "/" in one)
    return [one for one in found if isinstance(one, IPv6Interface)]


def is_private(address: IPv4Address | IPv4Interface) -> bool:
    plain = address.ip if isinstance(address, IPv4Interface) else address
    return any(plain in network for network in _PRIVATE)


def is_on(box: SetLines, name: str) -> bool:
    return not box.has((*path_of(name), "disable"))


def default_gateways(box: SetLines) -> list[IPv4Address]:
    found = (attempt(IPv4Address, one) for one in box.names(f"{DEFAULT_ROUTE} next-hop"))
    return [one for one in found if one is not None]


def _wired(box: SetLines) -> Iterator[str]:
    """Interfaces that a line or a LAN may be on, virtual ones behind theirs."""
    for kind in ("bonding", "bridge", "ethernet"):
        for name in box.names(("interfaces", kind)):
            yield name
            yield from (f"{name}.{vlan}" for vlan in box.names(("interfaces", kind, name, "vif")))


def _about(box: SetLines, name: str) -> str:
    return box.value((*path_of(name), "description"))


def line_below(box: SetLines, name: str) -> str:
    """The interface that carries the line: that below a PPPoE interface, else the interface itself."""
    return box.value((*path_of(name), "source-interface")) if name.startswith("pppoe") else name


@remembered
def wan_of(box: SetLines) -> str:
    """The interface to the internet, empty when there is none: PPPoE, else what is called so, else what is used so."""
    dialled = [name for name in box.names("interfaces pppoe") if is_on(box, name)]
    if dialled:
        return next((name for name in dialled if _OUTSIDE.search(_about(box, name))), dialled[0])
    names = [name for name in _wired(box) if not name.startswith("br")]
    gateways = default_gateways(box)
    ways: tuple[Callable[[str], bool], ...] = (
        lambda name: bool(_OUTSIDE.search(_about(box, name))),
        lambda name: any(gateway in one.network for one in fixed(box, name) for gateway in gateways),
        lambda name: "dhcp" in box.values((*path_of(name), "address")),
        lambda name: name in masqueraded(box),
    )
    return next((name for way in ways for name in names if way(name)), "")


def masqueraded(box: SetLines) -> list[str]:
    """The interfaces behind whose address the inside hides."""
    rules = [("nat", "source", "rule", number) for number in box.names("nat source rule")]
    hiding = [rule for rule in rules if box.value((*rule, "translation", "address")) == "masquerade"]
    return [box.value((*rule, "outbound-interface", "name")) for rule in hiding]


@remembered
def lan_of(box: SetLines) -> str:
    """The interface to the customer, empty when there is none."""
    outside = wan_of(box)
    taken = {outside, line_below(box, outside) if outside else ""}
    taken |= {name for bridge in box.names("interfaces bridge") for name in bridged(box, bridge)}
    served = {subnet for _, subnet in subnets(box)}

    def worth(name: str) -> int:
        addresses = fixed(box, name)
        private = any(map(is_private, addresses))
        if not private and not _INSIDE.search(_about(box, name)):
            return 0
        return (
            2 * any(str(one.network) in served for one in addresses)
            + 3 * bool(_INSIDE.search(_about(box, name)))
            + 2 * private
            + name.startswith("br")
        )

    names = [name for name in _wired(box) if name not in taken]
    best = max(names, key=worth, default="")
    return best if best and worth(best) else ""


def bridged(box: SetLines, bridge: str) -> list[str]:
    return box.names(("interfaces", "bridge", bridge, "member", "interface"))


def subnets(box: SetLines) -> list[tuple[str, str]]:
    """The DHCP server's subnets, each with the name of its shared network."""
    shared = "service dhcp-server shared-network-name"
    return [(name, subnet) for name in box.names(shared) for subnet in box.names(f"{shared} {name} subnet")]


def is_newer(box: SetLines) -> bool:
    """Whether the text is one of 1.5, where the DHCP server's options have other names. Only what 1.4 does not know
    tells; where nothing does, it is taken for one of 1.4."""
    served = (("service", "dhcp-server", "shared-network-name", name, "subnet", one) for name, one in subnets(box))
    return (
        any({"option", "subnet-id"} & set(box.names(path)) for path in served)
        or bool(box.values("system config-management commit-confirm"))
        or box.has("system syslog local")
    )


def mobile_of(box: SetLines) -> str:
    return next(iter(box.names("interfaces wwan")), "")


def lowest_free(taken: Collection[str], first: int, step: int = 10) -> str:
    """A rule number that is not taken."""
    number = first
    while str(number) in taken:
        number += step
    if number > 999_999:
        raise InputError("no rule number is left")
    return str(number)
