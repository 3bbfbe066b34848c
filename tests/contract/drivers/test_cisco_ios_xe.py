"""The IOS driver on a router with IOS XE: counted access lists, other interfaces, no radios, a long name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_differences import differences
from drivers.cisco_ios import DRIVER
from simulators.device import Device
from simulators.fleet import Fleet
from simulators.spec import DeviceSpec
from tests.contract.drivers.harness import facts, fetch, nothing_left_open, sessions_for, shown, target_of
from tests.contract.drivers.rich_configs import other, plain, rich
from tests.contract.drivers.roster import ROSTER

CASE = next(case for case in ROSTER if case.family == "cisco_ios")
SPEC = DeviceSpec("SITE-1", "cisco_ios", seed=4, options={"software": "iosxe"})


def wanted() -> list[CpeConfig]:
    makers = (rich, other, plain, rich)
    made = [maker(DRIVER.spec.features, CASE.unspeakable) for maker in makers]
    names = ("SITE-WITH-A-NAME-OF-MORE-THAN-TWENTY", "SITE-WITH-A-NAME-OF-MORE-THAN-THIRTY", "S1", "HASSELT-07")
    return [replace(config, wifi=(), hostname=name) for config, name in zip(made, names, strict=True)]


def test_the_boxs_own_configuration_is_understood_and_needs_no_change() -> None:
    text = shown(Device(SPEC))
    assert "\n 10 permit " in text
    found = DRIVER.parse(text)
    assert found.wan is not None
    assert found.wan.mode == "pppoe"
    assert found.lan is not None
    assert len(found.firewall.rules) > 1
    assert not DRIVER.render(text, found)


async def test_it_tells_what_it_is() -> None:
    async with Fleet([SPEC]) as fleet:
        device = fleet.devices[0]
        found = await facts(sessions_for(fleet.devices), target_of(device, CASE))
        assert (found.hostname, found.model, found.os_release) == ("SITE-1", "C1111-4PLTEEA", "17.03.04a")
        assert found.serial.startswith("SIM")
        assert found.uptime is not None
        assert abs(found.uptime - device.state.uptime) < 120


@pytest.mark.timeout(240)
async def test_it_becomes_what_was_wanted_over_sessions_and_back() -> None:
    async with Fleet([SPEC]) as fleet:
        device, sessions = fleet.devices[0], sessions_for(fleet.devices)
        first = DRIVER.parse(shown(device))
        for config in (*wanted(), first):
            before = await fetch(sessions, target_of(device, CASE))
            async with sessions.open(target_of(device, CASE)) as opened:
                await DRIVER.apply(opened.shell, DRIVER.render(before.text, config))
            after = await fetch(sessions, target_of(device, CASE))
            found = DRIVER.parse(after.text)
            assert found == config, differences(found, config)
            assert not DRIVER.render(after.text, config)
        await nothing_left_open(fleet)


async def test_what_translates_the_lan_follows_it() -> None:
    device = Device(SPEC)
    first = DRIVER.parse(shown(device))
    config = replace(other(DRIVER.spec.features, CASE.unspeakable), wifi=())
    assert first.lan is not None
    assert config.lan is not None
    device.change("\n".join(DRIVER.render(shown(device), config).commands))
    network = config.lan.address.network
    assert f" 10 permit ip {network.network_address} {network.hostmask} any\n" in shown(device)
    assert str(first.lan.address.network.network_address) not in shown(device)
