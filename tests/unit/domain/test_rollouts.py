"""The decisions of a roll-out: waves, canaries, soaks, budget, limits, and that it ends."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.rollout.rollouts import (
    Amount,
    DeviceEnd,
    Move,
    RolloutState,
    Standing,
    Strategy,
    WaveStanding,
    in_order,
    move,
    wave_sizes,
)

T0 = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


def wave(last: datetime | None = None, **counts: int) -> WaveStanding:
    return WaveStanding({DeviceEnd(name): number for name, number in counts.items()}, last)


def test_amounts_are_numbers_or_percentages() -> None:
    assert Amount.of(25).among(1000) == 25
    assert Amount.of("2%").among(1000) == 20
    assert Amount.of("0.5%").among(1000) == 5
    assert Amount.of("29%").among(100) == 29
    assert Amount.of("10%").among(15) == 1
    for wrong in ("", "-1", "101%", "ten", "1.5", "5 %x"):
        with pytest.raises(InputError):
            Amount.of(wrong)


def test_waves_cover_every_device() -> None:
    assert wave_sizes(100, 1, [Amount.of(9), Amount.of("40%")]) == (1, 9, 40, 50)
    assert wave_sizes(100, 5, [], Amount.of(40)) == (5, 40, 40, 15)
    assert wave_sizes(100, 0, []) == (0, 100)
    assert wave_sizes(3, 5, [Amount.of(10)]) == (3,)
    assert wave_sizes(10, 1, [Amount.of("1%")]) == (1, 1, 8)
    for wrong in (0, "0%"):
        with pytest.raises(InputError):
            wave_sizes(10, 1, [Amount.of(wrong)])
        with pytest.raises(InputError):
            wave_sizes(10, 1, [], Amount.of(wrong))


def test_canaries_are_of_every_family_before_the_second_of_any() -> None:
    fleet = ["ios-1", "ios-2", "ios-3", "uci-1", "ros-1", "uci-2"]
    assert in_order(fleet, lambda name: name[:3], 4) == ["ios-1", "uci-1", "ros-1", "ios-2", "ios-3", "uci-2"]
    assert in_order(fleet, lambda name: name[:3], 0) == fleet


def test_a_canary_that_fails_stops_it_at_once_whatever_the_budget() -> None:
    standing = Standing((wave(failed=1, in_flight=1), wave(waiting=10)), {}, (("d", None),))
    assert move(Strategy((2, 10), budget=5), standing, T0).to is RolloutState.STOPPED


def test_the_next_wave_waits_for_the_last_push_of_the_one_before_and_for_the_soak() -> None:
    strategy = Strategy((1, 2), soak_seconds=60)
    flying = Standing((wave(in_flight=1), wave(waiting=2)), {}, (("d2", None),))
    assert move(strategy, flying, T0) == Move(wave=0)
    ended = Standing((wave(T0, confirmed=1), wave(waiting=2)), {}, (("d2", None), ("d3", None)))
    assert move(strategy, ended, T0 + timedelta(seconds=59)) == Move(wave=1, until=T0 + timedelta(seconds=60))
    assert move(strategy, ended, T0 + timedelta(seconds=60)) == Move(("d2", "d3"), 1)


def test_what_was_so_already_is_no_failure_and_what_left_service_is_none_either() -> None:
    standing = Standing((wave(T0, unchanged=1), wave(T0, unchanged=4, skipped=2, confirmed=3)))
    assert move(Strategy((1, 9)), standing, T0) == Move(to=RolloutState.DONE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"waves": (0,)},
        {"waves": (1, -1)},
        {"waves": (1,), "budget": -1},
        {"waves": (1,), "max_in_flight": 0},
        {"waves": (1,), "per_access_node": -1},
        {"waves": (1,), "soak_seconds": -1},
    ],
)
def test_a_strategy_without_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Strategy(**wrong)  # type: ignore[arg-type]


@dataclass
class Fleet:
    """Devices of a roll-out as a store would hold them, and what the test lets their pushes come to."""

    strategy: Strategy
    nodes: list[str | None]
    ends: list[DeviceEnd]
    now: datetime = T0
    states: dict[int, DeviceEnd] = field(default_factory=dict)
    last: dict[int, datetime] = field(default_factory=dict)
    began: list[int] = field(default_factory=list)

    def wave_of(self, device: int) -> int:
        for number, size in enumerate(self.strategy.waves):
            if device < size:
                return number
            device -= size
        raise AssertionError(device)

    def standing(self) -> Standing:
        devices = range(self.strategy.total)
        state = {device: self.states.get(device, DeviceEnd.WAITING) for device in devices}
        waves = [
            WaveStanding(Counter(state[d] for d in devices if self.wave_of(d) == number), self.last.get(number))
            for number in range(len(self.strategy.waves))
        ]
        first = next((n for n, one in enumerate(waves) if one.waiting), None)
        waiting = [d for d in devices if state[d] is DeviceEnd.WAITING and self.wave_of(d) == first]
        return Standing(waves, self.busy(), tuple((str(d), self.nodes[d]) for d in waiting))

    def flying(self) -> list[int]:
        return [device for device, state in self.states.items() if state is DeviceEnd.IN_FLIGHT]

    def busy(self) -> Counter[str]:
        return Counter(node for device in self.flying() if (node := self.nodes[device]) is not None)

    def failed(self) -> int:
        return sum(state is DeviceEnd.FAILED for state in self.states.values())

    def land(self, device: int) -> None:
        self.states[device] = self.ends[device]
        self.last[self.wave_of(device)] = self.now


ENDS = st.sampled_from([DeviceEnd.CONFIRMED] * 6 + [DeviceEnd.UNCHANGED, DeviceEnd.SKIPPED, DeviceEnd.FAILED])


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    waves = tuple(draw(st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(any)))
    total = sum(waves)
    strategy = Strategy(
        waves,
        budget=draw(st.integers(0, 6)),
        soak_seconds=draw(st.sampled_from([0, 10])),
        max_in_flight=draw(st.integers(1, 8)),
        per_access_node=draw(st.integers(0, 3)),
    )
    nodes = draw(st.lists(st.sampled_from([None, "a", "b"]), min_size=total, max_size=total))
    ends = draw(st.lists(ENDS, min_size=total, max_size=total))
    return Fleet(strategy, nodes, ends)


@settings(max_examples=60, deadline=None)
@given(fleet=fleets(), choices=st.randoms(use_true_random=False))
def test_the_law_of_roll_outs(fleet: Fleet, choices: object) -> None:
    """Waves in order and soaked, limits held, never more wrong than the budget and what was in flight, and an end."""
    strategy = fleet.strategy
    over = None
    for _ in range(20 * strategy.total + 50):
        step = move(strategy, fleet.standing(), fleet.now)
        assert move(strategy, fleet.standing(), fleet.now) == step
        if step.to is not None:
            over = step.to
            break
        for device in map(int, step.start):
            number = fleet.wave_of(device)
            earlier = [d for d in range(strategy.total) if fleet.wave_of(d) < number]
            assert all(fleet.states.get(d) not in (None, DeviceEnd.IN_FLIGHT) for d in earlier)
            if fleet.last and not any(fleet.wave_of(d) == number for d in fleet.began):
                assert fleet.now >= max(fleet.last.values()) + timedelta(seconds=strategy.soak_seconds)
            assert device not in fleet.states
            assert fleet.failed() <= strategy.budget
            fleet.states[device] = DeviceEnd.IN_FLIGHT
            fleet.began.append(device)
        assert len(fleet.flying()) <= strategy.max_in_flight
        if strategy.per_access_node:
            assert all(number <= strategy.per_access_node for number in fleet.busy().values())
        fleet.now += timedelta(seconds=4)
        for device in fleet.flying():
            if choices.random() < 0.5:  # type: ignore[attr-defined]
                fleet.land(device)
    assert over is not None
    reached = fleet.failed()
    flying = fleet.flying()
    for device in flying:
        fleet.land(device)
    assert fleet.failed() <= strategy.budget + strategy.max_in_flight
    canary_failed = any(fleet.states.get(d) is DeviceEnd.FAILED for d in range(strategy.waves[0]))
    if over is RolloutState.DONE:
        assert not flying
        assert len(fleet.states) == strategy.total
        assert reached <= strategy.budget
        assert not canary_failed
    else:
        assert reached > strategy.budget or canary_failed
        if canary_failed:
            assert all(fleet.wave_of(device) == 0 for device in fleet.began)
