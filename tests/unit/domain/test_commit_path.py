"""What happens next on a push, read from its journal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cpe_manager.domain.push.commit_path import (
    MARGIN,
    MOST_REVERTS,
    Entry,
    Phase,
    Result,
    Step,
    decide,
    phase_of,
    places,
)

NOW = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)
DEADLINE = NOW + timedelta(seconds=120)
ORDER = (Step.PLAN, Step.CHECK, Step.SNAPSHOT, Step.ARM, Step.APPLY, Step.PROBE, Step.CONFIRM)


def begun(step: Step) -> Entry:
    return Entry(step, NOW, deadline=DEADLINE if step is Step.ARM else None)


def up_to(step: Step) -> list[Entry]:
    """A journal in which everything before ``step`` was done."""
    done = ORDER[: ORDER.index(step)]
    return [entry for each in done for entry in (begun(each), Entry(each, NOW, Result.DONE))]


def test_a_push_goes_its_way_step_by_step() -> None:
    for step in ORDER:
        assert decide(up_to(step), NOW).step is step
    whole = [*up_to(Step.CONFIRM), begun(Step.CONFIRM), Entry(Step.CONFIRM, NOW, Result.DONE)]
    assert decide(whole, NOW).end is Phase.CONFIRMED
    assert phase_of(whole) is Phase.CONFIRMED


@pytest.mark.parametrize("step", [Step.PLAN, Step.CHECK, Step.SNAPSHOT])
def test_before_any_effect_a_dead_process_costs_a_new_plan_and_a_failure_ends_the_push(step: Step) -> None:
    assert decide([*up_to(step), begun(step)], NOW).step is Step.PLAN
    done = [*up_to(step), begun(step), Entry(step, NOW, Result.DONE)]
    assert decide(done, NOW, resumed=True).step is Step.PLAN
    failed = [*up_to(step), begun(step), Entry(step, NOW, Result.FAILED, "an address conflicts")]
    assert decide(failed, NOW).end is Phase.WITHDRAWN
    assert decide(failed, NOW).reason == "an address conflicts"


@pytest.mark.parametrize("step", [Step.ARM, Step.APPLY])
def test_a_process_that_died_in_the_middle_of_an_effect_is_followed_by_reverting(step: Step) -> None:
    verdict = decide([*up_to(step), begun(step)], NOW)
    assert (verdict.step, verdict.reason) == (Step.REVERT, f"interrupted in the middle of {step}")


def test_probing_and_confirming_are_taken_up_where_they_were_left() -> None:
    assert decide([*up_to(Step.PROBE), begun(Step.PROBE)], NOW).step is Step.PROBE
    assert decide([*up_to(Step.CONFIRM), begun(Step.CONFIRM)], NOW).step is Step.CONFIRM


@pytest.mark.parametrize("step", [Step.ARM, Step.APPLY, Step.PROBE, Step.CONFIRM])
def test_what_failed_after_an_effect_is_reverted_with_its_reason(step: Step) -> None:
    verdict = decide([*up_to(step), begun(step), Entry(step, NOW, Result.FAILED, "no")], NOW)
    assert (verdict.step, verdict.reason) == (Step.REVERT, "no")


@pytest.mark.parametrize("step", [Step.APPLY, Step.PROBE, Step.CONFIRM])
def test_shortly_before_the_device_reverts_by_itself_nothing_new_is_begun(step: Step) -> None:
    assert decide(up_to(step), DEADLINE - MARGIN - timedelta(seconds=1)).step is step
    assert decide(up_to(step), DEADLINE - MARGIN).step is Step.REVERT


def test_a_confirmation_that_had_begun_is_finished_however_late_it_is_and_whatever_anybody_wants() -> None:
    journal = [*up_to(Step.CONFIRM), begun(Step.CONFIRM)]
    assert decide(journal, DEADLINE + timedelta(hours=1), withdrawn=True).step is Step.CONFIRM


@pytest.mark.parametrize("step", [Step.APPLY, Step.PROBE, Step.CONFIRM])
def test_a_push_given_up_after_an_effect_is_reverted(step: Step) -> None:
    assert decide(up_to(step), NOW, withdrawn=True).step is Step.REVERT


@pytest.mark.parametrize("step", [Step.PLAN, Step.CHECK, Step.SNAPSHOT, Step.ARM])
def test_a_push_given_up_before_is_withdrawn(step: Step) -> None:
    assert decide(up_to(step), NOW, withdrawn=True).end is Phase.WITHDRAWN


def reverts(count: int, at: datetime, result: Result) -> list[Entry]:
    return [entry for _ in range(count) for entry in (Entry(Step.REVERT, at), Entry(Step.REVERT, at, result, "gone"))]


def test_a_box_that_is_cut_off_until_its_own_timer_fires_is_no_alarm() -> None:
    journal = [*up_to(Step.PROBE), *reverts(3 * MOST_REVERTS, NOW, Result.FAILED)]
    assert decide(journal, NOW).step is Step.REVERT
    assert phase_of(journal) is Phase.APPLIED


def test_a_box_that_does_not_revert_long_after_that_is_stuck() -> None:
    late = DEADLINE + MARGIN
    journal = [*up_to(Step.PROBE), *reverts(MOST_REVERTS - 1, late, Result.FAILED)]
    assert decide(journal, late).step is Step.REVERT
    journal += reverts(1, late, Result.FAILED)
    assert decide(journal, late).end is Phase.STUCK
    assert phase_of(journal) is Phase.STUCK


def test_reverting_that_worked_is_the_end() -> None:
    journal = [*up_to(Step.PROBE), *reverts(1, NOW, Result.FAILED), *reverts(1, NOW, Result.DONE)]
    assert decide(journal, NOW).end is Phase.REVERTED
    assert phase_of(journal) is Phase.REVERTED


@pytest.mark.parametrize("step", [Step.ARM, Step.APPLY, Step.PROBE, Step.CONFIRM])
def test_where_nothing_is_promised_what_broke_off_is_begun_again(step: Step) -> None:
    """A restart: there is nothing to go back from, and no time at which the device would."""
    journal = [*up_to(step), begun(step)]
    for resumed in (False, True):
        assert decide(journal, DEADLINE, resumed=resumed, guarded=False).step is step
    done = [*up_to(Step.APPLY), begun(Step.APPLY), Entry(Step.APPLY, DEADLINE, Result.DONE)]
    assert decide(done, DEADLINE, guarded=False).step is Step.PROBE
    failed = [*up_to(Step.APPLY), begun(Step.APPLY), Entry(Step.APPLY, DEADLINE, Result.FAILED, "not back")]
    assert decide(failed, DEADLINE, guarded=False).step is Step.REVERT
    assert decide(done, NOW, guarded=False, withdrawn=True).step is Step.REVERT


def test_a_device_that_moves_is_looked_for_where_the_journal_has_it() -> None:
    old, new = "80.1.2.6", "80.7.7.6"
    applied = [*up_to(Step.APPLY), begun(Step.APPLY), Entry(Step.APPLY, NOW, Result.DONE)]
    for journal, expected in (
        ([], (old,)),
        (up_to(Step.ARM), (old,)),
        ([*up_to(Step.APPLY), begun(Step.APPLY)], (old,)),
        (applied, (new,)),
        ([*up_to(Step.CONFIRM), begun(Step.CONFIRM)], (new,)),
        ([*up_to(Step.APPLY), begun(Step.APPLY), begun(Step.REVERT)], (old, new)),
        ([*applied, begun(Step.REVERT)], (new, old)),
    ):
        assert places(journal, old, new) == expected
        assert places(journal, old, None) == (old,)
        assert places(journal, old, old) == (old,)
