"""netmiko's RouterOS driver works with a virtual box, unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from netmiko import ConnectHandler

from simulators.device import Device
from simulators.fleet import Fleet
from simulators.spec import DeviceSpec


async def with_netmiko(device: Device, work: Callable[[Any], Any]) -> Any:
    """Run ``work(connection)`` in a thread: netmiko blocks."""

    def run() -> Any:
        with ConnectHandler(
            device_type="mikrotik_routeros",
            host=device.address,
            port=device.port,
            username=device.spec.username,
            password=device.spec.secrets.login,
            allow_agent=False,
            use_keys=False,
        ) as connection:
            return work(connection)

    return await asyncio.to_thread(run)


def boxes(name: str) -> Fleet:
    return Fleet([DeviceSpec(name, "routeros", seed=7)])


async def test_netmiko_logs_in_with_its_options_behind_the_user_name_and_finds_the_prompt() -> None:
    async with boxes("SITE-0815") as fleet:
        found = await with_netmiko(fleet.devices[0], lambda box: (box.find_prompt(), box.base_prompt, box.username))
        assert found == ("[backup@SITE-0815] >", "[backup@SITE-0815]", "backup+ct511w4098h")


async def test_netmiko_reads_an_export_whole_and_what_the_box_is() -> None:
    async with boxes("SITE-0815") as fleet:
        device = fleet.devices[0]

        def work(box: Any) -> tuple[str, ...]:
            commands = ("/export", "/export terse show-sensitive", "/system resource print", "/ip address print terse")
            return tuple(box.send_command(command, read_timeout=60) for command in commands)

        export, terse, resource, addresses = await with_netmiko(device, work)
        # netmiko takes the blanks and line ends at both ends off.
        rest = device.running_text().strip().partition("\n")[2]
        assert terse.partition("\n")[2] == rest
        assert export.startswith("# ")
        assert export.endswith("/tool romon\nset enabled=no")
        folded = (
            'comment="defconf: established,related,untracked" \\\n    connection-state=established,related,untracked\n'
        )
        assert f"/ip firewall filter\nadd action=accept chain=input {folded}" in export
        assert device.spec.secrets.wifi not in export
        assert max(len(line) for line in export.splitlines()) <= 80
        assert "version: 7.15.3 (stable)" in resource
        assert addresses.startswith("0")
        assert "interface=bridge" in addresses


async def test_netmiko_changes_the_configuration_and_a_refusal_is_printed() -> None:
    async with boxes("SITE-0815") as fleet:
        device = fleet.devices[0]
        lines = [
            '/ip firewall address-list add list=noc address=10.9.0.0/16 comment="by netmiko"',
            "/ip/dns/set servers=9.9.9.9",
            "/ip address add address=10.0.0.300/24 interface=bridge",
        ]
        answer = await with_netmiko(device, lambda box: box.send_config_set(lines))
        text = device.running_text()
        assert '/ip firewall address-list add address=10.9.0.0/16 comment="by netmiko" list=noc\n' in text
        assert "/ip dns set allow-remote-requests=yes servers=9.9.9.9\n" in text
        assert "10.0.0.300" not in text
        assert "invalid value for argument address" in answer
        # RouterOS has no step of saving: what it took is there after a restart.
        device.restart(0.0)
        assert "servers=9.9.9.9" in device.running_text()
