"""Whatever people, devices, time and crashes do: no change executes unapproved, twice, outside its entitlement, or
against a state that nobody approved; and none is left lying.

The number of histories is ``CPE_MANAGER_HISTORIES`` where that is set.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from cpe_manager.domain.access.access import Principal
from cpe_manager.domain.changes.requests import ChangeState
from tests.property.change_model import ANNA, DESK, ENDS, KINDS, PEOPLE, SECONDS, World

S = ChangeState
PICK = st.integers(0, 5)
WHO = st.sampled_from(PEOPLE)
SEEN: Counter[str] = Counter()


@pytest.fixture(autouse=True, scope="module")
def _silent() -> Iterator[None]:
    """Ten thousand histories would log a million lines."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


class Changes(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(who=st.sampled_from((ANNA, DESK)), what=st.sampled_from(KINDS), how=st.sampled_from(("", "", *ENDS)))
    def first(self, who: Principal, what: str, how: str) -> None:
        self.world.submit(who, 0, what, "n1", None)
        self.world.look()
        if how:
            self.go_on(0, how)

    @rule(who=WHO, site=st.integers(0, 1), what=st.sampled_from(KINDS), name=st.sampled_from(("n1", "n2", "bad")),
          key=st.sampled_from((None, "k1", "k2")))  # fmt: skip
    def submit(self, who: Principal, site: int, what: str, name: str, key: str | None) -> None:
        self.world.submit(who, site, what, name, key)

    @rule(who=WHO, pick=PICK, stale=st.booleans())
    def approve(self, who: Principal, pick: int, stale: bool) -> None:
        change = self.world.picked(pick, S.ACCEPTED)
        if change is not None:
            self.world.approve(who, change, stale=stale)

    @rule(pick=PICK, how=st.sampled_from(("", *ENDS)))
    def go_on(self, pick: int, how: str) -> None:
        """The way of most: approved by whoever may, begun, and ended one way or the other."""
        change = self.world.picked(pick, S.ACCEPTED)
        if change is not None:
            for who in PEOPLE:
                self.world.approve(who, change)
        self.world.look()
        self.world.look()
        if how:
            self.a_push_ends_so(pick, how)

    def a_push_ends_so(self, pick: int, how: str) -> None:
        some = self.world.pushes.open()
        if some:
            self.world.pushes.end(some[pick % len(some)], how)

    @rule(who=WHO, pick=PICK)
    def decline(self, who: Principal, pick: int) -> None:
        change = self.world.picked(pick)
        if change is not None:
            self.world.decline(who, change)

    @rule(who=WHO, pick=PICK)
    def withdraw(self, who: Principal, pick: int) -> None:
        change = self.world.picked(pick)
        if change is not None:
            self.world.withdraw(who, change)

    @rule(box=st.integers(0, 1))
    def somebody_changes_the_box(self, box: int) -> None:
        self.world.pushes.boxes[f"d{box}"].drift += 1

    @rule(box=st.integers(0, 1), reachable=st.booleans())
    def reach(self, box: int, reachable: bool) -> None:
        self.world.pushes.boxes[f"d{box}"].reachable = reachable

    @rule(site=st.integers(0, 1), entitled=st.booleans())
    def subscription(self, site: int, entitled: bool) -> None:
        known = self.world.subscriptions.not_entitled
        (known.discard if entitled else known.add)(f"i{site}")

    @rule(seconds=st.sampled_from(SECONDS))
    def time_passes(self, seconds: int) -> None:
        self.world.tick(seconds)

    @rule()
    def nobody_answers(self) -> None:
        """For so long that what waits for an approval is over."""
        if self.world.picked(0, S.ACCEPTED) is not None:
            self.world.tick(max(SECONDS))
            self.world.look()

    @rule(behind=st.booleans())
    def somebody_cannot_be_told(self, behind: bool) -> None:
        self.world.everyone.behind = behind

    @rule(dies_after=st.one_of(st.none(), st.integers(0, 9)))
    def look(self, dies_after: int | None) -> None:
        if not self.world.look(dies_after):
            SEEN["died"] += 1

    @rule(pick=PICK, how=st.sampled_from(ENDS))
    def a_push_ends(self, pick: int, how: str) -> None:
        self.a_push_ends_so(pick, how)

    @rule()
    def somebody_looks_at_stuck_boxes(self) -> None:
        self.world.pushes.settle()

    @invariant()
    def nothing_is_done_that_must_not_be(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        self.world.settle()
        SEEN["histories"] += 1
        SEEN.update(state.value for state in self.world.ended.values())
        SEEN["asked_again"] += sum(one.kind == "change.asked_again" for one in self.world.store.events)


def examples(count: int) -> settings:
    checks = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)
    return settings(max_examples=count, stateful_step_count=16, deadline=None, suppress_health_check=checks)


def test_no_history_executes_what_was_not_approved() -> None:
    run_state_machine_as_test(Changes, settings=examples(int(os.environ.get("CPE_MANAGER_HISTORIES", "60"))))


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_ten_thousand_histories_execute_nothing_that_was_not_approved(
    record_property: Callable[[str, object], None],
) -> None:
    """Among them every end is many times."""
    SEEN.clear()
    run_state_machine_as_test(Changes, settings=examples(10_000))
    record_property("seen", dict(SEEN))
    print(dict(SEEN))  # noqa: T201  what a run shows that is asked for it with -s
    assert SEEN["histories"] >= 10_000
    ends = (S.DONE, S.REVERTED, S.REFUSED, S.DECLINED, S.WITHDRAWN, S.EXPIRED)
    assert min(SEEN[end.value] for end in ends) >= 50, SEEN
    assert SEEN["asked_again"] >= 50, SEEN
    assert SEEN["died"] >= 50, SEEN
