"""What is said of a line, and what it takes until it is said."""

from __future__ import annotations

import pickle
import sys
from dataclasses import replace

import pytest

from cpe_manager.domain.failover.failover_policy import policy_of
from cpe_manager.domain.failover.line_watch import DYING_GASP, Memory, needed
from cpe_manager.domain.failover.lines import Carrier, Condition, Evidence, FailoverPolicy, Source, Way
from tests.support.line_evidence import Seen

UP, DEGRADED, UNKNOWN = Condition.UP, Condition.DEGRADED, Condition.UNKNOWN
LINE_DOWN, CPE_DEAD, MANAGEMENT = Condition.LINE_DOWN, Condition.CPE_DEAD, Condition.MANAGEMENT_ONLY


def test_nothing_is_known_of_a_line_that_nobody_has_looked_at() -> None:
    assert Seen().condition is UNKNOWN
    assert Seen().verdict.reasons


def test_a_line_that_answers_is_up_since_its_first_answer() -> None:
    seen = Seen().probes(3, True, True)
    assert (seen.condition, seen.verdict.since) == (UP, seen.now - 2.0)


def test_a_line_is_down_after_as_many_misses_in_a_row_as_the_policy_says_and_not_before() -> None:
    seen = Seen().well().probes(2, False, True)
    assert (seen.condition, seen.verdict.suspicion) == (UP, True)
    seen.probes(1, False, True)
    assert (seen.condition, seen.verdict.since) == (LINE_DOWN, seen.now - 2.0)


def test_a_single_answer_begins_the_count_of_misses_anew() -> None:
    assert Seen().well().probes(2, False, True).probes(1, True, True).probes(2, False, True).condition is UP


def test_a_single_answer_does_not_bring_a_line_up_again() -> None:
    seen = Seen().well().probes(5, False, True)
    assert seen.condition is LINE_DOWN
    assert seen.probes(2, True, True).condition is LINE_DOWN
    assert seen.probes(1, True, True).condition is UP
    assert seen.verdict.since == seen.now - 2.0


def test_a_line_that_loses_single_probes_needs_more_of_them_in_a_row() -> None:
    seen = Seen().well()
    for _ in range(12):
        seen.probes(9, True, True).probes(1, False, True)
    seen.probes(2, True, True)
    policy = seen.policy
    assert policy.misses < needed(seen.memory.unrest, policy) <= 4 * policy.misses
    assert seen.probes(policy.misses + 1, False, True).condition is not LINE_DOWN
    assert seen.probes(3 * policy.misses, False, True).condition is LINE_DOWN


@pytest.mark.parametrize("unrest", [0.0, 0.001, 0.01, 0.05, 0.2, 0.5, 0.99])
def test_never_more_than_four_times_the_misses_are_needed(unrest: float) -> None:
    policy = FailoverPolicy()
    assert policy.misses <= needed(unrest, policy) <= 4 * policy.misses


def test_bfd_that_goes_down_is_believed_at_once() -> None:
    seen = Seen().well().wait(0.3).bfd(True).wait(0.5).of(Source.ICMP, Way.MOBILE, True).wait(0.1).bfd(False)
    assert seen.condition is LINE_DOWN


def test_an_answer_after_bfd_went_down_refutes_it() -> None:
    seen = Seen().well().bfd(True).wait(0.6)
    seen.bfd(False).wait(0.1).of(Source.ICMP, Way.FIXED, True)
    assert seen.condition is UP


def test_bfd_on_a_line_that_loses_single_probes_waits_for_a_second_witness() -> None:
    seen = Seen().well()
    for _ in range(12):
        seen.probes(9, True, True).probes(1, False, True)
    seen.probes(5, True, True).wait(0.5).bfd(False)
    assert seen.condition is not LINE_DOWN
    assert seen.probes(1, False, True).condition is LINE_DOWN


def test_bfd_that_sees_the_box_says_that_it_is_our_own_way_that_is_cut() -> None:
    seen = Seen().well().bfd(True)
    for _ in range(20):
        seen.probes(1, False, False, False).bfd(True)
        assert seen.condition not in (LINE_DOWN, CPE_DEAD)
    assert seen.condition is MANAGEMENT


def test_bfd_that_has_fallen_silent_does_not_hold_a_loss_back_for_long() -> None:
    seen = Seen().well().bfd(True).probes(3, False, True)
    assert seen.condition is UP
    assert seen.verdict.look_again is not None
    assert seen.probes(4, False, True).condition is LINE_DOWN


def test_a_session_over_mobile_says_nothing_of_the_fixed_line() -> None:
    seen = Seen().well().of(Source.BFD, Way.MOBILE, False).of(Source.BGP, Way.MOBILE, False)
    assert (seen.condition, seen.verdict.suspicion) == (UP, False)
    alone = Seen().probes(70, True).of(Source.BFD, Way.MOBILE, False)
    assert alone.verdict.mobile_ok is False


def test_a_link_down_alone_waits_for_a_second_witness() -> None:
    policy = policy_of({"trap_confirm": 2.0, "probe_every": 30.0})
    seen = Seen(policy).well().wait(1.0).trap(False, 500.0)
    assert (seen.condition, seen.verdict.suspicion) == (UP, True)
    assert seen.probes(1, False, True).condition is LINE_DOWN


def test_a_link_down_is_believed_alone_on_a_line_that_nobody_probes() -> None:
    seen = Seen().of(Source.SNMP, Way.FIXED, True, order=400.0).wait(20.0).trap(False, 420.0)
    assert seen.condition is UP
    again = seen.verdict.look_again
    assert again is not None
    seen.now = again
    assert seen.condition is LINE_DOWN


def test_a_link_down_of_a_line_that_answers_is_not_believed() -> None:
    seen = Seen().well().wait(0.5).trap(False, 500.0).probes(10, True, True)
    assert (seen.condition, seen.verdict.suspicion) == (UP, False)


def test_a_link_down_with_a_failed_probe_after_it_is_believed_at_once() -> None:
    seen = Seen().well().wait(0.5).trap(False, 500.0).probes(1, False, True)
    assert seen.condition is LINE_DOWN


def test_a_second_link_down_counts_though_the_link_up_between_was_lost() -> None:
    seen = Seen().well().wait(0.5).trap(False, 500.0).probes(60, True, True).wait(0.5).trap(False, 560.0)
    assert seen.verdict.suspicion
    assert seen.probes(1, False, True).condition is LINE_DOWN


def test_a_trap_that_comes_after_a_newer_poll_changes_nothing() -> None:
    seen = Seen().well().of(Source.SNMP, Way.FIXED, True, order=600.0).wait(0.5)
    before = pickle.dumps(seen.memory.port)
    seen.trap(False, 590.0)
    assert pickle.dumps(seen.memory.port) == before
    assert not seen.verdict.suspicion


def test_a_trap_that_comes_twice_changes_nothing_the_second_time() -> None:
    seen = Seen().well().trap(False, 500.0).wait(0.2).trap(True, 500.2).wait(0.2)
    before = pickle.dumps(seen.memory.port)
    seen.trap(False, 500.0).trap(True, 500.2)
    assert pickle.dumps(seen.memory.port) == before


def test_a_poll_from_the_agents_cache_does_not_take_a_link_down_back() -> None:
    seen = Seen().well().wait(0.1).trap(False, 500.0).wait(1.0).of(Source.SNMP, Way.FIXED, True, order=501.0)
    assert seen.memory.port.ok is False


def test_counters_that_begin_anew_are_news_of_a_box_that_has_started_again() -> None:
    seen = Seen().well().of(Source.SNMP, Way.FIXED, True, order=100_000.0).wait(60.0)
    seen.of(Source.SNMP, Way.FIXED, True, order=5.0)
    assert seen.memory.restarted == seen.now
    assert seen.wait(1.0).trap(False, 6.0).memory.port.ok is False


def test_a_trap_from_before_the_box_started_again_changes_nothing() -> None:
    seen = Seen().well().of(Source.SNMP, Way.FIXED, True, order=100_000.0).wait(60.0)
    seen.of(Source.SNMP, Way.FIXED, True, order=5.0).wait(1.0).trap(False, 100_010.0)
    assert seen.memory.port.ok is True


def test_a_cold_start_that_comes_twice_is_one() -> None:
    seen = Seen().well().trap(True, 0.5, Way.MANAGEMENT, restarted=True)
    first = seen.memory.restarted
    seen.wait(40.0).trap(True, 0.5, Way.MANAGEMENT, restarted=True)
    assert seen.memory.restarted == first


def test_a_box_without_power_is_dead_and_its_line_is_not_called_down_on_the_way() -> None:
    seen = Seen().well()
    for _ in range(60):
        seen.probes(1, False, False, False)
        assert seen.condition in (UP, CPE_DEAD)
    assert seen.condition is CPE_DEAD


def test_a_mobile_way_that_has_missed_once_is_asked_again_before_anything_is_said() -> None:
    seen = Seen().well().probes(1, False, False).probes(1, False, None).probes(1, False, None)
    assert (seen.condition, seen.verdict.suspicion) == (UP, True)
    assert seen.of(Source.ICMP, Way.MOBILE, True, at=seen.now + 0.1).wait(0.1).condition is LINE_DOWN


def test_without_a_mobile_way_a_silent_line_is_what_the_customer_feels() -> None:
    assert Seen().probes(70, True).probes(3, False).condition is LINE_DOWN


def test_without_a_mobile_way_a_dying_gasp_tells_a_box_without_power() -> None:
    seen = Seen().probes(70, True).probes(1, False).trap(False, way=Way.MANAGEMENT, what=f"{DYING_GASP}: ONT")
    assert seen.probes(2, False).condition is CPE_DEAD
    assert any("power" in reason for reason in seen.verdict.reasons)


def test_a_mobile_way_that_was_dead_long_before_says_nothing_of_the_box() -> None:
    seen = Seen().well().probes(120, True, False, True).probes(3, False, False, False)
    assert (seen.condition, seen.verdict.mobile_ok) == (LINE_DOWN, False)


def test_a_mobile_way_that_dies_while_it_carries_does_not_make_the_box_dead() -> None:
    seen = Seen().well().probes(120, False, True).probes(10, False, False)
    assert (seen.condition, seen.verdict.mobile_ok) == (LINE_DOWN, False)


def test_a_box_that_has_just_started_gets_time_for_its_line_to_train() -> None:
    seen = Seen().well().probes(90, False, False).probes(1, False, True)
    assert seen.condition is LINE_DOWN
    until = seen.verdict.wait_until
    assert until is not None
    assert until == seen.now + seen.policy.restart_grace
    seen.probes(int(seen.policy.restart_grace) + 1, False, True)
    assert (seen.condition, seen.verdict.wait_until) == (LINE_DOWN, None)


def test_a_box_that_was_only_out_of_reach_gets_no_such_time() -> None:
    seen = Seen().well().of(Source.SNMP, Way.FIXED, True, order=9000.0).probes(90, False, False).probes(1, False, True)
    seen.of(Source.SNMP, Way.MOBILE, True, order=9091.0)
    until = seen.verdict.wait_until
    assert until is not None
    assert until <= seen.now + 5.0
    assert seen.probes(5, False, True).verdict.wait_until is None


def test_when_both_ways_come_back_at_once_the_line_is_asked_before_it_is_called_down() -> None:
    seen = Seen().well().probes(90, False, False).wait(0.5).of(Source.ICMP, Way.MOBILE, True)
    for _ in range(4):
        assert seen.verdict.wait_until is not None or seen.condition is UP
        seen.probes(1, True, True)
    assert seen.condition is UP


def test_the_management_way_alone_does_not_make_a_line_down() -> None:
    assert Seen().well().probes(10, True, True, False).condition is MANAGEMENT


def test_a_box_that_answers_over_management_and_has_no_other_way_is_not_down() -> None:
    seen = Seen()
    for _ in range(70):
        seen.probes(1, True, None, True)
    for _ in range(20):
        seen.probes(1, False, None, True)
        assert seen.condition in (UP, DEGRADED)
    assert seen.condition is DEGRADED


def test_a_line_that_loses_a_tenth_is_degraded_until_it_loses_less_than_half_of_that() -> None:
    seen = Seen().well()
    for _ in range(10):
        seen.probes(7, True, True).probes(1, False, True)
    assert seen.condition is DEGRADED
    assert seen.probes(20, True, True).condition is DEGRADED
    assert seen.probes(60, True, True).condition is UP
    assert seen.verdict.since > seen.now - 60.0


def test_frames_with_errors_degrade_a_line_too() -> None:
    seen = Seen().well().of(Source.SNMP, Way.FIXED, True, order=500.0, loss=0.2)
    assert seen.condition is DEGRADED
    assert any("20 %" in reason for reason in seen.verdict.reasons)


def test_a_brown_out_is_a_loss_and_answers_between_do_not_end_it() -> None:
    seen = Seen().well()
    for _ in range(30):
        seen.probes(2, False, True).probes(1, True, True)
    assert seen.condition is LINE_DOWN
    for _ in range(10):
        seen.probes(5, True, True).probes(2, False, True)
        assert seen.condition is LINE_DOWN
    assert seen.probes(31, True, True).condition is UP


def test_an_outage_does_not_count_as_loss_once_it_is_over() -> None:
    assert Seen().well().probes(30, False, True).probes(3, True, True).condition is UP


def test_icmp_that_is_filtered_says_nothing_while_tcp_answers() -> None:
    seen = Seen()
    for _ in range(60):
        seen.probes(1, False, True).of(Source.TCP, Way.FIXED, True)
    assert (seen.condition, seen.verdict.suspicion) == (UP, False)
    for _ in range(3):
        seen.probes(1, False, True).of(Source.TCP, Way.FIXED, False)
    assert seen.condition is LINE_DOWN


def test_tcp_that_is_filtered_from_some_day_on_says_nothing_while_icmp_answers() -> None:
    seen = Seen()
    for _ in range(60):
        seen.probes(1, True, True).of(Source.TCP, Way.FIXED, True)
    for _ in range(200):
        seen.probes(1, True, True).of(Source.TCP, Way.FIXED, False)
        assert seen.condition is not LINE_DOWN
    seen.probes(12, False, True)
    assert seen.condition is LINE_DOWN
    for _ in range(10):
        seen.probes(4, True, True).of(Source.TCP, Way.FIXED, False)
    assert seen.condition is UP


def test_probes_that_could_not_be_sent_say_nothing() -> None:
    seen = Seen().well()
    for _ in range(20):
        seen.wait(1.0).of(Source.ICMP, Way.FIXED, None)
    assert (seen.condition, seen.verdict.suspicion) == (UP, False)


def test_a_line_that_nobody_looks_at_any_more_is_unknown_and_not_down() -> None:
    seen = Seen().well().wait(31.0)
    assert seen.condition is UNKNOWN
    down = Seen().well().probes(10, False, True).wait(31.0)
    assert down.condition is UNKNOWN


def test_after_a_time_in_which_nobody_looked_a_line_is_up_since_then_only() -> None:
    seen = Seen().well().wait(300.0).probes(5, True, True)
    assert seen.verdict.since >= seen.now - 5.0


def test_a_clock_that_is_set_back_makes_it_begin_anew() -> None:
    seen = Seen().well().probes(2, False, True).wait(-3600.0)
    assert seen.condition is UNKNOWN
    assert seen.probes(3, True, True).condition is UP


def test_evidence_that_is_older_than_what_was_seen_changes_nothing() -> None:
    seen = Seen().well()
    for back in range(1, 20):
        seen.of(Source.ICMP, Way.FIXED, False, at=seen.now - back)
    assert (seen.condition, seen.verdict.suspicion, seen.memory.fixed.bad) == (UP, False, 0)


def test_the_box_says_over_what_its_traffic_goes_until_that_is_too_long_ago() -> None:
    seen = Seen().well().carries(Carrier.MOBILE)
    assert seen.verdict.carries is Carrier.MOBILE
    assert seen.probes(40, True, True).verdict.carries is None


def test_a_verdict_says_when_it_may_be_another() -> None:
    seen = Seen().well()
    again = seen.verdict.look_again
    assert again is not None
    assert seen.now < again <= seen.now + 31.0


def test_asked_again_at_the_same_time_it_says_the_same() -> None:
    for seen in (Seen().well(), Seen().well().probes(9, False, True), Seen().well().probes(9, False, False)):
        assert seen.verdict == seen.verdict


def test_each_witness_is_named_in_the_reasons_with_counts_and_ages() -> None:
    seen = Seen().well().bfd(True).wait(0.4).trap(False, 500.0).probes(2, False, True, True).bfd(False)
    reasons = "\n".join(seen.verdict.reasons)
    assert "fixed line: 2 in a row unanswered, the first 1.0 s ago; the last answer 2.4 s ago" in reasons
    assert "BFD at the edge: down for 0.0 s" in reasons
    assert "the box says by trap that its port is down, for 2.0 s" in reasons
    assert "mobile: answers, 72 in a row" in reasons


def test_only_evidence_that_can_change_a_verdict_asks_for_one() -> None:
    from cpe_manager.domain.failover.line_watch import observe

    seen = Seen().well()
    assert seen.condition is UP
    policy, now = seen.policy, seen.now

    def news(at: float, ok: bool) -> bool:
        return observe(seen.memory, Evidence("line-1", Source.ICMP, Way.FIXED, ok, at), policy)

    assert not news(now + 1.0, ok=True)
    assert news(now + 2.0, ok=False)
    assert news(now + 3.0, ok=True)


def test_of_a_line_that_is_suspect_or_lost_the_mobile_way_is_heard_once() -> None:
    from cpe_manager.domain.failover.line_watch import observe, verdict

    seen = Seen().well().trap(False, 100.0)
    policy, now = seen.policy, seen.now

    def news(at: float, ok: bool) -> bool:
        return observe(seen.memory, Evidence("line-1", Source.ICMP, Way.MOBILE, ok, at), policy)

    assert seen.condition is UP
    assert [news(now + 0.2 * step, ok=True) for step in (1, 2, 3)] == [True, False, False]
    assert news(now + 1.0, ok=False)
    assert news(now + 1.2, ok=True)
    assert not news(now + 1.4, ok=True)
    lost = now + policy.trap_confirm + 2 * policy.probe_every
    assert verdict(seen.memory, lost, policy).condition is LINE_DOWN
    assert not news(lost + 0.1, ok=True)
    assert [news(lost + 0.2 + step, ok=False) for step in range(3)] == [True, True, True]
    assert news(lost + 4.0, ok=True)


def test_a_memory_is_small_and_does_not_grow() -> None:
    def size(memory: Memory) -> int:
        parts = [memory, memory.fixed, memory.mobile, memory.box, memory.agent, memory.sent, memory.lost]
        parts += [memory.bfd, memory.bgp, memory.port, memory.radio]
        floats = sum(
            24 for part in parts for name in getattr(part, "__slots__", ()) if isinstance(getattr(part, name), float)
        )
        return sum(sys.getsizeof(part) for part in parts) + floats

    seen = Seen()
    for _ in range(200):
        seen.probes(5, True, True, True).probes(2, False, True, True).bfd(True).trap(True, seen.now - 1e9)
    early = size(seen.memory)
    for _ in range(200):
        seen.probes(5, True, True, True).probes(2, False, True, True).bfd(True).trap(True, seen.now - 1e9)
    assert size(seen.memory) <= early < 2048 + 512
    assert replace(seen.policy) == FailoverPolicy()
