"""Which way a box sends its customer's traffic: what the numbers of its routes mean, and what it says itself (§3.8)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

import pytest

from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.domain.model.cpe_config import Wan
from cpe_manager.domain.model.cpe_features import Feature
from cpe_manager.domain.model.cpe_mobile import Barred, Mobile, Ports
from cpe_manager.ports.driver import Carrying, FullDriver, Probing
from cpe_manager.ports.shell import Shell
from drivers.roster import DriverRoster
from simulators.device import Device
from simulators.fleet import Fleet
from simulators.generate.site import make_site
from simulators.reach.view import Surroundings
from tests.contract.drivers.harness import sessions_for, shown, specs_of, target_of
from tests.contract.drivers.roster import MODELLED, DriverCase

TELLING = tuple(
    case
    for case in {case.family: case for case in reversed(MODELLED)}.values()
    if case.family in ("cisco_ios", "routeros", "vyos")
)
every_family = pytest.mark.parametrize("case", TELLING, ids=str)
VOICE = (Barred("udp", Ports(5060, 5061)), Barred("udp", Ports(10_000, 20_000)), Barred("tcp", Ports.one(5061)))
FIXED_WAN = Wan("static", IPv4Interface("198.18.77.2/29"), IPv4Address("198.18.77.1"))
MANAGER = IPv4Address("10.100.7.9")
AT = Surroundings(MANAGER, IPv4Address("198.18.77.2"), IPv4Address("198.18.77.1"))
WANS = (None, Wan("dhcp"), FIXED_WAN)


class Telling(FullDriver, Probing, Carrying):
    """What these tests ask of a driver."""


def driver_of(case: DriverCase) -> Telling:
    driver: Telling = DriverRoster().get(case.family)  # type: ignore[assignment]
    return driver


@asynccontextmanager
async def box(case: DriverCase) -> AsyncIterator[tuple[Device, Shell]]:
    async with Fleet(specs_of(case, ["carrying-1"])) as fleet:
        device = fleet.devices[0]
        async with sessions_for([device]).open(target_of(device, case)) as opened:
            yield device, opened.shell


def bring(device: Device, case: DriverCase, wan: Wan | None, mobile: Mobile | None) -> tuple[str, ...]:
    """Commands that give the box this mobile connection, and this WAN if one is named; the box takes them."""
    driver = driver_of(case)
    before = driver.parse(shown(device))
    wanted = replace(before, mobile=mobile, wan=wan or before.wan)
    script = driver.render(shown(device), wanted)
    if script:
        device.change("\n".join(script.commands))
    assert driver.parse(shown(device)) == wanted
    return script.commands


def standing_by(case: DriverCase) -> Mobile:
    return Mobile("business.example")


def test_every_family_of_this_file_is_asked_and_has_the_features() -> None:
    assert len(TELLING) == 3
    for case in TELLING:
        driver = driver_of(case)
        assert isinstance(driver, Carrying)
        assert {Feature.MOBILE_PREFERRED, Feature.MOBILE_BARRED} <= driver.spec.features


def test_whatever_can_be_moved_can_be_asked_where_it_went() -> None:
    for case in MODELLED:
        driver = DriverRoster().get(case.family)
        assert isinstance(driver, Carrying) or Feature.MOBILE_PREFERRED not in driver.spec.features, case


@pytest.mark.parametrize("wan", WANS, ids=("as-it-is", "dhcp", "static"))
@every_family
async def test_a_preferred_mobile_connection_carries_whatever_the_fixed_line_does(
    case: DriverCase, wan: Wan | None
) -> None:
    async with box(case) as (device, shell):
        driver = driver_of(case)
        bring(device, case, wan, standing_by(case))
        assert await driver.carrying(shell, shown(device)) is Carrier.FIXED
        bring(device, case, None, replace(standing_by(case), preferred=True))
        for silent in (False, True):
            device.state.line_silent = silent
            assert await driver.carrying(shell, shown(device)) is Carrier.MOBILE
            assert await driver.ping(shell, "198.51.100.7")
        # What was preferred is gone: what stands by takes over, if anything comes through it.
        device.state.mobile_up = device.state.line_silent = False
        assert await driver.carrying(shell, shown(device)) is Carrier.FIXED
        assert await driver.ping(shell, "198.51.100.7")
        device.state.mobile_up = True
        bring(device, case, None, standing_by(case))
        assert await driver.carrying(shell, shown(device)) is Carrier.FIXED


@every_family
async def test_a_line_that_is_lost_silently_keeps_its_default_route_and_one_without_carrier_does_not(
    case: DriverCase,
) -> None:
    async with box(case) as (device, shell):
        driver = driver_of(case)
        bring(device, case, FIXED_WAN, standing_by(case))
        device.lose_line("silent")
        assert await driver.carrying(shell, shown(device)) is Carrier.FIXED
        assert not await driver.ping(shell, "198.51.100.7")
        device.restore_line()
        device.lose_line("carrier")
        assert await driver.carrying(shell, shown(device)) is Carrier.MOBILE
        assert await driver.ping(shell, "198.51.100.7")
        assert (await driver.line(shell, shown(device))).up is False
        device.restore_line()
        assert await driver.carrying(shell, shown(device)) is Carrier.FIXED


@every_family
async def test_a_generated_site_with_mobile_backup_is_ready_to_carry_all_but_calls(case: DriverCase) -> None:
    """By an option of the virtual box; what is generated without it has no calls barred."""
    (spec,) = specs_of(case, ["carrying-1"])
    device = Device(replace(spec, options={**case.box, "mobile": "standby"}))
    found = driver_of(case).parse(shown(device))
    voice = tuple(one for one in VOICE if one.protocol == "udp")
    assert found.mobile == replace(standing_by(case), barred=voice)
    plain = driver_of(case).parse(shown(Device(spec)))
    assert plain.mobile is not None
    assert not plain.mobile.barred
    assert found.firewall == plain.firewall


async def test_an_ios_default_route_that_ppp_gives_is_gone_before_all_the_same() -> None:
    """Nobody sets the distance of such a route; two halves are longer than it."""
    case = next(case for case in TELLING if case.family == "cisco_ios")
    async with box(case) as (device, shell):
        device.change("interface Dialer1\nppp ipcp route default\nexit\nno ip route 0.0.0.0 0.0.0.0 Dialer1")
        bring(device, case, None, standing_by(case))
        assert await driver_of(case).carrying(shell, shown(device)) is Carrier.FIXED
        bring(device, case, None, replace(standing_by(case), preferred=True))
        assert "128.0.0.0" in shown(device)
        assert await driver_of(case).carrying(shell, shown(device)) is Carrier.MOBILE
        assert (await driver_of(case).line(shell, shown(device))).default_route is True
        bring(device, case, None, standing_by(case))
        assert "128.0.0.0" not in shown(device)
        assert await driver_of(case).carrying(shell, shown(device)) is Carrier.FIXED


@every_family
async def test_a_router_that_is_wired_by_next_hops_is_asked_for_the_interface(case: DriverCase) -> None:
    async with box(case) as (device, shell):
        bring(device, case, FIXED_WAN, standing_by(case))
        assert await driver_of(case).carrying(shell, shown(device)) is Carrier.FIXED
        line = await driver_of(case).line(shell, shown(device))
        assert str(line.address and line.address.ip) == "198.18.77.2"


@every_family
async def test_nothing_carries_where_neither_way_is_there(case: DriverCase) -> None:
    async with box(case) as (device, shell):
        bring(device, case, FIXED_WAN, standing_by(case))
        device.lose_line()
        device.state.mobile_up = False
        assert await driver_of(case).carrying(shell, shown(device)) is None


@pytest.mark.parametrize("wan", WANS, ids=("as-it-is", "dhcp", "static"))
@every_family
def test_there_and_back_leaves_the_text_as_it_was_and_touches_nothing_but_routes(
    case: DriverCase, wan: Wan | None
) -> None:
    device = Device(specs_of(case, ["carrying-1"])[0])
    bring(device, case, wan, replace(standing_by(case), barred=VOICE))
    before = significant_lines(device)
    over = bring(device, case, None, replace(standing_by(case), barred=VOICE, preferred=True))
    assert 0 < len(over) <= 3
    assert all(only_routes(command) for command in over), over
    back = bring(device, case, None, replace(standing_by(case), barred=VOICE))
    assert 0 < len(back) <= 3
    assert all(only_routes(command) for command in back), back
    assert significant_lines(device) == before


def only_routes(command: str) -> bool:
    """VyOS deletes as high up as nothing else stands below."""
    return "route" in command or command == "delete protocols"


def significant_lines(device: Device) -> list[str]:
    lines = (line for line in shown(device).splitlines() if not line.startswith(("!", "#", "ntp clock-period")))
    # A distance that was said is shown, and means the same as one that is not.
    return sorted(line.replace(" default-route-distance=1 ", " ") for line in lines)


@every_family
def test_what_stays_off_is_the_way_out_over_mobile_and_leaves_the_firewall_as_it_was(case: DriverCase) -> None:
    device = Device(specs_of(case, ["carrying-1"])[0])
    driver = driver_of(case)
    before = driver.parse(shown(device))
    bring(device, case, None, replace(standing_by(case), barred=VOICE))
    found = driver.parse(shown(device))
    assert found.firewall == before.firewall
    assert found.port_mappings == before.port_mappings
    assert found.mobile is not None
    assert found.mobile.barred == tuple(sorted(VOICE))
    bring(device, case, None, standing_by(case))
    bring(device, case, None, None)
    gone = driver.parse(shown(device))
    assert gone.mobile is None
    assert gone.firewall == before.firewall
    assert not [
        line for line in shown(device).splitlines() if "5060" in line and "dst-nat" not in line and "nat" not in line
    ]


@every_family
def test_a_manager_whom_the_mobile_network_leads_to_reaches_a_box_that_went_over(case: DriverCase) -> None:
    device = Device(specs_of(case, ["carrying-1"])[0])
    bring(device, case, FIXED_WAN, standing_by(case))
    device.surroundings = AT
    assert device.answers
    device.state.line_silent = True
    assert not device.answers
    bring(device, case, None, replace(standing_by(case), preferred=True))
    assert not device.answers
    device.surroundings = replace(AT, by_mobile=True)
    assert device.answers
    device.state.mobile_up = False
    assert not device.answers
    device.state.line_silent = False
    assert device.answers


@every_family
async def test_a_line_is_told_by_the_address_that_its_own_interface_has(case: DriverCase) -> None:
    """Also while traffic goes over the other one."""
    async with box(case) as (device, shell):
        bring(device, case, None, replace(standing_by(case), preferred=True))
        found = await driver_of(case).line(shell, shown(device))
        assert (found.up, found.default_route) == (True, True)
        assert found.address is not None
        assert str(found.address.ip) == make_site(device.spec).wan_ip
