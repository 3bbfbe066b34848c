"""Wifi, DHCP, firewall, PPP log-in, mobile backup, restart: what they change, and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

import pytest

from cpe_manager.domain.changes.catalogue import CHANGE_TYPES, read
from cpe_manager.domain.model.cpe_config import (
    AccessRule,
    CpeConfig,
    DhcpServer,
    Firewall,
    Lan,
    Reservation,
    Timer,
    Wan,
    Wifi,
    WifiSecurity,
)
from cpe_manager.domain.model.cpe_config_data import Misfit
from cpe_manager.domain.model.cpe_features import Feature
from cpe_manager.domain.model.cpe_mobile import Barred, Mobile, Ports
from cpe_manager.domain.push.checks import Check
from cpe_manager.domain.push.lockout import Lockout
from tests.support.change_scenes import OFFICE, SETTING, SMALL, after, effect, notes, refusals, told

NEW_KEY = "another secret key"
OPEN_5 = replace(OFFICE, wifi=(*OFFICE.wifi, Wifi("5", "Guests", WifiSecurity.OPEN, channel=36)))
PPPOE = replace(OFFICE, wan=Wan("pppoe", username="fb1@isp.example", password="w0rd"))
STANDING_BY = replace(OFFICE, mobile=Mobile("isp.example", barred=(Barred("udp", Ports(5060, 5061)),)))


def network(band: str = "2.4", **more: Any) -> dict[str, Any]:
    return {"networks": [{"band": band} | more]}


def test_wifi_changes_what_is_given_and_nothing_else() -> None:
    (before,) = OFFICE.wifi
    for asked, wanted in (
        ({"enabled": False}, replace(before, enabled=False)),
        ({"ssid": "Shop"}, replace(before, ssid="Shop")),
        ({"key": NEW_KEY}, replace(before, key=NEW_KEY)),
        ({"channel": 0}, replace(before, channel=0)),
        ({"security": "wpa2-wpa3"}, replace(before, security=WifiSecurity.WPA2_WPA3)),
        ({"security": "open"}, replace(before, security=WifiSecurity.OPEN, key="")),
    ):
        assert after("wifi", network(**asked)) == replace(OFFICE, wifi=(wanted,))
        assert refusals("wifi", network(**asked)) == ""


def test_a_second_radio_is_set_up_beside_the_first() -> None:
    found = after("wifi", network("5", ssid="Office 5", key=NEW_KEY, channel=36))
    assert found.wifi == (*OFFICE.wifi, Wifi("5", "Office 5", WifiSecurity.WPA2, NEW_KEY, 36))
    (probe, *_) = effect("wifi", network("5", ssid="Office 5", key=NEW_KEY)).probes
    assert str(probe) == 'config:wifi.1.ssid="Office 5"'


@pytest.mark.parametrize(
    ("now", "asked", "field"),
    [
        (OFFICE, network("5", channel=36), "networks[0].ssid"),
        (OFFICE, network("5", ssid="x"), "networks[0].key"),
        (OFFICE, network("2.4", channel=36), "networks[0].channel"),
        (OPEN_5, network("5", channel=6), "networks[0].channel"),
        (OPEN_5, network("5", key=NEW_KEY), "networks[0].key"),
        (OPEN_5, network("5", security="wpa2"), "networks[0].key"),
        (OFFICE, network("2.4", security="open", key=NEW_KEY), "networks[0].key"),
    ],
)
def test_what_a_radio_cannot_be_is_refused(now: CpeConfig, asked: Any, field: str) -> None:
    with pytest.raises(Misfit) as caught:
        effect("wifi", asked, now)
    assert caught.value.field == field
    assert refusals("wifi", asked, now).startswith(f"model-invalid: {field}")


def test_a_customer_has_a_right_to_name_key_and_channel() -> None:
    found = after("wifi-rights", network(ssid="Shop", key=NEW_KEY, channel=11))
    assert found == replace(OFFICE, wifi=(replace(OFFICE.wifi[0], ssid="Shop", key=NEW_KEY, channel=11),))
    assert told("wifi-rights", network(ssid="Shop")) == []
    assert refusals("wifi-rights", network("5", ssid="Shop")) == "not-there: there is no wifi at 5 GHz"
    with pytest.raises(Misfit) as caught:
        effect("wifi-rights", network("5", ssid="Shop"))
    assert caught.value.field == "networks[0].band"
    assert "an open wifi has no key" in refusals("wifi-rights", network("5", key=NEW_KEY), OPEN_5)


def test_a_radio_that_is_off_stays_off_by_right() -> None:
    off = replace(OFFICE, wifi=(replace(OFFICE.wifi[0], enabled=False),))
    found = after("wifi-rights", network(channel=1), off)
    assert found.wifi[0].enabled is False


def test_no_patch_or_effect_prints_a_key() -> None:
    found = effect("wifi", network(key=NEW_KEY))
    assert NEW_KEY not in repr(found)
    assert "first secret key" not in repr(found)
    assert NEW_KEY not in "".join(map(str, found.probes))


def test_what_the_family_cannot_carry_of_wifi_is_named() -> None:
    old = replace(SETTING, family="cisco_ios", features=frozenset(Feature) - {Feature.WIFI_WPA3, Feature.PORT_RANGE})
    now = replace(OFFICE, port_mappings=())
    assert "cisco_ios cannot carry: wifi.wpa3" in refusals("wifi", network(security="wpa3"), now, old)


def test_dhcp_changes_what_is_given() -> None:
    found = after(
        "dhcp", {"first": "192.168.77.50", "last": "192.168.77.60", "lease_seconds": 600, "domain": "x.example"}
    )
    assert OFFICE.dhcp is not None
    wanted = replace(
        OFFICE.dhcp, first=IPv4Address("192.168.77.50"), last=IPv4Address("192.168.77.60"), lease_seconds=600,
        domain="x.example",
    )  # fmt: skip
    assert found == replace(OFFICE, dhcp=wanted)
    assert after("dhcp", {"domain": ""}, found).dhcp == replace(wanted, domain="")
    kept = {"reservations": [{"mac": "02:00:5e:00:00:0c", "address": "192.168.77.9"}]}
    assert after("dhcp", kept).dhcp == replace(
        OFFICE.dhcp, reservations=(Reservation("02:00:5e:00:00:0c", IPv4Address("192.168.77.9")),)
    )
    assert after("dhcp", {"reservations": []}).dhcp == replace(OFFICE.dhcp, reservations=())


def test_dhcp_goes_and_comes() -> None:
    without = after("dhcp", {"enabled": False})
    assert without == replace(OFFICE, dhcp=None)
    found = after("dhcp", {"first": "192.168.77.50", "last": "192.168.77.60"}, without)
    assert found.dhcp == DhcpServer(IPv4Address("192.168.77.50"), IPv4Address("192.168.77.60"))
    assert refusals("dhcp", {"enabled": False}, without).startswith("not-there")


@pytest.mark.parametrize(
    ("now", "asked", "field"),
    [
        (OFFICE, {"first": "192.168.78.1"}, "first"),
        (OFFICE, {"last": "192.168.77.255"}, "last"),
        (OFFICE, {"first": "192.168.77.0"}, "first"),
        (OFFICE, {"first": "192.168.77.1"}, "first"),
        (OFFICE, {"first": "192.168.77.200"}, "first"),
        (OFFICE, {"last": "192.168.77.99"}, "last"),
        (
            replace(OFFICE, lan=Lan(IPv4Interface("192.168.77.50/24"))),
            {"first": "192.168.77.40"},
            "first",
        ),
        (
            OFFICE,
            {"reservations": [{"mac": "02:00:5e:00:00:0c", "address": "192.168.78.9"}]},
            "reservations[0].address",
        ),
        (
            OFFICE,
            {"reservations": [{"mac": "02:00:5e:00:00:0c", "address": "192.168.77.1"}]},
            "reservations[0].address",
        ),
        (replace(OFFICE, dhcp=None), {"last": "192.168.77.60"}, "first"),
        (replace(OFFICE, dhcp=None), {"enabled": False}, "enabled"),
        (CpeConfig("S1"), {"first": "192.168.77.50", "last": "192.168.77.60"}, "enabled"),
    ],
)
def test_what_is_not_on_the_lan_is_refused(now: CpeConfig, asked: Any, field: str) -> None:
    with pytest.raises(Misfit) as caught:
        effect("dhcp", asked, now)
    assert caught.value.field == field
    assert refusals("dhcp", asked, now) != ""


def test_end_users_are_counted() -> None:
    wide = replace(OFFICE, lan=Lan(IPv4Interface("192.168.76.1/23")))
    most = {"first": "192.168.77.1", "last": "192.168.77.253", "reservations": []}
    assert refusals("dhcp", most, wide) == ""
    with pytest.raises(Misfit, match="254 end users; a line has at most 253"):
        effect("dhcp", most | {"last": "192.168.77.254"}, wide)
    one_beside = most | {"reservations": [{"mac": "02:00:5e:00:00:0c", "address": "192.168.76.9"}]}
    with pytest.raises(Misfit, match="254 end users"):
        effect("dhcp", one_beside, wide)
    assert "this formula has at most 20" in refusals("dhcp", {"last": "192.168.77.130"}, setting=SMALL)


def test_a_pool_that_open_ports_lead_into_is_told_of() -> None:
    asked = {"first": "192.168.77.20"}
    assert "open ports lead to 192.168.77.21, in the pool" in notes("dhcp", asked)
    assert "192.168.77.20, 192.168.77.21" in notes("dhcp", asked | {"reservations": []})


def test_the_firewall_is_set() -> None:
    asked = {
        "inbound": "reject",
        "rules": [{"action": "accept", "protocol": "tcp", "source": "203.0.113.0/24", "ports": "80-443"}],
        "timers": [{"application": "sip", "seconds": 300}, {"protocol": "tcp", "seconds": 3600}],
    }
    found = after("firewall", asked)
    rule = AccessRule("accept", "tcp", IPv4Network("203.0.113.0/24"), None, Ports(80, 443))
    wanted = Firewall("reject", (rule,), (Timer("tcp", 3600), Timer("udp", 300, 5060)))
    assert found == replace(OFFICE, firewall=wanted)
    assert after("firewall", {"rules": []}, found).firewall == replace(wanted, rules=())
    assert after("firewall", {"timers": []}, found).firewall == replace(wanted, timers=())
    assert after("firewall", {"inbound": "drop"}, found).firewall == replace(wanted, inbound="drop")
    assert refusals("firewall", {"inbound": "drop"}) == "nothing-to-change: that is so already"


@pytest.mark.parametrize("action", ["accept", "drop", "reject"])
def test_a_rule_about_port_23_is_refused(action: str) -> None:
    asked = {"rules": [{"action": action, "protocol": "tcp", "ports": "20-25"}]}
    assert refusals("firewall", asked).startswith(f"{Check.RESERVED}: it is about port 23")


def test_what_the_family_cannot_carry_of_the_firewall_is_named() -> None:
    poor = replace(
        SETTING, family="openwrt", features=frozenset(Feature) - {Feature.TIMER_PORT, Feature.TIMER_PROTOCOL}
    )
    asked = {"timers": [{"application": "sip", "seconds": 300}, {"protocol": "tcp", "seconds": 3600}]}
    assert refusals("firewall", asked, setting=poor) == (
        "family-cannot-carry: openwrt cannot carry: firewall.timer.port, firewall.timer.protocol"
    )


def test_a_log_in_belongs_to_a_line_that_logs_in() -> None:
    asked = {"username": "fb2@isp.example", "password": "new w0rd"}
    found = effect("ppp", asked, PPPOE)
    assert found.overrides == {Lockout.ROUTE}
    assert "new w0rd" not in repr(found)
    changed = after("ppp", asked, PPPOE).wan
    assert changed == Wan("pppoe", username="fb2@isp.example", password="new w0rd")
    assert refusals("ppp", asked) == "not-there: the line does not log in by PPPoE"
    for now in (OFFICE, CpeConfig("S1")):
        with pytest.raises(Misfit, match="username: the line does not log in"):
            effect("ppp", asked, now)


def test_mobile_backup_goes_off_and_on() -> None:
    off = after("mobile-backup", {"active": False}, STANDING_BY)
    assert STANDING_BY.mobile is not None
    assert off == replace(STANDING_BY, mobile=replace(STANDING_BY.mobile, active=False))
    assert after("mobile-backup", {"active": True}, off) == STANDING_BY
    new = {"active": True, "apn": "backup.example", "username": "sim1", "password": "s3cret"}
    assert after("mobile-backup", new).mobile == Mobile("backup.example", True, "sim1", "s3cret")
    assert "s3cret" not in repr(effect("mobile-backup", new))


@pytest.mark.parametrize(
    ("now", "asked", "field", "check"),
    [
        (OFFICE, {"active": False}, "active", Check.ABSENT),
        (OFFICE, {"active": True}, "apn", Check.MODEL),
        (
            replace(OFFICE, mobile=Mobile("isp.example", preferred=True)),
            {"active": False},
            "active",
            Check.IN_USE,
        ),
    ],
)
def test_mobile_backup_that_is_not_there_or_in_use_is_refused(
    now: CpeConfig, asked: Any, field: str, check: Check
) -> None:
    with pytest.raises(Misfit) as caught:
        effect("mobile-backup", asked, now)
    assert caught.value.field == field
    assert refusals("mobile-backup", asked, now).startswith(f"{check}: ")


def test_a_restart_changes_nothing() -> None:
    found = effect("reboot", {})
    assert (found.reboot, dict(found.patch)) == (True, {})
    assert told("reboot", {}) == []


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("wifi", network(enabled=True, ssid="A", key=NEW_KEY, channel=0, security="wpa2"),
         "wifi 2.4 GHz: on, name 'A', security wpa2, another key, channel automatic"),
        ("wifi-rights", network(channel=6), "wifi 2.4 GHz: channel 6"),
        ("dhcp", {"enabled": False}, "no DHCP server"),
        ("dhcp", {"first": "192.168.77.9", "lease_seconds": 600, "domain": ""},
         "DHCP server: pool 192.168.77.9-as it is, lease 10 minutes, domain none"),
        ("firewall", {"inbound": "drop", "rules": []}, "firewall: policy drop, 0 access rules"),
        ("ppp", {"username": "u", "password": "secret"}, "PPP log-in u"),
        ("mobile-backup", {"active": True, "apn": "x.example"}, "mobile backup on by x.example"),
        ("mobile-backup", {"active": False}, "mobile backup off"),
        ("reboot", {}, "restart of the box"),
        ("wan-address", {"address": "198.51.100.9/24"}, "internet address 198.51.100.9/24"),
        ("lan-address", {"address": "10.1.2.1/24"}, "LAN 10.1.2.1/24"),
        ("ip-pack", {"network": "91.3.4.8/29"}, "add IP pack 91.3.4.8/29"),
        ("ipv6", {"routed": True}, "second half to the customer's router"),
        ("ipv6", {"action": "remove"}, "no IPv6 block"),
    ],
)  # fmt: skip
def test_summaries(name: str, data: Any, words: str) -> None:
    assert CHANGE_TYPES[name].summary(read(name, data)) == words
