"""How a box says that its line is up, and whether an echo comes back to it: each family in its own words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

import pytest

from cpe_manager.domain.model.cpe_config import Wan
from cpe_manager.domain.push.probes import LineState
from cpe_manager.ports.driver import FullDriver, Guard, Probing
from cpe_manager.ports.shell import Shell
from drivers._line_probe import ios_answered, ios_line, ios_ping
from drivers.roster import DriverRoster
from simulators.device import Device
from simulators.fleet import Fleet
from simulators.generate.site import make_site
from tests.contract.drivers.harness import sessions_for, shown, specs_of, target_of
from tests.contract.drivers.roster import MODELLED, DriverCase

PROBING = tuple(case for case in MODELLED if isinstance(DriverRoster().get(case.family), Probing))
every_case = pytest.mark.parametrize("case", PROBING, ids=str)


class Asked(FullDriver, Probing):
    """What these tests ask of a driver."""


def driver_of(case: DriverCase) -> Asked:
    driver: Asked = DriverRoster().get(case.family)  # type: ignore[assignment]
    return driver


@asynccontextmanager
async def box(case: DriverCase) -> AsyncIterator[tuple[Device, Asked]]:
    async with Fleet(specs_of(case, ["probed-1"])) as fleet:
        yield fleet.devices[0], driver_of(case)


@asynccontextmanager
async def session(device: Device, case: DriverCase) -> AsyncIterator[Shell]:
    async with sessions_for([device]).open(target_of(device, case)) as opened:
        yield opened.shell


async def line(device: Device, driver: Asked, case: DriverCase) -> LineState:
    async with session(device, case) as shell:
        return await driver.line(shell, shown(device))


def test_every_family_that_can_be_changed_can_be_asked() -> None:
    assert {case.family for case in PROBING} == {case.family for case in MODELLED}


@every_case
async def test_a_line_is_up_with_its_address_and_a_default_route(case: DriverCase) -> None:
    async with box(case) as (device, driver):
        found = await line(device, driver, case)
        wan = make_site(device.spec).wan_ip
        assert (found.up, found.default_route) == (True, True)
        assert found.address is not None
        assert str(found.address.ip) == wan


@every_case
async def test_a_line_that_is_lost_is_down(case: DriverCase) -> None:
    async with box(case) as (device, driver):
        device.state.line_up = False
        assert (await line(device, driver, case)).up is False
        device.state.line_up = True
        assert (await line(device, driver, case)).up is True


@every_case
async def test_an_echo_comes_back_from_where_somebody_is(case: DriverCase) -> None:
    async with box(case) as (device, driver):
        lan = f"{make_site(device.spec).lan_net}.77"
        async with session(device, case) as shell:
            assert await driver.ping(shell, "198.51.100.7")
            assert await driver.ping(shell, lan)
            assert not await driver.ping(shell, "192.0.2.7")


@every_case
async def test_a_changed_wan_is_what_the_line_is_asked_for(case: DriverCase) -> None:
    """Over a fixed address as over PPPoE: which interface is the WAN is read from what the box runs."""
    async with box(case) as (device, driver):
        before = driver.parse(shown(device))
        wanted = replace(
            before, wan=Wan("static", IPv4Interface("198.18.77.2/29"), IPv4Address("198.18.77.1")), routes=()
        )
        guard = Guard("5f0c2a71", 120)
        async with session(device, case) as shell:
            await driver.arm(shell, guard)  # type: ignore[attr-defined]
            await driver.apply(shell, driver.render(shown(device), wanted), guard)
        found = await line(device, driver, case)
        assert (found.up, found.default_route) == (True, True)
        assert found.address is not None
        assert str(found.address.ip) == "198.18.77.2"


BRIEF = """\
Interface                  IP-Address      OK? Method Status                Protocol
GigabitEthernet0/1         unassigned      YES NVRAM  up                    up
Dialer1                    198.18.3.4      YES IPCP   {}
Vlan1                      192.168.1.1     YES NVRAM  up                    up
"""


@pytest.mark.parametrize(
    ("status", "up"),
    [
        ("up                    up", True),
        ("up                    down", False),
        ("administratively down down", False),
        ("down                  down", False),
    ],
)
def test_ios_says_up_twice(status: str, up: bool) -> None:
    found = ios_line(BRIEF.format(status), "% Network not in table\n", "Dialer1")
    assert found == LineState(up, IPv4Interface("198.18.3.4/32"), default_route=False)


def test_an_interface_that_ios_does_not_list_is_down_and_a_strange_answer_tells_nothing() -> None:
    assert ios_line(BRIEF.format("up up"), "", "Dialer9").up is False
    assert ios_line("% Something else\n", "", "Dialer1").up is None
    assert ios_ping("2001:db8::1").startswith("ping ipv6 2001:db8::1 ")
    assert ios_answered("Success rate is 50 percent (1/2), round-trip min/avg/max = 1/1/1 ms\n")
    assert not ios_answered("Success rate is 0 percent (0/2)\n")
