"""Clients that know nothing of simulators work with the boxes, unchanged."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys

import asyncssh
import pytest
from netmiko import ConnectHandler
from scrapli.driver.core import AsyncIOSXEDriver


async def with_netmiko(box, device_type, work, **extra):
    """Run `work(connection)` in a thread: netmiko blocks."""

    def run():
        with ConnectHandler(
            device_type=device_type,
            host=box.address,
            port=box.port,
            username=box.spec.username,
            password=box.spec.secrets.login,
            secret=box.spec.secrets.enable,
            allow_agent=False,
            use_keys=False,
            **extra,
        ) as connection:
            return work(connection)

    return await asyncio.to_thread(run)


async def test_netmiko_enables_reads_configures_and_saves_an_ios_router(start_box):
    box = await start_box("cisco_ios")

    def work(connection):
        connection.enable()
        before = connection.send_command("show running-config")
        answer = connection.send_config_set(["interface GigabitEthernet0/1", "description changed by netmiko"])
        return before, answer, connection.save_config(), connection.send_command("show version", use_textfsm=False)

    before, answer, saved, version = await with_netmiko(box, "cisco_ios", work)
    assert before.startswith("Building configuration...")
    assert before.rstrip().endswith("end")
    assert "% Invalid" not in answer
    assert "[OK]" in saved
    assert "Cisco IOS Software" in version
    assert " description changed by netmiko\n" in box.state.startup


@pytest.mark.parametrize(
    ("family", "options", "command"),
    [
        ("openwrt", {}, "uci export network"),
        ("frr_linux", {"mode": "bash"}, "vtysh -c 'show running-config'"),
    ],
)
async def test_netmiko_reads_linux_routers(start_box, family, options, command):
    box = await start_box(family, options=options, username="root")
    text = await with_netmiko(box, "linux", lambda connection: connection.send_command(command))
    assert text.strip() in box.running_text()
    assert len(text) > 500


async def test_netmiko_takes_vtysh_for_an_ios_router(start_box):
    box = await start_box("frr_linux")

    def work(connection):
        text = connection.send_command("show running-config")
        return text, connection.send_config_set(["ip route 10.55.0.0/16 Null0"])

    text, answer = await with_netmiko(box, "cisco_ios", work)
    assert text.rstrip().endswith("end")
    assert "% Unknown" not in answer
    assert "ip route 10.55.0.0/16 Null0\n" in box.running_text()


@pytest.mark.parametrize("family", ["cisco_ios", "frr_linux"])
async def test_scrapli_reads_and_configures(start_box, family):
    # scrapli takes any line of a configuration that looks like a prompt for the prompt: no such line in the banner.
    box = await start_box(family, options={"banner": "plain"})
    async with AsyncIOSXEDriver(
        host=box.address,
        port=box.port,
        auth_username=box.spec.username,
        auth_password=box.spec.secrets.login,
        auth_secondary=box.spec.secrets.enable,
        auth_strict_key=False,
        transport="asyncssh",
        timeout_ops=10,
    ) as driver:
        shown = await driver.send_command("show running-config")
        configured = await driver.send_configs(["hostname KORTRIJK"])
    assert not shown.failed
    assert shown.result.rstrip().endswith("end")
    assert not configured.failed
    assert "hostname KORTRIJK\n" in box.running_text()


@pytest.mark.skipif(shutil.which("ssh") is None, reason="no OpenSSH client on this machine")
@pytest.mark.parametrize(
    ("family", "command", "status", "last"),
    [
        ("cisco_ios", "show running-config", 0, "end"),
        ("frr_linux", "show running-config", 0, "end"),
        ("frr_linux", "frobnicate", 1, "% Unknown command: frobnicate"),
        ("openwrt", "uci export; exit 3", 3, "option disabled"),
        ("teltonika", "uci export; exit 3", 3, "option isolate"),
    ],
)
async def test_the_openssh_client_runs_commands_with_a_public_key(start_box, tmp_path, family, command, status, last):
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(str(tmp_path / "id"))
    (tmp_path / "id").chmod(0o600)
    box = await start_box(family, authorized_keys=(key.export_public_key().decode(),))
    (tmp_path / "known").write_text(f"[{box.address}]:{box.port} {box.host_key_public}\n")
    process = await asyncio.create_subprocess_exec(
        "ssh", "-F", "none", "-p", str(box.port), "-i", str(tmp_path / "id"), "-o", "BatchMode=yes",
        "-o", f"UserKnownHostsFile={tmp_path / 'known'}", "-o", "StrictHostKeyChecking=yes",
        f"{box.spec.username}@{box.address}", command,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL,
        env={**os.environ, "SSH_AUTH_SOCK": ""},
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, err) == (status, b""), sys.stderr
    assert last in [line for line in out.decode().splitlines() if line.strip()][-1]
