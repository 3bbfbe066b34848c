"""netmiko works on the virtual IOS router, unchanged: it enables, configures, saves and moves files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from netmiko import ConnectHandler, file_transfer

from simulators.device import Device
from simulators.fleet import Fleet
from simulators.spec import DeviceSpec

T = TypeVar("T")


@pytest.fixture(params=["user", "privileged"])
async def box(request: pytest.FixtureRequest) -> AsyncIterator[Device]:
    spec = DeviceSpec("A-ROUTER-WITH-A-LONG-NAME-01", "cisco_ios", seed=5, options={"login": request.param})
    async with Fleet([spec], down_time=0.2) as fleet:
        yield fleet.devices[0]


async def using(box: Device, work: Callable[[Any], T], kind: str = "cisco_ios") -> T:
    """Run ``work(connection)`` in a thread: netmiko blocks."""

    def run() -> T:
        with ConnectHandler(
            device_type=kind, host=box.address, port=box.port, username=box.spec.username,
            password=box.spec.secrets.login, secret=box.spec.secrets.enable, allow_agent=False, use_keys=False,
        ) as connection:  # fmt: skip
            connection.enable()
            return work(connection)

    return await asyncio.to_thread(run)


@pytest.mark.parametrize("kind", ["cisco_ios", "cisco_xe"])
async def test_it_configures_in_several_modes_and_saves(box: Device, kind: str) -> None:
    lines = [
        "interface GigabitEthernet0/1", "description by netmiko", "exit", "ip dhcp pool GUESTS",
        "network 192.168.250.0 255.255.255.0", "lease 0 2", "ip access-list extended TEST", "permit tcp any any eq 80",
    ]  # fmt: skip

    def work(connection: Any) -> tuple[str, str]:
        return connection.send_config_set(lines, error_pattern=r"%"), connection.save_config()

    answer, saved = await using(box, work, kind)
    assert "(config-if)#" in answer
    assert "[OK]" in saved
    for line in (
        " description by netmiko\n",
        "ip dhcp pool GUESTS\n network",
        " lease 0 2\n",
        " permit tcp any any eq www\n",
    ):
        assert line in box.state.startup


async def test_a_line_that_is_refused_is_told(box: Device) -> None:
    def work(connection: Any) -> str:
        return connection.send_config_set(["interface GigabitEthernet0/1", "frobnicate"])

    assert "% Invalid input detected at '^' marker." in await using(box, work)


async def test_a_file_is_put_verified_and_fetched(box: Device, tmp_path: Path) -> None:
    source, back = tmp_path / "candidate.cfg", tmp_path / "back.cfg"
    source.write_text("hostname FROM-A-FILE\nend\n" * 400)

    def work(connection: Any) -> tuple[dict[str, bool], dict[str, bool]]:
        put = file_transfer(connection, source_file=str(source), dest_file="there.cfg", direction="put")
        get = file_transfer(connection, source_file="there.cfg", dest_file=str(back), direction="get")
        return put, get

    put, get = await using(box, work)
    everything = {"file_exists": True, "file_transferred": True, "file_verified": True}
    assert (put, get) == (everything, everything)
    assert box.state.flash["there.cfg"] == source.read_text() == back.read_text()


async def test_commands_that_ask_are_answered(box: Device) -> None:
    def work(connection: Any) -> str:
        connection.send_command("copy running-config flash:kept.cfg", expect_string=r"\]\?")
        return connection.send_command("\n", expect_string=r"#", strip_prompt=False)

    assert "bytes copied" in await using(box, work)
    assert "hostname A-ROUTER-WITH-A-LONG-NAME-01" in box.state.flash["kept.cfg"]
