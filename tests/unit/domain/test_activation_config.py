from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network
from typing import Any

import pytest

from cpe_manager.domain.activation.activation_config import lacking, patch_of
from cpe_manager.domain.activation.activation_flow import ON_THE_BOX, Step
from cpe_manager.domain.activation.activations import ActivationOrder, WifiChoice
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.failover.lines import Barrier
from cpe_manager.domain.fleet.inventory import LineKind
from cpe_manager.domain.model.cpe_config import (
    CpeConfig,
    DhcpServer,
    Firewall,
    Lan,
    PortMapping,
    Timer,
    Wan,
    Wifi,
    WifiSecurity,
)
from cpe_manager.domain.model.cpe_config_data import changed
from cpe_manager.domain.model.cpe_features import Feature
from cpe_manager.domain.model.cpe_mobile import Barred, Mobile, Ports

ALL = frozenset(Feature)
VOICE = Barrier("5060-5061", "10000-20000")
HOST = IPv4Address("192.168.1.10")
NOW = CpeConfig(
    hostname="gent",
    wan=Wan("dhcp"),
    lan=Lan(IPv4Interface("192.168.1.1/24")),
    dhcp=DhcpServer(IPv4Address("192.168.1.100"), IPv4Address("192.168.1.199")),
    wifi=(Wifi("2.4", "factory", key="factory-key"), Wifi("5", "factory", key="factory-key")),
    port_mappings=(
        PortMapping("tcp", Ports(80, 81), IPv4Address("192.168.1.9"), 80),
        PortMapping("udp", Ports.one(80), HOST, 80),
    ),
    mobile=Mobile("old.apn", active=False, barred=(Barred("udp", Ports.one(5060)),)),
)


def an_order(**more: Any) -> ActivationOrder:
    return ActivationOrder("pro-plus", LineKind.COPPER, **more)


def after(step: Step, order: ActivationOrder, now: CpeConfig = NOW, features: frozenset[Feature] = ALL) -> CpeConfig:
    return changed(now, patch_of(step, order, now, features, VOICE))


def test_what_was_not_ordered_is_left_alone() -> None:
    for step in ON_THE_BOX:
        assert patch_of(step, an_order(), NOW, ALL, VOICE) == {}


def test_ordered_ports_are_opened_beside_those_that_are_and_go_before_what_overlaps() -> None:
    web = PortMapping("tcp", Ports.one(80), HOST, 8080)
    found = after(Step.CONFIGURE, an_order(ports=(web,)))
    assert found.port_mappings == (web, NOW.port_mappings[1])


def test_everything_inside_comes_with_one_patch_and_is_nothing_the_second_time() -> None:
    order = an_order(
        options=("mobile-backup",),
        lan=Lan(IPv4Interface("10.1.0.1/24")),
        dhcp=DhcpServer(IPv4Address("10.1.0.50"), IPv4Address("10.1.0.99"), 3600),
        ports=(PortMapping("tcp", Ports.one(443), IPv4Address("10.1.0.10"), 443),),
        firewall=Firewall("drop", timers=(Timer("tcp", 600),)),
        dns=(IPv4Address("192.0.2.53"),),
        mobile=Mobile("new.apn", username="u", password="p"),
    )
    found = after(Step.CONFIGURE, order)
    assert (found.lan, found.dhcp, found.firewall, found.dns) == (order.lan, order.dhcp, order.firewall, order.dns)
    assert found.wan == NOW.wan
    assert patch_of(Step.CONFIGURE, order, found, ALL, VOICE) == {}
    assert lacking(patch_of(Step.CONFIGURE, order, NOW, ALL, VOICE), NOW) == (
        "lan", "dhcp", "port_mappings", "firewall", "mobile", "dns",
    )  # fmt: skip
    fewer = replace(found, firewall=replace(found.firewall, timers=(Timer("udp", 60),)))
    assert after(Step.CONFIGURE, order, fewer) == found


def test_voice_is_barred_from_a_backup_beside_what_is_barred_already() -> None:
    mobile = after(Step.CONFIGURE, an_order(options=("mobile-backup",))).mobile
    assert mobile is not None
    assert (mobile.apn, mobile.active, mobile.preferred) == ("old.apn", True, False)
    assert set(mobile.barred) == {
        Barred("tcp", Ports(5060, 5061)), Barred("udp", Ports(5060, 5061)), Barred("udp", Ports(10000, 20000)),
    }  # fmt: skip
    carried = replace(NOW, mobile=Mobile("old.apn", preferred=True))
    moved = after(Step.CONFIGURE, an_order(options=("mobile-backup",)), carried).mobile
    assert moved is not None
    assert moved.preferred
    no_bar = ALL - {Feature.MOBILE_BARRED}
    unbarred = after(Step.CONFIGURE, an_order(options=("mobile-backup",)), carried, no_bar).mobile
    assert unbarred is not None
    assert unbarred.barred == ()


def test_a_backup_that_this_box_cannot_have_is_refused() -> None:
    order = an_order(options=("mobile-backup",))
    with pytest.raises(InputError, match="no mobile interface"):
        patch_of(Step.CONFIGURE, order, NOW, ALL - {Feature.MOBILE}, VOICE)
    with pytest.raises(InputError, match="APN"):
        patch_of(Step.CONFIGURE, order, replace(NOW, mobile=None), ALL, VOICE)


def test_a_fixed_address_takes_the_place_of_a_log_in() -> None:
    before = replace(NOW, wan=Wan("pppoe", username="u", password="p"))
    wan = Wan("static", IPv4Interface("203.0.113.2/29"), IPv4Address("203.0.113.1"))
    assert after(Step.ADDRESS, an_order(wan=wan), before).wan == wan


def test_a_family_that_cannot_insist_on_an_address_takes_what_the_line_gives() -> None:
    wan = Wan("pppoe", IPv4Interface("203.0.113.7/32"), username="u", password="p")
    assert after(Step.ADDRESS, an_order(wan=wan)).wan == wan
    plain = after(Step.ADDRESS, an_order(wan=wan), features=ALL - {Feature.WAN_PPPOE_ADDRESS}).wan
    assert plain == replace(wan, address=None)


def test_behind_an_ip_pack_the_second_half_of_the_block_goes_to_ten() -> None:
    block, pack = IPv6Network("2001:db8:7::/56"), IPv4Network("198.51.100.8/29")
    wan = Wan("dhcp", ipv6_prefix=block, ip_pack=pack)
    found = after(Step.ADDRESS, an_order(wan=wan)).wan
    assert found is not None
    assert found.ipv6_router == IPv6Address("2001:db8:7::10")
    other = replace(wan, ipv6_router=IPv6Address("2001:db8:7::20"))
    assert after(Step.ADDRESS, an_order(wan=other)).wan == other


def test_wifi_is_off_as_ordered_and_on_for_the_bands_that_are_named() -> None:
    off = after(Step.WIFI, an_order(wifi=WifiChoice(on=False)))
    assert [one.enabled for one in off.wifi] == [False, False]
    on = after(Step.WIFI, an_order(wifi=WifiChoice()), off)
    assert on == NOW
    bakery = Wifi("5", "Bakery", WifiSecurity.WPA3, "bakery-key")
    named = after(Step.WIFI, an_order(wifi=WifiChoice(networks=(bakery,))))
    assert named.wifi == (replace(NOW.wifi[0], enabled=False), bakery)


def test_wifi_on_a_box_that_has_none() -> None:
    bare = replace(NOW, wifi=())
    none = ALL - {Feature.WIFI}
    assert patch_of(Step.WIFI, an_order(wifi=WifiChoice(on=False)), bare, none, VOICE) == {}
    with pytest.raises(InputError, match="has none"):
        patch_of(Step.WIFI, an_order(wifi=WifiChoice()), bare, none, VOICE)
    with pytest.raises(InputError, match="names none"):
        patch_of(Step.WIFI, an_order(wifi=WifiChoice()), bare, ALL, VOICE)
