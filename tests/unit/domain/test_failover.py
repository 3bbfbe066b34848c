"""What becomes of a line: each row of the state machine, each order, and what is written of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cpe_manager.domain.failover.failover import Outcome, act_under_way, decide, record_after
from cpe_manager.domain.failover.lines import (
    Act,
    Carrier,
    Condition,
    Decision,
    FailoverPolicy,
    FailoverState,
    LineRecord,
    Verdict,
)
from tests.support.line_evidence import START, a_line, a_record

State = FailoverState
POLICY = FailoverPolicy()
UP = Verdict(Condition.UP, START - 900.0, ("fixed line: answers",), mobile_ok=True, mobile_since=START - 900.0)
DOWN = replace(UP, condition=Condition.LINE_DOWN, since=START - 3.0, reasons=("fixed line: 3 in a row unanswered",))
DEAD = replace(DOWN, condition=Condition.CPE_DEAD, mobile_ok=False)
UNKNOWN = Verdict(Condition.UNKNOWN, START, ("nothing has been seen of the fixed line yet",))
DONE = Outcome(True, "verified from outside")
FAILED = Outcome(False, "nothing answers through mobile", defective=True)
MOBILE = a_record(state=State.MOBILE, carrier=Carrier.MOBILE, condition=Condition.LINE_DOWN, by="manager",
                  switch_id="s-1", since=START - 2000.0, flaps=(START - 2000.0,))  # fmt: skip


def taken(record: LineRecord, verdict: Verdict, now: float = START, **more: object) -> tuple[LineRecord, Decision]:
    decision = decide(record, verdict, now, POLICY, **more)  # type: ignore[arg-type]
    assert decision.reasons
    assert all(decision.reasons)
    return record_after(record, decision, verdict, now), decision


def test_a_line_that_is_well_stays_and_nothing_is_written() -> None:
    record = a_record()
    after, decision = taken(record, UP)
    assert (after, decision.act, decision.priority, decision.backup_defective) == (record, Act.NOTHING, None, False)


def test_a_suspicion_moves_the_state_and_nothing_else() -> None:
    after, decision = taken(a_record(), replace(UP, suspicion=True))
    assert (after.state, decision.act, decision.priority) == (State.SUSPECT, Act.NOTHING, None)
    back, _ = taken(after, UP)
    assert back.state is State.FIXED


def test_a_loss_is_switched_and_remembered_as_one() -> None:
    after, decision = taken(a_record(), DOWN)
    assert (after.state, decision.act, decision.priority) == (State.SWITCHING, Act.SWITCH, 2)
    assert (after.flaps, after.by, after.carrier) == ((DOWN.since,), "manager", Carrier.FIXED)
    assert "fixed line: 3 in a row unanswered" in after.reasons


def test_a_switch_that_is_done_makes_the_backup_active() -> None:
    switching, _ = taken(a_record(), DOWN)
    after, decision = taken(switching, DOWN, START + 1.0, done=DONE)
    assert (after.state, after.carrier, decision.priority) == (State.MOBILE, Carrier.MOBILE, 2)
    assert (after.test_ok, after.tested_at, after.attempts) == (True, START + 1.0, 0)


@pytest.mark.parametrize("verdict", [UP, DOWN, DEAD, UNKNOWN])
@pytest.mark.parametrize("state", [State.SWITCHING, State.RETURNING])
def test_while_something_is_under_way_nothing_else_is_done(state: State, verdict: Verdict) -> None:
    record = a_record(state=state, since=START - 10.0, condition=Condition.LINE_DOWN, wanted="return")
    after, decision = taken(record, verdict)
    assert (after.state, decision.act) == (state, Act.NOTHING)


def test_a_switch_that_is_not_done_in_time_is_rolled_back() -> None:
    record = a_record(state=State.SWITCHING, since=START - POLICY.switch_within, condition=Condition.LINE_DOWN)
    after, decision = taken(record, DOWN)
    assert (after.state, decision.act, after.attempts) == (State.RETURNING, Act.ROLL_BACK, 1)
    assert act_under_way(after) is Act.ROLL_BACK


def test_a_switch_that_failed_is_rolled_back_and_leaves_the_line_without_backup() -> None:
    switching = replace(taken(a_record(), DOWN)[0], switch_id="s-1")
    back, decision = taken(switching, DOWN, START + 2.0, done=FAILED)
    assert (back.state, decision.act, back.test_ok) == (State.RETURNING, Act.ROLL_BACK, False)
    after, decision = taken(back, DOWN, START + 4.0, done=DONE)
    assert (after.state, decision.priority, decision.backup_defective) == (State.FAILED, 1, True)
    assert (after.switch_id, after.carrier, after.attempts) == ("", Carrier.FIXED, 1)


def test_a_failed_switch_is_tried_again_later_and_later() -> None:
    record = a_record(state=State.FAILED, condition=Condition.LINE_DOWN, since=START, flaps=(START,), attempts=1)
    assert taken(record, DOWN, START + 119.0)[1].act is Act.NOTHING
    assert taken(record, DOWN, START + 119.0)[1].look_again == START + 120.0
    assert taken(record, DOWN, START + 120.0)[1].act is Act.SWITCH
    record = replace(record, attempts=3)
    assert taken(record, DOWN, START + 479.0)[1].act is Act.NOTHING
    assert taken(record, DOWN, START + 480.0)[1].act is Act.SWITCH


def test_a_roll_back_when_the_line_is_up_again_ends_on_the_fixed_line() -> None:
    record = a_record(state=State.RETURNING, since=START - 1.0, attempts=1, switch_id="s-1")
    after, decision = taken(record, UP, done=DONE)
    assert (after.state, after.attempts, after.switch_id, decision.priority) == (State.FIXED, 0, "", None)


def test_a_roll_back_that_failed_is_made_good_when_the_line_is_up() -> None:
    record = a_record(
        state=State.RETURNING, since=START - 1.0, attempts=1, switch_id="s-1", condition=Condition.LINE_DOWN
    )
    failed, _ = taken(record, DOWN, done=Outcome(False, "the box does not answer"))
    assert (failed.state, failed.switch_id, failed.attempts) == (State.FAILED, "s-1", 2)
    assert taken(failed, UP, START + 5.0)[1].act is Act.NOTHING
    after, decision = taken(failed, UP, START + POLICY.retry_after)
    assert (after.state, decision.act) == (State.RETURNING, Act.ROLL_BACK)


def test_traffic_returns_when_the_line_is_up_for_long_enough_and_not_before() -> None:
    up = replace(UP, since=START)
    _, decision = taken(MOBILE, up, START + 299.0)
    assert (decision.act, decision.priority, decision.look_again) == (Act.NOTHING, 2, START + 300.0)
    after, decision = taken(MOBILE, up, START + 300.0)
    assert (after.state, decision.act, act_under_way(after)) == (State.RETURNING, Act.RETURN, Act.RETURN)
    home, decision = taken(after, up, START + 302.0, done=DONE)
    assert (home.state, home.carrier, home.switch_id, home.by, decision.priority) == (
        State.FIXED,
        Carrier.FIXED,
        "",
        "",
        None,
    )


@pytest.mark.parametrize("verdict", [replace(UP, condition=Condition.DEGRADED), replace(UP, suspicion=True),
                                     replace(UP, condition=Condition.MANAGEMENT_ONLY), UNKNOWN])  # fmt: skip
def test_traffic_does_not_return_to_a_line_that_is_not_well(verdict: Verdict) -> None:
    after, decision = taken(MOBILE, verdict)
    assert (after.state, decision.act, decision.priority) == (State.MOBILE, Act.NOTHING, 2)


def test_quiet_hours_hold_a_return_back_with_their_reason() -> None:
    _, decision = taken(MOBILE, UP, may_return="quiet hours (daily 08:00-18:00)")
    assert decision.act is Act.NOTHING
    assert "quiet hours" in decision.reasons[0]
    assert decision.look_again is not None


def test_each_loss_makes_the_wait_longer() -> None:
    up = replace(UP, since=START)
    record = replace(MOBILE, flaps=(START - 900.0, START - 500.0))
    assert taken(record, up, START + 599.0)[1].act is Act.NOTHING
    assert taken(record, up, START + 600.0)[1].act is Act.RETURN


def test_a_loss_while_mobile_carries_counts_too() -> None:
    record = replace(MOBILE, condition=Condition.UP)
    after, decision = taken(record, DOWN)
    assert (after.state, decision.act, len(after.flaps)) == (State.MOBILE, Act.NOTHING, 2)
    assert taken(after, DOWN)[0] == after


def test_a_return_that_failed_leaves_mobile_carrying_and_is_tried_again_later() -> None:
    record = replace(MOBILE, state=State.RETURNING, since=START)
    after, decision = taken(record, UP, START + 3.0, done=Outcome(False, "the box refused"))
    assert (after.state, after.carrier, after.switch_id, decision.priority) == (State.MOBILE, Carrier.MOBILE, "s-1", 2)
    assert decision.backup_defective is False
    assert taken(after, UP, START + 100.0)[1].act is Act.NOTHING
    assert taken(after, UP, START + 123.0)[1].act is Act.RETURN


def test_mobile_that_dies_while_it_carries_is_both_incidents() -> None:
    after, decision = taken(replace(MOBILE), replace(DOWN, mobile_ok=False, mobile_since=START - 3.0))
    assert (after.state, after.carrier) == (State.FAILED, Carrier.MOBILE)
    assert (decision.act, decision.priority, decision.backup_defective) == (Act.NOTHING, 1, True)
    again, decision = taken(after, DOWN)
    assert (again.state, decision.act, decision.priority) == (State.MOBILE, Act.NOTHING, 2)


def test_mobile_that_dies_while_the_fixed_line_is_up_returns_at_once() -> None:
    _, decision = taken(MOBILE, replace(UP, since=START - 4.0, mobile_ok=False, mobile_since=START - 3.0))
    assert decision.act is Act.RETURN


def test_mobile_dead_and_line_up_again_after_all_had_failed_returns_at_once() -> None:
    record = replace(MOBILE, state=State.FAILED)
    assert taken(record, replace(UP, since=START - 4.0, mobile_ok=False))[1].act is Act.RETURN


@pytest.mark.parametrize("state", [State.FIXED, State.SUSPECT])
def test_a_dead_box_is_an_incident_and_nothing_is_switched(state: State) -> None:
    after, decision = taken(a_record(state=state), DEAD)
    assert (after.state, decision.act, decision.priority, decision.backup_defective) == (
        State.FAILED,
        Act.NOTHING,
        1,
        None,
    )


def test_a_box_that_comes_back_without_its_line_is_switched() -> None:
    failed, _ = taken(a_record(), DEAD)
    waiting, decision = taken(failed, replace(DOWN, wait_until=START + 60.0))
    assert (waiting.state, decision.act, decision.look_again) == (State.FAILED, Act.NOTHING, START + 60.0)
    assert taken(waiting, DOWN, START + 60.0)[1].act is Act.SWITCH


def test_a_line_without_mobile_backup_is_a_p1_with_the_reason() -> None:
    record = a_record(line=a_line(formula="p"))
    after, decision = taken(record, DOWN, entitled=record.line.setup.entitled)
    assert (after.state, decision.act, decision.priority, decision.backup_defective) == (
        State.FAILED,
        Act.NOTHING,
        1,
        False,
    )
    assert "Pro+" in decision.reasons[0]


def test_the_data_cap_holds_a_switch_back_with_its_reason() -> None:
    after, decision = taken(a_record(), DOWN, may_switch="data cap: 500 of 500 MB used over mobile this month")
    assert (after.state, decision.act, decision.priority) == (State.FAILED, Act.NOTHING, 1)
    assert taken(after, DOWN)[1].act is Act.SWITCH


def test_a_silent_mobile_way_is_not_switched_to() -> None:
    after, decision = taken(a_record(), replace(DOWN, mobile_ok=False, mobile_since=START - 5.0))
    assert (after.state, decision.act, decision.priority, decision.backup_defective) == (
        State.FAILED,
        Act.NOTHING,
        1,
        True,
    )


def test_a_line_that_was_never_seen_up_is_not_moved_by_itself_but_by_an_operator() -> None:
    record = LineRecord(a_line())
    after, decision = taken(record, DOWN)
    assert (after.state, decision.act) == (State.FAILED, Act.NOTHING)
    assert taken(after, DOWN)[1].act is Act.NOTHING
    assert taken(replace(after, wanted="switch", wanted_by="ann"), DOWN)[1].act is Act.SWITCH


def test_a_line_of_a_node_that_is_down_switches_when_its_turn_has_come() -> None:
    after, decision = taken(a_record(), DOWN, node_down=True, may_switch="its turn has not come")
    assert (after.state, after.condition, decision.act) == (State.FAILED, Condition.NODE_DOWN, Act.NOTHING)
    assert decision.look_again is not None
    after, decision = taken(after, DOWN, node_down=True)
    assert (after.state, after.condition, decision.act) == (State.SWITCHING, Condition.NODE_DOWN, Act.SWITCH)
    assert len(after.flaps) == 1


def test_a_line_that_is_up_again_after_it_had_failed_is_fixed_and_its_incident_closed() -> None:
    record = a_record(state=State.FAILED, condition=Condition.LINE_DOWN, flaps=(START - 50.0,), attempts=2)
    after, decision = taken(record, UP)
    assert (after.state, after.attempts, decision.act, decision.priority) == (State.FIXED, 0, Act.NOTHING, None)


def test_a_degraded_line_is_a_p2_and_stays_where_it_is() -> None:
    after, decision = taken(a_record(), replace(UP, condition=Condition.DEGRADED))
    assert (after.state, decision.act, decision.priority) == (State.FIXED, Act.NOTHING, 2)


def test_a_cut_management_way_is_no_incident_of_the_line() -> None:
    after, decision = taken(a_record(), replace(UP, condition=Condition.MANAGEMENT_ONLY))
    assert (after.state, decision.act, decision.priority) == (State.FIXED, Act.NOTHING, None)


@pytest.mark.parametrize("state", [each for each in State if each not in (State.SWITCHING, State.RETURNING)])
@pytest.mark.parametrize("wanted", ["", "switch", "test", "return"])
def test_nothing_is_moved_while_nothing_is_known_and_incidents_stay(state: State, wanted: str) -> None:
    carrier = Carrier.MOBILE if state is State.MOBILE else Carrier.FIXED
    record = a_record(
        state=state, carrier=carrier, condition=Condition.LINE_DOWN, flaps=(START,), wanted=wanted, switch_id="s"
    )
    after, decision = taken(record, UNKNOWN)
    assert (after.state, after.condition, decision.act) == (state, Condition.LINE_DOWN, Act.NOTHING)
    assert decision.priority is not None
    assert decision.backup_defective is None


# Orders.


def test_what_an_operator_switched_stays_until_an_operator_returns_it() -> None:
    record, decision = taken(a_record(wanted="switch", wanted_by="ann"), UP)
    assert (decision.act, record.by, record.wanted) == (Act.SWITCH, "ann", "switch")
    record, decision = taken(record, UP, START + 1.0, done=DONE)
    assert (record.state, record.wanted, record.by) == (State.MOBILE, "", "ann")
    assert taken(record, UP, START + 50_000.0)[1].act is Act.NOTHING
    record, decision = taken(replace(record, wanted="return", wanted_by="bob"), UP, START + 50_001.0)
    assert decision.act is Act.RETURN
    record, decision = taken(record, UP, START + 50_002.0, done=DONE)
    assert (record.state, record.wanted, decision.priority) == (State.FIXED, "", None)


def test_an_ordered_switch_that_failed_is_over() -> None:
    record, _ = taken(a_record(wanted="switch", wanted_by="ann"), UP)
    record, decision = taken(record, UP, START + 1.0, done=FAILED)
    assert (decision.act, record.wanted) == (Act.ROLL_BACK, "")
    assert taken(record, UP, START + 2.0, done=DONE)[0].state is State.FIXED


@pytest.mark.parametrize("verdict", [DEAD, replace(UP, condition=Condition.MANAGEMENT_ONLY)])
def test_an_ordered_switch_of_a_box_out_of_reach_is_refused(verdict: Verdict) -> None:
    after, decision = taken(a_record(wanted="switch", wanted_by="ann"), verdict)
    assert (decision.act, after.wanted) == (Act.NOTHING, "")
    assert "cannot be reached" in decision.reasons[0]


def test_an_ordered_switch_of_a_line_without_backup_is_refused() -> None:
    after, decision = taken(
        a_record(wanted="switch", wanted_by="ann"), UP, entitled="mobile backup was not ordered (§3.8)"
    )
    assert (decision.act, after.wanted) == (Act.NOTHING, "")


def test_an_ordered_return_to_a_line_that_is_down_is_refused() -> None:
    after, decision = taken(replace(MOBILE, wanted="return", wanted_by="ann"), DOWN)
    assert (after.state, after.wanted, decision.act) == (State.MOBILE, "", Act.NOTHING)


def test_an_ordered_return_does_not_wait_for_the_line_to_be_stable_nor_for_quiet_hours() -> None:
    record = replace(MOBILE, wanted="return", wanted_by="ann")
    assert taken(record, replace(UP, since=START - 1.0), may_return="quiet hours")[1].act is Act.RETURN


def test_a_held_line_is_not_moved_and_its_incidents_stay_right() -> None:
    held, decision = taken(a_record(wanted="hold", wanted_by="ann"), UP)
    assert (held.state, held.held_from, held.wanted, decision.priority) == (State.HELD, State.FIXED, "", None)
    after, decision = taken(held, DOWN)
    assert (after.state, decision.act, decision.priority) == (State.HELD, Act.NOTHING, 1)
    assert taken(after, UP)[1].priority is None
    refused, decision = taken(replace(after, wanted="switch"), DOWN)
    assert (refused.state, refused.wanted, decision.act) == (State.HELD, "", Act.NOTHING)


def test_a_line_held_on_mobile_stays_there_and_goes_on_when_it_is_released() -> None:
    held, decision = taken(replace(MOBILE, wanted="hold", wanted_by="ann"), UP)
    assert (held.state, held.carrier, decision.priority) == (State.HELD, Carrier.MOBILE, 2)
    assert taken(held, UP, START + 9999.0)[1].act is Act.NOTHING
    free, _ = taken(replace(held, wanted="release"), UP, START + 9999.0)
    assert (free.state, free.held_from) == (State.MOBILE, None)
    assert taken(free, UP, START + 9999.0)[1].act is Act.RETURN


def test_a_line_released_while_it_is_down_is_switched() -> None:
    held = a_record(
        state=State.HELD, held_from=State.FIXED, condition=Condition.LINE_DOWN, flaps=(START,), wanted="release"
    )
    free, _ = taken(held, DOWN)
    assert free.state is State.FAILED
    assert taken(free, DOWN)[1].act is Act.SWITCH


def test_an_order_to_hold_waits_until_what_is_under_way_is_done() -> None:
    record, _ = taken(a_record(), DOWN)
    record = replace(record, wanted="hold", wanted_by="ann")
    record, _ = taken(record, DOWN, START + 1.0, done=DONE)
    assert (record.state, record.wanted) == (State.MOBILE, "hold")
    assert taken(record, DOWN, START + 1.0)[0].state is State.HELD


def test_a_test_switches_verifies_and_returns_without_an_incident() -> None:
    record, decision = taken(a_record(wanted="test", wanted_by="schedule"), UP)
    assert (decision.act, decision.priority, record.flaps) == (Act.SWITCH, None, ())
    record, decision = taken(record, UP, START + 1.0, done=DONE)
    assert (record.state, decision.priority, record.test_ok, record.tested_at) == (
        State.MOBILE,
        None,
        True,
        START + 1.0,
    )
    record, decision = taken(record, UP, START + 1.0)
    assert (decision.act, decision.priority) == (Act.RETURN, None)
    record, decision = taken(record, UP, START + 2.0, done=DONE)
    assert (record.state, record.wanted, record.by, decision.priority) == (State.FIXED, "", "", None)


def test_a_test_that_failed_is_a_defective_backup_and_nothing_else() -> None:
    record, _ = taken(a_record(wanted="test", wanted_by="schedule"), UP)
    record, decision = taken(record, UP, START + 1.0, done=Outcome(False, "the fixed address does not answer"))
    assert (decision.act, record.test_ok, decision.priority, decision.backup_defective) == (
        Act.ROLL_BACK,
        False,
        None,
        True,
    )
    record, decision = taken(record, UP, START + 2.0, done=DONE)
    assert (record.state, record.wanted, decision.priority, decision.backup_defective) == (State.FIXED, "", None, True)


def test_a_line_that_goes_down_in_a_test_makes_it_earnest() -> None:
    record, _ = taken(a_record(wanted="test", wanted_by="schedule"), UP)
    record, _ = taken(record, DOWN, START + 1.0, done=DONE)
    record, decision = taken(record, DOWN, START + 1.0)
    assert (record.state, record.by, record.wanted, decision.act, decision.priority) == (
        State.MOBILE,
        "manager",
        "",
        Act.NOTHING,
        2,
    )
    assert taken(record, replace(UP, since=START + 10.0), START + 400.0)[1].act is Act.RETURN


SILENT = replace(UP, mobile_ok=False, mobile_since=START)
CUT_OFF = replace(UP, condition=Condition.MANAGEMENT_ONLY)


@pytest.mark.parametrize(("record", "verdict"), [(MOBILE, DOWN), (a_record(), SILENT), (a_record(), CUT_OFF)])
def test_a_test_of_a_line_that_is_not_well_is_refused(record: LineRecord, verdict: Verdict) -> None:
    after, decision = taken(replace(record, wanted="test"), verdict)
    assert (after.state, after.wanted, decision.act) == (record.state, "", Act.NOTHING)


def test_a_loss_is_not_forgotten_for_a_test_that_is_refused() -> None:
    after, decision = taken(a_record(wanted="test"), DOWN)
    assert (decision.act, after.by, after.wanted) == (Act.SWITCH, "manager", "")


# Boxes that move by themselves.


def test_a_box_that_has_moved_by_itself_is_followed_both_ways() -> None:
    own = a_line(moves="cpe")
    away = replace(UP, carries=Carrier.MOBILE, carries_at=START)
    record, decision = taken(a_record(line=own), away)
    assert (decision.act, record.by) == (Act.SWITCH, "cpe")
    record, _ = taken(record, away, START + 1.0, done=DONE)
    assert taken(record, away, START + 1.0)[1].act is Act.NOTHING
    assert taken(record, away, START + 302.0)[1].act is Act.RETURN
    home = replace(UP, carries=Carrier.FIXED, carries_at=START + 5.0)
    assert taken(record, home, START + 6.0)[1].act is Act.RETURN


def test_what_a_box_said_before_it_was_returned_is_not_taken_for_another_move() -> None:
    record = a_record(line=a_line(moves="cpe"), since=START)
    assert taken(record, replace(UP, carries=Carrier.MOBILE, carries_at=START - 2.0), START + 1.0)[1].act is Act.NOTHING


def test_who_moved_the_box_is_noted() -> None:
    switching, _ = taken(a_record(line=a_line(moves="cpe")), DOWN)
    after, _ = taken(switching, DOWN, START + 1.0, done=Outcome(True, "the box had moved by itself", by="cpe"))
    assert after.by == "cpe"


# The backup's own incident.


def test_a_mobile_way_that_is_silent_for_long_is_a_defective_backup_and_one_that_fades_is_not() -> None:
    fading = replace(UP, mobile_ok=False, mobile_since=START - 20.0)
    assert taken(a_record(), fading)[1].backup_defective is None
    assert taken(a_record(), fading)[1].look_again == START + 280.0
    silent = replace(UP, mobile_ok=False, mobile_since=START - 300.0)
    assert taken(a_record(), silent)[1].backup_defective is True
    back = replace(UP, mobile_ok=True, mobile_since=START - 5.0)
    assert taken(a_record(), back)[1].backup_defective is None
    assert taken(a_record(), replace(back, mobile_since=START - 60.0))[1].backup_defective is False


def test_a_second_switch_that_failed_for_whatever_reason_makes_the_backup_defective() -> None:
    record = a_record(state=State.SWITCHING, since=START - 5.0, condition=Condition.LINE_DOWN, attempts=1)
    assert taken(record, DOWN, done=Outcome(False, "the edge did not answer"))[1].backup_defective is True
    assert (
        taken(replace(record, attempts=0), DOWN, done=Outcome(False, "the edge did not answer"))[1].backup_defective
        is False
    )


def test_what_a_test_found_defective_stays_so_until_it_is_proved_again() -> None:
    record = a_record(test_ok=False, tested_at=START - 500.0)
    assert taken(record, UP)[1].backup_defective is True
    record, _ = taken(record, DOWN)
    record, decision = taken(record, DOWN, START + 1.0, done=DONE)
    assert (record.test_ok, decision.backup_defective) == (True, False)
