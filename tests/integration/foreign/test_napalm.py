"""NAPALM's IOS driver works on the virtual router, unchanged: it reads, merges, replaces and takes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any, TypeVar

import napalm
import pytest
from napalm.base.exceptions import MergeConfigException, ReplaceConfigException

from simulators.device import Device
from simulators.fleet import Fleet
from simulators.generate.site import make_site
from simulators.spec import DeviceSpec

T = TypeVar("T")
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def box(request: pytest.FixtureRequest) -> AsyncIterator[Device]:
    # netmiko finds the prompt by its last character: no line like a prompt in the banner.
    software = getattr(request, "param", "ios")
    spec = DeviceSpec("GENT-01", "cisco_ios", seed=5, options={"banner": "plain", "software": software})
    async with Fleet([spec], down_time=0.2) as fleet:
        yield fleet.devices[0]


async def using(box: Device, work: Callable[[Any], T]) -> T:
    """Run ``work(device)`` in a thread: NAPALM blocks."""

    def run() -> T:
        driver = napalm.get_network_driver("ios")
        optional = {"secret": box.spec.secrets.enable, "port": box.port, "allow_agent": False, "use_keys": False}
        with driver(box.address, box.spec.username, box.spec.secrets.login, optional_args=optional) as device:
            return work(device)

    return await asyncio.to_thread(run)


async def nobody_connected(box: Device) -> None:
    async with asyncio.timeout(10):
        while box.stats.open_connections:
            await asyncio.sleep(0.02)


async def test_it_reads_what_the_router_is_and_has(box: Device) -> None:
    def work(device: Any) -> tuple[Any, ...]:
        return (
            device.get_facts(), device.get_interfaces(), device.get_interfaces_ip(), device.get_arp_table(),
            device.get_snmp_information(), device.get_environment(), device.is_alive(),
        )  # fmt: skip

    facts, interfaces, addresses, arp, snmp, environment, alive = await using(box, work)
    site = make_site(box.spec)
    assert (facts["hostname"], facts["vendor"], facts["model"]) == ("GENT-01", "Cisco", "C891F-K9")
    assert facts["fqdn"] == "GENT-01.cpe.example"
    assert facts["serial_number"] == site.serial
    assert "15.7(3)M8" in facts["os_version"]
    # It reads days, hours and minutes.
    assert abs(facts["uptime"] - box.state.uptime) < 120
    assert {"Dialer1", "GigabitEthernet0/1", "Cellular0/2/0"} <= set(facts["interface_list"])
    assert interfaces["GigabitEthernet0/1"]["description"] == "customer LAN"
    assert interfaces["GigabitEthernet0/1"]["is_up"] is True
    assert interfaces["GigabitEthernet0/1"]["speed"] == 1000
    assert interfaces["Dot11Radio1"]["is_enabled"] is False
    assert addresses["GigabitEthernet0/1"]["ipv4"] == {site.lan_ip: {"prefix_length": 24}}
    assert addresses["Dialer1"]["ipv4"] == {site.wan_ip: {"prefix_length": 32}}
    assert {(host.address, host.mac.upper()) for host in site.hosts} <= {(entry["ip"], entry["mac"]) for entry in arp}
    assert snmp["community"] == {box.spec.secrets.snmp: {"mode": "ro", "acl": "MGMT"}}
    assert snmp["location"] == site.location
    assert environment["memory"]["available_ram"] > environment["memory"]["used_ram"] > 0
    assert 0 < environment["cpu"][0]["%usage"] < 100
    assert alive == {"is_alive": True}


async def test_the_configurations_it_reads_are_the_routers(box: Device) -> None:
    box.change("hostname BRUGGE")
    found = await using(box, lambda device: device.get_config())
    assert "\nhostname BRUGGE\n" in found["running"]
    assert "\nhostname GENT-01\n" in found["startup"]
    assert found["running"].endswith("end")
    assert box.state.running.rstrip("!\n") in found["running"]


async def test_a_merge_is_shown_taken_over_and_kept(box: Device) -> None:
    candidate = (
        "interface GigabitEthernet0/1\n description changed by NAPALM\nip route 10.77.0.0 255.255.0.0 Null0\nend\n"
    )

    def work(device: Any) -> tuple[str, str]:
        device.load_merge_candidate(config=candidate)
        shown = device.compare_config()
        device.commit_config()
        return shown, device.compare_config()

    shown, after = await using(box, work)
    assert shown.splitlines() == [
        "+interface GigabitEthernet0/1",
        "+ description changed by NAPALM",
        "+ip route 10.77.0.0 255.255.0.0 Null0",
    ]
    assert after == ""
    assert " description changed by NAPALM\n" in box.state.startup
    assert "\nip route 10.77.0.0 255.255.0.0 Null0\n" in box.state.startup


async def test_a_merge_that_is_refused_is_told_and_taken_back(box: Device) -> None:
    before = box.state.running

    def work(device: Any) -> None:
        device.load_merge_candidate(config="ip route 10.77.0.0 255.255.0.0 Null0\nfrobnicate all\nend\n")
        device.commit_config()

    with pytest.raises(MergeConfigException):
        await using(box, work)
    assert box.state.running == before


async def test_a_candidate_that_is_discarded_changes_nothing(box: Device) -> None:
    before = box.state.running

    def work(device: Any) -> str:
        device.load_merge_candidate(config="hostname DROPPED\nend\n")
        device.discard_config()
        return device.compare_config()

    assert await using(box, work) == ""
    assert box.state.running == before


@pytest.mark.parametrize("box", ["ios", "iosxe"], indirect=True)
async def test_a_replacement_makes_the_router_what_the_file_says(box: Device) -> None:
    def work(device: Any) -> tuple[str, str]:
        wanted = device.get_config(retrieve="running")["running"]
        device.load_merge_candidate(
            config="hostname LOST\ninterface Loopback7\n ip address 10.7.7.7 255.255.255.255\nend\n"
        )
        device.commit_config()
        device.load_replace_candidate(config=wanted.replace("customer LAN", "shop floor") + "\n")
        shown = device.compare_config()
        device.commit_config()
        return wanted, shown

    wanted, shown = await using(box, work)
    assert "hostname GENT-01" in shown
    assert "-interface Loopback7" in shown
    assert " +description shop floor" in shown
    assert "Loopback7" not in box.state.running
    assert "\nhostname GENT-01\n" in box.state.startup
    assert " description shop floor\n" in box.state.startup
    lines = {line for line in wanted.splitlines() if line and not line.startswith(("ntp clock-period", "end"))}
    assert lines - set(box.running_text().splitlines()) <= {" description customer LAN"}


async def test_what_was_committed_is_rolled_back(box: Device) -> None:
    before = box.state.running

    def work(device: Any) -> None:
        device.load_merge_candidate(config="hostname WRONG\nip route 10.77.0.0 255.255.0.0 Null0\nend\n")
        device.commit_config()
        device.rollback()

    await using(box, work)
    assert box.state.running == before
    # It saves while its own setting for file prompts is still there.
    assert box.state.startup.replace("file prompt quiet\n!\n", "") == before


async def test_a_replacement_that_is_no_configuration_is_refused(box: Device) -> None:
    before = box.state.running

    def work(device: Any) -> None:
        device.load_replace_candidate(config="no configuration at all\n")
        device.commit_config()

    with pytest.raises(ReplaceConfigException):
        await using(box, work)
    assert box.state.running == before


async def test_a_commit_that_nobody_confirms_reverts_by_the_routers_own_clock(box: Device) -> None:
    before = box.state.running

    def work(device: Any) -> bool:
        device.load_merge_candidate(config="hostname TRYING\nend\n")
        device.commit_config(revert_in=120)
        return device.has_pending_commit()

    assert await using(box, work) is True
    assert "\nhostname TRYING\n" in box.state.running
    await nobody_connected(box)
    later = box.state.clock
    box.state.clock = lambda: later() + timedelta(minutes=3)
    box.tick()
    # This much of itself NAPALM had written before the timer was set.
    assert box.state.running.replace("file prompt quiet\n!\n", "") == before


async def test_a_commit_that_is_confirmed_stays(box: Device) -> None:
    def work(device: Any) -> bool:
        device.load_merge_candidate(config="hostname STAYS\nend\n")
        device.commit_config(revert_in=120)
        device.confirm_commit()
        return device.has_pending_commit()

    assert await using(box, work) is False
    assert box.state.alarms == {}
    assert "\nhostname STAYS\n" in box.state.startup
