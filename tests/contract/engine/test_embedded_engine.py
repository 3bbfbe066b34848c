"""What the engine inside the process promises on simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from cpe_manager.adapters.engine.embedded import EmbeddedEngine
from cpe_manager.domain.jobs import Priority
from cpe_manager.ports.engine import Ticket
from tests.contract.engine.handlers import Held
from tests.fakes.clock import SimulatedClock, settle


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def held() -> Held:
    return Held(released=True)


@pytest.fixture
async def engine(clock: SimulatedClock, held: Held) -> AsyncIterator[EmbeddedEngine]:
    engine = EmbeddedEngine(clock=clock, slots={Priority.NORMAL: 1})
    engine.register("look", held)
    await engine.start()
    yield engine
    await engine.stop(0)


def later(clock: SimulatedClock, name: str, seconds: float) -> Ticket:
    return Ticket("look", name, not_before=clock.now() + timedelta(seconds=seconds))


async def test_tickets_come_at_their_time_whatever_the_order_in_which_they_were_enqueued(
    engine: EmbeddedEngine, clock: SimulatedClock, held: Held
) -> None:
    await engine.enqueue([later(clock, "in-an-hour", 3600), later(clock, "in-two", 7200)])
    await engine.enqueue([later(clock, "in-a-minute", 60)])
    await clock.advance(59)
    assert held.ids() == []
    await clock.advance(1)
    assert held.ids() == ["in-a-minute"]
    await clock.advance(3600)
    assert held.ids() == ["in-a-minute", "in-an-hour"]
    await clock.advance(3600)
    assert held.ids() == ["in-a-minute", "in-an-hour", "in-two"]


async def test_a_ticket_brought_forward_does_not_come_again_at_its_old_time(
    engine: EmbeddedEngine, clock: SimulatedClock, held: Held
) -> None:
    await engine.enqueue([later(clock, "a", 3600)])
    await engine.enqueue([later(clock, "a", 60)])
    await clock.advance(60)
    assert held.ids() == ["a"]
    await clock.advance(7200)
    assert held.ids() == ["a"]


async def test_one_timer_serves_any_number_of_tickets(engine: EmbeddedEngine, clock: SimulatedClock) -> None:
    await engine.enqueue([later(clock, f"ticket-{number}", 3600 - number) for number in range(100)])
    await settle()
    assert clock.sleepers == 1


async def test_a_wall_clock_that_steps_back_does_not_bring_a_ticket_early(
    engine: EmbeddedEngine, clock: SimulatedClock, held: Held
) -> None:
    await engine.enqueue([later(clock, "a", 60)])
    await settle()
    clock.step(timedelta(seconds=-30))
    await clock.advance(60)
    assert held.ids() == []
    await clock.advance(30)
    assert held.ids() == ["a"]


async def test_stopping_forgets_what_waits_and_leaves_no_timer(
    engine: EmbeddedEngine, clock: SimulatedClock, held: Held
) -> None:
    await engine.enqueue([later(clock, "a", 60)])
    await settle()
    await engine.stop(0)
    assert clock.sleepers == 0
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith(("engine", "ticket"))]
    await engine.start()
    await clock.advance(3600)
    assert held.ids() == []
