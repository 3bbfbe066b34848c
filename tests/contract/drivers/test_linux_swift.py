"""A switch that was prepared, struck in one exchange: what it leaves behind, what it refuses, and the ways back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from cpe_manager.domain.errors import CommandRefused, ConnectFailed, SessionDropped
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.kit.linux import swift
from cpe_manager.ports.driver import Guard, Script, Swift
from cpe_manager.ports.shell import ExecResult, Shell
from drivers.frr_linux import DRIVER
from simulators.device import Device
from simulators.fleet import Fleet
from tests.contract.drivers.harness import sessions_for, shown, specs_of, target_of
from tests.contract.drivers.test_linux_guard import left_on
from tests.contract.drivers.test_linux_mobile import CASE, mobile_of, preferring

GUARD = Guard("5f0c2a71", 120)


class Counted:
    """A shell that counts what is run on it."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.commands = shell, list[str]()

    def __getattr__(self, name: str) -> object:
        return getattr(self.shell, name)

    async def execute(self, command: str) -> ExecResult:
        self.commands.append(command)
        return await self.shell.execute(command)


@asynccontextmanager
async def box() -> AsyncIterator[tuple[Device, Shell, str]]:
    async with Fleet(specs_of(CASE, ["SITE-1"])) as fleet, asyncio.timeout(60):
        device = fleet.devices[0]
        async with sessions_for([device]).open(target_of(device, CASE)) as opened:
            yield device, opened.shell, shown(device)


@asynccontextmanager
async def reached_again(device: Device) -> AsyncIterator[Shell]:
    """A session to a box that has just restarted."""
    async with asyncio.timeout(30):
        while True:
            try:
                async with sessions_for([device]).open(target_of(device, CASE)) as opened:
                    yield opened.shell
                    return
            except (ConnectFailed, SessionDropped):
                await asyncio.sleep(0.05)


def to_mobile(device: Device) -> Script:
    return DRIVER.render(shown(device), preferring(model(device)))


def model(device: Device) -> CpeConfig:
    return DRIVER.parse(shown(device))


def switched(device: Device) -> bool:
    return mobile_of(model(device)).preferred


async def test_a_strike_is_one_exchange_and_looks_like_arm_and_apply() -> None:
    assert isinstance(DRIVER, Swift)
    async with box() as (device, shell, before):
        prepared = await DRIVER.prepare(shell, to_mobile(device), Guard("00000000", 60))
        assert shown(device) == before
        assert await DRIVER.armed(shell) is None
        counted = Counted(shell)
        await DRIVER.strike(counted, prepared, GUARD)  # type: ignore[arg-type]
        assert len(counted.commands) == 1
        assert switched(device)
        assert await DRIVER.armed(shell) == GUARD.token
        assert [alarm for alarm in device.state.alarms if "cpe-manager" in alarm]
        await DRIVER.confirm(shell, GUARD)
        assert left_on(device) == []
        assert switched(device)


@pytest.mark.parametrize("way", ["told", "restart", "timer"])
async def test_a_box_that_was_struck_and_not_confirmed_goes_back(way: str) -> None:
    async with box() as (device, shell, before):
        prepared = await DRIVER.prepare(shell, to_mobile(device), GUARD)
        await DRIVER.strike(shell, prepared, GUARD)
        assert switched(device)
        if way == "told":
            await DRIVER.revert(shell, GUARD)
        elif way == "restart":
            device.restart(0.0)
        else:
            (alarm,) = [alarm for name, alarm in device.state.alarms.items() if "cpe-manager" in name]
            alarm.act(device.state)
        assert shown(device) == before
        assert left_on(device) == []


async def test_what_was_prepared_promises_nothing_and_does_not_outlive_a_restart() -> None:
    async with box() as (device, shell, before):
        await DRIVER.prepare(shell, to_mobile(device), GUARD)
        prepared = await DRIVER.prepare(shell, to_mobile(device), GUARD)
        device.restart(0.0)
        assert shown(device) == before
        async with reached_again(device) as opened:
            with pytest.raises(CommandRefused, match="not as it was") as refused:
                await DRIVER.strike(opened, prepared, GUARD)
            assert refused.value.device_state == "untouched"
            assert await DRIVER.armed(opened) is None
            # What lies about on flash goes with the next change.
            await DRIVER.arm(opened, GUARD)
            await DRIVER.confirm(opened, GUARD)
        assert left_on(device) == []


@pytest.mark.parametrize("what", ["frr", "a file", "a new file", "frr's own file", "another's token"])
async def test_a_box_that_is_not_as_it_was_is_left_untouched(what: str) -> None:
    async with box() as (device, shell, _):
        prepared = await DRIVER.prepare(shell, to_mobile(device), GUARD)
        if what == "frr":
            device.change("ip route 10.99.0.0/16 blackhole")
        elif what == "a file":
            device.state.files["/etc/dnsmasq.conf"] += "cache-size=2000\n"
        elif what == "a new file":
            device.state.files["/etc/dnsmasq.d/more.conf"] = "cache-size=2000\n"
        elif what == "frr's own file":
            device.state.startup += "!\n"
        else:
            prepared = f"{prepared[:-1]}x"
        before = shown(device)
        with pytest.raises(CommandRefused) as refused:
            await DRIVER.strike(shell, prepared, GUARD)
        assert refused.value.device_state == "untouched"
        assert shown(device) == before
        assert await DRIVER.armed(shell) is None


async def test_a_box_that_is_armed_is_neither_prepared_nor_struck() -> None:
    async with box() as (device, shell, before):
        prepared = await DRIVER.prepare(shell, to_mobile(device), GUARD)
        await DRIVER.arm(shell, Guard("0badcafe", 60))
        for verb in (DRIVER.strike(shell, prepared, GUARD), DRIVER.prepare(shell, to_mobile(device), GUARD)):
            with pytest.raises(CommandRefused):
                await verb
        assert shown(device) == before
        assert await DRIVER.armed(shell) == "0badcafe"


async def test_a_second_strike_of_the_same_token_says_that_the_box_is_changed() -> None:
    async with box() as (device, shell, _):
        prepared = await DRIVER.prepare(shell, to_mobile(device), GUARD)
        await DRIVER.strike(shell, prepared, GUARD)
        with pytest.raises(CommandRefused, match="struck before") as refused:
            await DRIVER.strike(shell, prepared, GUARD)
        assert refused.value.device_state == "changed"


async def test_a_way_back_that_cannot_be_laid_down_leaves_the_box_as_it_was() -> None:
    async with box() as (device, shell, before):
        prepared = await DRIVER.prepare(shell, to_mobile(device), GUARD)
        with pytest.raises(CommandRefused, match="could not be laid down") as refused:
            await DRIVER.strike(shell, prepared, Guard("5f0c2a71", -1))  # no timer runs for so long
        assert refused.value.device_state == "untouched"
        assert shown(device) == before
        assert left_on(device) == []


async def test_a_change_of_more_than_frr_takes_the_ordinary_path() -> None:
    async with box() as (device, shell, before):
        wanted = preferring(replace(model(device), hostname="OTHER"))
        with pytest.raises(CommandRefused, match="ordinary path"):
            await DRIVER.prepare(shell, DRIVER.render(before, wanted), GUARD)
        assert left_on(device) == []


def test_how_far_a_strike_got_is_told_by_its_marks() -> None:
    head = "cpe-manager checked\ncpe-manager armed\n"
    assert swift.struck(f"{head}cpe-manager applied\ncpe-manager 0\n") == swift.Struck("applied", "")
    assert swift.struck(f"{head}% Unknown command\ncpe-manager 1\n") == swift.Struck("armed", "% Unknown command")
    assert swift.struck("cpe-manager checked\ncpe-manager 1\n") == swift.Struck("checked", "")
    assert swift.struck("cpe-manager 1\n") == swift.Struck("nothing", "")
    assert swift.struck(head) is None
