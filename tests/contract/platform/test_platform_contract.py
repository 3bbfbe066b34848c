"""What every platform has to do, from a file behind a hook to a real router."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from cpe_manager.domain.errors import CommandRefused
from cpe_manager.domain.failover.lines import Carrier
from tests.contract.platform.stages import Stage


async def test_a_line_goes_over_mobile_and_back_and_that_is_told(on_stage: Stage) -> None:
    platform, line = on_stage.platform, on_stage.line
    await platform.warm()
    assert await platform.carried(line) is Carrier.FIXED
    for over in (Carrier.MOBILE, Carrier.FIXED, Carrier.MOBILE):
        await platform.carry(line, over)
        assert on_stage.truth(line) is over
        assert await platform.carried(line) is over


@pytest.mark.parametrize("over", list(Carrier))
async def test_what_is_done_twice_is_done(on_stage: Stage, over: Carrier) -> None:
    for _ in range(2):
        await on_stage.platform.carry(on_stage.line, over)
    await asyncio.gather(*(on_stage.platform.carry(on_stage.line, over) for _ in range(5)))
    assert on_stage.truth(on_stage.line) is over


async def test_orders_for_one_line_are_taken_in_their_order(on_stage: Stage) -> None:
    ways = [Carrier.MOBILE, Carrier.FIXED, Carrier.MOBILE]
    tasks = []
    for over in ways:
        tasks.append(asyncio.create_task(on_stage.platform.carry(on_stage.line, over)))
        await asyncio.sleep(0.3)
    await asyncio.gather(*tasks)
    assert on_stage.truth(on_stage.line) is Carrier.MOBILE


async def test_a_line_without_a_way_over_mobile_is_refused_and_stays(on_stage: Stage) -> None:
    line = replace(on_stage.line, mobile_gateway="")
    with pytest.raises(CommandRefused) as refusal:
        await on_stage.platform.carry(line, Carrier.MOBILE)
    assert refusal.value.device_state == "untouched"
    assert on_stage.truth(on_stage.line) is Carrier.FIXED


async def test_a_line_without_addresses_is_refused(on_stage: Stage) -> None:
    with pytest.raises(CommandRefused):
        await on_stage.platform.carry(replace(on_stage.line, ipv4=None, ipv6=None), Carrier.MOBILE)


async def test_what_cannot_be_told_is_none_and_what_can_is_true(on_stage: Stage) -> None:
    assert await on_stage.platform.reachable(on_stage.line) in {True, None}
    sessions = await on_stage.platform.sessions()
    assert sessions is None or all(state.bfd is not False for state in sessions.values())
