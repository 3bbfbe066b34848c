"""What goes over mobile is counted by the watcher, written now and then, and stops switches when the cap is reached."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from cpe_manager.domain.errors import StoreBusy
from cpe_manager.domain.failover.lines import Carrier, Evidence, FailoverState, LineRecord, Source, Way
from cpe_manager.domain.failover.mobile_volume import MonthVolume, month_of, volume_of
from cpe_manager.ports.sensing import LineReading, PortReading
from cpe_manager.services.failover.sensing import Senses, Sensing
from cpe_manager.services.failover.volumes import LEAST, TELL_SECONDS, WRITE_SECONDS
from tests.fakes.failover import Site
from tests.fakes.line_store import MemoryLineStore
from tests.fakes.sensing import FakeEchoes, FakeLinePoller, FakePlatforms, FakeReach
from tests.integration.services.watching import POLICY, Bench, bench_of

S = FailoverState
CAP = 100
"""Megabytes."""
CAPPED = {"policy": {"data_cap_mb": CAP}}
MB = 1_000_000


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with bench_of() as made:
        yield made


async def well(bench: Bench, **more: Any) -> Site:
    _, site = await bench.line("r1", **more)
    await bench.start()
    await bench.passing(6)
    assert bench.state(site) is S.FIXED
    return site


def carried(bench: Bench, site: Site, octets: int) -> None:
    at = bench.clock.now().timestamp()
    bench.observe(Evidence(site.line_id, Source.SNMP, Way.MOBILE, True, at, octets=octets))


def record(bench: Bench, site: Site) -> LineRecord:
    return bench.store.rows[site.line_id].record


def written(bench: Bench, site: Site) -> int:
    return volume_of(record(bench, site)).within(bench.clock.now().timestamp())


async def test_a_line_at_its_cap_is_not_switched_by_itself_and_says_why_and_an_operator_still_may(bench: Bench) -> None:
    site = await well(bench, **CAPPED)
    for _ in range(CAP):
        carried(bench, site, MB)
    site.fixed_up = False
    await bench.reach(site, S.FAILED)
    await bench.passing(120)
    assert (bench.state(site), site.box, site.log) == (S.FAILED, Carrier.FIXED, [])
    assert f"data cap: {CAP} of {CAP} MB used over mobile this month" in record(bench, site).reasons[0]
    (incident,) = bench.incidents(open_only=True)
    assert (incident.priority, "data cap" in incident.reason) == (1, True)
    await bench.want(site, "switch")
    await bench.reach(site, S.MOBILE)
    assert (site.served, record(bench, site).by) == (True, "op")


async def test_an_octet_below_the_cap_is_below_it(bench: Bench) -> None:
    site = await well(bench, **CAPPED)
    carried(bench, site, CAP * MB - 1)
    site.fixed_up = False
    await bench.reach(site, S.MOBILE)


async def test_a_cap_that_is_reached_while_mobile_carries_leaves_it_carrying(bench: Bench) -> None:
    site = await well(bench, **CAPPED)
    site.fixed_up = False
    await bench.reach(site, S.MOBILE)
    carried(bench, site, 2 * CAP * MB)
    await bench.passing(60)
    assert (bench.state(site), site.served) == (S.MOBILE, True)
    site.fixed_up = True
    await bench.reach(site, S.FIXED)
    site.fixed_up = False
    await bench.reach(site, S.FAILED)


async def test_the_edge_follows_a_box_that_moves_by_itself_whatever_the_cap_says(bench: Bench) -> None:
    site = await well(bench, moves="cpe", **CAPPED)
    carried(bench, site, CAP * MB)
    site.fixed_up = False
    await bench.reach(site, S.FAILED)
    assert "data cap" in record(bench, site).reasons[0]
    site.box = Carrier.MOBILE
    at = bench.clock.now().timestamp()
    bench.observe(Evidence(site.line_id, Source.CPE, Way.MANAGEMENT, True, at, carries=Carrier.MOBILE))
    await bench.reach(site, S.MOBILE)
    assert (site.served, site.log) == (True, ["edge mobile"])


async def test_a_test_of_the_backup_is_refused_at_the_cap(bench: Bench) -> None:
    site = await well(bench, **CAPPED)
    carried(bench, site, CAP * MB)
    await bench.want(site, "test")
    await bench.until(lambda: not record(bench, site).wanted)
    assert site.log == []
    assert "data cap" in record(bench, site).reasons[0]


def told(bench: Bench) -> list[tuple[str, int]]:
    found = [event for event in bench.store.events if event.kind.startswith("line.cap")]
    return [(event.kind.removeprefix("line.cap_"), event.data["octets"] // MB) for event in found]


async def test_it_is_told_once_a_month_that_a_line_nears_its_cap_and_that_it_has_reached_it(bench: Bench) -> None:
    bench.clock.step(datetime(2026, 1, 31, 22, 30, tzinfo=UTC) - bench.clock.now())
    site = await well(bench, **CAPPED)
    other = await bench.line("r2")
    for octets, found in (
        (79 * MB, []),
        (MB, [("near", 80)]),
        (10 * MB, [("near", 80)]),
        (10 * MB, [("near", 80), ("reached", 100)]),
        (50 * MB, [("near", 80), ("reached", 100)]),
    ):
        carried(bench, site, octets)
        bench.observe(Evidence(other[1].line_id, Source.SNMP, Way.MOBILE, True, 0.0, octets=10**12))
        await bench.passing(TELL_SECONDS + 1)
        assert told(bench) == found
    near, reached = [event for event in bench.store.events if event.kind.startswith("line.cap")]
    assert (near.message, near.severity) == ("r1: 80 of 100 MB over mobile in 2026-01, 80 % of its data cap", "warning")
    assert (reached.severity, reached.data["month"], reached.data["cap_mb"]) == ("error", "2026-01", CAP)
    await bench.die()
    await bench.start()
    await bench.passing(TELL_SECONDS + 1)
    assert len(told(bench)) == 2, "the next process tells nothing again"
    bench.clock.step(datetime(2026, 1, 31, 23, 1, tzinfo=UTC) - bench.clock.now())
    carried(bench, site, 120 * MB)
    await bench.passing(TELL_SECONDS + 1)
    assert told(bench)[2:] == [("reached", 120)], "of one that leaps over both the second alone"
    carried(bench, site, 1)
    await bench.passing(TELL_SECONDS + 1)
    assert len(told(bench)) == 3


async def test_a_line_nears_its_cap_where_its_policy_says_and_a_cap_that_comes_late_is_told_of(bench: Bench) -> None:
    site = await well(bench)
    carried(bench, site, 30 * MB)
    await bench.passing(TELL_SECONDS + 1)
    assert told(bench) == []
    await bench.line("r1", policy={"data_cap_mb": CAP, "data_cap_near": 30})
    await bench.passing(TELL_SECONDS + 20)
    assert told(bench) == [("near", 30)]


async def test_with_the_next_month_a_line_at_its_cap_is_switched(bench: Bench) -> None:
    bench.clock.step(datetime(2026, 1, 31, 22, 58, tzinfo=UTC) - bench.clock.now())
    site = await well(bench, **CAPPED)
    carried(bench, site, CAP * MB)
    site.fixed_up = False
    await bench.reach(site, S.FAILED)
    while bench.clock.now() < datetime(2026, 1, 31, 22, 59, 59, tzinfo=UTC):
        await bench.passing(0.25)
        assert bench.state(site) is S.FAILED
    await bench.reach(site, S.MOBILE, 10)
    assert bench.clock.now() >= datetime(2026, 1, 31, 23, 0, tzinfo=UTC)
    carried(bench, site, 5)
    await bench.die()
    assert volume_of(record(bench, site)) == MonthVolume("2026-02", 5)


async def test_what_is_worth_it_is_written_within_two_minutes_and_is_no_change_of_the_line(bench: Bench) -> None:
    site = await well(bench)
    before = record(bench, site)
    carried(bench, site, LEAST - 1)
    await bench.passing(WRITE_SECONDS + 1)
    assert written(bench, site) == 0
    carried(bench, site, 1)
    await bench.passing(WRITE_SECONDS + 1)
    assert written(bench, site) == LEAST
    assert record(bench, site).revision == before.revision
    carried(bench, site, LEAST)
    carried(bench, site, LEAST)
    await bench.passing(WRITE_SECONDS + 1)
    assert written(bench, site) == 3 * LEAST


async def test_each_step_of_a_line_takes_the_volume_along(bench: Bench) -> None:
    site = await well(bench)
    carried(bench, site, 77)
    site.fixed_up = False
    await bench.reach(site, S.SUSPECT)
    assert written(bench, site) == 77


async def test_the_next_process_goes_on_from_what_was_written_and_keeps_to_the_cap(bench: Bench) -> None:
    site = await well(bench, **CAPPED)
    carried(bench, site, CAP * MB - 10)
    await bench.die()
    assert written(bench, site) == CAP * MB - 10
    await bench.start()
    await bench.passing(6)
    carried(bench, site, 10)
    site.fixed_up = False
    await bench.reach(site, S.FAILED)
    assert "data cap" in record(bench, site).reasons[0]
    assert written(bench, site) == CAP * MB


class Refusing(MemoryLineStore):
    refusing = False

    async def count_mobile(self, volumes: Any) -> None:
        if self.refusing:
            raise StoreBusy("locked")
        await super().count_mobile(volumes)


async def test_what_the_database_refuses_is_written_later_and_hinders_nothing(bench: Bench) -> None:
    store = bench.store = Refusing()
    site = await well(bench)
    store.refusing = True
    carried(bench, site, 3 * LEAST)
    await bench.passing(WRITE_SECONDS + 1)
    assert (written(bench, site), bench.state(site)) == (0, S.FIXED)
    store.refusing = False
    await bench.passing(WRITE_SECONDS + 1)
    assert written(bench, site) == 3 * LEAST
    store.refusing = True
    carried(bench, site, LEAST)
    await bench.die()
    assert written(bench, site) == 3 * LEAST


async def test_an_order_in_between_neither_loses_nor_doubles_what_was_counted(bench: Bench) -> None:
    site = await well(bench)
    carried(bench, site, 5 * LEAST)
    await bench.want(site, "hold")
    await bench.reach(site, S.HELD)
    carried(bench, site, 5 * LEAST)
    await bench.line("r1", formula="pro-plus-fullfiber")
    await bench.passing(WRITE_SECONDS + 20)
    assert written(bench, site) == 10 * LEAST


async def test_from_the_counters_of_an_agent_to_the_cap(bench: Bench) -> None:
    """All of it together: polls, their differences, the watcher; over a restart of the manager and one of the box."""
    site = await well(bench, **CAPPED)
    poller = FakeLinePoller(bench.clock)
    octets, uptime = 2**64 - 30 * MB, 5000.0
    tasks: list[asyncio.Task[None]] = []

    async def looked_at() -> None:
        senses = Senses(FakeEchoes(bench.clock), poller, FakeReach(), FakePlatforms())
        assert bench.watcher is not None
        sensing = Sensing(senses, bench.watcher.observe, POLICY, bench.clock, Figures())
        sensing.set_lines(bench.watcher.records())
        tasks.append(asyncio.create_task(sensing.run()))

    async def goes_on(more: int, polls: int) -> None:
        nonlocal octets, uptime
        for _ in range(polls):
            octets, uptime = (octets + more) % 2**64, uptime + POLICY.poll_every
            mobile = PortReading(Way.MOBILE, True, octets=octets, port=4)
            poller.readings[site.line_id] = LineReading((PortReading(Way.FIXED, None, octets=octets), mobile), uptime)
            await bench.passing(POLICY.poll_every)

    await looked_at()
    await goes_on(2 * MB, 20)  # over the counter's end
    await bench.passing(WRITE_SECONDS)
    assert written(bench, site) == 38 * MB  # the first reading is nothing but a beginning
    await bench.die()
    tasks.pop().cancel()
    await goes_on(2 * MB, 10)  # while nobody looks
    await bench.start()
    await looked_at()
    await goes_on(2 * MB, 11)
    octets, uptime = 0, 0.0  # the box starts anew
    await goes_on(2 * MB, 5)
    await bench.passing(WRITE_SECONDS)
    assert written(bench, site) == 38 * MB + 20 * MB + 10 * MB
    await goes_on(2 * MB, 16)
    site.fixed_up = False
    await bench.reach(site, S.FAILED)
    assert "data cap: 100 of 100 MB" in record(bench, site).reasons[0]
    assert record(bench, site).mobile_month == month_of(bench.clock.now().timestamp())
    tasks.pop().cancel()


class Figures:
    def sensed(self, figures: Any) -> None: ...
