"""Whatever is seen, asked for and brought about, in whatever order: fail-over keeps its promises."""

from __future__ import annotations

import copy
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from cpe_manager.domain.failover.failover import Outcome, act_under_way, decide, record_after
from cpe_manager.domain.failover.failover_policy import return_wait
from cpe_manager.domain.failover.line_watch import Memory, observe, verdict
from cpe_manager.domain.failover.lines import (
    Act,
    Carrier,
    Condition,
    Evidence,
    FailoverPolicy,
    FailoverState,
    LineRecord,
    Source,
    Verdict,
    Way,
)
from tests.support.line_evidence import START, Seen, a_line, a_record

POLICY = FailoverPolicy()
State = FailoverState
seconds = st.floats(-20_000.0, 20_000.0, allow_nan=False).map(lambda value: START + value)
maybe_seconds = st.none() | seconds
orders = st.sampled_from(["", "switch", "return", "hold", "release", "test", "dance"])
texts = st.sampled_from(["", "no"])

verdicts = st.builds(
    Verdict,
    condition=st.sampled_from(Condition),
    since=seconds,
    reasons=st.just(("something was seen",)),
    suspicion=st.booleans(),
    mobile_ok=st.sampled_from([True, False, None]),
    look_again=maybe_seconds,
    mobile_since=maybe_seconds,
    carries=st.none() | st.sampled_from(Carrier),
    carries_at=maybe_seconds,
    wait_until=maybe_seconds,
)
records = st.builds(
    LineRecord,
    line=st.sampled_from([a_line(), a_line(moves="cpe")]),
    state=st.sampled_from(State),
    since=seconds,
    carrier=st.sampled_from(Carrier),
    condition=st.sampled_from(Condition),
    flaps=st.lists(seconds, max_size=32).map(lambda times: tuple(sorted(times))),
    switch_id=st.sampled_from(["", "s-1"]),
    by=st.sampled_from(["", "manager", "cpe", "ann", "test"]),
    attempts=st.integers(0, 40),
    held_from=st.none() | st.sampled_from(State),
    wanted=orders,
    wanted_by=st.sampled_from(["", "ann"]),
    tested_at=maybe_seconds,
    test_ok=st.sampled_from([True, False, None]),
)
outcomes = st.none() | st.builds(
    Outcome, ok=st.booleans(), reason=st.just("because"), defective=st.booleans(), by=st.sampled_from(["", "cpe"])
)


@settings(max_examples=250)
@given(records, verdicts, seconds, outcomes, st.booleans(), st.tuples(texts, texts, texts))
def test_every_question_has_an_answer_and_always_the_same(
    record: LineRecord, seen: Verdict, now: float, done: Outcome | None, node: bool, said: tuple[str, str, str]
) -> None:
    entitled, back, away = said
    if record.state is State.SWITCHING:
        record = replace(record, carrier=Carrier.FIXED)  # only what is not moved is switched, see below

    def ask(record: LineRecord, done: Outcome | None) -> tuple[LineRecord, Act]:
        more = {"node_down": node, "entitled": entitled, "done": done, "may_return": back, "may_switch": away}
        decision = decide(record, seen, now, POLICY, **more)  # type: ignore[arg-type]
        assert decision == decide(record, seen, now, POLICY, **more)  # type: ignore[arg-type]
        assert decision.reasons
        assert all(decision.reasons)
        assert decision.priority in (None, 1, 2)
        return record_after(record, decision, seen, now), decision.act

    after, act = ask(record, done)
    if act is Act.SWITCH:
        assert after.state is State.SWITCHING
        assert seen.condition not in (Condition.UNKNOWN, Condition.CPE_DEAD, Condition.MANAGEMENT_ONLY)
        assert entitled == ""
        assert record.state is not State.HELD
        assert record.carrier is Carrier.FIXED
        assert away == "" or record.wanted == "switch" or seen.carries is Carrier.MOBILE
    if act in (Act.RETURN, Act.ROLL_BACK):
        assert after.state is State.RETURNING
        assert seen.condition is not Condition.UNKNOWN or record.state is State.SWITCHING
        assert act_under_way(after) is act
    if act is not Act.NOTHING:
        # Once it is written, nothing more is said until an outcome comes or its time is up.
        again, second = ask(after, None)
        assert (again, second) == (after, Act.NOTHING)
        assert record.state not in (State.SWITCHING, State.RETURNING) or act is Act.ROLL_BACK
    if record.state is State.HELD and record.wanted != "release":
        assert (after.state, act) == (State.HELD, Act.NOTHING)


@settings(max_examples=150)
@given(records, verdicts, seconds, texts)
def test_traffic_returns_by_itself_only_after_the_window(
    record: LineRecord, seen: Verdict, now: float, back: str
) -> None:
    record = replace(record, wanted="", state=State.MOBILE, carrier=Carrier.MOBILE)
    decision = decide(record, seen, now, POLICY, may_return=back)
    if decision.act is not Act.RETURN:
        return
    followed = record.by == "cpe" and seen.carries is Carrier.FIXED
    if seen.mobile_ok is False or record.by == "test" or followed:
        return
    assert seen.condition is Condition.UP
    assert now - seen.since >= return_wait(record, now, POLICY)
    assert back == ""
    assert record.by in ("", "manager", "cpe")


@settings(max_examples=80)
@given(records, verdicts, seconds)
def test_deciding_comes_to_rest(record: LineRecord, seen: Verdict, now: float) -> None:
    """At one moment, with nothing new, a line takes a few steps at most and then stays."""
    for _ in range(8):
        decision = decide(record, seen, now, POLICY)
        after = record_after(record, decision, seen, now)
        if after == record:
            return
        record = after
    raise AssertionError(f"{record.state} goes on")


pieces = st.tuples(
    st.sampled_from([Source.ICMP, Source.TCP, Source.SNMP, Source.TRAP, Source.BFD, Source.BGP, Source.CPE]),
    st.sampled_from(Way),
    st.sampled_from([True, True, False, None]),
    st.floats(0.0, 40.0),
    st.floats(0.0, 90_000.0) | st.none(),
    st.booleans(),
)


def evidence(parts: list[tuple[Source, Way, bool | None, float, float | None, bool]]) -> list[Evidence]:
    """In the order of the times at which they were seen."""
    at, found = START, []
    for source, way, ok, after, order, restarted in parts:
        at += after
        counted = order if source in (Source.TRAP, Source.SNMP) else None
        found.append(
            Evidence("line-1", source, way, ok, at, order=counted, restarted=restarted and source is Source.TRAP)
        )
    return found


@settings(max_examples=80)
@given(st.lists(pieces, max_size=60))
def test_any_evidence_leads_to_a_verdict_with_reasons_that_stays(
    parts: list[tuple[Source, Way, bool | None, float, float | None, bool]],
) -> None:
    memory, now = Memory(), START
    for seen in evidence(parts):
        now = seen.at
        observe(memory, seen, POLICY)
        said = verdict(memory, now, POLICY)
        assert said == verdict(memory, now, POLICY)
        assert said.reasons
        assert all(said.reasons)
        assert said.since <= now
        assert said.look_again is None or said.look_again >= now
    assert verdict(memory, now + 10_000.0, POLICY).condition is Condition.UNKNOWN


@settings(max_examples=80)
@given(st.lists(pieces, min_size=1, max_size=40), st.data())
def test_evidence_that_comes_a_second_time_changes_nothing(
    parts: list[tuple[Source, Way, bool | None, float, float | None, bool]], data: st.DataObject
) -> None:
    """Probes and sessions by when they were seen, traps by the agent's own count."""
    told = [each for each in evidence(parts) if each.source is not Source.SNMP]
    memory = Memory()
    for number, seen in enumerate(told):
        observe(memory, seen, POLICY)
        verdict(memory, seen.at, POLICY)
        late = told[data.draw(st.integers(0, number))]
        if late.source in (Source.BFD, Source.BGP, Source.CPE) or (late.source is Source.TRAP and late.order is None):
            continue
        if late.source is Source.TRAP and late is not seen:
            continue
        before = copy.deepcopy(memory)
        observe(memory, late, POLICY)
        assert memory == before


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from([True, False]), st.floats(0.5, 300.0)), min_size=1, max_size=12),
    st.lists(st.integers(0, 11), max_size=24),
)
def test_traps_that_come_late_twice_or_in_another_order_leave_what_the_newest_said(
    changes: list[tuple[bool, float]], late: list[int]
) -> None:
    """An agent that is polled, so that it is known when it started; its traps are sent once, and come in any order."""
    seen = Seen().of(Source.SNMP, Way.FIXED, True, order=50_000.0)
    at, sent = seen.now, []
    for ok, after in changes:
        at += after
        sent.append((ok, round(50_000.0 + at - START, 2)))
    seen.now = at + 1.0
    newest = sent[-1]
    for index in [*late, len(sent) - 1, *late]:
        ok, order = sent[index % len(sent)]
        seen.wait(0.01).of(Source.TRAP, Way.FIXED, ok, order=order)
    assert (seen.memory.agent.fixed, seen.memory.port.ok) == (newest[1], newest[0])


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(5.0, 4000.0), st.floats(5.0, 4000.0)), min_size=1, max_size=40))
def test_a_line_that_goes_to_and_fro_is_not_followed_more_often_than_the_policy_allows(
    periods: list[tuple[float, float]],
) -> None:
    """Down for so long, up for so long, and again: between two switches there is always the hold-down of its time."""
    record, now = a_record(since=START), START
    home: float | None = None
    waits: list[float] = []
    for down, up in periods:
        for condition, length in ((Condition.LINE_DOWN, down), (Condition.UP, up)):
            began, until = now, now + length
            while now < until:
                seen = Verdict(condition, began, ("seen",), mobile_ok=True, mobile_since=START - 1e4)
                decision = decide(record, seen, now, POLICY)
                if decision.act is Act.RETURN:
                    waits.append(return_wait(record, now, POLICY))
                    assert now - began >= waits[-1]
                    home = now
                if decision.act is Act.SWITCH and home is not None:
                    assert now - home >= 0.0
                record = record_after(record, decision, seen, now)
                if decision.act is not Act.NOTHING:
                    done = decide(record, seen, now, POLICY, done=Outcome(True, "done"))
                    record = record_after(record, done, seen, now)
                    continue
                if decision.look_again is None or decision.look_again >= until:
                    break
                now = max(decision.look_again, now + 0.001)
            now = until
    assert all(POLICY.up_for <= wait <= POLICY.up_for_most for wait in waits)
