"""Bulk work gives way to what cannot wait, other work does not, and a night comes to its end all the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

from cpe_manager.domain.jobs import Priority
from cpe_manager.services.failover.pressure import LINES, Pressure
from cpe_manager.services.jobs.giving_way import MOST_SECONDS, OPENING, GivingWay
from tests.fakes.clock import SimulatedClock
from tests.fakes.sessions import Holds
from tests.integration.services.world import working

NAMES = [f"cpe{number:02}" for number in range(12)]


class Lines:
    """Both sides of a `Pressure`."""

    def __init__(self) -> None:
        self.deciding = 0
        self.pressed = False


async def test_a_night_of_backups_begins_no_session_while_many_lines_are_decided_on(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with working(tmp_path, sqlite_url, sessions=4) as world:
        lines = Lines()
        world.node.worker.way.pressed = Pressure(lines, lines).reason
        await world.add(*NAMES)
        gate = asyncio.Event()
        world.sessions.default = lambda _name: Holds(gate, "end\n")
        night = await world.start_run(priority=Priority.BULK)
        await world.until("four sessions", lambda: world.sessions.open_now == 4)
        lines.deciding = LINES
        gate.set()
        await world.passing(10)
        # Those that were open came to their end, and no other one began.
        assert (await world.database.jobs.job(night.id)).counts["stored"] == 4
        assert world.sessions.open_now == 0
        lines.deciding = LINES - 1
        await world.ended(night)


async def test_a_backup_that_somebody_waits_for_does_not_give_way(tmp_path: Path, sqlite_url: str) -> None:
    async with working(tmp_path, sqlite_url) as world:
        world.node.worker.way.pressed = lambda: "pressed"
        await world.add(*NAMES)
        await world.ended(await world.start_run(priority=Priority.NORMAL))


async def test_few_sessions_are_opened_at_a_time_and_boxes_that_are_gone_do_not_hold_up_the_rest() -> None:
    way = GivingWay(SimulatedClock())
    opening, most, opened = 0, 0, 0
    gone = asyncio.Event()

    async def one(number: int) -> None:
        nonlocal opening, most, opened
        async with way.turn():
            opening += 1
            most = max(most, opening)
            await (gone.wait() if number < OPENING else asyncio.sleep(0))
            opening -= 1
        opened += 1

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number)) for number in range(3 * OPENING)]
        await asyncio.sleep(0)
        assert (opening, opened) == (OPENING, 0)
        await asyncio.wait(tasks[OPENING:])
        assert opened == 2 * OPENING
        assert most <= 2 * OPENING
        gone.set()
    assert opened == 3 * OPENING


async def test_a_session_that_has_its_slot_is_not_opened_while_it_has_to_wait() -> None:
    clock = SimulatedClock()
    way = GivingWay(clock)
    way.pressed = lambda: "pressed"
    opened = asyncio.Event()

    async def one() -> None:
        async with way.turn():
            opened.set()

    task = asyncio.create_task(one())
    await clock.advance(1.0)
    assert not opened.is_set()
    way.pressed = lambda: ""
    await clock.advance(1.0)
    await task
    assert opened.is_set()


async def test_a_process_that_gives_way_stops_at_once(tmp_path: Path, sqlite_url: str) -> None:
    async with working(tmp_path, sqlite_url) as world:
        world.node.worker.way.pressed = lambda: "pressed"
        await world.add(*NAMES)
        await world.start_run(priority=Priority.BULK)
        await world.passing(1)
        began = world.clock.monotonic()
        await world.stop(grace=30.0)
        assert world.clock.monotonic() - began < 5


async def test_it_gives_way_for_three_quarters_of_the_time_at_the_most() -> None:
    clock = SimulatedClock()
    way = GivingWay(clock)
    way.pressed = lambda: "a storm that does not end"
    longest = held = in_a_row = 0.0
    for _ in range(6000):
        in_a_row = in_a_row + 0.2 if way.closed else 0.0
        held, longest = held + (0.2 if way.closed else 0.0), max(longest, in_a_row)
        await clock.advance(0.2)
    assert MOST_SECONDS - 1 <= longest <= MOST_SECONDS + 1
    assert 0.7 <= held / 1200 <= 0.8
    way.pressed = lambda: ""
    assert not way.closed


def test_lines_that_are_looked_at_late_are_a_reason_too() -> None:
    lines = Lines()
    pressure = Pressure(lines, lines)
    assert pressure.reason() == ""
    lines.pressed = True
    assert pressure.reason() == "lines are looked at late"
    lines.deciding = LINES
    assert pressure.reason() == f"{LINES} lines are being decided on"
