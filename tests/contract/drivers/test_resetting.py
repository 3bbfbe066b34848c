"""A box that is told to go back to factory settings starts with them, an open promise and all changes gone."""

from __future__ import annotations

import asyncio

import pytest

from cpe_manager.domain.errors import DeviceError
from cpe_manager.ports.driver import Guard, Resettable
from simulators.fleet import Fleet
from tests.contract.drivers.harness import DRIVERS, fetch, sessions_for, shown, significant, specs_of, target_of
from tests.contract.drivers.roster import MODELLED, DriverCase

RESETTABLE = tuple(case for case in MODELLED if isinstance(DRIVERS.get(case.family), Resettable))


def test_the_families_that_can_are_these() -> None:
    assert {case.family for case in RESETTABLE} == {"openwrt", "teltonika"}


@pytest.mark.parametrize("case", RESETTABLE, ids=str)
async def test_a_reset_box_is_as_it_came(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet, asyncio.timeout(60):
        device, sessions, driver = fleet.devices[0], sessions_for(fleet.devices), DRIVERS.get(case.family)
        came = significant(shown(device), device)
        async with sessions.open(target_of(device, case)) as opened:
            await driver.arm(opened.shell, Guard("5f0c2a71", 600))  # type: ignore[attr-defined]
        device.change()
        assert significant(shown(device), device) != came
        boots = device.state.boots
        async with sessions.open(target_of(device, case)) as opened:
            assert isinstance(driver, Resettable)
            await driver.factory_reset(opened.shell)
        while device.state.boots == boots:
            await asyncio.sleep(0.05)
        assert significant(shown(device), device) == came
        while True:
            try:
                text = (await fetch(sessions, target_of(device, case))).text
                break
            except DeviceError:
                await asyncio.sleep(0.1)
        assert significant(text, device) == came
        async with sessions.open(target_of(device, case)) as opened:
            assert await driver.armed(opened.shell) is None  # type: ignore[attr-defined]
