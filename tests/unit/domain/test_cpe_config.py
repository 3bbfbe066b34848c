from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any

import pytest

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import (
    AccessRule,
    CpeConfig,
    DhcpServer,
    Firewall,
    Lan,
    PortMapping,
    Reservation,
    Snmp,
    SnmpCommunity,
    StaticRoute,
    Timer,
    Wan,
    Wifi,
    WifiSecurity,
)
from cpe_manager.domain.model.cpe_differences import differences
from cpe_manager.domain.model.cpe_features import Feature, missing, needed, require_features
from cpe_manager.domain.model.cpe_mobile import Mobile, Ports

LAN = Lan(IPv4Interface("192.168.1.1/24"))
HOST = IPv4Address("192.168.1.20")
BLOCK = IPv6Network("2a02:1234:5600::/56")


def config(**parts: Any) -> CpeConfig:
    return CpeConfig(**{"hostname": "site-1", "wan": Wan("dhcp"), "lan": LAN, **parts})


def pool(first: str, last: str, **parts: Any) -> DhcpServer:
    return DhcpServer(IPv4Address(first), IPv4Address(last), **parts)


def mapping(first: int, last: int, protocol: Any = "tcp", inside_port: int = 80) -> PortMapping:
    return PortMapping(protocol, Ports(first, last), HOST, inside_port)


def test_what_has_no_order_is_equal_in_any_order() -> None:
    one, other = mapping(80, 80), mapping(25, 25, inside_port=25)
    assert config(port_mappings=(one, other)) == config(port_mappings=(other, one))
    first, second = Wifi("5", "a", WifiSecurity.OPEN), Wifi("2.4", "b", WifiSecurity.OPEN)
    assert config(wifi=(first, second)) == config(wifi=(second, first))


def test_access_rules_keep_their_order() -> None:
    rules = (AccessRule("drop", "tcp"), AccessRule("accept"))
    assert Firewall(rules=rules) != Firewall(rules=rules[::-1])


def test_the_halves_of_an_ipv6_block_are_worked_out_from_it() -> None:
    wan = Wan("dhcp", ipv6_prefix=BLOCK, ipv6_router=IPv6Address("2a02:1234:5600::10"))
    assert wan.lan_ipv6 == IPv6Interface("2a02:1234:5600::1/64")
    assert wan.routed_ipv6 == IPv6Network("2a02:1234:5600:80::/57")
    assert Wan("dhcp").lan_ipv6 is None
    assert Wan("dhcp").routed_ipv6 is None


def test_the_cpe_takes_the_first_host_of_an_ip_pack() -> None:
    assert Wan("dhcp", ip_pack=IPv4Network("91.0.0.32/29")).ip_pack_address == IPv4Interface("91.0.0.33/29")
    assert Wan("dhcp").ip_pack_address is None


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: config(hostname="a b"), "no host name"),
        (lambda: Wan("static"), "needs address and gateway"),
        (lambda: Wan("static", IPv4Interface("81.0.0.2/30"), IPv4Address("81.0.1.1")), "not on-link"),
        (lambda: Wan("static", IPv4Interface("81.0.0.2/30"), IPv4Address("81.0.0.2")), "the same"),
        (lambda: Wan("static", IPv4Interface("81.0.0.3/30"), IPv4Address("81.0.0.1")), "broadcast"),
        (lambda: Wan("dhcp", IPv4Interface("81.0.0.2/30")), "no place in mode dhcp"),
        (lambda: Wan("pppoe"), "needs a user name"),
        (lambda: Wan("pppoe", username="a@b", password=" x"), "not printable"),
        (lambda: Wan("dhcp", username="a@b", password="x"), "log-in has no place"),
        (lambda: Wan("dhcp", ipv6_prefix=IPv6Network("2a02::/48")), "no /56"),
        (lambda: Wan("dhcp", ipv6_router=IPv6Address("2a02::10")), "needs an IPv6 prefix"),
        (lambda: Wan("dhcp", ipv6_prefix=BLOCK, ipv6_router=IPv6Address("2a02::10")), "is not in"),
        (lambda: Wan("dhcp", ip_pack=IPv4Network("91.0.0.0/24")), "4 to 32 addresses"),
        (lambda: Ports(80, 79), "no range"),
        (lambda: Ports(0, 1), "no range"),
        (lambda: mapping(60000, 60010, inside_port=65530), "run over"),
        (lambda: config(port_mappings=(mapping(80, 90), mapping(85, 85))), "mapped twice"),
        (lambda: config(dhcp=pool("192.168.2.10", "192.168.2.20")), "not on the LAN"),
        (lambda: config(dhcp=pool("192.168.1.20", "192.168.1.10")), "runs backwards"),
        (lambda: config(dhcp=pool("192.168.1.1", "192.168.1.10")), "own address"),
        (lambda: config(dhcp=pool("192.168.1.0", "192.168.1.10")), "no host"),
        (lambda: config(lan=None, dhcp=pool("192.168.1.2", "192.168.1.10")), "needs a LAN"),
        (lambda: pool("192.168.1.2", "192.168.1.9", lease_seconds=61 * 60 + 1), "whole minutes"),
        (lambda: Reservation("AA:BB:CC:00:11:22", HOST), "is no MAC"),
        (lambda: Wifi("5", "net", WifiSecurity.WPA2, "short"), "8 to 63"),
        (lambda: Wifi("5", "net", WifiSecurity.OPEN, "long-enough"), "no key"),
        (lambda: Wifi("5", "net", WifiSecurity.OPEN, channel=6), "does not exist at 5 GHz"),
        (lambda: Wifi("5", "x" * 33, WifiSecurity.OPEN), "1 to 32"),
        (lambda: config(wifi=(Wifi("5", "a", WifiSecurity.OPEN), Wifi("5", "b", WifiSecurity.OPEN))), "twice"),
        (lambda: AccessRule("drop", "icmp", ports=Ports.one(1)), "need tcp or udp"),
        (lambda: Timer("tcp", 5), "10 seconds to a day"),
        (lambda: Firewall(timers=(Timer("tcp", 60, 80), Timer("tcp", 61, 80))), "twice"),
        (lambda: StaticRoute(IPv4Network("0.0.0.0/0"), HOST), "default route"),
        (lambda: Mobile("not an apn"), "no APN"),
        (lambda: Mobile("internet", username="a"), "a name and a password"),
        (lambda: SnmpCommunity("two words"), "one word"),
        (lambda: Snmp(location="a\nb"), "no plain text"),
    ],
)
def test_what_no_box_can_mean_is_refused_with_a_reason(make: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        make()


def test_secrets_are_not_printed_when_a_configuration_is() -> None:
    secret = config(
        wan=Wan("pppoe", username="a@b", password="planted-ppp"),
        wifi=(Wifi("5", "net", WifiSecurity.WPA2, "planted-wifi"),),
        mobile=Mobile("internet", username="u", password="planted-apn"),
        snmp=Snmp((SnmpCommunity("planted-snmp"),)),
    )
    assert "planted" not in repr(secret)


def test_differences_name_the_parts_that_differ_and_no_other() -> None:
    before = config(port_mappings=(mapping(80, 80),))
    after = config(hostname="site-2")
    assert [difference.part for difference in differences(before, after)] == ["hostname", "port_mappings"]
    assert differences(before, before) == ()


def test_features_follow_from_what_is_configured() -> None:
    rich = config(
        wan=Wan("pppoe", IPv4Interface("81.0.0.1/32"), username="a@b", password="x", ipv6_prefix=BLOCK),
        wifi=(Wifi("5", "net", WifiSecurity.WPA3, "long-enough"),),
        port_mappings=(PortMapping("tcp", Ports(80, 81), HOST, 80, IPv4Network("81.0.0.0/8")),),
        firewall=Firewall("reject", (AccessRule("accept"),), (Timer("tcp", 60), Timer("udp", 60, 53))),
    )
    assert needed(config()) == {Feature.WAN_DHCP}
    lacking = {Feature.WIFI_WPA3, Feature.PORT_SOURCE}
    assert set(missing(rich, frozenset(Feature) - lacking)) == lacking
    with pytest.raises(InputError, match=r"abacus cannot carry: port_mapping\.source, wifi\.wpa3"):
        require_features(rich, frozenset(Feature) - lacking, "abacus")
