"""Generated configurations: the same from the same seed, and with everything that a backup has to hold (§5.2.1.3)."""

from __future__ import annotations

import re

import pytest

from simulators.device import Device
from simulators.generate.site import make_site
from simulators.personas.registry import all_personas
from simulators.spec import DeviceSpec, Secrets

FAMILIES = sorted(all_personas())
PLANTED = Secrets("LoginCanary-1", "EnableCanary-2", "SnmpCanary3", "WifiCanary-4444", "PppCanary5")


def test_the_three_families_are_found():
    assert {"cisco_ios", "frr_linux", "openwrt"} <= set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_gives_the_same_configuration_and_another_gives_another(family):
    body = all_personas()[family].factory_config
    assert body(DeviceSpec("A", family, seed=1)) == body(DeviceSpec("A", family, seed=1))
    assert body(DeviceSpec("A", family, seed=1)) != body(DeviceSpec("A", family, seed=2))
    assert body(DeviceSpec("A", family, seed=1)) != body(DeviceSpec("B", family, seed=1))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [0, 8000, 60000])
def test_a_configuration_is_about_as_large_as_asked_for(family, size):
    length = len(Device(DeviceSpec("A", family, config_bytes=size)).running_text())
    assert max(size, 3000) <= length <= max(size, 8000) + 1500


def test_an_ios_router_holds_all_eight_items_and_its_passwords():
    spec = DeviceSpec("A", "cisco_ios", given=PLANTED)
    site, text = make_site(spec), Device(spec).running_text()
    wanted = [
        f" ip address {site.wan_ip} 255.255.255.255",
        "ip dhcp pool LAN",
        f" network {site.lan_net}.0 255.255.255.0",
        f"dot11 ssid {site.ssid}",
        " wpa-psk ascii 0 WifiCanary-4444",
        " authentication key-management wpa version 2",
        f" ppp chap hostname {site.ppp_user}",
        " ppp chap password 0 PppCanary5",
        "snmp-server community SnmpCanary3 RO MGMT",
        " password LoginCanary-1",
        *(f"ip nat inside source static {item.protocol} {item.host}" for item in site.mappings),
    ]
    assert [line for line in wanted if line not in text] == []
    assert re.search(r"^username backup privilege 15 secret 9 \$9\$", text, re.MULTILINE)
    assert re.search(r"^enable secret 9 \$9\$", text, re.MULTILINE)
    assert "EnableCanary-2" not in text


def test_an_ios_router_can_encrypt_its_line_passwords():
    spec = DeviceSpec("A", "cisco_ios", given=PLANTED, options={"password_encryption": "yes"})
    text = Device(spec).running_text()
    assert "LoginCanary-1" not in text
    assert re.search(r"^ password 7 08[0-9A-F]{26}$", text, re.MULTILINE)


def test_an_openwrt_router_holds_all_eight_items_and_its_password():
    spec = DeviceSpec("A", "openwrt", given=PLANTED)
    site, text = make_site(spec), Device(spec).running_text()
    wanted = [
        f"option ipaddr '{site.wan_ip}'",
        "option dhcpv4 'server'",
        f"option start '{site.pool_first.rpartition('.')[2]}'",
        f"option ssid '{site.ssid}'",
        "option key 'WifiCanary-4444'",
        "option encryption 'psk2+ccmp'",
        "option target 'DNAT'",
        f"option username '{site.ppp_user}'",
        "option password 'PppCanary5'",
        "option community 'SnmpCanary3'",
        "option password 'LoginCanary-1'",
    ]
    assert [line for line in wanted if line not in text] == []


def test_an_frr_router_holds_what_frr_knows_and_its_passwords():
    spec = DeviceSpec("A", "frr_linux", given=PLANTED)
    site, text = make_site(spec), Device(spec).running_text()
    wanted = [f" ip address {site.wan_ip}/24", "\npassword LoginCanary-1\n", "\nenable password EnableCanary-2\n"]
    assert [line for line in wanted if line not in text] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_every_form_of_the_login_password_is_told_and_is_in_the_configuration(family):
    box = Device(DeviceSpec("A", family, given=PLANTED))
    forms = box.login_forms()
    assert forms
    assert [form for form in forms if form not in box.running_text()] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_changes_behind_the_managers_back_differ_and_show(family):
    box = Device(DeviceSpec("A", family))
    seen = {box.running_text()}
    for _ in range(3):
        box.change()
        seen.add(re.sub(r"(bytes|clock-period|change at) .*", "", box.running_text()))
    assert len(seen) == 4
