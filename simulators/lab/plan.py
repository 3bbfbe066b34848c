"""Which nodes a lab has, what they are called and which addresses they have. Pure.

Every range is documentation's, shared address space or private, and none is 192.0.2.0/24, which machines that tests run
on use themselves:

| range | what for |
|---|---|
| 100.64.0.0/16 | fixed lines: a /29 each, the edge first, the CPE second |
| 100.96.0.0/16 | the private APN: a /29 each, the operator's router first, the CPE second |
| 203.0.113.0/24, 2001:db8::/40 | fixed addresses of customers, a /32 and a /56 each (§3.3.1) |
| 10.100.0.0/16 | loopbacks that CPEs are managed by |
| 10.64.0.0/16 | customers' LANs, a /24 each |
| 10.255.0.0/16 | the operator's own: the edge's loopbacks, manager, APN's transfer net |
| 198.51.100.0/24, 2001:db8:ffff::/64 | the internet |
| fd64::/16, fd96::/16 | IPv6 of fixed lines and of the APN |

A /29 has room for the address that a container engine wants for itself in every network (the last one).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from typing import Final, Literal

Routing = Literal["static", "bgp"]
"""``static``: floating default routes; a silent loss moves nothing by itself. ``bgp``: box and edge move alone."""
LanAddress = Literal["static", "dhcp"]

MOST_CPES: Final = 250
EDGE_LOOPBACK: Final = IPv4Address("10.255.0.1")
"""Where the edge is managed: SSH, SNMP."""
EDGE_BGP_LOOPBACK: Final = IPv4Address("10.255.0.2")
"""The edge's end of BGP sessions over mobile; reached from a CPE over mobile alone."""
MANAGER_NET: Final = IPv4Network("10.255.1.0/29")
APN_NET: Final = IPv4Network("10.255.2.0/29")
INTERNET_NET: Final = IPv4Network("198.51.100.0/29")
INTERNET_NET6: Final = IPv6Network("2001:db8:ffff::/64")
_LINES: Final = IPv4Address("100.64.0.0")
_MOBILES: Final = IPv4Address("100.96.0.0")
_MANAGEMENT: Final = IPv4Address("10.100.0.0")
_FIXED: Final = IPv4Address("203.0.113.0")

EDGE_AS: Final = 65000
MOBILE_AS: Final = 65001
_FIRST_CPE_AS: Final = 65100
COMMUNITY: Final = "lab-reads"
"""The SNMP word of every agent of a lab."""


def first(net: IPv4Network) -> IPv4Address:
    return net.network_address + 1


def second(net: IPv4Network) -> IPv4Address:
    return net.network_address + 2


def engine_address(net: IPv4Network) -> IPv4Address:
    """What a container engine may have in a network; nothing of the lab uses it."""
    return net.broadcast_address - 1


@dataclass(frozen=True, slots=True)
class CpePlan:
    """The CPE of customer ``number`` (from 1), its line, its mobile connection and its LAN."""

    number: int
    routing: Routing
    bfd: bool

    @property
    def name(self) -> str:
        return f"cpe{self.number}"

    @property
    def host(self) -> str:
        """The node behind it."""
        return f"lan{self.number}"

    @property
    def line(self) -> IPv4Network:
        return IPv4Network((_LINES + 8 * self.number, 29))

    @property
    def mobile(self) -> IPv4Network:
        return IPv4Network((_MOBILES + 8 * self.number, 29))

    @property
    def line_address(self) -> IPv4Address:
        return second(self.line)

    @property
    def line_gateway(self) -> IPv4Address:
        return first(self.line)

    @property
    def mobile_address(self) -> IPv4Address:
        return second(self.mobile)

    @property
    def mobile_gateway(self) -> IPv4Address:
        return first(self.mobile)

    @property
    def line6(self) -> IPv6Network:
        return IPv6Network(f"fd64:0:0:{self.number:x}::/64")

    @property
    def mobile6(self) -> IPv6Network:
        return IPv6Network(f"fd96:0:0:{self.number:x}::/64")

    @property
    def management(self) -> IPv4Address:
        return _MANAGEMENT + self.number

    @property
    def fixed(self) -> IPv4Network:
        return IPv4Network((_FIXED + self.number, 32))

    @property
    def fixed6(self) -> IPv6Network:
        return IPv6Network(f"2001:db8:0:{self.number:x}00::/56")

    @property
    def lan(self) -> IPv4Network:
        return IPv4Network(f"10.64.{self.number}.0/24")

    @property
    def lan_gateway(self) -> IPv4Interface:
        return IPv4Interface((first(self.lan), 24))

    @property
    def lan_host(self) -> IPv4Interface:
        return IPv4Interface((self.lan.network_address + 10, 24))

    @property
    def lan6(self) -> IPv6Interface:
        """The CPE's on the LAN: the first /64 of the block."""
        return IPv6Interface((self.fixed6.network_address + 1, 64))

    @property
    def number_as(self) -> int:
        return _FIRST_CPE_AS + self.number


@dataclass(frozen=True, slots=True)
class LabPlan:
    """``routing`` and ``bfd`` are of every CPE. ``bfd``: the edge and the box watch the fixed line, 100 ms x 3, also
    where nothing but an observer makes use of it. ``mobile_down``, ``mobile_up``: rate of the mobile connection in
    Mbit/s as the customer sees it."""

    cpes: int = 1
    routing: Routing = "static"
    bfd: bool = True
    lan: LanAddress = "static"
    mobile_down: int = 20
    mobile_up: int = 8

    def __post_init__(self) -> None:
        if not 1 <= self.cpes <= MOST_CPES:
            raise ValueError(f"a lab has 1 to {MOST_CPES} CPEs, not {self.cpes}")

    def cpe(self, number: int) -> CpePlan:
        """Raises ``ValueError``."""
        if not 1 <= number <= self.cpes:
            raise ValueError(f"this lab has the CPEs 1 to {self.cpes}, and none with number {number}")
        return CpePlan(number, self.routing, self.bfd)

    def all_cpes(self) -> Iterator[CpePlan]:
        return (self.cpe(number) for number in range(1, self.cpes + 1))

    @property
    def nodes(self) -> tuple[str, ...]:
        ends = [name for cpe in self.all_cpes() for name in (cpe.name, cpe.host)]
        return ("edge", "mobile", "access", "internet", "manager", *ends)


def role_of(node: str) -> str:
    return node.rstrip("0123456789")


def environment(plan: LabPlan, node: str) -> dict[str, str]:
    """What a node's scripts are told, as environment variables."""
    role = role_of(node)
    told = {"LAB_NODE": node, "LAB_ROLE": role, "LAB_COMMUNITY": COMMUNITY}
    if role in ("edge", "mobile", "access"):
        told["LAB_CPES"] = "\n".join(_row(cpe) for cpe in plan.all_cpes())
    if role in ("edge", "mobile"):
        told |= {"LAB_APN_EDGE": f"{first(APN_NET)}/29", "LAB_APN_MOBILE": f"{second(APN_NET)}/29"}
        told |= {"LAB_EDGE_AS": str(EDGE_AS), "LAB_MOBILE_AS": str(MOBILE_AS)}
    if role == "edge":
        told |= {"LAB_LOOPBACK": str(EDGE_LOOPBACK), "LAB_BGP_LOOPBACK": str(EDGE_BGP_LOOPBACK)}
        told |= {"LAB_MANAGER_EDGE": f"{first(MANAGER_NET)}/29", "LAB_MANAGER": str(second(MANAGER_NET))}
        told |= {"LAB_INTERNET_EDGE": f"{first(INTERNET_NET)}/29", "LAB_INTERNET_EDGE6": f"{INTERNET_NET6[1]}/64"}
    if role == "mobile":
        told |= {"LAB_MOBILE_DOWN": f"{plan.mobile_down}mbit"}
    if role == "internet":
        told |= {"LAB_ADDRESS": f"{second(INTERNET_NET)}/29", "LAB_GATEWAY": str(first(INTERNET_NET))}
        told |= {"LAB_ADDRESS6": f"{INTERNET_NET6[2]}/64", "LAB_GATEWAY6": str(INTERNET_NET6[1])}
    if role == "manager":
        told |= {"LAB_ADDRESS": f"{second(MANAGER_NET)}/29", "LAB_GATEWAY": str(first(MANAGER_NET))}
    if role == "cpe":
        told |= _cpe(plan, plan.cpe(int(node[3:])))
    if role == "lan":
        cpe = plan.cpe(int(node[3:]))
        told |= {"LAB_LAN": plan.lan, "LAB_ADDRESS": str(cpe.lan_host), "LAB_GATEWAY": str(cpe.lan_gateway.ip)}
        told |= {"LAB_ADDRESS6": f"{cpe.lan6.ip + 9}/64", "LAB_GATEWAY6": str(cpe.lan6.ip)}
    return told


def _row(cpe: CpePlan) -> str:
    """A CPE as edge, operator and access node read it: words between blanks."""
    words = (
        *(cpe.number, cpe.routing, "bfd" if cpe.bfd else "-", cpe.number_as),
        *(cpe.line_gateway, cpe.line_address, cpe.mobile_gateway, cpe.mobile_address),
        *(cpe.management, cpe.fixed.network_address),
        *(cpe.line6[1], cpe.line6[2], cpe.mobile6[1], cpe.mobile6[2], cpe.fixed6),
    )
    return " ".join(map(str, words))


def _cpe(plan: LabPlan, cpe: CpePlan) -> dict[str, str]:
    return {
        "LAB_ROUTING": cpe.routing,
        "LAB_BFD": "bfd" if cpe.bfd else "-",
        "LAB_AS": str(cpe.number_as),
        "LAB_EDGE_AS": str(EDGE_AS),
        "LAB_EDGE_BGP": str(EDGE_BGP_LOOPBACK),
        "LAB_MANAGER": str(second(MANAGER_NET)),
        "LAB_OPERATOR": "10.255.0.0/16",
        "LAB_LINE": str(cpe.line_address),
        "LAB_LINE_GATEWAY": str(cpe.line_gateway),
        "LAB_LINE_NET": str(cpe.line),
        "LAB_MOBILE": str(cpe.mobile_address),
        "LAB_MOBILE_GATEWAY": str(cpe.mobile_gateway),
        "LAB_LINE6": str(cpe.line6[2]),
        "LAB_LINE6_GATEWAY": str(cpe.line6[1]),
        "LAB_MOBILE6": str(cpe.mobile6[2]),
        "LAB_MOBILE6_GATEWAY": str(cpe.mobile6[1]),
        "LAB_MANAGEMENT": str(cpe.management),
        "LAB_FIXED": str(cpe.fixed.network_address),
        "LAB_LAN_NET": str(cpe.lan),
        "LAB_LAN_ADDRESS": str(cpe.lan_gateway),
        "LAB_LAN_FIRST": str(cpe.lan.network_address + 100),
        "LAB_LAN_LAST": str(cpe.lan.network_address + 199),
        "LAB_LAN6": str(cpe.lan6),
        "LAB_LAN6_NET": str(cpe.lan6.network),
        "LAB_FIXED6": str(cpe.fixed6),
        "LAB_MOBILE_UP": f"{plan.mobile_up}mbit",
    }


def links(plan: LabPlan) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Every wire: node and interface at one end, node and interface at the other. A fixed line is two wires with the
    access node between them; what is cut, is cut there, so that neither end is touched."""
    yield ("edge", "mgr0"), ("manager", "eth0")
    yield ("edge", "inet0"), ("internet", "eth0")
    yield ("edge", "apn0"), ("mobile", "edge0")
    for cpe in plan.all_cpes():
        number = cpe.number
        yield ("edge", f"line{number}"), ("access", f"edge{number}")
        yield ("access", f"cpe{number}"), (cpe.name, "eth0")
        yield ("mobile", f"sim{number}"), (cpe.name, "wwan0")
        yield (cpe.name, "lan1"), (cpe.host, "eth0")
