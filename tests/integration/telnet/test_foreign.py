"""Telnet clients that know nothing of us log in to the virtual CPEs, and a real Telnet server is logged in to by us."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator

import pytest
from netmiko import ConnectHandler

from simulators.device import Device
from simulators.fleet import Fleet
from simulators.spec import DeviceSpec

TELNET = shutil.which("telnet") or shutil.which("inetutils-telnet")


@pytest.fixture
async def box() -> AsyncIterator[Device]:
    async with Fleet([DeviceSpec("GENT-01", "cisco_ios", seed=5)], telnet=True) as fleet:
        yield fleet.device("GENT-01")


async def test_netmiko_logs_in_over_telnet_reads_and_configures(box: Device) -> None:
    def work() -> tuple[str, str]:
        with ConnectHandler(
            device_type="cisco_ios_telnet", host=box.address, port=box.telnet_port, username=box.spec.username,
            password=box.spec.secrets.login, secret=box.spec.secrets.enable,
        ) as connection:  # fmt: skip
            connection.enable()
            text = connection.send_command("show running-config")
            return text, connection.send_config_set(["ip route 10.55.0.0 255.255.0.0 Null0"])

    text, answer = await asyncio.to_thread(work)
    assert text.rstrip().endswith("end")
    assert "% Invalid" not in answer
    assert "ip route 10.55.0.0 255.255.0.0 Null0\n" in box.running_text()


async def conversation(process: asyncio.subprocess.Process, steps: list[tuple[str, str]]) -> str:
    """Wait for each text, then type; everything that was printed until the client ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    seen, begin = "", 0
    async with asyncio.timeout(60):
        for text, typed in steps:
            while text not in seen[begin:]:
                data = await process.stdout.read(4096)
                assert data, f"ended before {text!r}: {seen!r}"
                seen += data.decode()
            begin = seen.index(text, begin) + len(text)
            process.stdin.write(f"{typed}\n".encode())
        seen += (await process.stdout.read()).decode()
        await process.wait()
    return seen


@pytest.mark.skipif(TELNET is None, reason="no telnet client on this machine")
async def test_debians_telnet_logs_in_and_reads(box: Device) -> None:
    process = await asyncio.create_subprocess_exec(
        str(TELNET), "-E", box.address, str(box.telnet_port),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    seen = await conversation(
        process,
        [
            ("Username: ", box.spec.username),
            ("Password: ", box.spec.secrets.login),
            ("GENT-01>", "show version"),
            ("GENT-01>", "exit"),
        ],
    )
    assert "Cisco IOS Software" in seen
    assert box.spec.secrets.login not in seen
