"""Changes of addresses (§3.3): what moves along, what is refused, where the box is managed afterwards."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network
from typing import Any

import pytest

from cpe_manager.domain.model.cpe_config import (
    AccessRule,
    CpeConfig,
    DhcpServer,
    Firewall,
    Lan,
    Management,
    PortMapping,
    Reservation,
    StaticRoute,
    Wan,
)
from cpe_manager.domain.model.cpe_config_data import Misfit
from cpe_manager.domain.model.cpe_mobile import Ports
from cpe_manager.domain.push.checks import Check
from cpe_manager.domain.push.lockout import Lockout
from tests.support.change_scenes import GAMES, OFFICE, SETTING, SMALL, WEB, after, effect, notes, refusals, told

PPPOE = replace(OFFICE, wan=Wan("pppoe", username="fb1@isp.example", password="w0rd"))
DYNAMIC = replace(OFFICE, wan=Wan("dhcp"))
BLOCK = IPv6Network("2001:db8:12:3400::/56")
PACK = IPv4Network("91.3.4.8/29")
PACKED = replace(OFFICE, wan=replace(OFFICE.wan, ip_pack=PACK, ipv6_prefix=BLOCK))


def test_a_line_gets_another_fixed_address() -> None:
    found = after("wan-address", {"address": "203.0.113.2/30", "gateway": "203.0.113.1"})
    wan = Wan("static", IPv4Interface("203.0.113.2/30"), IPv4Address("203.0.113.1"))
    assert found == replace(OFFICE, wan=wan)
    assert told("wan-address", {"address": "203.0.113.2/30", "gateway": "203.0.113.1"}) == []


def test_the_gateway_stays_where_it_is_on_the_same_network() -> None:
    found = after("wan-address", {"address": "198.51.100.77/24"})
    assert found.wan == Wan("static", IPv4Interface("198.51.100.77/24"), IPv4Address("198.51.100.1"))


@pytest.mark.parametrize(
    ("now", "asked", "field"),
    [
        (OFFICE, {"address": "203.0.113.2/30"}, "gateway"),
        (OFFICE, {"address": "198.51.100.1/24"}, "gateway"),
        (OFFICE, {"address": "203.0.113.2/30", "gateway": "203.0.113.9"}, "gateway"),
        (OFFICE, {"address": "203.0.113.2/30", "gateway": "203.0.113.2"}, "gateway"),
        (OFFICE, {"address": "203.0.113.2/30", "gateway": "203.0.113.3"}, "gateway"),
        (OFFICE, {"address": "203.0.113.2", "gateway": "203.0.113.1"}, "address"),
        (DYNAMIC, {"address": "203.0.113.2/30"}, "gateway"),
        (PPPOE, {"address": "203.0.113.2/30"}, "address"),
        (PPPOE, {"address": "203.0.113.2", "gateway": "203.0.113.1"}, "gateway"),
    ],
)
def test_an_address_that_does_not_go_with_the_line_is_refused(now: CpeConfig, asked: Any, field: str) -> None:
    with pytest.raises(Misfit) as caught:
        effect("wan-address", asked, now)
    assert caught.value.field == field
    assert refusals("wan-address", asked, now).startswith(f"model-invalid: {field}: ")


def test_a_line_that_logs_in_keeps_its_log_in_and_gets_an_address() -> None:
    found = after("wan-address", {"address": "203.0.113.2"}, PPPOE)
    assert found.wan == replace(PPPOE.wan, address=IPv4Interface("203.0.113.2/32"))


def test_a_line_with_a_dynamic_address_becomes_a_fixed_one() -> None:
    found = after("wan-address", {"address": "203.0.113.2/30", "gateway": "203.0.113.1"}, DYNAMIC)
    assert found.wan == Wan("static", IPv4Interface("203.0.113.2/30"), IPv4Address("203.0.113.1"))


def test_a_box_that_is_managed_at_the_old_address_is_managed_at_the_new_one() -> None:
    asked = {"address": "198.51.100.77/24"}
    here, elsewhere = replace(SETTING, managed_at="198.51.100.2"), replace(SETTING, managed_at="192.0.2.50")
    assert effect("wan-address", asked, setting=here).managed_at == "198.51.100.77"
    assert effect("wan-address", asked, setting=elsewhere).managed_at is None
    assert effect("wan-address", asked).managed_at is None
    same = {"address": "198.51.100.2/24"}
    assert effect("wan-address", same, setting=here).managed_at is None
    assert refusals("wan-address", same) == "nothing-to-change: that is so already"
    assert effect("wan-address", asked).overrides == {Lockout.ROUTE}


def test_an_address_that_overlaps_the_lan_is_refused() -> None:
    assert "address-overlap" in refusals("wan-address", {"address": "192.168.77.9/29", "gateway": "192.168.77.10"})


def test_a_rule_for_the_old_address_is_told_of() -> None:
    rules = (AccessRule("accept", "tcp", destination=IPv4Network("198.51.100.2/32"), ports=Ports.one(80)),)
    now = replace(OFFICE, firewall=Firewall("drop", rules))
    assert "access rule 1 is for 198.51.100.2/32" in notes("wan-address", {"address": "198.51.100.77/24"}, now)


def test_the_lan_moves_with_all_that_is_on_it() -> None:
    now = replace(
        OFFICE,
        routes=(StaticRoute(IPv4Network("10.9.0.0/16"), IPv4Address("192.168.77.2")),),
        firewall=Firewall("drop", (AccessRule("accept", destination=IPv4Network("192.168.77.64/26")),)),
        management=Management((IPv4Network("10.100.7.0/24"), IPv4Network("192.168.77.0/24"))),
    )
    found = after("lan-address", {"address": "10.1.2.1/24"}, now)
    assert found.lan == Lan(IPv4Interface("10.1.2.1/24"))
    assert found.dhcp == DhcpServer(
        IPv4Address("10.1.2.100"),
        IPv4Address("10.1.2.199"),
        reservations=(
            Reservation("02:00:5e:00:00:0a", IPv4Address("10.1.2.20")),
            Reservation("02:00:5e:00:00:0b", IPv4Address("10.1.2.120")),
        ),
    )
    assert set(found.port_mappings) == {
        replace(WEB, inside=IPv4Address("10.1.2.20")), replace(GAMES, inside=IPv4Address("10.1.2.21")),
    }  # fmt: skip
    assert found.routes == (StaticRoute(IPv4Network("10.9.0.0/16"), IPv4Address("10.1.2.2")),)
    assert found.firewall.rules[0].destination == IPv4Network("10.1.2.64/26")
    assert found.management.sources == (IPv4Network("10.1.2.0/24"), IPv4Network("10.100.7.0/24"))
    assert found.dns == (IPv4Address("10.1.2.20"), IPv4Address("9.9.9.9"))
    assert (found.wan, found.wifi, found.snmp) == (now.wan, now.wifi, now.snmp)
    assert refusals("lan-address", {"address": "10.1.2.1/24"}, now) == ""


def test_it_moves_back_to_what_it_was() -> None:
    there = after("lan-address", {"address": "10.1.2.1/24"})
    assert after("lan-address", {"address": "192.168.77.1/24"}, there) == OFFICE


def test_in_a_wider_network_hosts_keep_their_addresses() -> None:
    found = after("lan-address", {"address": "192.168.76.1/23"})
    assert found.dhcp == OFFICE.dhcp
    assert found.port_mappings == OFFICE.port_mappings


def test_another_address_of_the_cpe_alone_moves_nothing_else() -> None:
    found = after("lan-address", {"address": "192.168.77.254/24"})
    assert found == replace(OFFICE, lan=Lan(IPv4Interface("192.168.77.254/24")))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"address": "10.1.2.1/25"}, "dhcp.last 192.168.77.199 does not fit into 10.1.2.0/25"),
        ({"address": "10.1.2.1/28"}, "dhcp.first 192.168.77.100 does not fit"),
        ({"address": "10.1.2.20/24"}, "would become 10.1.2.20, which is to be the CPE's own"),
        ({"address": "10.1.2.150/24"}, "holds the CPE's own address"),
        ({"address": "10.1.2.1/28", "first": "10.1.2.2", "last": "10.1.2.9"}, "does not fit into 10.1.2.0/28"),
        ({"address": "192.168.77.20/24"}, "would become 192.168.77.20"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(asked: Any, said: str) -> None:
    with pytest.raises(Misfit) as caught:
        effect("lan-address", asked)
    assert caught.value.field == "address"
    assert said in str(caught.value)
    assert refusals("lan-address", asked).startswith("model-invalid: address: ")


def test_a_pool_that_does_not_fit_may_be_given_anew() -> None:
    lean = replace(OFFICE, port_mappings=(), dhcp=replace(OFFICE.dhcp, reservations=()), dns=())
    found = after("lan-address", {"address": "10.1.2.1/28", "first": "10.1.2.2", "last": "10.1.2.9"}, lean)
    assert found.dhcp is not None
    assert (str(found.dhcp.first), str(found.dhcp.last)) == ("10.1.2.2", "10.1.2.9")


def test_a_line_never_has_more_than_253_end_users() -> None:
    with pytest.raises(Misfit, match=r"DHCP would serve 302 end users; a line has at most 253 \(§3.5\)"):
        effect("lan-address", {"address": "10.1.2.1/23", "first": "10.1.2.100", "last": "10.1.3.144"})
    assert "end users" in refusals(
        "lan-address", {"address": "10.1.2.1/23", "first": "10.1.2.100", "last": "10.1.3.144"}
    )
    most = {"address": "10.1.2.1/23", "first": "10.1.2.2", "last": "10.1.2.254"}
    assert refusals("lan-address", most) == ""
    assert "this formula has at most 20" in refusals("lan-address", most, setting=SMALL)


def test_a_box_that_is_managed_on_the_lan_is_managed_there_afterwards() -> None:
    here = replace(SETTING, managed_at="192.168.77.1")
    assert effect("lan-address", {"address": "10.1.2.1/24"}, setting=here).managed_at == "10.1.2.1"
    assert effect("lan-address", {"address": "10.1.2.1/24"}).managed_at is None


def test_a_pool_without_a_dhcp_server_is_refused() -> None:
    asked = {"address": "10.1.2.1/24", "first": "10.1.2.2", "last": "10.1.2.9"}
    for now in (replace(OFFICE, dhcp=None), CpeConfig("S1")):
        with pytest.raises(Misfit, match="there is no DHCP server") as caught:
            effect("lan-address", asked, now)
        assert caught.value.field == "first"
    assert after("lan-address", {"address": "10.1.2.1/24"}, CpeConfig("S1")).lan == Lan(IPv4Interface("10.1.2.1/24"))


def test_an_ip_pack_comes_and_goes() -> None:
    asked = {"network": "91.3.4.8/29"}
    found = after("ip-pack", asked)
    assert found == replace(OFFICE, wan=replace(OFFICE.wan, ip_pack=PACK))
    assert told("ip-pack", asked) == []
    assert after("ip-pack", asked | {"action": "remove"}, found) == OFFICE
    assert refusals("ip-pack", asked, found) == "nothing-to-change: that is so already"


@pytest.mark.parametrize("length", [27, 28, 29, 30])
def test_an_ip_pack_is_4_to_32_addresses(length: int) -> None:
    assert refusals("ip-pack", {"network": f"91.3.4.32/{length}"}) == ""


def test_a_pack_that_is_there_or_in_use_is_named() -> None:
    other = {"network": "91.3.4.16/29"}
    assert "in-use: the line has the IP pack 91.3.4.8/29" in refusals("ip-pack", other, PACKED)
    with pytest.raises(Misfit, match=r"network: the line has the IP pack 91.3.4.8/29"):
        effect("ip-pack", other, PACKED)
    assert refusals("ip-pack", other | {"action": "remove"}, PACKED).startswith("not-there: the line has the IP pack")
    assert refusals("ip-pack", other | {"action": "remove"}) == "not-there: the line has no IP pack"
    used = replace(PACKED, port_mappings=(PortMapping("tcp", Ports.one(80), IPv4Address("91.3.4.10"), 80),))
    gone = {"network": "91.3.4.8/29", "action": "remove"}
    assert "in-use: open ports lead into the IP pack 91.3.4.8/29: tcp 80" in refusals("ip-pack", gone, used)
    for action in ("add", "remove"):
        with pytest.raises(Misfit, match="nothing is known"):
            effect("ip-pack", {"network": "91.3.4.8/29", "action": action}, CpeConfig("S1"))


def test_a_pack_that_overlaps_is_refused() -> None:
    public = replace(OFFICE, wan=Wan("static", IPv4Interface("91.3.4.2/24"), IPv4Address("91.3.4.1")))
    assert "address-overlap" in refusals("ip-pack", {"network": "91.3.4.8/29"}, public)


def test_a_block_comes_with_a_router_for_its_second_half_where_one_is_wanted() -> None:
    found = after("ipv6", {"prefix": str(BLOCK)})
    assert found.wan == replace(OFFICE.wan, ipv6_prefix=BLOCK)
    routed = after("ipv6", {"prefix": str(BLOCK), "routed": True})
    assert routed.wan is not None
    assert routed.wan.ipv6_router == IPv6Address("2001:db8:12:3400::10")
    assert routed.wan.routed_ipv6 == IPv6Network("2001:db8:12:3480::/57")
    assert after("ipv6", {"routed": True}, found) == routed
    assert after("ipv6", {"routed": False}, routed) == found
    assert after("ipv6", {"action": "remove"}, routed) == OFFICE


def test_the_router_may_be_another_one_and_keeps_its_place_in_another_block() -> None:
    there = after("ipv6", {"prefix": str(BLOCK), "router": "2001:db8:12:3400::abcd"})
    moved = after("ipv6", {"prefix": "2001:db8:99::/56"}, there)
    assert moved.wan is not None
    assert moved.wan.ipv6_router == IPv6Address("2001:db8:99::abcd")
    assert after("ipv6", {"routed": True}, there) == there


@pytest.mark.parametrize(
    ("now", "asked", "field"),
    [
        (OFFICE, {"routed": True}, "prefix"),
        (OFFICE, {"router": "2001:db8:12:3400::10"}, "prefix"),
        (PACKED, {"router": "2001:db8:12:3401::10"}, "router"),
        (PACKED, {"router": "2001:db8:12:3400::1"}, "router"),
        (PACKED, {"router": "2001:db8:12:3400::"}, "router"),
        (CpeConfig("S1"), {"prefix": str(BLOCK)}, "prefix"),
    ],
)
def test_a_router_outside_the_first_half_is_refused(now: CpeConfig, asked: Any, field: str) -> None:
    with pytest.raises(Misfit) as caught:
        effect("ipv6", asked, now)
    assert caught.value.field == field


def test_a_block_that_is_not_there_is_not_taken_away() -> None:
    assert refusals("ipv6", {"action": "remove"}).startswith(f"{Check.ABSENT}: ")
