"""A device that was armed goes back by itself unless somebody confirms: whatever becomes of us, of the path, of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from cpe_manager.adapters.ssh.sessions import SshSessions
from cpe_manager.domain.errors import CommandRefused, ConnectFailed, DeviceError
from cpe_manager.domain.model.cpe_differences import differences
from cpe_manager.ports.driver import FullDriver, Guard, Guarded, Replacing
from drivers.roster import DriverRoster
from simulators.device import Device
from simulators.fleet import Fleet
from tests.contract.drivers.harness import fetch, sessions_for, shown, significant, specs_of, target_of
from tests.contract.drivers.rich_configs import other, rich
from tests.contract.drivers.roster import MODELLED, DriverCase

WITHIN = 120.0
GUARD = Guard("5f0c2a71", 120)


class Arming(FullDriver, Guarded, Replacing):
    """What these tests ask of a driver."""


def driver_of(case: DriverCase) -> Arming:
    driver: Arming = DriverRoster().get(case.family)
    return driver


GUARDED = tuple(case for case in MODELLED if isinstance(DriverRoster().get(case.family), Guarded))
REPLACING = tuple(case for case in GUARDED if isinstance(DriverRoster().get(case.family), Replacing))
every_case = pytest.mark.parametrize("case", GUARDED, ids=str)


class Box:
    """A fleet of one, its driver, and its configuration before anything was done."""

    def __init__(self, case: DriverCase, fleet: Fleet) -> None:
        self.case, self.fleet, self.device = case, fleet, fleet.devices[0]
        self.driver = driver_of(case)
        self.sessions: SshSessions = sessions_for(fleet.devices)
        self.before = self.now()

    def now(self) -> str:
        return significant(shown(self.device), self.device)

    async def armed_and_changed(self, guard: Guard = GUARD) -> None:
        """Arm in one session and change in another, as the commit path does; the change is there."""
        wanted = rich(self.driver.spec.features, self.case.unspeakable)
        async with self.sessions.open(target_of(self.device, self.case)) as opened:
            await self.driver.arm(opened.shell, guard)
        async with self.sessions.open(target_of(self.device, self.case)) as opened:
            await self.driver.apply(opened.shell, self.driver.render(shown(self.device), wanted), guard)
        found = self.driver.parse(shown(self.device))
        assert found == wanted, differences(found, wanted)

    async def token(self) -> str | None:
        """The promise that is open, once the device is reached: a restart takes it away for a moment."""
        async with asyncio.timeout(30):
            while True:
                try:
                    async with self.sessions.open(target_of(self.device, self.case)) as opened:
                        return await self.driver.armed(opened.shell)
                except ConnectFailed:
                    await asyncio.sleep(0.1)

    async def passes(self, seconds: float) -> None:
        """Time passes on the device, which acts on it by itself; it may be away for a moment."""
        advance(self.device, seconds)
        async with asyncio.timeout(10):
            await self.fleet.settled()
        await asyncio.sleep(0)

    async def readable(self) -> str:
        """What a fetch gives, once the device is back."""
        async with asyncio.timeout(30):
            while True:
                try:
                    return (await fetch(self.sessions, target_of(self.device, self.case))).text
                except DeviceError:
                    await asyncio.sleep(0.1)


def advance(device: Device, seconds: float) -> None:
    ahead, clock = timedelta(seconds=seconds), device.state.clock
    device.state.clock = lambda: clock() + ahead
    device.tick()


@every_case
async def test_a_change_that_nobody_confirms_is_taken_back_with_nobody_there(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet, asyncio.timeout(WITHIN):
        box = Box(case, fleet)
        await box.armed_and_changed()
        assert await box.token() == GUARD.token
        await box.passes(GUARD.seconds - 40)
        assert box.now() != box.before
        await box.passes(130)
        assert box.now() == box.before
        assert significant(await box.readable(), box.device) == box.before
        assert await box.token() is None


@every_case
async def test_a_change_that_was_confirmed_stays(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet, asyncio.timeout(WITHIN):
        box = Box(case, fleet)
        await box.armed_and_changed()
        after = box.now()
        for _ in range(2):
            async with box.sessions.open(target_of(box.device, case)) as opened:
                await box.driver.confirm(opened.shell, GUARD)
        assert await box.token() is None
        await box.passes(900)
        assert box.now() == after
        async with box.sessions.open(target_of(box.device, case)) as opened:
            await box.driver.save(opened.shell)
        box.device.restart(0.0)
        await box.passes(900)
        assert box.now() == after


@every_case
async def test_a_change_is_taken_back_when_we_ask_for_it(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet, asyncio.timeout(WITHIN):
        box = Box(case, fleet)
        await box.armed_and_changed()
        async with box.sessions.open(target_of(box.device, case)) as opened:
            await box.driver.revert(opened.shell, GUARD)
        assert significant(await box.readable(), box.device) == box.before
        assert await box.token() is None
        async with box.sessions.open(target_of(box.device, case)) as opened:
            with pytest.raises(CommandRefused):
                await box.driver.revert(opened.shell, GUARD)
        await box.passes(900)
        assert box.now() == box.before


@every_case
async def test_a_restart_before_the_confirmation_is_a_way_back(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet, asyncio.timeout(WITHIN):
        box = Box(case, fleet)
        await box.armed_and_changed()
        box.device.restart(0.0)
        await box.passes(GUARD.seconds + 70)
        assert box.now() == box.before
        assert await box.token() is None


@every_case
async def test_what_was_armed_and_never_changed_is_disarmed_without_a_trace(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet, asyncio.timeout(WITHIN):
        box = Box(case, fleet)
        async with box.sessions.open(target_of(box.device, case)) as opened:
            await box.driver.arm(opened.shell, GUARD)
        await box.passes(900)
        assert box.now() == box.before
        assert await box.token() is None


@every_case
async def test_a_second_promise_beside_an_open_one_is_refused(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet, asyncio.timeout(WITHIN):
        box = Box(case, fleet)
        await box.armed_and_changed()
        async with box.sessions.open(target_of(box.device, case)) as opened:
            with pytest.raises(CommandRefused):
                await box.driver.arm(opened.shell, Guard("0badcafe", 300))
        assert await box.token() == GUARD.token
        await box.passes(GUARD.seconds + 70)
        assert box.now() == box.before


@every_case
async def test_a_change_that_was_refused_half_way_is_taken_back(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet, asyncio.timeout(WITHIN):
        box = Box(case, fleet)
        wanted = rich(box.driver.spec.features, case.unspeakable)
        commands = box.driver.render(shown(box.device), wanted).commands
        middle = len(commands) // 2
        script = type(box.driver.render(shown(box.device), wanted))
        half = script((*commands[:middle], "frobnicate-4711", *commands[middle:]))
        async with box.sessions.open(target_of(box.device, case)) as opened:
            await box.driver.arm(opened.shell, GUARD)
            with pytest.raises(CommandRefused):
                await box.driver.apply(opened.shell, half, GUARD)
        await box.passes(GUARD.seconds + 70)
        assert significant(await box.readable(), box.device) == box.before


@pytest.mark.parametrize("case", REPLACING, ids=str)
async def test_a_stored_version_is_brought_back_whole(case: DriverCase) -> None:
    """The difference after a restore is nil, and what the stored version does not hold is gone."""
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet, asyncio.timeout(WITHIN):
        box = Box(case, fleet)
        stored = await box.readable()
        wanted = other(box.driver.spec.features, case.unspeakable)
        async with box.sessions.open(target_of(box.device, case)) as opened:
            await box.driver.apply(opened.shell, box.driver.render(stored, wanted))
        box.device.change()
        assert box.now() != box.before
        async with box.sessions.open(target_of(box.device, case)) as opened:
            await box.driver.replace(opened.shell, stored)
        assert box.now() == box.before
        assert significant(await box.readable(), box.device) == box.before
