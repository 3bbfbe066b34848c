"""The session that is kept open, on simulated time."""

from __future__ import annotations

import asyncio

import pytest

from cpe_manager.adapters.platform.warm import Pace, WarmSession
from cpe_manager.domain.errors import AuthFailed, ConnectFailed, SessionDropped
from cpe_manager.ports.shell import Credential, Target
from tests.fakes.clock import SimulatedClock
from tests.fakes.sessions import Breaks, Refuses, ScriptedSessions, Text

TARGET = Target("platform:e1", "e1", "10.0.0.1", 22, "frr_linux", "edge", session_timeout=100.0)


def stage(*steps: Text | Refuses | Breaks) -> tuple[WarmSession, ScriptedSessions, SimulatedClock]:
    sessions, clock = ScriptedSessions(Credential("edge", "secret")), SimulatedClock()
    sessions.plan("e1", *steps)
    return WarmSession(sessions, TARGET, clock, Pace(first_pause=1.0, longest_pause=60.0)), sessions, clock


async def ask(warm: WarmSession, *, urgent: bool = False) -> str:
    async with warm.borrow(urgent=urgent) as held:
        return (await held.shell.execute("show version")).stdout


async def test_one_session_serves_all_and_is_closed_at_the_end() -> None:
    warm, sessions, _ = stage(Text("hi"))
    assert set(await asyncio.gather(*(ask(warm) for _ in range(20)))) == {"hi"}
    assert (sessions.seen.visits["e1"], sessions.open_now) == (1, 1)
    await warm.close()
    assert sessions.open_now == 0
    with pytest.raises(ConnectFailed):
        await ask(warm)


async def test_a_session_that_drops_is_not_given_to_anybody_again() -> None:
    warm, sessions, _ = stage(Breaks(SessionDropped("cut")), Text("hi"))
    with pytest.raises(SessionDropped):
        await ask(warm)
    assert await ask(warm) == "hi"
    await asyncio.sleep(0)
    assert sessions.open_now == 1
    await warm.close()


async def test_the_next_session_takes_over_before_the_old_one_ends_and_the_old_one_finishes_its_work() -> None:
    warm, sessions, clock = stage(Text("old"), Text("new"))
    async with warm.borrow() as held:
        await clock.advance(81)
        assert await ask(warm) == "old"
        await clock.advance(0)
        assert await ask(warm) == "new"
        assert sessions.open_now == 2
        assert (await held.shell.execute("x")).stdout == "old"
    await clock.advance(0)
    assert sessions.open_now == 1
    await warm.close()


async def test_a_renewal_that_fails_leaves_the_old_session_at_work() -> None:
    warm, _, clock = stage(Text("old"), Refuses(ConnectFailed("no route")), Text("new"))
    assert await ask(warm) == "old"
    await clock.advance(81)
    assert await ask(warm) == "old"
    await clock.advance(0.5)
    assert await ask(warm) == "old"
    await clock.advance(1)
    assert await ask(warm) == "old"
    await clock.advance(0)
    assert await ask(warm) == "new"
    await warm.close()


async def test_pauses_grow_and_only_what_is_urgent_goes_before_them() -> None:
    warm, sessions, clock = stage(*(Refuses(ConnectFailed("no route")) for _ in range(4)), Text("hi"))
    for visits, pause in ((1, 1.0), (2, 2.0), (3, 4.0)):
        with pytest.raises(ConnectFailed):
            await ask(warm)
        assert sessions.seen.visits["e1"] == visits
        with pytest.raises(ConnectFailed, match="tried again"):
            await ask(warm)
        assert sessions.seen.visits["e1"] == visits
        await clock.advance(pause)
    with pytest.raises(ConnectFailed):
        await ask(warm)
    assert await ask(warm, urgent=True) == "hi"
    await warm.close()


async def test_a_refused_log_in_is_left_alone_however_urgent_it_is() -> None:
    warm, sessions, clock = stage(Refuses(AuthFailed("no")), Text("hi"))
    for _ in range(3):
        with pytest.raises(AuthFailed):
            await ask(warm, urgent=True)
    assert sessions.seen.visits["e1"] == 1
    await clock.advance(60)
    assert await ask(warm) == "hi"
    await warm.close()


async def test_who_gives_up_waiting_does_not_stop_the_opening() -> None:
    warm, sessions, _ = stage(Text("hi"))
    first = asyncio.create_task(ask(warm))
    await asyncio.sleep(0)
    first.cancel()
    assert await ask(warm) == "hi"
    assert sessions.seen.visits["e1"] == 1
    await warm.close()
