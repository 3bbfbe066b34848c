"""The sensing on simulated time: who is looked at when, and what is told of what was seen."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from cpe_manager.domain.errors import AuthFailed, ConnectFailed, DeviceTimeout
from cpe_manager.domain.failover.lines import (
    Carrier,
    Evidence,
    FailoverPolicy,
    Line,
    LineRecord,
    LineSetup,
    Source,
    Way,
)
from cpe_manager.ports.platform import EdgeSession
from cpe_manager.ports.sensing import LineReading, PortReading, SensingFigures
from cpe_manager.services.failover.sensed_lines import Place, own_policy
from cpe_manager.services.failover.sensing import Senses, Sensing
from cpe_manager.services.failover.sensing_terms import Rhythm
from tests.fakes.clock import SimulatedClock
from tests.fakes.sensing import (
    AskedLinePoller,
    FakeEchoes,
    FakeLinePoller,
    FakePlatform,
    FakePlatforms,
    FakeReach,
    NoSnmp,
)

FAST = FailoverPolicy(probe_every=0.2)


def record(name: str = "a", **setup: Any) -> LineRecord:
    known = {"line_address": f"fixed-{name}", "mobile_address": f"mobile-{name}", **setup}
    return LineRecord(Line(name, name, "site", f"device-{name}", name, "node", LineSetup(name, **known)))


class BusyClock(SimulatedClock):
    """Of a machine on which everybody wakes ``late`` seconds late."""

    late = 0.0

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds + self.late)


class World:
    def __init__(self, policy: FailoverPolicy = FAST, rhythm: Rhythm | None = None, poller: Any = None) -> None:
        self.clock = BusyClock()
        self.echoes = FakeEchoes(self.clock)
        self.poller = FakeLinePoller(self.clock) if poller is None else poller(self.clock)
        self.reach = FakeReach()
        self.edge = FakePlatform()
        self.seen: list[Evidence] = []
        self.figures: list[SensingFigures] = []
        senses = Senses(self.echoes, self.poller, self.reach, FakePlatforms(edge=self.edge))
        self.sensing = Sensing(senses, self.seen.append, policy, self.clock, self, rhythm)
        self._task: asyncio.Task[None] | None = None

    def sensed(self, figures: SensingFigures) -> None:
        self.figures.append(figures)

    def start(self) -> None:
        self._task = asyncio.create_task(self.sensing.run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def of(self, source: Source, way: Way | None = None, line: str | None = None) -> list[Evidence]:
        return [
            one for one in self.seen if one.source is source and way in {None, one.way} and line in {None, one.line_id}
        ]


@pytest.fixture
async def worlds() -> AsyncIterator[Any]:
    made: list[World] = []

    def make(**given: Any) -> World:
        made.append(World(**given))
        made[-1].start()
        return made[-1]

    yield make
    for world in made:
        await world.stop()


async def test_both_ways_of_a_line_are_probed_in_its_rhythm_and_answers_speak_for_them(worlds):
    world = worlds()
    world.sensing.set_lines([record()])
    await world.clock.advance(10)
    for host in ("fixed-a", "mobile-a"):
        assert 48 <= len(world.echoes.times(host)) <= 51
    assert {(one.way, one.ok) for one in world.of(Source.ICMP)} == {(Way.FIXED, True), (Way.MOBILE, True)}


async def test_the_mobile_way_of_a_line_that_is_well_is_asked_rarely_and_of_one_that_is_suspect_or_moved_each_time(
    worlds,
):
    world = worlds(policy=FailoverPolicy(probe_every=1.0))
    well, moved = record(), replace(record("b"), carrier=Carrier.MOBILE)
    world.sensing.set_lines([well, moved])
    await world.clock.advance(60)
    assert 58 <= len(world.echoes.times("fixed-a")) <= 61
    assert 11 <= len(world.echoes.times("mobile-a")) <= 13
    assert 58 <= len(world.echoes.times("mobile-b")) <= 61
    world.echoes.dead.add("fixed-a")
    begun = len(world.echoes.times("mobile-a"))
    await world.clock.advance(5)
    assert len(world.echoes.times("mobile-a")) - begun >= 4


async def test_three_probes_of_two_hundred_milliseconds_find_a_silent_loss_within_six_hundred_and_some(worlds):
    world = worlds()
    world.sensing.set_lines([record()])
    await world.clock.advance(5)
    world.echoes.dead.add("fixed-a")
    lost_at = world.clock.now().timestamp()
    await world.clock.advance(1)
    misses = [one.at - lost_at for one in world.of(Source.ICMP, Way.FIXED) if one.ok is False]
    # The first leaves within 0.2 s, the third 0.4 s later, and its time is over 0.2 s after that.
    assert misses[2] <= 0.82
    assert misses[2] - misses[0] == pytest.approx(0.4, abs=0.03)
    assert all(one.ok for one in world.of(Source.ICMP, Way.MOBILE))


async def test_a_host_that_is_far_away_gets_the_time_that_it_usually_takes(worlds):
    world = worlds()
    world.echoes.takes["fixed-a"] = 0.3
    world.sensing.set_lines([record()])
    await world.clock.advance(10)
    assert {one.ok for one in world.of(Source.ICMP, Way.FIXED)} == {True}


async def test_lines_are_spread_over_their_period(worlds):
    world = worlds(policy=FailoverPolicy(probe_every=10.0))
    world.sensing.set_lines([record(f"line-{number}") for number in range(200)])
    await world.clock.advance(11)
    first = sorted(min(world.echoes.times(f"fixed-line-{number}")) for number in range(200))
    assert first[0] < 1.0
    assert first[-1] > 9.0
    assert max(later - earlier for earlier, later in itertools.pairwise(first)) < 1.0


@pytest.mark.parametrize("poller", [None, AskedLinePoller])
async def test_a_poll_tells_of_the_box_and_of_each_way_with_the_share_of_errors_and_of_a_restart(worlds, poller):
    world = worlds(poller=poller)
    world.sensing.set_lines([record()])

    def reading(errors: int, frames: int, uptime: float) -> LineReading:
        fixed = PortReading(Way.FIXED, False, errors, 5, None, "interface down", frames)
        return LineReading((fixed, PortReading(Way.MOBILE, True, signal=-71.0)), uptime)

    world.poller.readings["a"] = reading(10, 1000, 500.0)
    await world.clock.advance(5)
    world.poller.readings["a"] = reading(60, 1150, 505.0)
    await world.clock.advance(5)
    world.poller.readings["a"] = reading(0, 90, 2.0)
    await world.clock.advance(5)
    fixed = world.of(Source.SNMP, Way.FIXED)
    assert [(one.ok, one.what, one.order, one.loss) for one in fixed] == [
        (False, "interface down", 500.0, None), (False, "interface down", 505.0, 0.25),
        (False, "interface down", 2.0, None),
    ]  # fmt: skip
    assert [one.signal for one in world.of(Source.SNMP, Way.MOBILE)] == [-71.0] * 3
    box = world.of(Source.SNMP, Way.MANAGEMENT)
    assert [(one.ok, one.restarted) for one in box] == [(True, False), (True, False), (True, True)]


async def test_polls_tell_what_went_over_mobile_since_the_one_before_and_nothing_of_the_fixed_line(worlds):
    world = worlds()
    world.sensing.set_lines([record()])
    course = [(2**64 - 100, 500.0, 4), (50, 505.0, 4), (None, 510.0, 4), (80, 515.0, 4), (7, 2.0, 4), (9, 7.0, 5)]
    for octets, uptime, port in course:
        fixed = PortReading(Way.FIXED, True, octets=None if octets is None else octets * 2)
        mobile = PortReading(Way.MOBILE, True, octets=octets, port=port)
        world.poller.readings["a"] = LineReading((fixed, mobile), uptime)
        await world.clock.advance(5)
    assert [one.octets for one in world.of(Source.SNMP, Way.MOBILE)] == [0, 150, 0, 30, 7, 0]
    assert {one.octets for one in world.of(Source.SNMP, Way.FIXED)} == {0}


async def test_a_line_with_errors_is_polled_again_soon_where_polls_are_rare(worlds):
    world = worlds(policy=FailoverPolicy(probe_every=5.0, poll_every=3600.0))
    world.sensing.set_lines([record()])

    async def polls(errors: int, frames: int, *, seconds: float, hurry: bool) -> int:
        world.poller.readings["a"] = LineReading((PortReading(Way.FIXED, True, errors=errors, frames=frames),), 500.0)
        before = len(world.poller.polled)
        if hurry:
            world.sensing.hurry("a")
        await world.clock.advance(seconds)
        return len(world.poller.polled) - before

    assert await polls(10, 1000, seconds=60, hurry=True) == 1
    assert await polls(60, 1150, seconds=5, hurry=True) == 1
    assert await polls(60, 2000, seconds=60, hurry=False) == 1, "and then as rarely as before"
    assert [one.loss for one in world.of(Source.SNMP, Way.FIXED)] == [None, 0.25, 0.0]


async def test_another_box_on_the_line_and_a_line_that_comes_back_are_counted_from_their_first_poll_on(worlds):
    world = worlds()

    async def polled(octets: int) -> list[int]:
        world.poller.readings["a"] = LineReading((PortReading(Way.MOBILE, True, octets=octets),), 100.0)
        await world.clock.advance(5)
        return [one.octets for one in world.of(Source.SNMP, Way.MOBILE)]

    world.sensing.set_lines([record()], {"a": Place("192.0.2.1", 22)})
    assert await polled(1000) == [0]
    world.sensing.set_lines([record(formula="pro-plus")], {"a": Place("192.0.2.1", 22)})
    assert await polled(1500) == [0, 500]
    world.sensing.set_lines([record()], {"a": Place("192.0.2.2", 22)})
    assert await polled(9000) == [0, 500, 0]
    world.sensing.set_lines([])
    world.sensing.set_lines([record()], {"a": Place("192.0.2.2", 22)})
    assert await polled(9500) == [0, 500, 0, 0]


@pytest.mark.parametrize("poller", [None, AskedLinePoller])
@pytest.mark.parametrize("error", [DeviceTimeout("x"), AuthFailed("x"), ConnectFailed("x")])
async def test_a_poll_without_an_answer_says_nothing_of_the_line(worlds, error, poller):
    world = worlds(poller=poller)
    world.poller.readings["a"] = error
    world.sensing.set_lines([record()])
    await world.clock.advance(5)
    [told] = world.of(Source.SNMP)
    assert (told.way, told.ok, told.order) == (Way.MANAGEMENT, None, None)


async def test_a_line_that_cannot_be_polled_is_asked_once_a_minute_and_tells_nothing(worlds):
    world = worlds(poller=NoSnmp)
    world.sensing.set_lines([record()])
    await world.clock.advance(125)
    assert 2 <= len(world.poller.polled) <= 3
    assert world.of(Source.SNMP) == []


async def test_polls_at_once_are_bounded_and_those_that_must_wait_are_counted_while_probes_go_on(worlds):
    world = worlds(rhythm=Rhythm(most_polls=3))
    world.poller.block = asyncio.Event()
    world.sensing.set_lines([record(name) for name in "abcdefgh"])
    await world.clock.advance(20)
    assert world.poller.most_at_once == 3
    assert sum(one.polls["postponed"] for one in world.figures) > 10
    assert world.figures[-1].stretch == Rhythm().slowest
    assert len(world.echoes.times("fixed-a")) >= 95
    world.poller.block.set()
    world.poller.block = None
    await world.clock.advance(60)
    assert world.figures[-1].stretch == 1.0
    assert len(world.poller.times("h")) >= 5


async def test_polls_that_need_no_task_are_not_bounded_and_each_line_has_one_at_a_time(worlds):
    world = worlds(rhythm=Rhythm(most_polls=1), poller=AskedLinePoller)
    world.poller.block = asyncio.Event()
    world.sensing.set_lines([record(name) for name in "abcdefgh"])
    await world.clock.advance(20)
    assert world.poller.most_at_once == 8
    assert len(world.poller.polled) == 8
    assert not any(one.polls["postponed"] for one in world.figures)
    world.poller.block.set()
    await world.clock.advance(11)
    assert len(world.poller.polled) >= 24


async def test_on_a_machine_that_is_late_polls_become_half_as_frequent_at_the_most_and_it_is_said_to_be_pressed(worlds):
    world = worlds(policy=FailoverPolicy(probe_every=1.0), poller=AskedLinePoller)
    world.sensing.set_lines([record(name) for name in "abcdefgh"])
    await world.clock.advance(30)
    assert not world.sensing.pressed
    world.clock.late = 0.6
    polled = len(world.poller.polled)
    await world.clock.advance(100)
    assert world.sensing.pressed
    assert world.figures[-1].stretch == Rhythm().slower
    assert 70 <= len(world.poller.polled) - polled <= 100
    world.clock.late = 0.0
    polled = len(world.poller.polled)
    await world.clock.advance(50)
    assert not world.sensing.pressed
    assert len(world.poller.polled) - polled >= 72


async def test_a_line_whose_traffic_is_moved_is_asked_over_mobile_each_time_and_no_longer_looked_at_closely(worlds):
    world = worlds(policy=FailoverPolicy(probe_every=2.0))
    world.sensing.set_lines([record(), record("b", line_address="")])
    await world.clock.advance(12)
    for name in "ab":
        world.sensing.hurry(name)
        world.sensing.moved(name, moved=True)
    fixed, mobile = len(world.echoes.times("fixed-a")), len(world.echoes.times("mobile-b"))
    await world.clock.advance(20)
    assert 9 <= len(world.echoes.times("fixed-a")) - fixed <= 12
    assert 9 <= len(world.echoes.times("mobile-b")) - mobile <= 12
    world.sensing.moved("b", moved=False)
    world.sensing.moved("nobody's", moved=True)
    mobile = len(world.echoes.times("mobile-b"))
    await world.clock.advance(20)
    assert 3 <= len(world.echoes.times("mobile-b")) - mobile <= 5


async def test_a_line_without_an_address_of_its_own_is_asked_over_mobile_in_that_ways_own_rhythm(worlds):
    world = worlds(policy=FailoverPolicy(probe_every=1.0))
    world.sensing.set_lines([record(line_address="")])
    await world.clock.advance(60)
    assert 11 <= len(world.echoes.times("mobile-a")) <= 13
    asked = len(world.echoes.times("mobile-a"))
    world.sensing.hurry("a")
    await world.clock.advance(5.5)
    assert 5 <= len(world.echoes.times("mobile-a")) - asked <= 7


async def test_the_box_is_connected_to_rarely_and_often_while_its_line_is_silent_and_not_when_a_poll_has_told(worlds):
    world = worlds(poller=NoSnmp)
    world.sensing.set_lines([record()], {"a": Place("box-a", 22)})
    await world.clock.advance(91)
    assert 3 <= world.reach.tried["box-a"] <= 4
    world.echoes.dead.add("fixed-a")
    world.reach.closed.add("box-a")
    await world.clock.advance(10)
    assert 8 <= world.reach.tried["box-a"] - 3 <= 13
    assert world.of(Source.TCP)[-1].ok is False
    polled = worlds()
    polled.sensing.set_lines([record()], {"a": Place("box-a", 22)})
    await polled.clock.advance(91)
    assert polled.reach.tried["box-a"] <= 1


async def test_a_suspect_line_is_looked_at_at_once_and_closely_for_a_while(worlds):
    world = worlds(policy=FailoverPolicy(probe_every=5.0, poll_every=60.0))
    world.sensing.set_lines([record()], {"a": Place("box-a", 22)})
    await world.clock.advance(61)
    probes, polls, tries = len(world.echoes.times("fixed-a")), len(world.poller.polled), world.reach.tried["box-a"]
    world.sensing.hurry("a")
    world.sensing.hurry("nobody's")
    await world.clock.advance(0.1)
    assert len(world.echoes.times("fixed-a")) == probes + 1
    assert len(world.poller.polled) == polls + 1
    assert world.reach.tried["box-a"] == tries + 1
    await world.clock.advance(9)
    assert 40 <= len(world.echoes.times("fixed-a")) - probes <= 48
    await world.clock.advance(30)
    assert len(world.echoes.times("fixed-a")) - probes <= 60


async def test_an_edges_sessions_are_evidence_for_the_lines_behind_its_neighbours(worlds):
    world = worlds()
    world.edge.found = {"gw-a": EdgeSession(bfd=True, bgp=True), "mobile-a%eth7": EdgeSession(bgp=True)}
    world.sensing.set_lines([record(platform="edge", fixed_gateway="gw-a"), record("b", platform="edge")])
    await world.clock.advance(20)
    assert world.edge.asked > 100
    told = world.of(Source.BFD, Way.FIXED)
    # Told again although nothing changed, since what is old is not believed.
    assert 3 <= len(told) <= 8
    assert {(one.line_id, one.ok) for one in told} == {("a", True)}
    assert {(one.line_id, one.way) for one in world.of(Source.BGP)} == {("a", Way.FIXED), ("a", Way.MOBILE)}
    world.edge.found["gw-a"] = EdgeSession(bfd=False, bgp=True)
    before = len(world.seen)
    await world.clock.advance(0.4)
    [down] = [one for one in world.seen[before:] if one.source is Source.BFD and one.ok is False][:1]
    assert down.line_id == "a"
    del world.edge.found["gw-a"]
    before = len(world.seen)
    await world.clock.advance(10)
    gone = [one for one in world.seen[before:] if one.source in {Source.BFD, Source.BGP} and one.way is Way.FIXED]
    assert [(one.source, one.ok) for one in gone] == [(Source.BFD, None), (Source.BGP, None)]


async def test_while_echoes_fail_a_session_that_stands_is_told_each_time(worlds):
    world = worlds()
    world.edge.found = {"fixed-a": EdgeSession(bfd=True)}
    world.sensing.set_lines([record(platform="edge")])
    await world.clock.advance(5)
    world.echoes.dead.add("fixed-a")
    await world.clock.advance(1)
    before = len(world.of(Source.BFD))
    await world.clock.advance(1)
    assert len(world.of(Source.BFD)) - before >= 5


async def test_an_edge_that_cannot_be_asked_takes_its_word_back_and_is_asked_again(worlds):
    world = worlds()
    world.edge.found = {"fixed-a": EdgeSession(bfd=True)}
    world.sensing.set_lines([record(platform="edge"), record("b", platform="nosuch")])
    await world.clock.advance(2)
    world.edge.found = ConnectFailed("no route")
    asked = world.edge.asked
    await world.clock.advance(10)
    assert [one.ok for one in world.of(Source.BFD)][-1] is None
    assert 4 <= world.edge.asked - asked <= 7
    world.edge.found = {"fixed-a": EdgeSession(bfd=True)}
    await world.clock.advance(3)
    assert world.of(Source.BFD)[-1].ok is True


async def test_a_platform_without_sessions_is_hardly_asked(worlds):
    world = worlds()
    world.sensing.set_lines([record(platform="edge")])
    await world.clock.advance(125)
    assert world.edge.asked == 3


async def test_when_nothing_answers_any_more_silence_speaks_against_nobody(worlds):
    world = worlds()
    names = [f"line-{number}" for number in range(10)]
    world.sensing.set_lines([record(name) for name in names])
    await world.clock.advance(5)
    world.echoes.dead |= {f"{way}-{name}" for name in names for way in ("fixed", "mobile")}
    before = len(world.seen)
    await world.clock.advance(10)
    told = [one for one in world.seen[before:] if one.source is Source.ICMP]
    against = {
        name: sum(one.ok is False and one.way is Way.FIXED for one in told if one.line_id == name) for name in names
    }
    assert max(against.values()) < 3
    assert sum(one.ok is None for one in told) > 400
    assert world.figures[-1].blind
    world.echoes.dead.clear()
    await world.clock.advance(3)
    assert not world.figures[-1].blind
    assert world.seen[-1].ok


async def test_a_node_that_takes_most_lines_is_no_blindness_nor_is_a_loss_of_all_while_an_edge_answers(
    worlds,
):
    names = [f"line-{number}" for number in range(10)]
    most = worlds()
    most.sensing.set_lines([record(name) for name in names])
    await most.clock.advance(5)
    most.echoes.dead |= {f"fixed-{name}" for name in names}
    await most.clock.advance(2)
    assert all(sum(one.ok is False for one in most.of(Source.ICMP, Way.FIXED, name)) >= 5 for name in names)
    edge = worlds()
    edge.edge.found = {}
    edge.sensing.set_lines([record(name, mobile_address="", platform="edge") for name in names])
    await edge.clock.advance(5)
    edge.echoes.dead |= {f"fixed-{name}" for name in names}
    await edge.clock.advance(2)
    assert all(sum(one.ok is False for one in edge.of(Source.ICMP, Way.FIXED, name)) >= 5 for name in names)


async def test_what_cannot_be_sent_is_no_loss_unless_only_its_route_has_gone(worlds):
    world = worlds()
    world.sensing.set_lines([record(), record("b")])
    await world.clock.advance(2)
    world.echoes.full = True
    before = len(world.seen)
    await world.clock.advance(1)
    assert {one.ok for one in world.seen[before:] if one.source is Source.ICMP and one.at} <= {None, True}
    world.echoes.full = False
    await world.clock.advance(1)
    world.echoes.unroutable.add("fixed-a")
    before = len(world.seen)
    await world.clock.advance(1)
    told = {(one.line_id, one.way): one.ok for one in world.seen[before:] if one.source is Source.ICMP}
    assert told == {("a", Way.FIXED): False, ("a", Way.MOBILE): True, ("b", Way.FIXED): True, ("b", Way.MOBILE): True}
    never = worlds()
    never.echoes.unroutable.add("fixed-a")
    never.sensing.set_lines([record()])
    await never.clock.advance(2)
    assert {one.ok for one in never.of(Source.ICMP, Way.FIXED)} == {None}


async def test_lines_come_go_and_change_while_it_runs(worlds):
    world = worlds()
    first = record()
    world.sensing.set_lines([first, record("b")])
    await world.clock.advance(2)
    asked = len(world.echoes.times("fixed-a"))
    moved = replace(first, line=replace(first.line, setup=replace(first.line.setup, line_address="elsewhere")))
    world.sensing.set_lines([moved, record("c"), record("d", watched=False)])
    before = len(world.seen)
    await world.clock.advance(2)
    assert len(world.echoes.times("fixed-a")) == asked
    assert len(world.echoes.times("elsewhere")) >= 9
    assert len(world.echoes.times("fixed-c")) >= 9
    assert world.echoes.times("fixed-d") == []
    assert {one.line_id for one in world.seen[before:]} == {"a", "c"}
    assert world.sensing.counts()["lines"] == 2
    world.sensing.set_lines([])
    polled = len(world.poller.polled)
    await world.clock.advance(20)
    assert len(world.poller.polled) == polled


async def test_a_line_that_stays_as_it_is_keeps_its_place_in_the_rhythm(worlds):
    world = worlds(policy=FailoverPolicy(probe_every=3.0))
    world.sensing.set_lines([record()])
    for _ in range(40):
        await world.clock.advance(0.5)
        world.sensing.set_lines([record()])
    assert 6 <= len(world.echoes.times("fixed-a")) <= 7


async def test_echoes_leave_from_where_they_are_told_to(worlds):
    world = worlds(rhythm=Rhythm(fixed_source="10.0.0.1", mobile_source="wwan0"))
    world.sensing.set_lines([record()])
    await world.clock.advance(1)
    assert {(host, source) for host, _, source in world.echoes.asked} == {
        ("fixed-a", "10.0.0.1"),
        ("mobile-a", "wwan0"),
    }


async def test_a_crash_of_one_poll_is_logged_and_the_others_go_on(worlds):
    world = worlds()
    world.poller.readings["a"] = "no reading at all"
    world.sensing.set_lines([record(), record("b")])
    await world.clock.advance(20)
    assert len(world.poller.times("a")) >= 3
    assert len(world.of(Source.SNMP, Way.FIXED, "b")) >= 3


def test_a_line_may_differ_from_the_policy_of_all():
    own = own_policy(FAST, {"probe_every": 2, "misses": 5, "nosuch": 1, "poll_every": "often"})
    assert (own.probe_every, own.misses, own.poll_every) == (2, 5, FAST.poll_every)
