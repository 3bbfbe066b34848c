"""A whole stored text becomes the running configuration, on the box that it came from and on a fresh one (§5.1.2.4)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from cpe_manager.domain.errors import DeviceError
from cpe_manager.kit.redaction import canonical, strip_login
from cpe_manager.kit.textdiff import unified
from cpe_manager.ports.driver import FullDriver, Guard, Guarded, Replacing
from drivers.roster import DriverRoster
from simulators.device import Device
from simulators.fleet import Fleet
from simulators.spec import DeviceSpec
from tests.contract.drivers.harness import credential_of, fetch, sessions_for, target_of
from tests.contract.drivers.rich_configs import other, rich
from tests.contract.drivers.roster import MODELLED, DriverCase

WITHIN = 120.0
GUARD = Guard("5f0c2a71", 120)
# Their last command is the one that changes the box: its answer may be out before the line is cut.
AT_ONCE = ("openwrt", "teltonika", "frr_linux")
REPLACING = tuple(case for case in MODELLED if isinstance(DriverRoster().get(case.family), Replacing))
every_case = pytest.mark.parametrize("case", REPLACING, ids=str)


class Whole(FullDriver, Guarded, Replacing):
    """What these tests ask of a driver."""


def driver_of(case: DriverCase) -> Whole:
    driver: Whole = DriverRoster().get(case.family)
    assert isinstance(driver, Replacing), f"{case.family} brings no whole text back"
    return driver


def two(case: DriverCase) -> list[DeviceSpec]:
    """Two boxes of a family with nothing in common but their make."""
    return [
        DeviceSpec(name, case.box_family, seed=seed, options=case.box) for name, seed in (("HERE", 3), ("THERE", 88))
    ]


async def stored(fleet: Fleet, device: Device, case: DriverCase) -> str:
    """What a backup of a box holds: without its log-in."""
    text = (await fetch(sessions_for(fleet.devices), target_of(device, case))).text
    return strip_login(text, driver_of(case).spec.secrets, credential_of(device).secrets())


def compared(text: str, case: DriverCase) -> str:
    """What fingerprints are made of."""
    return canonical(text, driver_of(case).spec.volatile)


def assert_same(found: str, wanted: str, case: DriverCase) -> None:
    left = unified(compared(wanted, case), compared(found, case), names=("wanted", "found"), context=1).text
    assert not left, left


async def bring(fleet: Fleet, device: Device, case: DriverCase, text: str, guard: Guard | None = None) -> None:
    async with sessions_for(fleet.devices).open(target_of(device, case)) as opened:
        if guard is not None:
            await driver_of(case).arm(opened.shell, guard)
        await driver_of(case).replace(opened.shell, text, guard)


@every_case
async def test_a_text_of_one_box_becomes_the_configuration_of_another(case: DriverCase) -> None:
    async with Fleet(two(case)) as fleet, asyncio.timeout(WITHIN):
        here, there = fleet.device("HERE"), fleet.device("THERE")
        text = await stored(fleet, there, case)
        assert compared(text, case) != compared(await stored(fleet, here, case), case)
        await bring(fleet, here, case, text)
        assert_same(await stored(fleet, here, case), text, case)


@every_case
async def test_what_was_changed_in_every_part_is_gone_after_a_restore(case: DriverCase) -> None:
    driver = driver_of(case)
    async with Fleet(two(case)[:1]) as fleet, asyncio.timeout(WITHIN):
        device = fleet.devices[0]
        text = await stored(fleet, device, case)
        for maker in (rich, other):
            wanted = maker(driver.spec.features, case.unspeakable)
            async with sessions_for(fleet.devices).open(target_of(device, case)) as opened:
                current = (await driver.fetch(opened.shell)).text
                await driver.apply(opened.shell, driver.render(current, wanted))
            await bring(fleet, device, case, text)
            assert_same(await stored(fleet, device, case), text, case)


async def drops_once_changed(device: Device, before: str) -> None:
    """Lose every connection as soon as something of the configuration is another."""
    while device.state.running == before:
        await asyncio.sleep(0)
    device.hang_up()


@every_case
async def test_a_session_lost_in_the_middle_is_told_and_the_box_goes_back_by_itself(case: DriverCase) -> None:
    async with Fleet(two(case)) as fleet, asyncio.timeout(WITHIN):
        here, there = fleet.device("HERE"), fleet.device("THERE")
        text, before = await stored(fleet, there, case), await stored(fleet, here, case)
        async with sessions_for(fleet.devices).open(target_of(here, case)) as opened:
            await driver_of(case).arm(opened.shell, GUARD)
            # Here, since a family may arm by a change of its own.
            dropping = asyncio.create_task(drops_once_changed(here, here.state.running))
            told = ""
            try:
                await driver_of(case).replace(opened.shell, text, GUARD)
            except DeviceError as error:
                told = error.device_state
        assert told in ("changed", "unknown") or (told == "" and case.family in AT_ONCE)
        await dropping
        ahead, clock = timedelta(seconds=GUARD.seconds + 70), here.state.clock
        here.state.clock = lambda: clock() + ahead
        here.tick()
        async with asyncio.timeout(10):
            await fleet.settled()
        assert_same(await read_again(fleet, here, case), before, case)


async def read_again(fleet: Fleet, device: Device, case: DriverCase) -> str:
    """Once the box is back: a restart takes it away for a moment."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await stored(fleet, device, case)
            except DeviceError:
                await asyncio.sleep(0.1)


def test_every_family_brings_whole_texts_back() -> None:
    """Nothing here is passed over in silence."""
    assert {case.family for case in MODELLED} == set(DriverRoster().families())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("case", [case for case in MODELLED if case.family in ("cisco_ios", "routeros")], ids=str)
async def test_boxes_that_lived_different_lives_become_the_same(case: DriverCase, seed: int) -> None:
    """Where a text is brought back step by step, the order of the steps matters: other boxes, other changes."""
    specs = [DeviceSpec(name, case.box_family, seed=seed + more, options=case.box) for name, more in
             (("HERE", 0), ("THERE", 50))]  # fmt: skip
    driver = driver_of(case)
    async with Fleet(specs) as fleet, asyncio.timeout(WITHIN):
        here, there = fleet.device("HERE"), fleet.device("THERE")
        for device, maker in ((here, other), (there, rich if seed % 2 else other)):
            async with sessions_for(fleet.devices).open(target_of(device, case)) as opened:
                current = (await driver.fetch(opened.shell)).text
                wanted = maker(driver.spec.features, case.unspeakable)
                await driver.apply(opened.shell, driver.render(current, wanted))
        for _ in range(seed):
            there.change()
        text = await stored(fleet, there, case)
        await bring(fleet, here, case, text)
        assert_same(await stored(fleet, here, case), text, case)
