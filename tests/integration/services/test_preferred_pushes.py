"""Traffic that moves to a mobile connection and back on the commit path, on boxes that send it where routes lead."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.domain.jobs import Outcome, Priority
from cpe_manager.domain.model.cpe_mobile import Barred, Mobile, Ports
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.ports.driver import Carrying
from tests.contract.drivers.harness import shown
from tests.contract.drivers.roster import DriverCase
from tests.integration.services.real_boxes import AT, CASES, SETUP, Bench, bench

pytestmark = pytest.mark.slow
MOVING = tuple(case for case in CASES if case.family in ("cisco_ios", "routeros", "vyos"))
every_family = pytest.mark.parametrize("case", MOVING, ids=str)
STANDING_BY = Mobile(
    "business.example", barred=(Barred("udp", Ports(5060, 5061)), Barred("udp", Ports(10_000, 20_000)))
)


async def carrier(b: Bench) -> Carrier | None:
    assert isinstance(b.driver, Carrying)
    carrying: Carrying = b.driver

    async def ask(_driver: object, shell: object) -> Carrier | None:
        return await carrying.carrying(shell, shown(b.box))  # type: ignore[arg-type]

    found: Carrier | None = await b.once(ask)
    return found


async def prepare(b: Bench, *, by_mobile: bool) -> str:
    """A box with a mobile connection that stands by; by_mobile: its network leads to the manager, too."""
    await b.become(replace(SETUP, mobile=STANDING_BY))
    b.box.surroundings = replace(AT, by_mobile=by_mobile)
    assert b.box.answers
    assert await carrier(b) is Carrier.FIXED
    return b.now()


@every_family
async def test_a_switch_and_a_return_are_two_pushes_that_hold(
    case: DriverCase, tmp_path: Path, sqlite_url: str
) -> None:
    async with bench(case, tmp_path, sqlite_url) as b:
        before = await prepare(b, by_mobile=True)
        there = await b.pushes.plan(b.asked(change={"mobile": {"preferred": True}}))
        assert there.lockouts == ()
        push = await b.ask(change={"mobile": {"preferred": True}}, priority=Priority.URGENT)
        settled = await b.work(push)
        assert settled.outcome is Outcome.CONFIRMED, settled.error
        assert (await b.database.pushes.push(push.id)).push.phase is Phase.CONFIRMED
        assert await carrier(b) is Carrier.MOBILE
        b.box.state.line_silent = True
        assert b.box.answers
        assert await carrier(b) is Carrier.MOBILE
        b.box.state.line_silent = False
        settled = await b.work(await b.ask(change={"mobile": {"preferred": False}}))
        assert settled.outcome is Outcome.CONFIRMED, settled.error
        assert await carrier(b) is Carrier.FIXED
        assert b.now().replace("default-route-distance=1 ", "") == before
        assert not b.cut_off


@every_family
async def test_a_switch_into_a_network_that_does_not_lead_to_us_is_taken_back_by_the_box(
    case: DriverCase, tmp_path: Path, sqlite_url: str
) -> None:
    async with bench(case, tmp_path, sqlite_url) as b:
        before = await prepare(b, by_mobile=False)
        settled = await b.work(await b.ask(change={"mobile": {"preferred": True}}))
        assert b.cut_off, "the switch did not cut us off"
        assert settled.outcome is Outcome.REVERTED, settled.error
        assert b.box.answers
        assert b.now() == before
        assert await carrier(b) is Carrier.FIXED


@every_family
async def test_a_mobile_connection_that_carries_is_not_taken_away_unasked(
    case: DriverCase, tmp_path: Path, sqlite_url: str
) -> None:
    async with bench(case, tmp_path, sqlite_url) as b:
        await prepare(b, by_mobile=True)
        await b.become(replace(SETUP, mobile=replace(STANDING_BY, preferred=True)))
        before = b.now()
        settled = await b.work(await b.ask(change={"mobile": None}))
        assert settled.outcome is Outcome.WITHDRAWN
        assert "the mobile connection, over which the default route leads" in (settled.error or "")
        assert b.now() == before
