"""From octet counters to the volume of a month: behind their end, set to zero, across months, and never invented."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpe_manager.domain.failover.mobile_volume import (
    MOST_RATE,
    SLACK,
    MonthVolume,
    OctetCount,
    OctetMeter,
    at_this_time,
    month_began,
    month_of,
    volume_of,
)
from tests.support.line_evidence import a_record

NOON = datetime(2026, 11, 14, 12, tzinfo=UTC).timestamp()
DECEMBER = datetime(2026, 11, 30, 23, tzinfo=UTC).timestamp()
"""When it begins in Brussels."""


def passed(*counts: int, every: float = 5.0, at: float = NOON, **more: Any) -> list[int]:
    """What each reading says."""
    restarts, bits = more.pop("restarts", ()), more.pop("bits", 64)
    meter = OctetMeter()
    return [
        meter.passed(OctetCount(count, bits), at + place * every, restarted=place in restarts)
        for place, count in enumerate(counts)
    ]


def test_the_first_reading_counts_nothing_whatever_it_says() -> None:
    assert passed(10**15) == [0]
    assert passed(10**15, 10**15 + 700, 10**15 + 700, 10**15 + 1000) == [0, 700, 0, 300]


@pytest.mark.parametrize("bits", [32, 64])
def test_a_counter_goes_on_behind_its_end(bits: int) -> None:
    assert passed(2**bits - 100, 50, bits=bits) == [0, 150]


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("restarts", [(), (1,)])
def test_a_counter_that_was_set_to_zero_counts_from_there(bits: int, restarts: tuple[int, ...]) -> None:
    assert passed(10**9, 3000, 4000, bits=bits, restarts=restarts) == [0, 3000, 1000]


def test_what_looks_like_a_wrap_is_none_when_the_agent_has_restarted() -> None:
    assert passed(2**32 - 100, 50, bits=32, restarts=(1,)) == [0, 50]


def test_an_agent_that_restarts_and_keeps_the_systems_counters_loses_nothing() -> None:
    assert passed(10**9, 10**9 + 500, restarts=(1,)) == [0, 500]


def test_a_leap_that_no_network_carries_is_no_traffic_in_either_direction() -> None:
    # Another interface's figures for one reading, and back.
    assert passed(10**12, 4 * 10**12, 10**12, 10**12 + 5) == [0, 0, 0, 5]


def test_another_interface_and_a_counter_of_other_width_begin_anew() -> None:
    meter = OctetMeter()
    counts = [OctetCount(100), OctetCount(900, port=7), OctetCount(950, port=7), OctetCount(2000, 32, 7)]
    assert [meter.passed(count, NOON + place) for place, count in enumerate(counts)] == [0, 0, 50, 0]


def test_after_a_long_silence_a_narrow_counter_tells_the_least_that_it_may_have_been() -> None:
    assert passed(2**32 - 1000, 300, every=3600, bits=32) == [0, 300]
    assert passed(2**32 - 300, 1000, every=3600, bits=32) == [0, 1000]
    assert passed(1000, 5000, every=86_400, bits=32) == [0, 4000]
    assert passed(2**32 - 1000, 2**31, every=3600, bits=32) == [0, 2**31]


def test_a_clock_that_is_set_back_neither_fails_nor_counts_twice() -> None:
    assert passed(1000, 2000, every=-3600) == [0, 1000]
    assert passed(1000, 200, every=-3600) == [0, 200]


def test_of_a_time_across_the_end_of_a_month_its_share_counts() -> None:
    assert passed(0, 1000, 3000, at=DECEMBER - 5, every=20) == [0, 750, 2000]
    assert passed(0, 1000, at=DECEMBER - 5, every=5) == [0, 0]
    assert passed(0, 1000, at=DECEMBER, every=5) == [0, 1000]


@pytest.mark.parametrize(
    ("at", "name", "began"),
    [
        ("2026-11-30T22:59:59", "2026-11", "2026-10-31T23:00:00"),
        ("2026-11-30T23:00:00", "2026-12", "2026-11-30T23:00:00"),
        ("2026-12-31T23:00:00", "2027-01", "2026-12-31T23:00:00"),
        ("2026-03-31T21:59:59", "2026-03", "2026-02-28T23:00:00"),
        ("2026-03-31T22:00:00", "2026-04", "2026-03-31T22:00:00"),
    ],
)
def test_a_month_begins_at_midnight_in_brussels(at: str, name: str, began: str) -> None:
    when = datetime.fromisoformat(f"{at}+00:00").timestamp()
    assert month_of(when) == name
    assert month_began(when) == datetime.fromisoformat(f"{began}+00:00").timestamp()


def test_a_volume_grows_within_its_month_and_begins_anew_with_the_next() -> None:
    volume = MonthVolume().plus(5, NOON).plus(7, DECEMBER - 1)
    assert volume == MonthVolume("2026-11", 12)
    assert (volume.within(NOON), volume.within(DECEMBER)) == (12, 0)
    assert volume.plus(3, DECEMBER) == MonthVolume("2026-12", 3)
    assert volume.plus(3, DECEMBER).plus(9, NOON) == MonthVolume("2026-12", 3)


def test_what_was_written_in_another_month_is_nothing_in_this_one() -> None:
    record = a_record(mobile_bytes=12, mobile_month="2026-11")
    assert volume_of(record) == MonthVolume("2026-11", 12)
    assert at_this_time(record, NOON) is record
    assert volume_of(at_this_time(record, DECEMBER)) == MonthVolume("2026-12", 0)


@dataclass(frozen=True)
class Step:
    """Some time with so much in and out per second. ``event``: what happens halfway."""

    seconds: float
    rates: tuple[int, int]
    event: str = ""


def steps(longest: float, *events: str) -> st.SearchStrategy[list[Step]]:
    rate = st.one_of(st.just(0), st.integers(0, 10**5), st.integers(0, int(MOST_RATE / 2)))
    times = st.floats(1, longest).map(round)
    return st.lists(st.builds(Step, times, st.tuples(rate, rate), st.sampled_from(("", *events))), max_size=30)


class Agent:
    """Counts in and out as an agent does."""

    def __init__(self, bits: int, first: int) -> None:
        self.bits = bits
        self._counters = [first % 2**bits, (first * 7) % 2**bits]

    def count(self, rates: tuple[int, int], seconds: float) -> int:
        moved = [round(rate * seconds) for rate in rates]
        self._counters = [(old + new) % 2**self.bits for old, new in zip(self._counters, moved, strict=True)]
        return sum(moved)

    def zero(self) -> None:
        self._counters = [0, 0]

    def says(self) -> OctetCount:
        return OctetCount(sum(self._counters), self.bits)


def followed(agent: Agent, course: list[Step], at: float) -> tuple[int, int, list[tuple[int, int, int, Step]]]:
    """What passed in all and what was counted, and by step what the counters said before it, and both."""
    meter, told = OctetMeter(), []
    meter.passed(agent.says(), at)
    for step in course:
        before = agent.says().octets
        true = agent.count(step.rates, step.seconds / 2)
        if step.event in {"reset", "reboot"}:
            agent.zero()
        true += agent.count(step.rates, step.seconds / 2)
        at += step.seconds
        restarted = step.event in {"reboot", "agent"}
        told.append((before, true, meter.passed(agent.says(), at, restarted=restarted), step))
    return sum(one[1] for one in told), sum(one[2] for one in told), told


FIRST = st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 10**9).map(lambda back: -back))
"""Counters begin anywhere, often just before their end."""


@given(steps(100_000, "agent"), FIRST)
def test_wide_counters_without_a_reset_are_counted_to_the_octet(course: list[Step], first: int) -> None:
    agent = Agent(64, first)
    true, counted, _ = followed(agent, [Step(one.seconds, one.rates) for one in course], NOON - 10**6)
    assert counted == true


@given(steps(14), FIRST)
def test_narrow_counters_that_are_polled_in_time_are_counted_to_the_octet(course: list[Step], first: int) -> None:
    assert MOST_RATE * (14 + SLACK) < 2**32
    true, counted, _ = followed(Agent(32, first), course, NOON)
    assert counted == true


@given(steps(100_000, "reboot", "agent"), FIRST, st.sampled_from([32, 64]))
def test_more_than_has_passed_is_never_counted(course: list[Step], first: int, bits: int) -> None:
    _, _, told = followed(Agent(bits, first), course, NOON - 10**6)
    assert all(counted <= true for _, true, counted, _ in told)


@given(steps(100, "reset", "reboot"), st.integers(0, 2**48))
def test_a_reset_costs_at_most_what_the_counters_said_before_it(course: list[Step], first: int) -> None:
    _, _, told = followed(Agent(64, first), course, NOON)
    for before, true, counted, step in told:
        since_reset = sum(round(rate * step.seconds / 2) for rate in step.rates)
        # Counters that have come further than they were before look as if they had never been at zero.
        assert (max(0, since_reset - before) if step.event else true) <= counted <= true


@given(steps(200_000), st.floats(0, 10**6))
def test_months_share_what_passed_across_their_ends(course: list[Step], before: float) -> None:
    meter, agent, volumes, true = (
        OctetMeter(),
        Agent(64, 0),
        [MonthVolume()],
        dict.fromkeys(("2026-11", "2026-12"), 0.0),
    )
    at = DECEMBER - round(before)
    meter.passed(agent.says(), at)
    for step in course:
        since, at = at, at + step.seconds
        agent.count(step.rates, step.seconds)
        volumes.append(volumes[-1].plus(meter.passed(agent.says(), at), at))
        for month, (begin, end) in {"2026-11": (0.0, DECEMBER), "2026-12": (DECEMBER, float("inf"))}.items():
            true[month] += sum(step.rates) * max(0.0, min(at, end) - max(since, begin))
    last = volumes[-1]
    if last.month == "2026-12":
        assert last.octets == pytest.approx(true["2026-12"], abs=len(course))
    elif last.month:
        assert last.octets == pytest.approx(true["2026-11"], abs=len(course))
