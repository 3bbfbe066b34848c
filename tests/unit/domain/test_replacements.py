"""What happens next on a replacement, over any history of steps, answers and crashes."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from cpe_manager.domain.replacement.replacements import (
    END,
    LOOKING,
    MOST_TRIES,
    Ask,
    Entry,
    Result,
    Stage,
    Step,
    Told,
    decide,
    is_restored,
    questions,
    stage_of,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DONE = [Step.KEY, Step.BOOTSTRAP, Step.REACH, Step.PLAN, Step.SWAP, Step.RESTORE, Step.TEST, Step.LOGIN, Step.CLOSE]


def entry(step: Step, result: Result | None = Result.DONE, reason: str = "") -> Entry:
    return Entry(step, NOW, result, reason)


def walked(*results: tuple[Step, Result | None]) -> list[Entry]:
    return [entry(step, result) for step, result in results]


def test_with_everything_well_the_steps_come_in_their_order_and_it_is_closed() -> None:
    journal: list[Entry] = []
    for step in DONE:
        assert decide(journal, Told()).step is step
        journal.append(entry(step))
    assert decide(journal, Told()).end is Stage.CLOSED
    assert stage_of(journal) is Stage.CLOSED


def test_a_key_and_a_plan_are_asked_for_and_looked_at_again_once_answered() -> None:
    journal = [entry(Step.KEY, Result.ASKS, "SHA256:x")]
    assert decide(journal, Told()).asks == (Ask.KEY,)
    assert decide(journal, Told(answered=1)).step is Step.KEY
    journal += walked((Step.KEY, Result.DONE), (Step.BOOTSTRAP, Result.DONE), (Step.REACH, Result.DONE))
    journal.append(entry(Step.PLAN, Result.ASKS))
    assert decide(journal, Told(answered=1)).asks == (Ask.PLAN,)
    assert decide(journal, Told(answered=2)).step is Step.PLAN


def test_another_box_than_ordered_is_looked_at_from_the_beginning_when_it_is_tried_again() -> None:
    journal = walked((Step.KEY, Result.DONE), (Step.BOOTSTRAP, Result.DONE), (Step.REACH, Result.REFUSED))
    assert decide(journal, Told()).asks == (Ask.RETRY,)
    assert decide(journal, Told(answered=1)).step is Step.KEY


def failing(times: int) -> list[Entry]:
    journal = [entry(step) for step in DONE[:5]]
    for _ in range(times):
        journal += walked((Step.RESTORE, None), (Step.RESTORE, Result.FAILED), (Step.PLAN, Result.DONE))
    return journal[:-1] if times else journal


def test_a_restore_is_tried_three_times_and_then_a_person_says_how_it_goes_on() -> None:
    assert decide(failing(MOST_TRIES - 1), Told()).step is Step.PLAN
    assert decide(failing(MOST_TRIES), Told()).asks == (Ask.CONSENT, Ask.RETRY)
    assert decide(failing(MOST_TRIES), Told(answered=1)).step is Step.PLAN
    assert decide(failing(2 * MOST_TRIES), Told(answered=1)).asks == (Ask.CONSENT, Ask.RETRY)


def test_factory_settings_need_the_customers_consent_and_a_family_that_can() -> None:
    failed = failing(MOST_TRIES)
    assert decide(failed, Told(resettable=True)).step is None
    assert decide(failed, Told(consent=True, resettable=True)).step is Step.RESET
    assert decide(failed, Told(consent=True)).end is Stage.SUPPORT
    for result in (Result.DONE, Result.FAILED):
        assert decide([*failed, entry(Step.RESET, result)], Told(consent=True, resettable=True)).end is Stage.SUPPORT


def test_consent_given_beforehand_touches_no_box_that_nobody_restored() -> None:
    journal = walked((Step.KEY, Result.DONE), (Step.BOOTSTRAP, Result.REFUSED))
    assert decide(journal, Told(consent=True, resettable=True)).asks == (Ask.RETRY,)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[list[Entry], Told]]:
    """What `decide` was asked, one look after the other, in a world where anything goes wrong for a while."""
    journal: list[Entry] = []
    told, seen = Told(resettable=draw(st.booleans())), []
    for turn in range(draw(st.integers(5, 60))):
        seen.append((list(journal), told))
        verdict = decide(journal, told)
        if verdict.end is not None:
            break
        if draw(st.integers(0, 25)) == 0:
            told = Told(told.answered, told.consent, True, told.resettable)
        if verdict.step is None:
            consents = told.consent or (Ask.CONSENT in verdict.asks and draw(st.booleans()))
            told = Told(questions(journal), consents, told.cancelled, told.resettable)
            continue
        step = verdict.step
        if step not in LOOKING and not (journal and journal[-1].step is step and journal[-1].result is None):
            journal.append(entry(step, None))
            if draw(st.integers(0, 4)) == 0:
                continue  # the process dies: another one asks
        usual = [Result.DONE, Result.DONE, Result.FAILED, Result.REFUSED]
        if step in (Step.KEY, Step.PLAN):
            usual.append(Result.ASKS)
        journal.append(entry(step, Result.DONE if turn > 40 else draw(st.sampled_from(usual))))
    return seen


@settings(max_examples=150, deadline=None)
@given(histories())
def test_whatever_happens_nothing_has_an_effect_before_key_and_plan_were_found_good(
    seen: list[tuple[list[Entry], Told]],
) -> None:
    for journal, told in seen:
        verdict = decide(journal, told)
        assert (verdict.step is not None) + bool(verdict.asks) + (verdict.end is not None) == 1
        assert stage_of(journal) in Stage
        if verdict.step in (Step.SWAP, Step.RESTORE):
            last = next((n for n in reversed(range(len(journal))) if journal[n].result is Result.REFUSED), -1)
            found_good = {e.step for e in journal[last + 1 :] if e.result is Result.DONE}
            amid = journal[-1].result is None
            assert amid or {Step.KEY, Step.BOOTSTRAP, Step.REACH, Step.PLAN} <= found_good
        if verdict.step is Step.RESET:
            assert told.consent
            assert told.resettable
            assert any(e.step is Step.RESTORE for e in journal)
        if verdict.step is Step.RESTORE:
            assert any(e.step is Step.SWAP and e.result is Result.DONE for e in journal)
        if verdict.end is Stage.CLOSED:
            assert journal[-1] == entry(Step.CLOSE)
        if verdict.end is Stage.CANCELLED:
            assert told.cancelled
            assert not is_restored(journal)
        if told.cancelled and verdict.step is not None:
            assert journal[-1].result is None or is_restored(journal)
        assert verdict.end is None or verdict.end in END


@settings(max_examples=100, deadline=None)
@given(histories())
def test_from_anywhere_it_comes_to_an_end_once_the_world_is_kind(seen: list[tuple[list[Entry], Told]]) -> None:
    journal, told = list(seen[-1][0]), seen[-1][1]
    for _ in range(30):
        verdict = decide(journal, told)
        if verdict.end is not None:
            return
        if verdict.step is None:
            told = Told(questions(journal), told.consent, told.cancelled, told.resettable)
        else:
            journal.append(entry(verdict.step))
    raise AssertionError(decide(journal, told))
