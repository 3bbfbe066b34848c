"""Whatever happens between manager and device, a push ends as it was, as it was wanted, or loudly stuck.

Two ways to make histories over one model (`commit_model`): Hypothesis' state machine looks for short ones and shrinks
what it finds; `commit_histories` draws 100,000 different ones from a seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from cpe_manager.domain.push.commit_path import END
from tests.property.commit_histories import SECONDS, History, check, histories, live, settle
from tests.property.commit_model import MISHAPS, MOST_PARTS, STYLES, Manager, Mishap, ModelDevice, Style


class Pushes(RuleBasedStateMachine):
    """A history: steps that go well or wrong, time that passes, restarts, cuts, somebody who gives the push up."""

    def __init__(self) -> None:
        super().__init__()
        self.manager = Manager()

    @initialize(good=st.booleans(), style=st.sampled_from(STYLES))
    def change(self, good: bool, style: Style) -> None:
        self.manager = Manager(ModelDevice(style), good=good)

    @precondition(lambda self: self.manager.ended is None)
    @rule(mishap=st.sampled_from(MISHAPS), part=st.integers(0, MOST_PARTS - 1))
    def step(self, mishap: Mishap, part: int) -> None:
        self.manager.step(mishap, part)

    @precondition(lambda self: self.manager.ended is None)
    @rule(times=st.integers(1, 6))
    def steps_that_go_well(self, times: int) -> None:
        for _ in range(times):
            if self.manager.ended is None:
                self.manager.step()

    @precondition(lambda self: self.manager.ended is None)
    @rule(seconds=st.sampled_from(SECONDS))
    def time_passes(self, seconds: int) -> None:
        self.manager.tick(seconds)

    @precondition(lambda self: self.manager.ended is None)
    @rule()
    def device_restarts(self) -> None:
        self.manager.device.reboot()

    @rule(reachable=st.booleans())
    def path(self, reachable: bool) -> None:
        self.manager.device.reachable = reachable

    @rule()
    def somebody_withdraws(self) -> None:
        self.manager.withdrawn = True

    def teardown(self) -> None:
        settle(self.manager)
        check(self.manager)


def examples(count: int) -> settings:
    checks = (HealthCheck.too_slow, HealthCheck.filter_too_much)
    return settings(max_examples=count, stateful_step_count=14, deadline=None, suppress_health_check=checks)


def found_wrong(some: list[History]) -> list[tuple[History, AssertionError]]:
    wrong = []
    for history in some:
        try:
            check(live(history))
        except AssertionError as error:
            wrong.append((history, error))
    return wrong


def test_every_history_ends_before_or_after() -> None:
    run_state_machine_as_test(Pushes, settings=examples(200))


def test_histories_drawn_from_a_seed_end_before_or_after() -> None:
    assert found_wrong(list(histories(1, 500)))[:1] == []


@pytest.mark.slow
def test_three_thousand_histories_that_hypothesis_makes_end_before_or_after() -> None:
    run_state_machine_as_test(Pushes, settings=examples(3_000))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_hundred_thousand_histories_end_before_or_after(record_property: Callable[[str, object], None]) -> None:
    """All of them different; and among them every end is many times."""
    ends: Counter[str] = Counter()
    for history in histories(2026, 100_000):
        manager = live(history)
        try:
            check(manager)
        except AssertionError as error:
            raise AssertionError(f"{history}: {error}") from error
        ends[str(manager.ended)] += 1
    record_property("ends", dict(ends))
    assert sum(ends.values()) == 100_000
    assert set(ends) == {str(end) for end in END}
    assert min(ends.values()) >= 100, ends
