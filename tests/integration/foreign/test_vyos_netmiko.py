"""Netmiko's own driver for VyOS works with the box as with any."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest
from netmiko import BaseConnection, ConnectHandler

from simulators.device import Device
from simulators.fleet import Fleet
from simulators.spec import DeviceSpec

T = TypeVar("T")


async def with_netmiko(box: Device, work: Callable[[BaseConnection], T]) -> T:
    """Run ``work`` in a thread: netmiko blocks."""

    def run() -> T:
        with ConnectHandler(
            device_type="vyos",
            host=box.address,
            port=box.port,
            username=box.spec.username,
            password=box.spec.secrets.login,
            allow_agent=False,
            use_keys=False,
        ) as connection:
            return work(connection)

    return await asyncio.to_thread(run)


async def test_it_reads_changes_commits_and_saves() -> None:
    async with Fleet([DeviceSpec("AALST-1", "vyos", seed=3)]) as fleet:
        box = fleet.devices[0]

        def work(connection: BaseConnection) -> tuple[str, ...]:
            shown = connection.send_command("show configuration commands")
            typed = connection.send_config_set(
                ["set interfaces ethernet eth1 description 'changed by netmiko'", "delete service lldp"]
            )
            committed = connection.commit(comment="by a test")
            saved = connection.save_config()
            return shown, typed, committed, saved, connection.send_command("show version")

        shown, typed, committed, saved, version = await with_netmiko(box, work)
        assert shown.strip().startswith("set firewall")
        assert "set system host-name 'AALST-1'" in shown
        assert "failed" not in typed + committed
        assert "Done" in saved
        assert "VyOS 1.4" in version
        assert "set interfaces ethernet eth1 description 'changed by netmiko'\n" in box.state.startup
        assert "service lldp" not in box.running_text()


async def test_leaving_configuration_mode_throws_away_what_was_not_committed() -> None:
    async with Fleet([DeviceSpec("AALST-1", "vyos", seed=3)]) as fleet:
        box = fleet.devices[0]
        before = box.running_text()

        def work(connection: BaseConnection) -> str:
            connection.send_config_set(["set system host-name LOST-1"])
            left = connection.exit_config_mode()
            assert not connection.check_config_mode()
            return left

        assert "Cannot exit: configuration modified." in await with_netmiko(box, work)
        assert box.running_text() == before


async def test_a_commit_that_the_box_refuses_is_an_error() -> None:
    async with Fleet([DeviceSpec("AALST-1", "vyos", seed=3)]) as fleet:
        box = fleet.devices[0]

        def work(connection: BaseConnection) -> str:
            connection.send_config_set(["delete interfaces wwan wwan0 apn"])
            try:
                return connection.commit()
            finally:
                connection.exit_config_mode()

        with pytest.raises(ValueError, match="No APN configured"):
            await with_netmiko(box, work)
