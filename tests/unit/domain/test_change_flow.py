from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cpe_manager.domain.changes.entries import EntryTerms
from cpe_manager.domain.changes.flow import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    MOST_TRIES,
    Act,
    Decision,
    Seen,
    decide,
    fee_of,
    may_execute,
    pause,
    push_key,
)
from cpe_manager.domain.changes.requests import FROM, OPEN, WITHDRAWABLE, Approval, ChangeRequest, ChangeState, Shown
from cpe_manager.domain.changes.telling import told, turned
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.domain.push.pushes import Push, PushKind, SettledAs, Settlement

S = ChangeState
NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
SHOWN = Shown("basis", "digest")
APPROVAL = Approval("bob", "b", NOW, "basis", "digest")


def change(state: ChangeState, **more: Any) -> ChangeRequest:
    values: dict[str, Any] = {
        "id": "c1", "ticket": "CHG-000001", "site_id": "i", "site": "s", "device_id": "d", "device": "r",
        "type": "dhcp", "type_version": 1, "catalogue_version": 1, "parameters": {}, "summary": "so",
        "submitted_by": "anna", "submitted_by_id": "a", "submitted_at": NOW, "state": state, "shown": SHOWN,
        "approval": APPROVAL,
    }  # fmt: skip
    return ChangeRequest(**(values | more))


def push(phase: Phase, **more: Any) -> Push:
    values: dict[str, Any] = {"phase": phase, "ended_at": NOW} | more
    return Push("p", "j", "d", "r", PushKind.CHANGE, "so", NOW, "x", "t", 300, **values)


def after(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)


def ended(one: Push, **more: Any) -> Decision:
    return decide(change(S.EXECUTING, **more), Seen(NOW, one))


def test_every_state_has_its_ways_and_closed_has_none() -> None:
    assert set(FROM) == set(ChangeState)
    assert FROM[S.CLOSED] == frozenset()
    assert all(S.WITHDRAWN in FROM[state] for state in WITHDRAWABLE)
    assert all(FROM[state] == {S.CLOSED} for state in set(ChangeState) - OPEN - {S.CLOSED})


def test_what_was_submitted_is_evaluated_and_what_is_closed_stays_so() -> None:
    assert decide(change(S.SUBMITTED), Seen(NOW)).act is Act.EVALUATE
    assert decide(change(S.CLOSED), Seen(NOW, told=True)).act is Act.WAIT


def test_an_answer_is_awaited_until_it_expires_and_the_customers_right_needs_none() -> None:
    asked = change(S.ACCEPTED, approval=None, expires_at=after(1))
    assert decide(asked, Seen(NOW)).act is Act.WAIT
    assert decide(asked, Seen(after(1))).to is S.EXPIRED
    by_right = replace(asked, by_right=True, expires_at=None)
    assert decide(by_right, Seen(NOW)) == Decision(
        Act.TURN, S.SCHEDULED, "by right of the customer (§5.2.1.1)", "", (("not_before", NOW),)
    )


def test_what_is_approved_is_scheduled_for_when_it_may_begin() -> None:
    now = decide(change(S.APPROVED), Seen(NOW, opens=NOW))
    assert (now.to, now.reason, now.values) == (S.SCHEDULED, "", (("not_before", NOW), ("tries", 0)))
    later = decide(change(S.APPROVED), Seen(NOW, opens=after(5)))
    assert (later.reason, later.values) == ("waits for the change window", (("not_before", after(5)), ("tries", 0)))
    wanted = decide(change(S.APPROVED, requested_for=after(5)), Seen(NOW, opens=after(5)))
    assert wanted.reason == "waits for the time that was asked for"


def test_what_is_scheduled_waits_is_put_off_refused_or_begun() -> None:
    due = change(S.SCHEDULED, not_before=NOW)
    assert decide(change(S.SCHEDULED, not_before=after(1)), Seen(NOW)).act is Act.WAIT
    assert decide(due, Seen(NOW, opens=after(1))).to is S.SCHEDULED
    assert decide(due, Seen(NOW, refusal=("no", "not-entitled"))).to is S.REFUSED
    assert decide(due, Seen(NOW, opens=NOW)).to is S.EXECUTING
    # How often it was tried is not forgotten on the way.
    for opens in (NOW, after(1)):
        assert dict(decide(replace(due, tries=3), Seen(NOW, opens=opens)).values)["tries"] == 3


@pytest.mark.parametrize(
    "spoilt",
    [
        {"approval": None},
        {"approval": replace(APPROVAL, digest="other")},
        {"approval": replace(APPROVAL, basis="other")},
        {"approval": replace(APPROVAL, by_id="a")},
        {"approval": replace(APPROVAL, by_id="token:b")},
        {"approval": replace(APPROVAL, by_id="system")},
        {"shown": None},
        {"shown": None, "by_right": True},
    ],
)
def test_nothing_begins_that_was_not_approved_as_it_is(spoilt: dict[str, Any]) -> None:
    due = change(S.SCHEDULED, not_before=NOW, **spoilt)
    assert not may_execute(due)
    assert decide(due, Seen(NOW)).act is Act.ASK


def test_what_executes_asks_for_its_push_once_and_waits_for_it() -> None:
    assert decide(change(S.EXECUTING), Seen(NOW)).act is Act.PUSH
    assert decide(change(S.EXECUTING), Seen(NOW, refusal=("no", "not-entitled"))).to is S.REFUSED
    assert ended(push(Phase.ARMED, ended_at=None)).act is Act.WAIT
    assert push_key(change(S.EXECUTING, round=2)) == "change:c1:2"


@pytest.mark.parametrize(
    ("one", "to"),
    [
        (push(Phase.CONFIRMED), S.DONE),
        (push(Phase.REVERTED, reason="a probe failed", code="probe-failed"), S.REVERTED),
        (push(Phase.STUCK), S.STUCK),
        (push(Phase.WITHDRAWN, code="nothing-to-change"), S.DONE),
        (push(Phase.WITHDRAWN, code="not-entitled"), S.REFUSED),
        (push(Phase.WITHDRAWN, code="withdrawn", withdrawn_by="op"), S.WITHDRAWN),
        (push(Phase.WITHDRAWN, code="lockout", reason="locked out"), S.REVERTED),
        (push(Phase.WITHDRAWN, code="auth_failed"), S.REVERTED),
        (push(Phase.REVERTED, reason="interrupted in the middle of apply", withdrawn_by="op"), S.REVERTED),
    ],
)
def test_what_became_of_its_push_is_what_became_of_a_request(one: Push, to: ChangeState) -> None:
    assert ended(one).to is to


def test_a_device_that_was_changed_is_asked_about_again() -> None:
    assert ended(push(Phase.WITHDRAWN, code="device-changed")).act is Act.ASK


@pytest.mark.parametrize(
    "one",
    [
        push(Phase.WITHDRAWN, code="connect_failed", reason="nobody there"),
        push(Phase.WITHDRAWN, code="timeout"),
        push(Phase.REVERTED, reason="interrupted before anything was applied"),
    ],
)
def test_what_had_no_effect_is_tried_again_under_another_key(one: Push) -> None:
    found = ended(one, tries=2, round=4)
    assert found.to is S.SCHEDULED
    assert dict(found.values) == {"round": 5, "push_id": None, "tries": 3, "not_before": NOW + pause(2)}


def test_a_device_that_cannot_be_reached_is_tried_for_a_day() -> None:
    one = push(Phase.WITHDRAWN, code="connect_failed", reason="nobody there")
    late = ended(one, tries=MOST_TRIES)
    assert (late.to, late.reason) == (S.REVERTED, "nothing was done on the device: nobody there")
    assert ended(one, tries=MOST_TRIES - 1).to is S.SCHEDULED
    assert timedelta(hours=20) < sum((pause(tries) for tries in range(MOST_TRIES)), timedelta()) < timedelta(hours=28)


def test_pauses_grow_to_an_hour() -> None:
    assert [pause(0), pause(1), pause(50)] == [FIRST_PAUSE, 2 * FIRST_PAUSE, LONGEST_PAUSE]


@pytest.mark.parametrize(
    ("how", "to"), [(SettledAs.AFTER, S.DONE), (SettledAs.BEFORE, S.REVERTED), (SettledAs.LATER, S.REVERTED)]
)
def test_what_is_stuck_waits_for_somebody_who_looks(how: SettledAs, to: ChangeState) -> None:
    assert decide(change(S.STUCK), Seen(NOW, push(Phase.STUCK))).act is Act.WAIT
    assert decide(change(S.STUCK), Seen(NOW)).act is Act.WAIT
    settled = push(Phase.STUCK, settled=Settlement(how, NOW, "op", "seen"))
    assert decide(change(S.STUCK), Seen(NOW, settled)).to is to


@pytest.mark.parametrize("state", sorted(set(ChangeState) - OPEN - {S.CLOSED}))
def test_what_has_ended_is_closed_when_everyone_was_told(state: ChangeState) -> None:
    assert decide(change(state), Seen(NOW)).act is Act.WAIT
    assert decide(change(state, reason="why"), Seen(NOW, told=True)) == Decision(
        Act.TURN, S.CLOSED, "why", "", (("closed_at", NOW),)
    )


@pytest.mark.parametrize(
    ("days", "billable"), [(0, False), (6.99, False), (7, False), (7.01, True), (100, True), (None, False)]
)
def test_an_intervention_is_billable_after_the_first_week(days: float | None, billable: bool) -> None:
    terms = EntryTerms("dhcp", 1, "DHCP", "§5.2.2", ())
    activated = None if days is None else NOW - timedelta(days=days)
    assert fee_of(terms, activated, NOW, 7).billable is billable
    assert not fee_of(replace(terms, fee=False), activated, NOW, 7).billable


def test_a_step_begins_anew_what_was_noted_of_trying() -> None:
    before = change(S.SCHEDULED, tries=4, look_at=NOW, revision=3)
    made = turned(before, S.EXECUTING, "why", "code", [("look_at", after(1))])
    assert (made.revision, made.state, made.tries, made.look_at, made.reason, made.code) == (
        4, S.EXECUTING, 0, after(1), "why", "code",
    )  # fmt: skip
    event = told(replace(made, state=S.STUCK), NOW, "x")
    assert (event.kind, event.severity, event.data["site"]) == ("change.stuck", "error", "s")
    assert event.message == "CHG-000001 r: so: stuck: why"
