"""scrapli (the classic release) works on every box that it has a platform for, unchanged.

Its IOS XE platform speaks to IOS and to FRR's vtysh, its generic driver to whatever has a Unix shell.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from scrapli.driver import AsyncGenericDriver
from scrapli.driver.core import AsyncIOSXEDriver
from scrapli.exceptions import ScrapliAuthenticationFailed

from simulators.device import Device
from simulators.fleet import Fleet
from simulators.personas.registry import all_personas
from simulators.spec import DeviceSpec

IOS_LIKE = [
    ("cisco_ios", {"banner": "plain"}),
    ("cisco_ios", {"banner": "plain", "login": "privileged"}),
    ("frr_linux", {}),
]
"""scrapli takes any line that looks like a prompt for the prompt: no such line in the banner."""
SHELLS = {
    "openwrt": ({}, "uci export system", "cat /etc/os-release", "OpenWrt"),
    "teltonika": ({}, "uci export system", "cat /etc/version", "RUT"),
    "vyos": ({}, "show configuration commands | no-more", "show version | no-more", "VyOS"),
    "frr_linux": ({"mode": "bash"}, "vtysh -c 'show running-config'", "uname -s", "Linux"),
}
"""Family: options of the box, a command that shows configuration, a command that tells what it is, a word of that."""


@asynccontextmanager
async def box_of(family: str, options: dict[str, str]) -> AsyncIterator[Device]:
    async with Fleet([DeviceSpec("GENT-01", family, seed=5, options=options)], down_time=0.2) as fleet:
        yield fleet.devices[0]


def arguments(box: Device, **given: Any) -> dict[str, Any]:
    return {
        "host": box.address, "port": box.port, "auth_username": box.spec.username,
        "auth_password": box.spec.secrets.login, "auth_strict_key": False, "ssh_config_file": False,
        "transport": "asyncssh", "timeout_ops": 20, "timeout_socket": 20, "timeout_transport": 20, **given,
    }  # fmt: skip


def ios(box: Device) -> AsyncIOSXEDriver:
    return AsyncIOSXEDriver(**arguments(box, auth_secondary=box.spec.secrets.enable))


@pytest.mark.parametrize(("family", "options"), IOS_LIKE)
async def test_the_ios_xe_platform_reads_configures_and_saves(family: str, options: dict[str, str]) -> None:
    async with box_of(family, options) as box:
        async with ios(box) as driver:
            shown = await driver.send_command("show running-config")
            configured = await driver.send_configs(["ip route 10.88.0.0 255.255.0.0 Null0"])
            seen = await driver.send_commands(["show running-config", "show version"])
            refused = await driver.send_command("show nonsense")
            saved = await driver.send_command("write memory")
        assert not shown.failed
        assert shown.result.rstrip().endswith("end")
        assert "hostname GENT-01" in shown.result
        assert not configured.failed
        assert [one.failed for one in seen] == [False, False]
        assert "10.88.0.0" in seen[0].result
        assert refused.failed, "it knows the box's words of refusal"
        assert not saved.failed
        assert "10.88.0.0" in box.state.startup


@pytest.mark.parametrize("family", ["cisco_ios"])
async def test_privilege_levels_are_climbed_up_and_down(family: str) -> None:
    async with box_of(family, {"banner": "plain"}) as box, ios(box) as driver:
        assert await driver.get_prompt() == "GENT-01#"
        await driver.acquire_priv("configuration")
        assert await driver.get_prompt() == "GENT-01(config)#"
        await driver.acquire_priv("exec")
        assert await driver.get_prompt() == "GENT-01>"
        await driver.acquire_priv("privilege_exec")
        shown = await driver.send_command("show privilege")
        assert "level is 15" in shown.result


async def test_a_refused_configuration_line_stops_the_rest() -> None:
    async with box_of("cisco_ios", {"banner": "plain"}) as box, ios(box) as driver:
        done = await driver.send_configs(["nonsense at all", "hostname AFTER"], stop_on_failed=True)
        assert done.failed
        assert "hostname AFTER" not in box.running_text()


async def test_a_wrong_password_is_told() -> None:
    async with box_of("cisco_ios", {"banner": "plain"}) as box:
        driver = AsyncIOSXEDriver(**arguments(box, auth_password="not-the-password"))
        with pytest.raises(ScrapliAuthenticationFailed):
            await driver.open()
        assert box.stats.passwords_accepted == 0


@pytest.mark.parametrize("family", [name for name in all_personas() if name in SHELLS])
async def test_the_generic_driver_works_in_a_unix_shell(family: str) -> None:
    options, command, question, word = SHELLS[family]
    async with box_of(family, options) as box:
        async with AsyncGenericDriver(**arguments(box, comms_prompt_pattern=r"^\S+@\S+:\S*[#$]\s*$")) as driver:
            shown = await driver.send_command(command)
            told = await driver.send_commands(
                [question, "nonsense-at-all"], failed_when_contains=["not found", "Invalid command"]
            )
        assert shown.result.strip() in box.running_text()
        assert len(shown.result) > 200
        assert word in told[0].result
        assert [one.failed for one in told] == [False, True]
