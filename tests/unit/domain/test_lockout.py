"""A change that would cut the way to the box is told beforehand; one that would not is not."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from cpe_manager.domain.model.cpe_config import (
    AccessRule,
    CpeConfig,
    Firewall,
    Lan,
    Management,
    PortMapping,
    StaticRoute,
    Wan,
)
from cpe_manager.domain.model.cpe_mobile import Barred, Mobile, Ports
from cpe_manager.domain.push.lockout import Lockout, ManagementPath, predicted_lockouts

NOC = IPv4Network("10.100.7.0/24")
BEFORE = CpeConfig(
    "SITE-1",
    wan=Wan("static", IPv4Interface("80.1.2.6/29"), IPv4Address("80.1.2.1")),
    lan=Lan(IPv4Interface("192.168.1.1/24")),
    firewall=Firewall("drop", (AccessRule("accept", "icmp"),)),
    management=Management((NOC,)),
)
PATH = ManagementPath(IPv4Address("80.1.2.6"), IPv4Address("10.100.7.9"))
INSIDE = IPv4Address("192.168.1.20")


def kinds(after: CpeConfig, path: ManagementPath = PATH, before: CpeConfig = BEFORE) -> list[Lockout]:
    return [hindrance.kind for hindrance in predicted_lockouts(before, after, path)]


def with_rules(*rules: AccessRule) -> CpeConfig:
    return replace(BEFORE, firewall=Firewall("drop", rules))


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (replace(BEFORE, wan=replace(BEFORE.wan, address=IPv4Interface("80.1.2.5/29"))), [Lockout.ADDRESS]),
        (replace(BEFORE, wan=replace(BEFORE.wan, gateway=IPv4Address("80.1.2.3"))), [Lockout.ROUTE]),
        (replace(BEFORE, wan=None), [Lockout.ADDRESS, Lockout.ROUTE]),
        (replace(BEFORE, wan=Wan("dhcp")), [Lockout.ADDRESS, Lockout.ROUTE]),
        (replace(BEFORE, management=Management((IPv4Network("10.100.8.0/24"),))), [Lockout.ACCESS_LIST]),
        (replace(BEFORE, management=Management((NOC,), ssh=False, telnet=True)), [Lockout.SERVICE]),
        (with_rules(AccessRule("drop", "tcp", ports=Ports.one(22))), [Lockout.FIREWALL]),
        (with_rules(AccessRule("reject", "ip", NOC)), [Lockout.FIREWALL]),
        (with_rules(AccessRule("drop", "tcp", None, IPv4Network("80.1.2.6/32"), Ports(1, 1024))), [Lockout.FIREWALL]),
        (replace(BEFORE, port_mappings=(PortMapping("tcp", Ports(20, 30), INSIDE, 20),)), [Lockout.PORT_MAPPING]),
        (replace(BEFORE, lan=Lan(IPv4Interface("10.100.7.1/24"))), [Lockout.ROUTE]),
        (replace(BEFORE, routes=(StaticRoute(IPv4Network("10.100.0.0/16"), INSIDE),)), [Lockout.ROUTE]),
    ],
)
def test_what_cuts_the_way_is_named(after: CpeConfig, expected: list[Lockout]) -> None:
    assert kinds(after) == expected


@pytest.mark.parametrize(
    "after",
    [
        BEFORE,
        replace(BEFORE, hostname="SITE-2"),
        replace(BEFORE, lan=Lan(IPv4Interface("192.168.7.1/24"))),
        replace(BEFORE, management=Management(())),
        with_rules(AccessRule("accept", "tcp", NOC, None, Ports.one(22)), AccessRule("drop", "tcp")),
        with_rules(AccessRule("drop", "udp", ports=Ports.one(22)), AccessRule("drop", "tcp", ports=Ports.one(23))),
        with_rules(AccessRule("drop", "ip", IPv4Network("80.0.0.0/8"))),
        with_rules(AccessRule("drop", "ip", None, IPv4Network("91.3.4.8/29"))),
        replace(BEFORE, port_mappings=(PortMapping("udp", Ports.one(22), INSIDE, 22),)),
        replace(BEFORE, port_mappings=(PortMapping("tcp", Ports.one(22), INSIDE, 22, IPv4Network("80.5.0.0/16")),)),
        replace(
            BEFORE,
            routes=(
                StaticRoute(IPv4Network("10.100.0.0/16"), INSIDE),
                StaticRoute(IPv4Network("10.100.7.0/24"), IPv4Address("80.1.2.1")),
            ),
        ),
    ],
)
def test_what_does_not_is_not(after: CpeConfig) -> None:
    assert kinds(after) == []


def test_what_was_there_before_is_no_news() -> None:
    closed = with_rules(AccessRule("drop", "tcp", ports=Ports.one(22)))
    assert kinds(replace(closed, hostname="SITE-2"), before=closed) == []


def test_a_log_in_that_changes_may_leave_the_line_down() -> None:
    before = replace(BEFORE, wan=Wan("pppoe", None, None, "fb1@isp.example", "one"))
    after = replace(before, wan=Wan("pppoe", None, None, "fb1@isp.example", "two"))
    assert kinds(after, before=before) == [Lockout.ROUTE]
    assert kinds(before, before=before) == []


def test_telnet_that_stops_matters_to_a_box_that_is_managed_by_it_only() -> None:
    before = replace(BEFORE, management=Management((NOC,), telnet=True))
    after = replace(BEFORE, management=Management((NOC,), telnet=False))
    assert kinds(after, before=before) == []
    assert kinds(after, ManagementPath(PATH.address, PATH.manager, "telnet", 23), before) == [Lockout.SERVICE]


def test_a_box_managed_from_its_lan_minds_its_lan_and_not_its_wan() -> None:
    path = ManagementPath(IPv4Address("192.168.1.1"), IPv4Address("192.168.1.50"))
    before = replace(BEFORE, management=Management())
    assert kinds(replace(before, wan=None), path, before) == []
    assert kinds(replace(before, lan=Lan(IPv4Interface("192.168.1.254/24"))), path, before) == [Lockout.ADDRESS]
    mapped = replace(before, port_mappings=(PortMapping("tcp", Ports.one(22), INSIDE, 22),))
    assert kinds(mapped, path, before) == []


def test_where_our_own_address_is_not_known_only_what_is_certain_is_said() -> None:
    path = ManagementPath(None, None)
    assert kinds(replace(BEFORE, wan=None), path) == []
    assert kinds(replace(BEFORE, management=Management((NOC,), ssh=False)), path) == [Lockout.SERVICE]


VOICE = (Barred("udp", Ports(5060, 5061)),)


@pytest.mark.parametrize("path", [PATH, ManagementPath(IPv4Address("10.0.9.1"), PATH.manager)], ids=["wan", "loopback"])
def test_traffic_that_moves_to_mobile_or_back_is_for_the_probe_to_judge(path: ManagementPath) -> None:
    standing_by = replace(BEFORE, mobile=Mobile("m2m.example"))
    moved = replace(BEFORE, mobile=Mobile("m2m.example", preferred=True, barred=VOICE))
    assert kinds(moved, path, standing_by) == []
    assert kinds(standing_by, path, moved) == []
    assert kinds(moved, path, BEFORE) == []


def test_a_mobile_connection_that_carries_is_not_taken_away_in_one_go() -> None:
    moved = replace(BEFORE, mobile=Mobile("m2m.example", preferred=True))
    off = replace(BEFORE, mobile=Mobile("m2m.example", active=False))
    assert kinds(off, before=moved) == kinds(BEFORE, before=moved) == [Lockout.ROUTE]
    assert kinds(off, before=replace(BEFORE, mobile=Mobile("m2m.example"))) == []
    inside = replace(moved, management=Management(), routes=(StaticRoute(IPv4Network("10.100.0.0/16"), INSIDE),))
    assert kinds(replace(inside, mobile=None), before=inside) == []


def test_the_reason_is_a_sentence_for_operators() -> None:
    (found,) = predicted_lockouts(BEFORE, replace(BEFORE, management=Management((IPv4Network("10.9.0.0/16"),))), PATH)
    assert str(found) == "10.100.7.9 is in none of the networks that may manage the box"


MOVED = replace(BEFORE, wan=Wan("static", IPv4Interface("80.7.7.6/29"), IPv4Address("80.7.7.1")))


@pytest.mark.parametrize(
    ("after", "then", "expected"),
    [
        (MOVED, "80.7.7.6", []),
        # The same network, another address: its gateway stays.
        (replace(BEFORE, wan=replace(BEFORE.wan, address=IPv4Interface("80.1.2.5/29"))), "80.1.2.5", []),
        # It would be nowhere.
        (MOVED, "80.7.7.5", [Lockout.ADDRESS, Lockout.ROUTE]),
        (BEFORE, "80.7.7.6", [Lockout.ADDRESS]),
        # The old gateway is still a neighbour: that it is given up is no part of moving.
        (
            replace(BEFORE, wan=Wan("static", IPv4Interface("80.1.2.5/29"), IPv4Address("80.1.2.3"))),
            "80.1.2.5",
            [Lockout.ROUTE],
        ),
        # Everything else is judged as ever, by the new way.
        (replace(MOVED, management=Management((IPv4Network("10.100.8.0/24"),))), "80.7.7.6", [Lockout.ACCESS_LIST]),
        (replace(MOVED, management=Management((NOC,), ssh=False, telnet=True)), "80.7.7.6", [Lockout.SERVICE]),
        (
            replace(MOVED, firewall=Firewall("drop", (AccessRule("drop", "tcp", None, IPv4Network("80.7.7.6/32")),))),
            "80.7.7.6",
            [Lockout.FIREWALL],
        ),
        (replace(MOVED, firewall=Firewall("drop", (AccessRule("drop", "tcp", None, IPv4Network("80.1.2.6/32")),))),
         "80.7.7.6", []),
        (replace(MOVED, port_mappings=(PortMapping("tcp", Ports(20, 30), INSIDE, 20),)), "80.7.7.6",
         [Lockout.PORT_MAPPING]),
        # What DHCP will give nobody knows here; that the line connects in another way is still told.
        (replace(BEFORE, wan=Wan("dhcp")), "80.7.7.6", [Lockout.ROUTE]),
    ],
)  # fmt: skip
def test_of_a_box_that_is_to_be_managed_elsewhere_only_the_old_address_may_go(
    after: CpeConfig, then: str, expected: list[Lockout]
) -> None:
    found = predicted_lockouts(BEFORE, after, PATH, replace(PATH, address=IPv4Address(then)))
    assert [hindrance.kind for hindrance in found] == expected


def test_a_box_that_is_managed_by_another_address_than_its_lines_may_move_to_one_that_nobody_sees_here() -> None:
    """A loopback in the operator's network, say: the configuration's model has none."""
    loopback = replace(PATH, address=IPv4Address("10.99.0.6"))
    assert predicted_lockouts(BEFORE, BEFORE, loopback, replace(PATH, address=IPv4Address("10.99.0.7"))) == ()
