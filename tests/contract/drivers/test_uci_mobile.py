"""A mobile connection on OpenWrt and on RutOS: which way goes first, what stays off it, which way traffic takes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_mobile import Barred, Mobile, Ports
from cpe_manager.kit.uci.language import Uci
from cpe_manager.ports.driver import Carrying, FullDriver
from drivers import openwrt, teltonika
from simulators.device import Device
from simulators.fleet import Fleet
from tests.contract.drivers.harness import sessions_for, shown, specs_of, target_of
from tests.contract.drivers.roster import MODELLED, DriverCase
from tests.contract.drivers.test_model_law import bring

DRIVERS: dict[str, FullDriver] = {"openwrt": openwrt.DRIVER, "teltonika": teltonika.DRIVER}
CASES = [next(case for case in MODELLED if case.family == family) for family in DRIVERS]
every_case = pytest.mark.parametrize("case", CASES, ids=str)
VOICE = (Barred("udp", Ports(5060, 5061)), Barred("udp", Ports(10000, 20000)))


def box(case: DriverCase) -> Device:
    """A box whose mobile connection stands by."""
    device = Device(specs_of(case, ["SITE-1"])[0])
    wanted = replace(model(device), mobile=Mobile("business.example"))
    bring(device, DRIVERS[case.family], wanted)
    return device


def model(device: Device) -> CpeConfig:
    return DRIVERS[device.spec.family].parse(shown(device))


def mobile_of(device: Device) -> Mobile:
    mobile = model(device).mobile
    assert mobile is not None
    return mobile


def change(device: Device, **parts: object) -> None:
    wanted = replace(model(device), mobile=replace(mobile_of(device), **parts))  # type: ignore[arg-type]
    bring(device, DRIVERS[device.spec.family], wanted)


def metrics(device: Device, package: str, kind: str) -> dict[str, str]:
    return {section.name: section.text("metric") for section in Uci(shown(device)).all(package, kind)}


@every_case
def test_a_switch_there_and_back_leaves_the_text_as_it_was(case: DriverCase) -> None:
    device = box(case)
    before = Uci(shown(device)).packages
    change(device, preferred=True)
    assert Uci(shown(device)).packages != before
    change(device, preferred=False)
    # But for the order of options within a section.
    assert Uci(shown(device)).packages == before


def test_openwrt_s_interfaces_change_places_and_what_stands_on_the_line_goes_along() -> None:
    device = box(CASES[0])
    assert metrics(device, "network", "interface")["mobile"] == "200"
    change(device, preferred=True)
    found = metrics(device, "network", "interface")
    # `fixed`, a fixed address over PPPoE, has a default route of its own.
    assert (found["wan"], found["fixed"], found["mobile"]) == ("210", "200", "")


def test_rutos_members_change_places_and_the_interfaces_do() -> None:
    device = box(CASES[1])
    change(device, preferred=True)
    assert metrics(device, "mwan3", "member") == {"wan_member": "2", "mob1s1a1_member": "1"}
    found = metrics(device, "network", "interface")
    assert int(found["mob1s1a1"]) < int(found["wan"])


def test_mwan3_on_openwrt_decides_by_the_policy_that_a_rule_names() -> None:
    device = box(CASES[0])
    text = (
        "\npackage mwan3\n\nconfig interface 'wan'\n\toption enabled '1'\n\nconfig interface 'mobile'\n"
        "\toption enabled '1'\n\n"
        "config member 'wan_m1'\n\toption interface 'wan'\n\toption metric '1'\n\n"
        "config member 'mobile_m2'\n\toption interface 'mobile'\n\toption metric '2'\n\n"
        "config member 'mobile_m1'\n\toption interface 'mobile'\n\toption metric '1'\n\n"
        "config policy 'mobile_only'\n\tlist use_member 'mobile_m1'\n\n"
        "config policy 'wan_mobile'\n\tlist use_member 'wan_m1'\n\tlist use_member 'mobile_m2'\n\n"
        "config rule 'default_rule_v4'\n\toption use_policy 'wan_mobile'\n\n"
    )
    found = openwrt.DRIVER.parse(shown(device) + text)
    assert found.mobile == Mobile("business.example")
    script = openwrt.DRIVER.render(shown(device) + text, replace(found, mobile=replace(found.mobile, preferred=True)))
    assert "uci set mwan3.wan_m1.metric='2'" in script.commands
    assert "uci set mwan3.mobile_m2.metric='1'" in script.commands
    assert not [command for command in script.commands if "mobile_m1" in command]


@every_case
def test_what_is_barred_are_rules_towards_a_zone_of_its_own(case: DriverCase) -> None:
    device = box(case)
    before = shown(device)
    change(device, barred=VOICE)
    text = Uci(shown(device))
    (zone,) = (section for section in text.all("firewall", "zone") if section.name == "cpe_barred")
    assert zone.words("network") == ["mobile" if case.family == "openwrt" else "mob1s1a1"]
    rules = [section for section in text.all("firewall", "rule") if section.text("dest") == "cpe_barred"]
    assert [(rule.text("src"), rule.text("proto"), rule.text("dest_port"), rule.text("target")) for rule in rules] == [
        ("*", "udp", "5060-5061", "DROP"),
        ("*", "udp", "10000-20000", "DROP"),
    ]
    change(device, barred=VOICE[1:])
    change(device, barred=())
    assert shown(device) == before


@every_case
async def test_the_box_says_which_way_its_traffic_takes(case: DriverCase) -> None:
    driver = DRIVERS[case.family]
    assert isinstance(driver, Carrying)
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet:
        device = fleet.devices[0]

        async def asked() -> tuple[Carrier | None, bool]:
            async with sessions_for([device]).open(target_of(device, case)) as opened:
                assert isinstance(driver, Carrying)
                carrying = await driver.carrying(opened.shell, shown(device))
                return carrying, await driver.ping(opened.shell, "198.51.100.7")  # type: ignore[attr-defined]

        bring(device, driver, replace(model(device), mobile=Mobile("business.example")))
        assert await asked() == (Carrier.FIXED, True)
        device.lose_line("silent")
        # mwan3 looks for itself; metrics alone do not see a line that says nothing.
        by_itself = case.family == "teltonika"
        assert await asked() == ((Carrier.MOBILE, True) if by_itself else (Carrier.FIXED, False))
        change(device, preferred=True)
        assert await asked() == (Carrier.MOBILE, True)
        device.restore_line()
        device.state.mobile_up = False
        assert await asked() == (Carrier.FIXED, True)
        device.state.line_up = False
        assert (await asked())[0] is None
