"""The long tail on virtual CPEs, real sessions and real threads: fetching, pushing, and whatever goes wrong."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import pytest
import uvloop

from cpe_manager.adapters.netmiko.sessions import NetmikoSessions
from cpe_manager.domain.errors import AuthFailed, CommandRefused, DeviceError, InputError, TelnetRefused, UnknownFamily
from cpe_manager.ports.driver import Script
from cpe_manager.ports.shell import PromptRules, Target
from simulators.device import Device
from simulators.faults import kinds
from simulators.fleet import Fleet
from tests.contract.drivers.harness import (
    DRIVERS,
    credential_of,
    fetch,
    nothing_left_open,
    sessions_for,
    significant,
    specs_of,
    target_of,
)
from tests.contract.drivers.roster import LONG_TAIL, DriverCase
from tests.contract.drivers.test_faults import outcomes, rostered, scattered, wrong_ones
from tests.fakes.credentials import FixedCredentials

IOS, LINUX = LONG_TAIL
every_case = pytest.mark.parametrize("case", LONG_TAIL, ids=str)
# No family has a command of this name, in whatever mode its shell is.
NONSENSE = "frobnicate-4711"
# What only a second reading in a session of its own notices on a box that proves nothing about its text.
UNSEEN = {"IOS": ("shrunk", "keeps"), "LINUX": ("truncate", "noise", "shrunk", "foreign", "empty", "error")}


async def apply(device: Device, case: DriverCase, *commands: str, save: bool = False) -> None:
    driver = DRIVERS.get(case.family)
    async with sessions_for([device]).open(target_of(device, case)) as opened:
        await driver.apply(opened.shell, Script(commands))  # type: ignore[attr-defined]
        if save:
            await driver.save(opened.shell)  # type: ignore[attr-defined]


@every_case
async def test_the_capture_is_the_configuration_that_the_box_shows(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-0815", "edge.b-2"], seed=40)) as fleet:
        sessions = sessions_for(fleet.devices)
        for device in fleet.devices:
            capture = await fetch(sessions, target_of(device, case))
            assert significant(capture.text, device) == significant(device.running_text(), device)
            assert (capture.hostname, capture.counted) == (device.name, False)
            assert capture.text.endswith("\n")
            assert not capture.text.endswith("\n\n")
        await nothing_left_open(fleet)


@every_case
async def test_every_fault_gives_the_truth_or_an_error(case: DriverCase) -> None:
    # netmiko's own way of setting the width on IOS waits for the echo.
    beyond = case.blind_to | ({"lost_echo"} if case is IOS else set())
    trials = [trial for trial in rostered() if trial.id not in beyond]
    assert wrong_ones(await outcomes(case, trials)) == {}


@every_case
async def test_faults_at_any_place_give_the_truth_or_an_error(case: DriverCase) -> None:
    unseen = UNSEEN["IOS" if case is IOS else "LINUX"]
    trials = [trial for trial in scattered(seed=7) if not any(word in trial.id for word in unseen)]
    assert len(trials) >= 20
    assert wrong_ones(await outcomes(case, trials)) == {}


EXPECTED = {
    "refuse": {"connect_failed"},
    "refuse-port-closed": {"connect_failed"},
    "banner_hang": {"timeout"},
    "host_key_changed": {"host_key"},
    "auth_failure": {"auth_failed"},
    "hang_at-middle": {"timeout"},
    "drop_at": {"dropped"},
    "reboot": {"dropped"},
    "eof_at-status-0": {"dropped"},
    "truncate-bytes": {"incomplete"},
    "foreign_config": {"foreign_text"},
    "error_reply": {"refused"},
    "empty": {"incomplete", "refused"},
    "garbage": {"incomplete"},
    "syslog_noise": {"incomplete"},
}


@every_case
async def test_each_fault_has_the_error_code_that_an_operator_needs(case: DriverCase) -> None:
    trials = [trial for trial in rostered() if trial.id in EXPECTED and trial.id not in case.blind_to]
    codes = {
        outcome.trial.id: outcome.result.code if isinstance(outcome.result, DeviceError) else "captured"
        for outcome in await outcomes(case, trials)
    }
    assert {name: code for name, code in codes.items() if code not in EXPECTED[name]} == {}


async def test_a_damage_that_strikes_once_shows_as_two_readings_that_differ() -> None:
    async with Fleet(specs_of(LINUX, ["SITE-1"])) as fleet:
        (device,) = fleet.devices
        sessions, target = sessions_for(fleet.devices), target_of(device, LINUX)
        for fault in (kinds.Truncate(at=0.5, times=1), kinds.SyslogNoise(at=0.5, times=1), kinds.Shrunk(times=1)):
            device.set_fault(fault)
            first, second = await fetch(sessions, target), await fetch(sessions, target)
            assert not first.counted
            assert first.text != second.text
            assert significant(second.text, device) == significant(device.running_text(), device)


async def test_lines_are_typed_in_configuration_mode_take_effect_and_are_saved() -> None:
    async with Fleet(specs_of(IOS, ["SITE-1"])) as fleet:
        (device,) = fleet.devices
        await apply(
            device,
            IOS,
            "interface GigabitEthernet0/1",
            "description to the # shop",
            "exit",
            "hostname A-MUCH-LONGER-NAME-THAN-BEFORE",
            "ip route 10.9.0.0 255.255.0.0 Null0",
        )
        assert " description to the # shop\n" in device.running_text()
        assert "10.9.0.0" not in device.state.startup
        await apply(device, IOS, "ip route 10.8.0.0 255.255.0.0 Null0", save=True)
        assert "ip route 10.8.0.0 255.255.0.0 Null0\n" in device.state.startup
        await nothing_left_open(fleet)


async def test_commands_are_run_in_a_unix_shell_each_with_its_exit_status() -> None:
    async with Fleet(specs_of(LINUX, ["SITE-1"])) as fleet:
        (device,) = fleet.devices
        await apply(device, LINUX, "uci set system.@system[0].timezone=UTC", "uci commit system", save=True)
        assert "option timezone 'UTC'" in device.running_text()
        with pytest.raises(CommandRefused, match="exit status") as caught:
            await apply(device, LINUX, "uci set system.@system[0].timezone=CET", "uci show nosuchpackage")
        assert caught.value.device_state == "changed"
        await nothing_left_open(fleet)


@every_case
async def test_a_refusal_is_told_with_its_command_and_without_a_secret(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet:
        (device,) = fleet.devices
        before = significant(device.running_text(), device)
        with pytest.raises(CommandRefused, match=NONSENSE) as caught:
            await apply(device, case, f"{NONSENSE} password hunter2hunter2")
        assert "hunter2" not in str(caught.value)
        assert caught.value.device_state == "untouched"
        assert significant(device.running_text(), device) == before
        await nothing_left_open(fleet)


async def test_a_refusal_in_the_middle_says_that_the_box_was_changed() -> None:
    async with Fleet(specs_of(IOS, ["SITE-1"])) as fleet:
        (device,) = fleet.devices
        with pytest.raises(CommandRefused, match="command 2") as caught:
            await apply(
                device, IOS, "ip route 10.9.0.0 255.255.0.0 Null0", NONSENSE, "ip route 10.8.0.0 255.255.0.0 Null0"
            )
        assert caught.value.device_state == "changed"
        assert "10.9.0.0" in device.running_text()
        assert "10.8.0.0" not in device.running_text()
        # The box is not left in some mode: the way out is open.
        await apply(device, IOS, "no ip route 10.9.0.0 255.255.0.0 Null0")
        assert "10.9.0.0" not in device.running_text()


async def test_a_session_that_is_lost_while_lines_are_typed_leaves_the_state_unknown() -> None:
    async with Fleet(specs_of(IOS, ["SITE-1"])) as fleet:
        (device,) = fleet.devices
        driver = DRIVERS.get(IOS.family)
        async with sessions_for([device]).open(target_of(device, IOS)) as opened:
            enter = opened.shell.enter  # type: ignore[attr-defined]

            async def enter_and_lose(line: str) -> str:
                said: str = await enter(line)
                device.hang_up()
                return said

            opened.shell.enter = enter_and_lose  # type: ignore[attr-defined]
            with pytest.raises(DeviceError) as caught:
                await driver.apply(opened.shell, Script(("ip cef", "ip cef", "ip cef")))  # type: ignore[attr-defined]
        assert (caught.value.device_state, caught.value.retryable) == ("unknown", True)
        await nothing_left_open(fleet)


async def test_nothing_but_its_own_verbs_goes_over_such_a_session_and_none_over_telnet() -> None:
    async with Fleet(specs_of(IOS, ["SITE-1"])) as fleet:
        (device,) = fleet.devices
        sessions, target = sessions_for(fleet.devices), target_of(device, IOS)
        async with sessions.open(target) as opened:
            with pytest.raises(CommandRefused):
                await opened.shell.execute("show version")
            with pytest.raises(CommandRefused):
                await opened.shell.terminal(PromptRules(re.compile("#")))
        accepted = device.stats.connections
        for wrong, error in (
            (replace(target, transport="telnet", telnet_allowed=True), TelnetRefused),
            (replace(target, family="netmiko:cisco_iso"), UnknownFamily),
        ):
            with pytest.raises(error):
                async with sessions.open(wrong):
                    pytest.fail("a session was opened")
        assert device.stats.connections == accepted


async def test_a_platform_whose_command_nobody_knows_asks_for_it() -> None:
    async with Fleet(specs_of(LINUX, ["SITE-1"])) as fleet:
        (device,) = fleet.devices
        target: Target = replace(target_of(device, LINUX), options={})
        with pytest.raises(InputError, match=r"options\.command"):
            await fetch(sessions_for(fleet.devices), target)
        await nothing_left_open(fleet)


async def test_an_end_mark_of_the_devices_own_has_to_be_the_last_line() -> None:
    async with Fleet(specs_of(IOS, ["SITE-1"])) as fleet:
        (device,) = fleet.devices
        sessions, target = sessions_for(fleet.devices), replace(target_of(device, IOS), command_timeout=3.0)
        own = {"command": "show running-config", "end_mark": "end"}
        assert (await fetch(sessions, replace(target, options=own))).text.endswith("\nend\n")
        with pytest.raises(DeviceError) as caught:
            await fetch(sessions, replace(target, options=own | {"end_mark": "return"}))
        assert caught.value.code == "incomplete"


async def test_a_unknown_platform_is_refused_with_those_near_it() -> None:
    with pytest.raises(UnknownFamily, match="netmiko:cisco_ios"):
        DRIVERS.get("netmiko:cisco_iso")
    with pytest.raises(UnknownFamily, match="netmiko:cisco_s300"):
        DRIVERS.get("netmiko:s300")
    with pytest.raises(UnknownFamily, match="none is near"):
        DRIVERS.get("netmiko:qqqqqqq")
    assert len(DRIVERS.platforms()) > 150
    assert not [name for name in DRIVERS.platforms() if name.endswith(("_telnet", "_serial", "_ssh"))]
    await asyncio.sleep(0)


async def test_the_privileged_mode_is_entered_once_with_its_own_password_or_the_log_in_fails() -> None:
    async with Fleet(specs_of(IOS, ["SITE-1"])) as fleet:
        (device,) = fleet.devices
        target, right = target_of(device, IOS), credential_of(device)
        wrong = replace(right, enable_password="wrong-4711")
        with pytest.raises(AuthFailed) as caught:
            async with NetmikoSessions(FixedCredentials({device.name: wrong})).open(target):
                pytest.fail("a session was opened")
        assert "wrong-4711" not in str(caught.value)
        assert list(device.stats.commands).count("(password)") == 1
        without = NetmikoSessions(FixedCredentials({device.name: replace(right, enable_password="")}))
        async with without.open(target) as opened:
            with pytest.raises(CommandRefused, match="show running-config"):
                await DRIVERS.get(IOS.family).fetch(opened.shell)
        await nothing_left_open(fleet)


def test_it_works_on_the_event_loop_that_the_daemon_has() -> None:
    async def visit() -> None:
        async with Fleet(specs_of(IOS, ["SITE-1"])) as fleet:
            (device,) = fleet.devices
            text = (await fetch(sessions_for(fleet.devices), target_of(device, IOS))).text
            assert text.endswith("\nend\n")
            await nothing_left_open(fleet)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(visit())
