"""OpenWrt and RutOS beyond what every family does: mobile and failover, staging, what is brought into effect."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cpe_manager.domain.errors import CommandRefused
from cpe_manager.domain.model.cpe_config import CpeConfig, SnmpCommunity
from cpe_manager.domain.model.cpe_mobile import Mobile
from cpe_manager.kit.uci import session as uci_session
from cpe_manager.ports.driver import FullDriver, Script
from drivers.roster import DriverRoster
from simulators.device import Device
from simulators.fleet import Fleet
from simulators.spec import DeviceSpec
from tests.contract.drivers.harness import sessions_for, shown, specs_of, target_of
from tests.contract.drivers.roster import DriverCase

every_family = pytest.mark.parametrize("family", ["openwrt", "teltonika"])
APN = "business.example"


def driver_of(family: str) -> FullDriver:
    driver: FullDriver = DriverRoster().get(family)
    return driver


def box_of(family: str, *changes: str) -> Device:
    device = Device(DeviceSpec("SITE-1", family, seed=1))
    if changes:
        device.change("\n".join(changes))
    return device


def with_mobile(device: Device, mobile: Mobile | None) -> tuple[str, ...]:
    """Commands that give the box this mobile line and change nothing else; the box takes them."""
    driver = driver_of(device.spec.family)
    wanted = replace(driver.parse(shown(device)), mobile=mobile)
    script = driver.render(shown(device), wanted)
    device.change("\n".join(script.commands))
    assert driver.parse(shown(device)) == wanted
    return script.commands


def mobile_of(device: Device) -> Mobile | None:
    found: CpeConfig = driver_of(device.spec.family).parse(shown(device))
    return found.mobile


def test_openwrt_switches_a_mobile_line_so_that_netifd_starts_and_stops_it() -> None:
    device = box_of("openwrt", "delete network.mobile.auto")
    assert mobile_of(device) == Mobile(APN, active=True)
    assert with_mobile(device, Mobile(APN, active=False)) == ("uci set network.mobile.disabled='1'",)
    assert with_mobile(device, Mobile(APN, active=True)) == ("uci delete network.mobile.disabled",)


def test_an_interface_that_did_not_come_up_by_itself_is_started() -> None:
    device = box_of("openwrt")
    assert mobile_of(device) == Mobile(APN, active=False)
    commands = with_mobile(device, Mobile(APN, active=True))
    assert commands == ("uci delete network.mobile.auto",)
    assert uci_session.reload(commands) == 'reload_config && ifup mobile; echo "cpe-manager $?"'
    assert uci_session.reload(()) == 'reload_config; echo "cpe-manager $?"'
    assert " && ifup mob1s1a1;" in uci_session.reload(("uci set network.mob1s1a1.auto='1'", "uci set a.b.c='1'"))


def test_rutos_switches_failover_and_interface_together() -> None:
    device = box_of("teltonika")
    assert mobile_of(device) == Mobile(APN, active=True)
    assert with_mobile(device, Mobile(APN, active=False)) == (
        "uci set network.mob1s1a1.disabled='1'",
        "uci set mwan3.mob1s1a1.enabled='0'",
    )
    assert with_mobile(device, Mobile(APN, active=True)) == (
        "uci set network.mob1s1a1.disabled='0'",
        "uci set mwan3.mob1s1a1.enabled='1'",
    )


def test_a_rutos_without_failover_goes_by_the_metrics_of_its_routes() -> None:
    device = box_of("teltonika", "set mwan3.wan.enabled=0", "set mwan3.mob1s1a1.enabled=0")
    assert mobile_of(device) == Mobile(APN, active=True)
    assert with_mobile(device, Mobile(APN, active=False)) == ("uci set network.mob1s1a1.disabled='1'",)
    # To let mwan3 watch the mobile line alone would lead all traffic there.
    assert with_mobile(device, Mobile(APN, active=True)) == ("uci set network.mob1s1a1.disabled='0'",)


def test_a_mobile_line_that_failover_does_not_know_joins_it() -> None:
    device = box_of(
        "teltonika",
        "delete mwan3.mob1s1a1",
        "delete mwan3.mob1s1a1_member",
        "delete mwan3.mwan_default.use_member",
        "add_list mwan3.mwan_default.use_member=wan_member",
    )
    assert mobile_of(device) == Mobile(APN, active=False)
    with_mobile(device, Mobile(APN, active=True))
    text = shown(device)
    assert "\nconfig interface 'mob1s1a1'\n\toption enabled '1'\n" in text
    assert "\tlist use_member 'wan_member'\n\tlist use_member 'mob1s1a1_member'\n" in text


@every_family
def test_a_box_without_a_mobile_section_gets_one_in_the_zone_of_the_internet(family: str) -> None:
    name = {"openwrt": "mobile", "teltonika": "mob1s1a1"}[family]
    device = box_of(family, f"delete network.{name}", *(["delete network.mob1s2a1"] if family == "teltonika" else []))
    assert mobile_of(device) is None
    with_mobile(device, Mobile("m2m.example", True, "user", "apn-pass"))
    assert f"\nconfig interface '{name}'\n" in shown(device)
    with_mobile(device, None)
    assert "apn-pass" not in shown(device)


def test_an_apn_that_the_sim_suggests_gives_way_to_the_one_that_is_wanted() -> None:
    device = box_of("teltonika", "set network.mob1s1a1.auto_apn=1")
    assert "uci set network.mob1s1a1.auto_apn='0'" in with_mobile(device, Mobile("m2m.example"))


@every_family
def test_an_snmp_agent_that_is_off_answers_to_nobody_and_is_switched_on_when_somebody_may_ask(family: str) -> None:
    device = box_of(family, "set snmpd.general=snmpd", "set snmpd.general.enabled=0")
    driver = driver_of(family)
    found = driver.parse(shown(device))
    assert found.snmp.communities == ()
    assert not driver.render(shown(device), found)
    community = SnmpCommunity(device.spec.secrets.snmp)
    wanted = replace(found, snmp=replace(found.snmp, communities=(community,)))
    commands = driver.render(shown(device), wanted).commands
    assert "uci set snmpd.general.enabled='1'" in commands
    device.change("\n".join(commands))
    assert driver.parse(shown(device)) == wanted
    assert "option name 'cpe_snmp'" not in shown(device)
    assert "config rule 'cpe_snmp'" in shown(device)


@every_family
async def test_changes_that_somebody_staged_are_in_nobodys_way_but_stop_us(family: str) -> None:
    case = DriverCase(family)
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet:
        device, sessions = fleet.devices[0], sessions_for(fleet.devices)
        script = Script(("uci set network.lan.ipaddr='10.9.9.1'",))
        async with sessions.open(target_of(device, case)) as opened:
            await opened.shell.execute("uci set wireless.radio0.channel=13")
            staged = device.running_text()
            with pytest.raises(CommandRefused, match="somebody has changes of 'wireless' staged") as caught:
                await driver_of(family).apply(opened.shell, script)
            assert caught.value.device_state == "untouched"
            assert device.running_text() == staged
            with pytest.raises(CommandRefused, match="nobody committed"):
                await driver_of(family).save(opened.shell)
            await opened.shell.execute("uci revert wireless")
            await driver_of(family).apply(opened.shell, script)
            await driver_of(family).save(opened.shell)
        assert "option ipaddr '10.9.9.1'" in device.state.startup
        assert not [path for path, text in device.state.scratch.items() if text], "nothing is left in memory"


@every_family
async def test_a_refused_value_is_never_in_the_error(family: str) -> None:
    case = DriverCase(family)
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet:
        device, sessions = fleet.devices[0], sessions_for(fleet.devices)
        before = device.running_text()
        script = Script(("uci set network.lan.ipaddr='10.9.9.1'", "uci set network.nowhere.password='S3cret!'"))
        async with sessions.open(target_of(device, case)) as opened:
            with pytest.raises(CommandRefused, match=r"network\.nowhere\.password.*Invalid argument") as caught:
                await driver_of(family).apply(opened.shell, script)
        assert "S3cret" not in str(caught.value)
        assert caught.value.device_state == "untouched"
        assert device.running_text() == before
        assert not [path for path, text in device.state.scratch.items() if text]
