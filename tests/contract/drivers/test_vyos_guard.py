"""What VyOS's own commit-confirm cannot promise, and what becomes of a promise when the commit is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from cpe_manager.domain.errors import CommandRefused
from cpe_manager.kit.redaction import strip_login
from cpe_manager.ports.driver import Guard, Script
from cpe_manager.ports.shell import Shell
from drivers.vyos import DRIVER
from simulators.device import Device
from simulators.fleet import Fleet
from simulators.spec import DeviceSpec
from tests.contract.drivers.harness import sessions_for, target_of
from tests.contract.drivers.roster import DriverCase

GUARD = Guard("5f0c2a71", 120)
ZONE = "set system time-zone 'UTC'"
releases = pytest.mark.parametrize("release", ["1.4", "1.5"])


class Box:
    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.device = fleet, fleet.devices[0]

    @asynccontextmanager
    async def shell(self) -> AsyncIterator[Shell]:
        async with sessions_for(self.fleet.devices).open(target_of(self.device, DriverCase("vyos"))) as opened:
            yield opened.shell

    async def armed(self) -> str | None:
        async with self.shell() as shell:
            return await DRIVER.armed(shell)

    def passes(self, seconds: float) -> None:
        now = self.device.state.clock
        self.device.state.clock = lambda: now() + timedelta(seconds=seconds)
        self.device.tick()


@asynccontextmanager
async def box_of(release: str) -> AsyncIterator[Box]:
    async with Fleet([DeviceSpec("SITE-1", "vyos", options={"release": release})], down_time=0.0) as fleet:
        yield Box(fleet)


def has(device: Device, line: str) -> bool:
    return f"{line}\n" in device.running_text()


@releases
async def test_what_runs_and_is_not_saved_is_saved_before_the_promise_for_the_box_goes_back_to_that(
    release: str,
) -> None:
    async with box_of(release) as box:
        saved = box.device.state.startup
        box.device.change()
        assert box.device.state.startup == saved
        async with box.shell() as shell:
            await DRIVER.arm(shell, GUARD)
        assert box.device.state.startup == box.device.state.running != saved


@releases
async def test_a_commit_that_is_refused_whole_leaves_no_timer_behind(release: str) -> None:
    async with box_of(release) as box:
        before = box.device.running_text()
        async with box.shell() as shell:
            await DRIVER.arm(shell, GUARD)
            with pytest.raises(CommandRefused, match="No APN configured") as caught:
                await DRIVER.apply(shell, Script(("delete interfaces wwan wwan0 apn",)), GUARD)
        assert caught.value.device_state == "untouched"
        assert await box.armed() is None
        assert box.device.running_text() == before
        async with box.shell() as shell:
            await DRIVER.arm(shell, Guard("0badcafe", 60))


@releases
async def test_a_commit_that_was_taken_in_part_goes_back(release: str) -> None:
    async with box_of(release) as box:
        before = box.device.running_text()
        async with box.shell() as shell:
            await DRIVER.arm(shell, GUARD)
            with pytest.raises(CommandRefused) as caught:
                await DRIVER.apply(shell, Script((ZONE, "delete interfaces wwan wwan0 apn")), GUARD)
        assert caught.value.device_state == "changed"
        assert has(box.device, ZONE)
        assert await box.armed() == GUARD.token
        box.passes(121)
        assert box.device.running_text() == before


@releases
async def test_a_confirmation_that_comes_too_late_is_told(release: str) -> None:
    async with box_of(release) as box:
        async with box.shell() as shell:
            await DRIVER.arm(shell, GUARD)
            await DRIVER.apply(shell, Script((ZONE,)), GUARD)
        box.passes(121)
        assert not has(box.device, ZONE)
        async with box.shell() as shell:
            with pytest.raises(CommandRefused, match="gone back"):
                await DRIVER.confirm(shell, GUARD)


@releases
async def test_a_confirmed_change_stays_and_confirming_twice_is_right(release: str) -> None:
    async with box_of(release) as box:
        async with box.shell() as shell:
            await DRIVER.arm(shell, GUARD)
            await DRIVER.apply(shell, Script((ZONE,)), GUARD)
            assert await DRIVER.armed(shell) == GUARD.token
        for _ in range(2):
            async with box.shell() as shell:
                await DRIVER.confirm(shell, GUARD)
        assert await box.armed() is None
        box.passes(900)
        assert has(box.device, ZONE)


@releases
async def test_a_change_goes_back_when_nobody_confirms_and_when_we_say_so(release: str) -> None:
    for ask in (False, True):
        async with box_of(release) as box:
            before = box.device.running_text()
            async with box.shell() as shell:
                await DRIVER.arm(shell, GUARD)
                await DRIVER.apply(shell, Script((ZONE,)), GUARD)
            assert has(box.device, ZONE)
            if ask:
                async with box.shell() as shell:
                    await DRIVER.revert(shell, GUARD)
            else:
                box.passes(60)
                assert has(box.device, ZONE)
                box.passes(61)
            assert box.device.running_text() == before
            assert await box.armed() is None


async def test_what_somebody_else_has_to_confirm_is_open_and_not_ours() -> None:
    async with box_of("1.4") as box:
        box.device.persona.execute(box.device.state, "vbash -s", f"configure\n{ZONE}\ncommit-confirm 5\ny\n")
        assert await box.armed() == ""
        async with box.shell() as shell:
            with pytest.raises(CommandRefused, match="pending"):
                await DRIVER.arm(shell, GUARD)
            for verb in (DRIVER.confirm, DRIVER.revert):
                with pytest.raises(CommandRefused):
                    await verb(shell, GUARD)
        assert has(box.device, ZONE)


async def test_a_restored_configuration_keeps_the_boxs_own_password() -> None:
    async with box_of("1.4") as box:
        async with box.shell() as shell:
            stored = strip_login((await DRIVER.fetch(shell)).text, DRIVER.spec.secrets)
        before = box.device.running_text()
        assert not [form for form in box.device.login_forms() if form in stored]
        box.device.change(f"{ZONE}\ndelete service lldp\nset system login user second level operator")
        async with box.shell() as shell:
            await DRIVER.replace(shell, stored)
        assert box.device.running_text() == before
