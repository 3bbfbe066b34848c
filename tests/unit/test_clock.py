"""Promises of clocks and identifiers: the real ones and the fakes keep the same."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest

from cpe_manager.adapters.clock import SystemClock, SystemIds
from cpe_manager.ports.clock import Clock, Ids
from tests.fakes.clock import CountingIds, SimulatedClock


@pytest.fixture(params=[SystemClock, SimulatedClock])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


@pytest.fixture(params=["system", "counting"])
def ids(request: pytest.FixtureRequest) -> Ids:
    return SystemIds(SystemClock()) if request.param == "system" else CountingIds()


def test_now_is_aware_utc(clock: Clock) -> None:
    assert clock.now().tzinfo is UTC


async def test_sleeping_takes_at_least_its_time(clock: Clock) -> None:
    before, began = clock.monotonic(), clock.now()
    sleeping = asyncio.create_task(clock.sleep(0.02), name="sleeping")
    if isinstance(clock, SimulatedClock):
        await clock.advance(0.02)
    await sleeping
    assert clock.monotonic() - before >= 0.02
    assert clock.now() > began


@pytest.mark.parametrize("seconds", [0, -5])
async def test_sleeping_for_no_time_returns(clock: Clock, seconds: float) -> None:
    async with asyncio.timeout(60):
        await clock.sleep(seconds)


def test_identifiers_are_32_hex_digits_and_sort_by_time_of_making(ids: Ids) -> None:
    made = [ids.new() for _ in range(5000)]
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in made)
    assert made == sorted(set(made))


def test_jitter_lies_between_zero_and_one(ids: Ids) -> None:
    assert all(0 <= ids.jitter() < 1 for _ in range(100))


def test_an_identifier_begins_with_its_time_in_milliseconds() -> None:
    clock = SimulatedClock(datetime(2026, 2, 3, 1, 30, tzinfo=UTC))
    assert int(SystemIds(clock).new()[:12], 16) == 1770082200000


def test_identifiers_of_two_processes_differ_at_the_same_time() -> None:
    clock = SimulatedClock()
    assert SystemIds(clock).new() != SystemIds(clock).new()


def test_identifiers_go_on_growing_when_the_wall_clock_steps_back() -> None:
    clock = SimulatedClock()
    ids = SystemIds(clock)
    first = ids.new()
    clock.step(timedelta(hours=-1))
    assert ids.new() > first


async def test_simulated_sleepers_wake_in_order_each_at_its_time() -> None:
    clock, woken = SimulatedClock(), []

    async def sleeper(seconds: float, times: int = 1) -> None:
        for _ in range(times):
            await clock.sleep(seconds)
            woken.append((seconds, clock.monotonic()))

    tasks = [asyncio.create_task(sleeper(*each)) for each in ((5, 1), (2, 3))]
    await clock.advance(5)
    assert woken == [(2, 2), (2, 4), (5, 5)]
    await clock.advance(1)
    assert woken[-1] == (2, 6)
    await asyncio.gather(*tasks)
