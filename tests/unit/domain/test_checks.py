"""What a change must not make of a device."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Network
from typing import Any

import pytest

from cpe_manager.domain.model.cpe_config import (
    CpeConfig,
    DhcpServer,
    Lan,
    PortMapping,
    Reservation,
    StaticRoute,
    Wan,
)
from cpe_manager.domain.model.cpe_mobile import Barred, Mobile, Ports
from cpe_manager.domain.push.checks import ACCEPTABLE, Check, Held, findings, held_by, newly_held
from cpe_manager.domain.subscription.entitlement import Component, newly_used

A = IPv4Address
N = IPv4Network
BEFORE = CpeConfig(
    "SITE-1",
    wan=Wan("static", IPv4Interface("192.0.2.2/29"), A("192.0.2.1")),
    lan=Lan(IPv4Interface("192.168.1.1/24")),
)
PACK = Wan("static", IPv4Interface("192.0.2.2/29"), A("192.0.2.1"), ip_pack=N("198.51.100.8/29"))


def mapping(port: int, inside: str = "192.168.1.9", last: int | None = None, protocol: Any = "tcp") -> PortMapping:
    return PortMapping(protocol, Ports(port, last or port), A(inside), port)


WRONG: list[tuple[str, dict[str, Any], Check]] = [
    ("the LAN is the WAN's", {"lan": Lan(IPv4Interface("192.0.2.5/28"))}, Check.OVERLAP),
    ("the LAN holds the WAN", {"lan": Lan(IPv4Interface("192.0.0.1/16"))}, Check.OVERLAP),
    ("the IP pack is the LAN's", {"wan": replace(PACK, ip_pack=N("192.168.1.8/29"))}, Check.OVERLAP),
    ("the IP pack is the WAN's", {"wan": replace(PACK, ip_pack=N("192.0.2.0/29"))}, Check.OVERLAP),
    ("a route takes the LAN", {"routes": (StaticRoute(N("192.168.1.128/25"), A("192.0.2.1")),)}, Check.OVERLAP),
    ("a route leads nowhere", {"routes": (StaticRoute(N("10.0.0.0/8"), A("172.16.0.1")),)}, Check.ROUTE),
    ("mapped to outside", {"port_mappings": (mapping(443, "203.0.113.9"),)}, Check.OUTSIDE_LAN),
    ("mapped to the WAN", {"port_mappings": (mapping(443, "192.0.2.3"),)}, Check.OUTSIDE_LAN),
    ("mapped to the router", {"port_mappings": (mapping(443, "192.168.1.1"),)}, Check.OWN_ADDRESS),
    ("port 23", {"port_mappings": (mapping(23),)}, Check.RESERVED),
    ("a range over port 23", {"port_mappings": (mapping(20, last=25),)}, Check.RESERVED),
    ("where it is managed", {"port_mappings": (mapping(22),)}, Check.MANAGEMENT_PORT),
    (
        "too many end users",
        {"lan": Lan(IPv4Interface("192.168.0.1/23")), "dhcp": DhcpServer(A("192.168.0.2"), A("192.168.0.255"))},
        Check.END_USERS,
    ),
    (
        "too many with reservations",
        {
            "lan": Lan(IPv4Interface("192.168.0.1/23")),
            "dhcp": DhcpServer(
                A("192.168.0.3"), A("192.168.0.255"), reservations=(Reservation("02:00:00:00:00:01", A("192.168.1.9")),)
            ),
        },
        Check.END_USERS,
    ),
]


@pytest.mark.parametrize(("changes", "check"), [(w[1], w[2]) for w in WRONG], ids=[w[0] for w in WRONG])
def test_what_a_change_brings_about_is_refused_and_what_was_there_is_told(
    changes: dict[str, Any], check: Check
) -> None:
    after = replace(BEFORE, **changes)
    found = findings(BEFORE, after)
    assert [(one.check, one.refuses) for one in found] == [(check, True)]
    again = findings(after, replace(after, hostname="SITE-2"))
    assert [(one.check, one.refuses) for one in again] == [(check, False)]
    assert "so before" in again[0].reason


RIGHT: list[tuple[str, dict[str, Any]]] = [
    ("nothing", {}),
    ("an IP pack", {"wan": PACK}),
    ("mapped into the IP pack", {"wan": PACK, "port_mappings": (mapping(443, "198.51.100.10"),)}),
    (
        "mapped behind a route",
        {
            "routes": (StaticRoute(N("10.9.0.0/24"), A("192.168.1.2")),),
            "port_mappings": (mapping(443, "10.9.0.5"),),
        },
    ),
    ("UDP where TCP is managed", {"port_mappings": (mapping(22, protocol="udp"),)}),
    ("253 end users", {"dhcp": DhcpServer(A("192.168.1.2"), A("192.168.1.254"))}),
    (
        "a gateway that DHCP may put on-link",
        {"wan": Wan("dhcp"), "routes": (StaticRoute(N("10.0.0.0/8"), A("172.16.0.1")),)},
    ),
]


@pytest.mark.parametrize("changes", [r[1] for r in RIGHT], ids=[r[0] for r in RIGHT])
def test_what_is_right_is_not_hindered(changes: dict[str, Any]) -> None:
    assert findings(BEFORE, replace(BEFORE, **changes)) == ()


def test_another_management_port_is_what_counts() -> None:
    after = replace(BEFORE, port_mappings=(mapping(2222),))
    assert findings(BEFORE, after) == ()
    assert [one.check for one in findings(BEFORE, after, management_port=2222)] == [Check.MANAGEMENT_PORT]


def test_the_contracts_limits_are_nobodys_to_accept() -> None:
    assert not {Check.RESERVED, Check.END_USERS, Check.BASIS, Check.LOCKOUT} & ACCEPTABLE


def test_what_a_device_holds_are_its_fixed_public_addresses() -> None:
    wan = replace(PACK, ipv6_prefix=IPv6Network("2001:db8:0:100::/56"))
    held = held_by(replace(BEFORE, wan=wan))
    assert held == (Held(N("192.0.2.2/32")), Held(N("198.51.100.8/29")), Held(IPv6Network("2001:db8:0:100::/56")))
    assert held_by(replace(BEFORE, wan=Wan("dhcp"))) == ()
    assert newly_held(BEFORE, replace(BEFORE, wan=PACK)) == (Held(N("198.51.100.8/29")),)
    first, last = held[1].bounds
    assert last - first == 7
    six = held[2].bounds
    assert six[0] == six[1] < 2**63


def test_only_what_a_change_brings_into_use_has_to_be_ordered() -> None:
    assert newly_used(BEFORE, replace(BEFORE, hostname="SITE-2")) == ()
    assert newly_used(BEFORE, replace(BEFORE, wan=PACK)) == (Component.IP_PACK,)
    assert newly_used(replace(BEFORE, wan=None), BEFORE) == (Component.FIXED_IPV4,)
    assert newly_used(BEFORE, replace(BEFORE, wan=Wan("dhcp"))) == ()
    standing_by = replace(BEFORE, mobile=Mobile("m2m.example"))
    moved = replace(BEFORE, mobile=Mobile("m2m.example", preferred=True, barred=(Barred("udp", Ports(5060, 5061)),)))
    assert newly_used(BEFORE, standing_by) == newly_used(BEFORE, moved) == (Component.MOBILE_BACKUP,)
    assert newly_used(standing_by, moved) == newly_used(moved, standing_by) == ()
    assert newly_used(BEFORE, replace(BEFORE, mobile=Mobile("m2m.example", active=False))) == ()
