"""Netmiko's own driver for Linux works with the whole box as with any: it reads and changes files and FRR."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from netmiko import BaseConnection, ConnectHandler

from simulators.device import Device
from simulators.dialects.linux_box import loaded
from simulators.fleet import Fleet
from simulators.spec import DeviceSpec

T = TypeVar("T")
SPEC = DeviceSpec("AALST-1", "frr_linux", seed=3, username="root", options={"mode": "linux"})


async def with_netmiko(box: Device, work: Callable[[BaseConnection], T], device_type: str = "linux") -> T:
    """Run ``work`` in a thread: netmiko blocks."""

    def run() -> T:
        with ConnectHandler(
            device_type=device_type,
            host=box.address,
            port=box.port,
            username=box.spec.username,
            password=box.spec.secrets.login,
            allow_agent=False,
            use_keys=False,
        ) as connection:
            return work(connection)

    return await asyncio.to_thread(run)


async def test_it_reads_frr_and_every_file() -> None:
    async with Fleet([SPEC]) as fleet:
        box = fleet.devices[0]

        def work(connection: BaseConnection) -> tuple[str, ...]:
            assert connection.find_prompt() == "root@AALST-1:~#"
            assert connection.check_enable_mode()
            commands = (
                "vtysh -c 'show running-config'",
                "cat /etc/nftables.d/cpe.nft",
                "sha256sum /etc/hosts",
                "uname -n",
            )
            return tuple(connection.send_command(command) for command in commands)

        frr, rules, digest, name = await with_netmiko(box, work)
        assert frr.rstrip().endswith("end")
        assert "ip route 0.0.0.0/0 ppp0" in frr
        assert rules.strip() in box.running_text()
        assert digest.split()[1] == "/etc/hosts"
        assert name.strip() == "AALST-1"


async def test_it_writes_a_file_and_has_the_daemon_read_it() -> None:
    async with Fleet([SPEC]) as fleet:
        box = fleet.devices[0]
        line = "server=9.9.9.9"

        def work(connection: BaseConnection) -> str:
            before = loaded(box.state, "dnsmasq")
            connection.send_config_set([f"echo {line} >> /etc/dnsmasq.conf"], enter_config_mode=False)
            assert loaded(box.state, "dnsmasq") == before
            return connection.send_command("service dnsmasq restart; echo $?")

        assert (await with_netmiko(box, work)).strip() == "0"
        assert f"\n{line}\n" in box.running_text()
        assert line in loaded(box.state, "dnsmasq")["/etc/dnsmasq.conf"]


async def test_it_configures_frr_through_the_shell_and_saves() -> None:
    async with Fleet([SPEC]) as fleet:
        box = fleet.devices[0]

        def work(connection: BaseConnection) -> str:
            answer = connection.send_command("vtysh -c 'configure terminal' -c 'ip route 10.55.0.0/16 blackhole'")
            return answer + connection.send_command("vtysh -c 'write memory'")

        assert "[OK]" in await with_netmiko(box, work)
        assert "ip route 10.55.0.0/16 blackhole\n" in box.state.startup
