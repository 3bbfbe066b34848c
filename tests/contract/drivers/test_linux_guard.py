"""What a Linux router is left with once it was armed: nothing, whatever came of it."""

from __future__ import annotations

import asyncio

import pytest

from cpe_manager.domain.errors import CommandRefused, FetchIncomplete
from cpe_manager.kit.linux import guard as linux_guard
from cpe_manager.kit.redaction import REMOVED
from cpe_manager.ports.driver import Guard
from drivers.frr_linux import DRIVER
from simulators.device import Device
from simulators.fleet import Fleet
from tests.contract.drivers.harness import sessions_for, shown, significant, specs_of, target_of
from tests.contract.drivers.rich_configs import rich
from tests.contract.drivers.roster import ROSTER, DriverCase

CASE = DriverCase("frr_linux", box={"mode": "linux"}, device={"vtysh": "linux"})
GUARD = Guard("5f0c2a71", 120)


def left_on(device: Device) -> list[str]:
    state = device.state
    places = [*state.flash, *state.scratch, *state.files, *state.alarms]
    return [name for name in places if "cpe-manager" in name]


async def test_nothing_is_left_after_the_confirmation_and_after_going_back() -> None:
    async with Fleet(specs_of(CASE, ["SITE-1"])) as fleet, asyncio.timeout(60):
        device, sessions = fleet.devices[0], sessions_for(fleet.devices)
        for end in (DRIVER.confirm, DRIVER.revert):
            async with sessions.open(target_of(device, CASE)) as opened:
                await DRIVER.arm(opened.shell, GUARD)
                assert left_on(device)
                await end(opened.shell, GUARD)
            assert left_on(device) == []


async def test_a_promise_that_fails_half_way_leaves_nothing_behind() -> None:
    async with Fleet(specs_of(CASE, ["SITE-1"])) as fleet, asyncio.timeout(60):
        device, sessions = fleet.devices[0], sessions_for(fleet.devices)
        async with sessions.open(target_of(device, CASE)) as opened:
            # No timer runs for so long.
            with pytest.raises(CommandRefused, match="laying down the way back"):
                await DRIVER.arm(opened.shell, Guard("5f0c2a71", -1))
            assert await DRIVER.armed(opened.shell) is None
        assert left_on(device) == []


async def test_a_box_without_root_promises_nothing() -> None:
    for case in (case for case in ROSTER if case.family == "frr_linux" and case.box.get("mode") != "linux"):
        async with Fleet(specs_of(case, ["SITE-1"])) as fleet, asyncio.timeout(60):
            device, sessions = fleet.devices[0], sessions_for(fleet.devices)
            async with sessions.open(target_of(device, case)) as opened:
                with pytest.raises(CommandRefused, match="no root shell"):
                    await DRIVER.arm(opened.shell, GUARD)
            assert left_on(device) == []


async def test_a_version_without_log_in_passwords_leaves_the_box_its_own() -> None:
    async with Fleet(specs_of(CASE, ["SITE-1"])) as fleet, asyncio.timeout(60):
        device, sessions = fleet.devices[0], sessions_for(fleet.devices)
        before = shown(device)
        stored = significant(before, device) + "\n"
        assert REMOVED in stored
        async with sessions.open(target_of(device, CASE)) as opened:
            await DRIVER.apply(opened.shell, DRIVER.render(before, rich(DRIVER.spec.features, "")))
            await DRIVER.replace(opened.shell, stored)
        assert shown(device) == before
        assert left_on(device) == []


def test_a_password_that_the_box_does_not_have_is_left_out() -> None:
    text = f"password {REMOVED}\nenable password {REMOVED}\nend\n"
    assert linux_guard.with_own_logins(text, "enable password 8 x\npassword mine\n") == "password mine\nend\n"


def test_an_answer_that_breaks_off_is_none() -> None:
    with pytest.raises(FetchIncomplete):
        linux_guard.answer("5f0c\n", "", "`ls`")
    with pytest.raises(CommandRefused, match="status 1: no room"):
        linux_guard.answer("cpe-manager 1\n", "no room\n", "`cp`")


def test_a_copy_that_is_not_what_a_second_reading_gives_is_not_believed() -> None:
    sums = "".join(f"{digit * 64}  /etc/hosts\n" for digit in "abab")
    assert linux_guard.kept_whole(sums, ["/etc/hosts"])
    assert not linux_guard.kept_whole(sums.replace("b", "c", 1), ["/etc/hosts"])
    assert not linux_guard.kept_whole(sums, ["/etc/hosts", "/etc/hostname"])


def test_without_systemd_cron_and_a_sleeping_shell_step_in() -> None:
    lines = list(linux_guard.arming("5f0c2a71", 90, False, ["/etc/hosts"], linux_guard.Links("eth0")))
    assert "@reboot root /bin/sh /var/lib/cpe-manager/undo" in lines[-1]
    assert "sleep 90; sh /var/lib/cpe-manager/undo" in lines[-1]
    assert "systemd" not in lines[-1]
