"""A rendered script, run over a real session, makes a box what was wanted; a refusal is told; saving is saving."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from cpe_manager.adapters.ssh.sessions import SshSessions
from cpe_manager.domain.errors import CommandRefused
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_differences import differences
from cpe_manager.domain.model.cpe_features import Feature
from cpe_manager.ports.driver import FullDriver, Script
from drivers.roster import DriverRoster
from simulators.device import Device
from simulators.fleet import Fleet
from tests.contract.drivers.harness import (
    fetch,
    nothing_left_open,
    sessions_for,
    shown,
    significant,
    specs_of,
    target_of,
)
from tests.contract.drivers.rich_configs import other, plain, rich
from tests.contract.drivers.roster import MODELLED, DriverCase

Maker = Callable[[frozenset[Feature], str], CpeConfig]
every_case = pytest.mark.parametrize("case", MODELLED, ids=str)
# No family has a command of this name, in whatever mode its shell is.
NONSENSE = "frobnicate-4711"
# A test that hangs says so long before the suite does.
WITHIN = 120.0


def driver_of(case: DriverCase) -> FullDriver:
    driver: FullDriver = DriverRoster().get(case.family)
    return driver


def made(case: DriverCase, maker: Maker) -> CpeConfig:
    return maker(driver_of(case).spec.features, case.unspeakable)


async def apply(sessions: SshSessions, device: Device, case: DriverCase, script: Script) -> None:
    async with sessions.open(target_of(device, case)) as opened:
        await driver_of(case).apply(opened.shell, script)


async def save(sessions: SshSessions, device: Device, case: DriverCase) -> None:
    async with sessions.open(target_of(device, case)) as opened:
        await driver_of(case).save(opened.shell)


async def bring(sessions: SshSessions, device: Device, case: DriverCase, wanted: CpeConfig) -> None:
    """Fetch, render, apply, and see with another fetch that the box is what was wanted."""
    driver = driver_of(case)
    before = await fetch(sessions, target_of(device, case))
    await apply(sessions, device, case, driver.render(before.text, wanted))
    after = await fetch(sessions, target_of(device, case))
    found = driver.parse(after.text)
    assert found == wanted, differences(found, wanted)
    assert not driver.render(after.text, wanted)


@every_case
async def test_what_was_rendered_is_there_once_it_was_applied_over_sessions(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet, asyncio.timeout(WITHIN):
        device, sessions = fleet.devices[0], sessions_for(fleet.devices)
        first = driver_of(case).parse(shown(device))
        for wanted in (made(case, rich), made(case, other), made(case, plain), made(case, rich), first):
            await bring(sessions, device, case, wanted)
        await nothing_left_open(fleet)


@every_case
async def test_an_empty_script_changes_nothing(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet, asyncio.timeout(WITHIN):
        device, sessions = fleet.devices[0], sessions_for(fleet.devices)
        before = significant(shown(device), device)
        await apply(sessions, device, case, Script())
        assert significant(shown(device), device) == before
        await nothing_left_open(fleet)


@every_case
async def test_a_command_refused_in_the_middle_is_told_with_its_text_and_what_became_of_the_box(
    case: DriverCase,
) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet, asyncio.timeout(WITHIN):
        device, sessions = fleet.devices[0], sessions_for(fleet.devices)
        before = shown(device)
        commands = driver_of(case).render(before, made(case, rich)).commands
        middle = len(commands) // 2
        with pytest.raises(CommandRefused, match=NONSENSE) as caught:
            await apply(sessions, device, case, Script((*commands[:middle], NONSENSE, *commands[middle:])))
        told = caught.value.device_state
        # A family that stages may throw everything away; then the box has to be as it was, to the letter.
        assert told == "changed" or (told, significant(shown(device), device)) == (
            "untouched",
            significant(before, device),
        )
        await nothing_left_open(fleet)
        # The box is neither locked nor half in some mode: the way out is open.
        await bring(sessions, device, case, made(case, other))


@every_case
async def test_a_first_command_that_is_refused_leaves_the_box_untouched_and_says_so(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet, asyncio.timeout(WITHIN):
        device, sessions = fleet.devices[0], sessions_for(fleet.devices)
        before = significant(shown(device), device)
        commands = driver_of(case).render(shown(device), made(case, rich)).commands
        with pytest.raises(CommandRefused, match=NONSENSE) as caught:
            await apply(sessions, device, case, Script((NONSENSE, *commands)))
        assert caught.value.device_state == "untouched"
        assert significant(shown(device), device) == before
        await nothing_left_open(fleet)


@every_case
async def test_what_was_saved_survives_a_restart(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet, asyncio.timeout(WITHIN):
        device, sessions = fleet.devices[0], sessions_for(fleet.devices)
        wanted = made(case, rich)
        await bring(sessions, device, case, wanted)
        await save(sessions, device, case)
        device.restart(0.0)
        assert driver_of(case).parse(shown(device)) == wanted
        await nothing_left_open(fleet)


@every_case
async def test_what_was_not_saved_is_gone_after_a_restart(case: DriverCase) -> None:
    if driver_of(case).spec.keeps_at_once:
        return
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet, asyncio.timeout(WITHIN):
        device, sessions = fleet.devices[0], sessions_for(fleet.devices)
        first = driver_of(case).parse(shown(device))
        await bring(sessions, device, case, made(case, rich))
        device.restart(0.0)
        assert driver_of(case).parse(shown(device)) == first
