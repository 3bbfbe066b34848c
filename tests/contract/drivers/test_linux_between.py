"""A router that one arms while another one prepares or strikes it, at each moment of that: one promise, and whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from cpe_manager.domain.errors import CommandRefused, DeviceError
from cpe_manager.kit.linux import guard as linux_guard
from cpe_manager.ports.driver import Guard
from cpe_manager.ports.shell import ExecResult, Shell
from drivers.frr_linux import DRIVER
from simulators.device import Device
from simulators.fleet import Fleet
from tests.contract.drivers.harness import sessions_for, shown, specs_of, target_of
from tests.contract.drivers.test_linux_guard import left_on
from tests.contract.drivers.test_linux_mobile import CASE
from tests.contract.drivers.test_linux_swift import GUARD, switched, to_mobile

OURS = Guard("00000001", 60)
MOST = 60
"""More commands than any verb here sends."""
Act = Callable[[Shell], Awaitable[object]]


class Between:
    """A shell on which somebody else acts, over a session of his own, before the command of that number."""

    def __init__(self, shell: Shell, number: int, act: Callable[[], Awaitable[object]]) -> None:
        self.shell, self.number, self.act, self.acted = shell, number, act, False

    def __getattr__(self, name: str) -> object:
        return getattr(self.shell, name)

    async def execute(self, command: str) -> ExecResult:
        self.number -= 1
        if self.number == 0:
            self.acted = True
            await self.act()
        return await self.shell.execute(command)


@asynccontextmanager
async def two_sessions() -> AsyncIterator[tuple[Device, Shell, Shell]]:
    async with Fleet(specs_of(CASE, ["SITE-1"])) as fleet, asyncio.timeout(110):
        device, sessions = fleet.devices[0], sessions_for(fleet.devices)
        target = target_of(device, CASE)
        async with sessions.open(target) as one, sessions.open(target) as other:
            yield device, one.shell, other.shell


async def prepared(device: Device, shell: Shell) -> str:
    return await DRIVER.prepare(shell, to_mobile(device), OURS)


async def held(device: Device, shell: Shell, guard: Guard, before: str) -> None:
    """The promise of that name is there, is kept, and nothing else is."""
    assert await DRIVER.armed(shell) == guard.token
    device.change("ip route 10.99.0.0/16 blackhole")
    device.state.files["/etc/dnsmasq.d/more.conf"] = "cache-size=2000\n"
    await DRIVER.revert(shell, guard)
    assert shown(device) == before
    assert left_on(device) == []


async def test_a_box_that_is_armed_while_it_is_prepared_stays_armed_and_is_not_prepared() -> None:
    async with two_sessions() as (device, one, other):
        before = shown(device)
        for number in range(1, MOST):
            between = Between(one, number, lambda: DRIVER.arm(other, GUARD))
            try:
                await prepared(device, between)  # type: ignore[arg-type]
                assert not between.acted
            except CommandRefused:
                assert between.acted, number
            if not between.acted:
                break
            await held(device, other, GUARD, before)
        assert 5 < number < MOST - 1


async def test_a_box_that_is_prepared_while_it_is_armed_is_armed_all_the_same() -> None:
    async with two_sessions() as (device, one, other):
        before = shown(device)
        for number in range(1, MOST):
            between = Between(one, number, lambda: prepared(device, other))
            await DRIVER.arm(between, GUARD)  # type: ignore[arg-type]
            await held(device, other, GUARD, before)
            if not between.acted:
                break
        assert 5 < number < MOST - 1


async def test_a_box_that_is_struck_while_it_is_armed_keeps_the_promise_of_the_strike() -> None:
    async with two_sessions() as (device, one, other):
        before = shown(device)
        for number in range(1, MOST):
            name = await prepared(device, other)
            between = Between(one, number, lambda name=name: DRIVER.strike(other, name, OURS))  # type: ignore[misc]
            try:
                await DRIVER.arm(between, GUARD)  # type: ignore[arg-type]
                promised = GUARD
            except DeviceError:
                promised = OURS
            # He who reads the box after the strike arms what was struck: no arming beside a promise, then.
            assert (promised is OURS) == between.acted
            assert switched(device) == between.acted
            await held(device, other, promised, before)
            if not between.acted:
                break
        assert 5 < number < MOST - 1


async def test_of_two_who_prepare_at_once_the_later_one_has_prepared() -> None:
    async with two_sessions() as (device, one, other):
        before = shown(device)
        for number in range(1, MOST):
            names = list[str]()

            async def act(names: list[str] = names) -> None:
                names.append(await DRIVER.prepare(other, to_mobile(device), Guard("00000002", 60)))

            between = Between(one, number, act)
            try:
                names.append(await prepared(device, between))  # type: ignore[arg-type]
            except CommandRefused:
                assert between.acted, number
            await DRIVER.strike(other, names[-1], GUARD)
            assert switched(device)
            await held(device, other, GUARD, before)
            if not between.acted:
                break
        assert 5 < number < MOST - 1


async def test_a_confirmation_that_comes_late_takes_no_promise_of_another_one_up() -> None:
    async with two_sessions() as (device, one, other):
        before = shown(device)
        await DRIVER.arm(one, OURS)
        await DRIVER.confirm(one, OURS)

        async def armed() -> None:
            await DRIVER.arm(other, GUARD)

        with pytest.raises(CommandRefused):
            await DRIVER.confirm(Between(one, 2, armed), OURS)  # type: ignore[arg-type]
        await held(device, other, GUARD, before)


async def test_what_a_broken_arming_left_is_cleared_by_the_next_one_and_by_nobody_else() -> None:
    async with two_sessions() as (device, one, _):
        before = shown(device)
        left = {f"{linux_guard.KEPT}/0": "old\n", f"{linux_guard.KEPT}.arm.dead/undo": "# cpe-manager dead\n"}
        device.state.flash.update(left)
        with pytest.raises(CommandRefused, match="broken off"):
            await prepared(device, one)
        assert {path: device.state.flash[path] for path in left} == left
        await DRIVER.arm(one, GUARD)
        assert f"{linux_guard.KEPT}/undo" in device.state.flash
        assert not [path for path in device.state.flash if "dead" in path]
        await held(device, one, GUARD, before)
