"""Threads of blocking sessions: how many there are, how long one is waited for, and that the loop runs on meanwhile."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest

from cpe_manager.adapters.netmiko.sessions import NetmikoLimits, NetmikoSessions
from cpe_manager.adapters.netmiko.threads import Threads, Worker
from cpe_manager.domain.errors import DeviceTimeout, SessionDropped
from simulators.faults import kinds
from simulators.fleet import Fleet
from tests.contract.drivers.harness import DRIVERS, credential_of, nothing_left_open, specs_of, target_of
from tests.contract.drivers.roster import LONG_TAIL
from tests.fakes.credentials import FixedCredentials

IOS = LONG_TAIL[0]
PATIENT = 30.0


async def worker(threads: Threads, last: object = None) -> Worker:
    made = await threads.start("r1", PATIENT)
    made.serve(last=last or (lambda: None), cut=lambda: None)  # type: ignore[arg-type]
    return made


async def ended(threads: Threads) -> None:
    while threads.counts.running:
        await asyncio.sleep(0.01)


async def test_a_call_runs_in_a_thread_of_its_own_and_its_result_or_error_comes_back() -> None:
    threads = Threads(2)
    one = await worker(threads)
    names = {await one.run(lambda: threading.current_thread().name, PATIENT) for _ in range(3)}
    assert names == {"netmiko r1"}
    with pytest.raises(ZeroDivisionError):
        await one.run(lambda: 1 // 0, PATIENT)
    await one.finish(PATIENT)
    assert threads.counts.running == 0
    assert not [thread for thread in threading.enumerate() if thread.name == "netmiko r1"]


async def test_no_more_threads_run_than_are_allowed_and_the_next_waits_for_its_turn() -> None:
    threads = Threads(2)
    running = [await worker(threads) for _ in range(2)]
    with pytest.raises(DeviceTimeout, match="2 threads, 0 of them hang"):
        await threads.start("r3", 0.05)
    waiting = asyncio.create_task(worker(threads))
    await running[0].finish(PATIENT)
    third = await waiting
    for one in (running[1], third):
        await one.finish(PATIENT)
    assert (threads.counts.most_running, threads.counts.running) == (2, 0)


async def test_a_thread_that_hangs_is_given_up_counted_and_cut_and_frees_its_place_when_it_ends() -> None:
    threads, release, done = Threads(1), threading.Event(), []
    one = await threads.start("r1", PATIENT)
    one.serve(last=lambda: done.append("closed"), cut=lambda: done.append("cut"))
    with pytest.raises(TimeoutError):
        await one.run(release.wait, 0.05)
    assert (threads.counts.abandoned, threads.counts.abandoned_ever, done) == (1, 1, ["cut"])
    with pytest.raises(SessionDropped):
        await one.run(lambda: None, PATIENT)
    await one.finish(PATIENT)
    with pytest.raises(DeviceTimeout, match="1 of them hang"):
        await threads.start("r2", 0.05)
    release.set()
    await ended(threads)
    assert (threads.counts.abandoned, threads.counts.abandoned_ever, done) == (0, 1, ["cut", "closed"])
    await (await worker(threads)).finish(PATIENT)


async def test_a_cancelled_call_gives_its_thread_up() -> None:
    threads, release, cut = Threads(1), threading.Event(), asyncio.Event()
    one = await threads.start("r1", PATIENT)
    one.serve(last=lambda: None, cut=lambda: (cut.set(), release.set()))  # type: ignore[arg-type,return-value]
    task = asyncio.create_task(one.run(release.wait, PATIENT))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cut.is_set()
    await ended(threads)


async def test_a_fleet_goes_through_few_threads_while_the_event_loop_runs_on() -> None:
    names = [f"SITE-{number:02}" for number in range(12)]
    async with Fleet(specs_of(IOS, names)) as fleet:
        sessions = NetmikoSessions(
            FixedCredentials({device.name: credential_of(device) for device in fleet.devices}), NetmikoLimits(threads=3)
        )
        driver, beats, fetching = DRIVERS.get(IOS.family), [0], [0]

        async def heart() -> None:
            """Counts turns of the loop that it got while some session was being worked at."""
            while True:
                await asyncio.sleep(0)
                beats[0] += bool(fetching[0])

        async def one(name: str) -> str:
            async with sessions.open(target_of(fleet.device(name), IOS)) as opened:
                fetching[0] += 1
                text = (await driver.fetch(opened.shell)).text
                fetching[0] -= 1
                return text

        beating = asyncio.create_task(heart(), name="heart")
        texts = await asyncio.gather(*(one(name) for name in names))
        beating.cancel()
        assert all(text.endswith("\nend\n") for text in texts)
        assert (sessions.counts.most_running, sessions.counts.running, sessions.counts.abandoned_ever) == (3, 0, 0)
        assert max(device.stats.max_open_sessions for device in fleet.devices) == 1
        # A loop that stood still during the fetches would have turned a handful of times for each.
        assert beats[0] > 100 * len(names)
        await nothing_left_open(fleet)


async def test_a_box_that_falls_silent_costs_its_deadline_and_leaves_nothing() -> None:
    async with Fleet(specs_of(IOS, ["SITE-1"])) as fleet:
        (device,) = fleet.devices
        sessions = NetmikoSessions(FixedCredentials({device.name: credential_of(device)}))
        target = replace(target_of(device, IOS), command_timeout=2.0)
        device.set_fault(kinds.HangAt(at=0.5))
        with pytest.raises(DeviceTimeout):
            async with sessions.open(target) as opened:
                await DRIVERS.get(IOS.family).fetch(opened.shell)
        await nothing_left_open(fleet)
        while sessions.counts.running:
            await asyncio.sleep(0.01)
        assert sessions.counts.abandoned == 0


async def test_a_cancelled_session_is_closed_from_outside() -> None:
    async with Fleet(specs_of(IOS, ["SITE-1"])) as fleet:
        (device,) = fleet.devices
        sessions = NetmikoSessions(FixedCredentials({device.name: credential_of(device)}))
        device.set_fault(kinds.HangAt(at=0.5))

        async def visit() -> None:
            async with sessions.open(target_of(device, IOS)) as opened:
                await DRIVERS.get(IOS.family).fetch(opened.shell)

        task = asyncio.create_task(visit(), name="visit")
        while "show running-config" not in device.stats.commands:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await nothing_left_open(fleet)
        assert sessions.counts.abandoned_ever == 1
        while sessions.counts.running:
            await asyncio.sleep(0.01)


async def test_a_box_that_hangs_up_on_the_goodbye_costs_no_time() -> None:
    """A Unix box closes the connection at `exit`, and netmiko would go on waiting for its prompt."""
    case = LONG_TAIL[1]
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet:
        (device,) = fleet.devices
        sessions = NetmikoSessions(FixedCredentials({device.name: credential_of(device)}), NetmikoLimits(close=5.0))
        async with sessions.open(target_of(device, case)) as opened:
            await DRIVERS.get(case.family).fetch(opened.shell)
        # netmiko's own time-out, which it would sit out, is ten seconds: then the thread would have been given up.
        assert sessions.counts.abandoned_ever == 0
        await nothing_left_open(fleet)
