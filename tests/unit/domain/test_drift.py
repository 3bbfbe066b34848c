"""How a device stands is a fold over what was seen of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cpe_manager.domain.backup.drift import Confirmation, LastChange, Sight, Standing, Verdict, adopted, judged

T0 = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
MIKE = LastChange("mike", "yesterday", "the box")


def at(hours: int) -> datetime:
    return T0 + timedelta(hours=hours)


def stored(hours: int, text: str, **more: object) -> Sight:
    return Sight(at(hours), f"id-{hours}", text, **more)  # type: ignore[arg-type]


def first() -> Standing:
    standing = judged(None, stored(0, "a"))
    assert standing is not None
    return standing


def after(before: Standing, sight: Sight) -> Standing:
    standing = judged(before, sight)
    assert standing is not None
    return standing


def test_the_first_version_is_the_confirmed_one() -> None:
    assert (first().confirmed_id, first().how, first().verdict) == ("id-0", Confirmation.FIRST, Verdict.IN_STEP)


def test_of_what_was_never_stored_nothing_is_known() -> None:
    assert judged(None, Sight(at(1), saved=False)) is None


def test_since_is_when_it_began_and_who_is_of_the_last_look() -> None:
    drifted = after(first(), stored(1, "b", change=MIKE))
    assert (drifted.verdict, drifted.changed_since, drifted.change) == (Verdict.CHANGED, at(1), MIKE)
    again = after(drifted, stored(2, "c"))
    assert (again.changed_since, again.change, again.confirmed_id) == (at(1), None, "id-0")
    back = after(again, stored(3, "a"))
    assert (back.verdict, back.change, back.confirmed_id) == (Verdict.IN_STEP, None, "id-0")


def test_a_push_is_wanted_and_saved_whatever_was_before() -> None:
    drifted = after(first(), stored(1, "b", saved=False, change=MIKE))
    assert drifted.verdict is Verdict.CHANGED_UNSAVED
    pushed = after(drifted, stored(2, "c", wanted=True, by="ann"))
    assert (pushed.verdict, pushed.confirmed_id, pushed.confirmed_by) == (Verdict.IN_STEP, "id-2", "ann")
    assert (pushed.how, pushed.startup_at) == (Confirmation.PUSH, at(2))


def test_a_push_of_which_no_version_came_only_tells_that_all_is_saved() -> None:
    drifted = after(first(), stored(1, "b", saved=False))
    assert after(drifted, Sight(at(2), wanted=True)).verdict is Verdict.CHANGED


def test_adopting_leaves_what_is_not_saved() -> None:
    drifted = after(first(), stored(1, "b", saved=False, change=MIKE))
    taken = adopted(drifted, "id-1", "b", at=at(5), by="ann")
    assert (taken.verdict, taken.change, taken.how) == (Verdict.UNSAVED, None, Confirmation.ADOPTED)
    assert after(taken, stored(6, "a")).verdict is Verdict.CHANGED_UNSAVED


sights = st.builds(
    lambda text, wanted, saved, kept: (text, wanted, saved, kept),
    st.sampled_from("abc"),
    st.booleans(),
    st.sampled_from([None, True, False]),
    st.booleans(),
)


@given(st.lists(sights, max_size=12))
def test_whatever_was_seen_the_verdict_is_that_of_the_last_look(
    seen: list[tuple[str, bool, bool | None, bool]],
) -> None:
    standing: Standing | None = None
    wanted_text, running, unsaved = "", "", False
    for hour, (text, wanted, saved, kept) in enumerate(seen):
        # What is not stored again is what ran before.
        new = running == "" or (not kept and text != running)
        sight = stored(hour, text, wanted=wanted, saved=saved) if new else Sight(at(hour), saved=saved)
        if new:
            running = text
            wanted_text = text if wanted or standing is None else wanted_text
        unsaved = False if new and wanted else unsaved if saved is None else not saved
        standing = judged(standing, sight)
        assert standing is not None
        assert (standing.changed_since is not None) == (running != wanted_text)
        assert (standing.unsaved_since is not None) == unsaved
        assert standing.fingerprint == wanted_text
