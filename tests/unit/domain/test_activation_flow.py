"""The way of an activation, decided from its journal; and histories of it with crashes between any two writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpe_manager.domain.activation.activation_flow import (
    ENDS,
    MOST_CORRECTIONS,
    MOST_TRIES,
    ON_THE_BOX,
    Entry,
    Next,
    Result,
    State,
    Step,
    Told,
    decide,
    round_of,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WHOLE_WAY = tuple(Step)
D, F, W, R = Result.DONE, Result.FAILED, Result.WAITS, Result.REFUSED


def ended(step: Step, result: Result = D, reason: str = "", *redo: Step) -> Entry:
    return Entry(step, NOW, result, reason, redo)


PLAIN = Told()


def way(told: Told = PLAIN, **results: Sequence[Entry]) -> list[tuple[State, Step | None, int]]:
    """What is decided one after the other until nothing more is, each step ending as given, or done."""
    left = {Step(name): list(entries) for name, entries in results.items()}
    journal: list[Entry] = []
    found = []
    for _ in range(60):
        verdict = decide(journal, told)
        found.append((verdict.state, verdict.step, verdict.round))
        if verdict.step is None:
            return found
        queue = left.get(verdict.step)
        journal += [Entry(verdict.step, NOW), queue.pop(0) if queue else ended(verdict.step)]
    raise AssertionError(f"no end: {found[-5:]}")


def steps(found: list[tuple[State, Step | None, int]]) -> list[Step | None]:
    return [step for _, step, _ in found]


def test_all_steps_are_taken_in_order_and_each_shows_its_state() -> None:
    found = way()
    assert steps(found) == [*WHOLE_WAY, None]
    assert [state for state, _, _ in found] == [
        State.ORDERED, State.CONFIGURING, State.ADDRESSING, State.WIFI, State.BACKING_UP, State.TESTING, State.TESTING,
        State.REPORTED, State.ACTIVATED,
    ]  # fmt: skip


def test_a_router_of_the_customers_is_not_configured_whatever_a_test_says() -> None:
    told = Told(router=False)
    failed = ended(Step.TEST, F, "dns", Step.CONFIGURE)
    assert steps(way(told)) == [Step.SUBSCRIBE, Step.BACKUP, Step.TEST, Step.REPORT, Step.ACTIVATE, None]
    found = way(told, test=[failed])
    assert found[-1][0] is State.FAILED
    assert not set(ON_THE_BOX) & set(steps(found))


def test_a_rush_is_answered_before_anything_is_configured() -> None:
    assert way(Told(rush="asked"))[-1] == (State.RUSH_ASKED, None, 0)
    assert steps(way(Told(rush="asked"))) == [Step.SUBSCRIBE, None]
    assert way(Told(rush="answered"))[-1][0] is State.ACTIVATED


def test_what_failed_in_a_test_is_pushed_once_more_and_tested_again() -> None:
    failed = ended(Step.TEST, F, "ports: closed", Step.CONFIGURE, Step.WIFI)
    found = way(test=[failed])
    assert (State.CORRECTING, Step.CONFIGURE, 1) in found
    assert (State.CORRECTING, Step.WIFI, 1) in found
    assert (State.TESTING, Step.TEST, 1) in found
    assert steps(found).count(Step.BACKUP) == 1
    assert steps(found).count(Step.ADDRESS) == 1
    assert found[-1][0] is State.ACTIVATED


def test_corrections_have_a_bound_and_then_it_has_failed_with_a_report() -> None:
    failed = ended(Step.TEST, F, "ports: closed", Step.CONFIGURE)
    found = way(test=[failed] * 9)
    assert steps(found).count(Step.TEST) == MOST_CORRECTIONS + 1
    assert steps(found)[-2:] == [Step.REPORT, None]
    assert found[-1][0] is State.FAILED
    assert Step.ACTIVATE not in steps(found)


def test_what_no_push_mends_fails_at_once_and_says_why() -> None:
    failed = ended(Step.TEST, F, "throughput: 3 Mbps")
    journal = [ended(step) for step in WHOLE_WAY[:5]] + [failed, ended(Step.REPORT)]
    verdict = decide(journal, Told())
    assert (verdict.state, verdict.reason, verdict.failures) == (State.FAILED, "throughput: 3 Mbps", 1)


def test_a_push_that_is_reverted_is_made_again_so_often_and_a_refusal_is_final() -> None:
    found = way(configure=[ended(Step.CONFIGURE, F, "reverted")] * 9)
    rounds = [number for _, step, number in found if step is Step.CONFIGURE]
    assert rounds == list(range(MOST_TRIES))
    assert steps(found)[-2:] == [Step.REPORT, None]
    refused = way(address=[ended(Step.ADDRESS, R, "not entitled")])
    assert steps(refused) == [Step.SUBSCRIBE, Step.CONFIGURE, Step.ADDRESS, Step.REPORT, None]
    assert refused[-1][0] is State.FAILED


def test_a_retry_looks_at_all_of_it_anew_but_makes_no_second_first_backup() -> None:
    found = way(Told(retries=1), test=[ended(Step.TEST, F, "sync: down")])
    assert steps(found).count(Step.CONFIGURE) == 2
    assert steps(found).count(Step.BACKUP) == 1
    assert (State.CONFIGURING, Step.CONFIGURE, 1) in found
    assert found[-1][0] is State.ACTIVATED
    twice = way(Told(retries=1), test=[ended(Step.TEST, F, "sync: down")] * 2)
    assert twice[-1][0] is State.FAILED


def test_what_waits_is_taken_once_more_under_the_same_round() -> None:
    found = way(address=[ended(Step.ADDRESS, W, "no answer")] * 3)
    assert [number for _, step, number in found if step is Step.ADDRESS] == [0, 0, 0, 0]
    assert found[-1][0] is State.ACTIVATED


def test_called_off_it_ends_unless_a_step_is_on_its_way_or_it_is_activated() -> None:
    off = Told(cancelled=True)
    assert decide([], off).state is State.CANCELLED
    amid = [ended(Step.SUBSCRIBE), Entry(Step.CONFIGURE, NOW)]
    assert decide(amid, off).step is Step.CONFIGURE
    assert decide([*amid, ended(Step.CONFIGURE, F)], off).state is State.CANCELLED
    whole = [ended(step) for step in WHOLE_WAY]
    assert decide(whole, off).state is State.ACTIVATED
    assert decide([*whole[:-1], Entry(Step.ACTIVATE, NOW)], off).step is Step.ACTIVATE


@pytest.mark.parametrize("step", [Step.REPORT, Step.ACTIVATE])
def test_a_report_that_cannot_be_made_is_no_endless_loop(step: Step) -> None:
    found = way(**{step.value: [ended(step, R, "defect")] * 9})
    assert found[-1][0] is State.FAILED


@dataclass
class World:
    """What a step does outside. A push is named by step and round; the same name once more does nothing new."""

    pushes: dict[tuple[Step, int], int] = field(default_factory=dict)
    backups: set[int] = field(default_factory=set)
    activated: int = 0
    reports: list[bool] = field(default_factory=list)

    def effect(self, verdict: Next) -> None:
        assert verdict.step is not None
        name = (verdict.step, verdict.round)
        if verdict.step in ON_THE_BOX:
            self.pushes.setdefault(name, len(self.pushes))
        elif verdict.step is Step.BACKUP:
            self.backups.add(verdict.round)
        elif verdict.step is Step.REPORT:
            self.reports.append(verdict.passed)
        elif verdict.step is Step.ACTIVATE:
            self.activated = 1


RESULTS = st.sampled_from([D, D, D, D, F, F, W, R])
REDO = st.lists(st.sampled_from(ON_THE_BOX), unique=True, max_size=3)


@dataclass
class History:
    """One activation on which processes die. Whoever takes it up knows the journal alone."""

    data: st.DataObject
    told: Told
    journal: list[Entry] = field(default_factory=list)
    world: World = field(default_factory=World)
    last_test: Result | None = None

    def goes_on(self) -> bool:
        """One look at it, by whichever process; False when it has come to rest."""
        verdict = decide(self.journal, self.told)
        if verdict.step is None:
            return self._somebody_speaks(verdict)
        if self.data.draw(st.integers(0, 19), "called off") == 0:
            self.told = replace(self.told, cancelled=True)
        self._taken(verdict, verdict.step)
        return True

    def _somebody_speaks(self, verdict: Next) -> bool:
        if verdict.state is State.RUSH_ASKED:
            assert not self.world.pushes
            assert not self.world.backups
            answered = self.data.draw(st.booleans(), "answered")
            self.told = replace(self.told, rush="answered") if answered else replace(self.told, cancelled=True)
            return True
        if verdict.state is State.FAILED and self.data.draw(st.booleans(), "retried"):
            self.told = replace(self.told, retries=verdict.failures)
            return True
        return False

    def _taken(self, verdict: Next, step: Step) -> None:
        amid = bool(self.journal) and self.journal[-1].result is None
        if amid:
            assert (step, verdict.round) == (self.journal[-1].step, round_of(self.journal[:-1], step))
        else:
            self.journal.append(Entry(step, NOW))
        if self.data.draw(st.booleans(), "dies before the effect"):
            return
        before = dict(self.world.pushes)
        self.world.effect(verdict)
        if amid and (step, verdict.round) in before:
            assert self.world.pushes == before
        if step is Step.ACTIVATE:
            assert self.last_test is D
        if self.data.draw(st.booleans(), "dies after the effect"):
            return
        result = self.data.draw(RESULTS, "result")
        redo = tuple(self.data.draw(REDO, "redo")) if step is Step.TEST and result is F else ()
        if step is Step.TEST:
            self.last_test = result
        self.journal.append(Entry(step, NOW, result, "why", redo))


@settings(max_examples=300)
@given(data=st.data(), router=st.booleans(), rush=st.booleans())
def test_histories_with_crashes_between_any_two_writes(data: st.DataObject, router: bool, rush: bool) -> None:
    """No push is made under two names for one round, none where the router is the customer's, nothing before a rush is
    answered; a site is activated only after tests that passed; and a step that ended had begun."""
    history = History(data, Told(router=router, rush="asked" if rush else "none"))
    for _ in range(300):
        if not history.goes_on():
            break
    final = decide(history.journal, history.told)
    assert router or not history.world.pushes
    assert len(set(history.world.pushes.values())) == len(history.world.pushes)
    if final.state is State.ACTIVATED:
        assert history.world.activated
        assert history.last_test is D
    if final.state is State.FAILED:
        assert final.failures > history.told.retries
        assert final.reason
    if final.state in ENDS:
        assert final.step is None
    for step in Step:
        begun = sum(one.step is step and one.result is None for one in history.journal)
        ended_ones = sum(one.step is step and one.result is not None for one in history.journal)
        assert begun - ended_ones in (0, 1)
