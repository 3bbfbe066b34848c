"""Where a line stands and what is done about it: record, verdict, orders and policy -> `Decision` (§3.8, §5.1.1).

::

                  .-------------- test, order or loss --------------.
    fixed <-> suspect -- loss --> switching -- done --> mobile -- up for long enough --> returning -- done --> fixed
      |  ^        |                   |  failed, late      |  ^                             |   ^
      |  | up     | may not move      v                    |  '------ failed, late ---------'   |
      |  '------ failed <-- down -- returning (roll-back)  '-- both ways dead --> failed -- up -'
      '--- hold --> held (from any state in which nothing is under way) -- release --> as it was

=============  ==========================================  ===========================  ====================
state          what happens                                act                          goes to
=============  ==========================================  ===========================  ====================
fixed          something speaks against the line           -                            suspect
fixed,         line down, may be moved                     SWITCH                       switching
suspect        line down, may not be moved (reason)        -                            failed
               CPE dead                                    -                            failed
               a box that moves by itself has moved        SWITCH (edge follows)        switching
               order ``switch``, ``test``                  SWITCH                       switching
suspect        nothing speaks against it any more          -                            fixed
switching      done                                        -                            mobile
               failed, or not done in ``switch_within``    ROLL_BACK                    returning
returning      roll-back done: line up / down              -                            fixed / failed
(roll-back)    failed or late                              -                            failed, not settled
mobile         line up for ``return_wait``, may return     RETURN                       returning
               mobile dead, line not down                  RETURN at once               returning
               mobile dead, line down; CPE dead            -                            failed
               a box that moves by itself went back        RETURN (edge follows)        returning
               order ``return``; test is done              RETURN                       returning
returning      done                                        -                            fixed
               failed or late                              -                            mobile, tried later
failed         line up, nothing left of a switch           -                            fixed
               line up, a switch was not undone            ROLL_BACK, RETURN            returning
               line down, may be moved, time to retry      SWITCH                       switching
               on mobile, and mobile answers again         -                            mobile
any other      order ``hold``                              -                            held
held           order ``release``                           -                            by what carries
=============  ==========================================  ===========================  ====================

What is under way is asked for once: in `switching` and `returning` nothing is said until an `Outcome` comes or
``switch_within`` has passed. Who executes tells a roll-back from a return by `act_under_way`, also after a restart.

Nothing is moved on no knowledge: while the verdict is ``unknown`` (a restart) orders wait and states stay, and a line
that has never been seen up is not moved by itself, since it may be that it is only set up wrongly. What an operator
has switched, an operator returns; only a dead mobile way brings it back.

Priorities: a switch under way for a line that has just gone counts as backup active (P2) already; it becomes P1 when it
fails. A planned test never has one, unless the line goes down in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from cpe_manager.domain.failover.failover_policy import MOST_FLAPS
from cpe_manager.domain.failover.failover_rules import (
    GONE,
    TEST,
    WELL,
    Question,
    State,
    by_itself,
    carried,
    go_back,
    stay,
    switch,
)
from cpe_manager.domain.failover.lines import (
    Act,
    Carrier,
    Condition,
    Decision,
    FailoverPolicy,
    LineRecord,
    Verdict,
)

_UNDER_WAY: Final = frozenset({State.SWITCHING, State.RETURNING})
CALM: Final = 60.0
"""Seconds that the mobile way has to answer before a backup that was silent is well again."""
_TRIES_UNTIL_DEFECTIVE: Final = 2
"""Switches that failed in a row, for whatever reason, after which the backup is called defective."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a switch, a return or a roll-back came to. ``defective``: it is the mobile backup itself that does not work.
    ``by``: who moved the box, when that was not we (``cpe``)."""

    ok: bool
    reason: str
    defective: bool = False
    by: str = ""


def decide(  # noqa: PLR0913
    record: LineRecord,
    verdict: Verdict,
    now: float,
    policy: FailoverPolicy,
    *,
    node_down: bool = False,
    entitled: str = "",
    done: Outcome | None = None,
    may_return: str = "",
    may_switch: str = "",
) -> Decision:
    """What happens next with a line. Total, and the same for the same question.

    ``node_down``: its access node is. ``entitled``, ``may_return``, ``may_switch``: empty for yes, else the reason why
    not (`domain.failover.failover_policy`). ``done``: what the act that is under way came to; without one under way it
    is not heard. The decision is to be acted upon only after `record_after` is written."""
    condition = verdict.condition
    if condition is Condition.UNKNOWN:
        condition = record.condition
    elif condition is Condition.LINE_DOWN and node_down:
        condition = Condition.NODE_DOWN
    question = Question(record, verdict, now, policy, condition, entitled, may_return, may_switch)
    if record.state in _UNDER_WAY:
        decision = _under_way(question, done)
    elif record.state is State.HELD:
        decision = _held(question)
    elif record.wanted:
        decision = _ordered(question)
    else:
        decision = by_itself(question)
    return _complete(question, decision)


def act_under_way(record: LineRecord) -> Act:
    """What a line in this state waits for; what a process that takes it up after a restart has to bring to an end."""
    if record.state is State.SWITCHING:
        return Act.SWITCH
    if record.state is State.RETURNING:
        return Act.RETURN if record.carrier is Carrier.MOBILE else Act.ROLL_BACK
    return Act.NOTHING


def record_after(record: LineRecord, decision: Decision, verdict: Verdict, now: float) -> LineRecord:
    """The record as it is to be written before the decision is acted upon; equal to the old one when nothing of it has
    changed (its reasons stay those of its last change). ``switch_id`` of a new switch and ``push_id`` are for who
    executes to set; they are cleared here once the switch is over."""
    entered = decision.state is not record.state
    told = decision.answered or decision.settled or decision.by or decision.proved is not None
    if not (entered or told or decision.condition is not record.condition):
        return record
    lost = decision.condition in GONE and record.condition in WELL
    flaps = (verdict.since,) if lost else (now,) if decision.act is Act.SWITCH and decision.by == "cpe" else ()
    changed = replace(
        record,
        state=decision.state,
        since=now if entered else record.since,
        carrier=_carrier_after(record, decision),
        condition=decision.condition,
        flaps=(*record.flaps, *flaps)[-MOST_FLAPS:],
        by=decision.by or ("" if decision.settled else record.by),
        attempts=_attempts_after(record, decision),
        held_from=record.held_from if decision.state is State.HELD else None,
    )
    if entered and decision.state is State.HELD:
        changed = replace(changed, held_from=State.FIXED if record.state is State.SUSPECT else record.state)
    if decision.answered:
        changed = replace(changed, wanted="", wanted_by="", wanted_reason="", wanted_at=None)
    if decision.settled:
        changed = replace(changed, switch_id="", push_id="")
    if decision.proved is not None:
        changed = replace(changed, tested_at=now, test_ok=decision.proved)
    return record if changed == record else replace(changed, reasons=decision.reasons)


def _carrier_after(record: LineRecord, decision: Decision) -> Carrier:
    if decision.settled:
        return Carrier.FIXED
    return Carrier.MOBILE if decision.state is State.MOBILE else record.carrier


def _attempts_after(record: LineRecord, decision: Decision) -> int:
    if decision.state is State.RETURNING and record.state is State.SWITCHING:
        return record.attempts + 1
    if record.state is State.RETURNING and decision.state is not State.RETURNING and not decision.settled:
        return record.attempts + 1
    return (
        0 if decision.state in (State.FIXED, State.MOBILE) and decision.state is not record.state else record.attempts
    )


def _complete(question: Question, decision: Decision) -> Decision:
    """What holds in every state: condition, incidents, and the verdict's own reasons behind those of the decision."""
    defective = _defective(question, decision)
    looks = [at for at in (decision.look_again, question.verdict.look_again) if at is not None]
    if defective is None and question.verdict.mobile_since is not None:
        long = question.policy.mobile_silent_for
        settled = question.verdict.mobile_since + (min(CALM, long) if question.verdict.mobile_ok else long)
        looks += [settled] if settled > question.now else []
    return Decision(
        decision.state,
        decision.act,
        (*decision.reasons, *question.verdict.reasons),
        _priority(question, decision),
        defective,
        min(looks, default=None),
        question.condition,
        decision.by,
        decision.answered,
        decision.settled,
        decision.proved,
    )


def _priority(question: Question, decision: Decision) -> Literal[1, 2, 3] | None:
    """Of the line's own incident: P1 without internet, P2 while the backup is active or the line is degraded."""
    state, condition, carrier = decision.state, question.condition, _carrier_after(question.record, decision)
    if state is State.FAILED:
        return 1
    moved = carrier is Carrier.MOBILE or state in _UNDER_WAY
    if moved and question.testing and condition in WELL and decision.by in ("", TEST):
        return None
    if carrier is Carrier.MOBILE:
        return 1 if question.verdict.mobile_ok is False and not question.unknown else 2
    if state is State.SWITCHING:
        return 1 if question.record.attempts and condition in GONE else 2
    if condition in GONE:
        return 1
    return 2 if condition is Condition.DEGRADED else None


def _defective(question: Question, decision: Decision) -> bool | None:
    """The backup is defective (P3): the last proof failed, switches fail, or the mobile way is silent while the box
    lives. Only who has a backup can have a defective one."""
    record, verdict, policy = question.record, question.verdict, question.policy
    if question.entitled:
        return False
    proved = decision.proved if decision.proved is not None else record.test_ok
    if proved is False:
        return True
    carrier = _carrier_after(record, decision)
    if carrier is Carrier.FIXED and _attempts_after(record, decision) >= _TRIES_UNTIL_DEFECTIVE:
        return True
    if verdict.mobile_ok is None or question.unknown or verdict.condition is Condition.CPE_DEAD:
        return None
    since = verdict.mobile_since if verdict.mobile_since is not None else question.now
    if verdict.mobile_ok:
        # A moment's answer closes nothing, or the incident would come and go with each fading.
        return False if question.now - since >= min(CALM, policy.mobile_silent_for) else None
    needed_now = decision.state is State.FAILED or carrier is Carrier.MOBILE
    return True if needed_now or question.now - since >= policy.mobile_silent_for else None


def _under_way(question: Question, done: Outcome | None) -> Decision:
    record, policy, now = question.record, question.policy, question.now
    act = act_under_way(record)
    if done is None:
        until = record.since + policy.switch_within
        if now < until:
            return stay(question, f"{act} under way for {now - record.since:.1f} s", again=until)
        done = Outcome(False, f"{act} is not done after {policy.switch_within:g} s")
    if act is Act.SWITCH:
        return _switched(question, done)
    if done.ok:
        down = question.condition in GONE and act is Act.ROLL_BACK
        state = State.FAILED if down else State.FIXED
        words = "rolled back" if act is Act.ROLL_BACK else "returned"
        # An operator's order that is not this one waits for its turn.
        answered = record.wanted in ("return", "test")
        return Decision(state, reasons=(f"{words}: {done.reason}",), settled=True, answered=answered, look_again=now)
    words = f"{act} failed: {done.reason}"
    state = State.MOBILE if act is Act.RETURN else State.FAILED
    answered = record.wanted in ("return", "test")
    by = "manager" if record.wanted == "test" and act is Act.RETURN else ""
    return Decision(state, reasons=(words,), answered=answered, by=by, look_again=now)


def _switched(question: Question, done: Outcome) -> Decision:
    record = question.record
    if done.ok:
        # A test goes on from here: it still is what is wanted.
        answered = record.wanted == "switch"
        reasons = (f"mobile carries: {done.reason}",)
        return Decision(
            State.MOBILE,
            reasons=reasons,
            answered=answered,
            proved=True,
            by="" if question.testing else done.by,
            look_again=question.now,
        )
    reasons = (f"the switch failed: {done.reason}",)
    proved = False if done.defective or question.testing else None
    again = question.now + question.policy.switch_within
    answered = record.wanted == "switch"
    return Decision(State.RETURNING, Act.ROLL_BACK, reasons, answered=answered, proved=proved, look_again=again)


def _held(question: Question) -> Decision:
    record = question.record
    if record.wanted != "release":
        reason = "held: nothing is moved until it is released"
        return stay(question, reason, answered=bool(record.wanted))
    if record.carrier is Carrier.MOBILE:
        state = State.MOBILE
    elif record.held_from is State.FAILED or question.condition in GONE:
        state = State.FAILED
    else:
        state = State.FIXED
    reasons = (f"released by {question.asker}",)
    return Decision(state, reasons=reasons, answered=True, look_again=question.now)


def _ordered(question: Question) -> Decision:
    record = question.record
    if record.wanted == "hold":
        return Decision(State.HELD, reasons=(f"held by {question.asker}",), answered=True)
    if record.wanted == "return":
        return _return_ordered(question)
    if record.wanted in ("switch", "test"):
        return _switch_ordered(question)
    ordinary = replace(record, wanted="", wanted_by="")
    decision = by_itself(replace(question, record=ordinary))
    return replace(decision, answered=True)


def _return_ordered(question: Question) -> Decision:
    record = question.record
    if record.carrier is Carrier.FIXED and not record.switch_id:
        return stay(question, "nothing to return: the fixed line carries", answered=True)
    if question.unknown:
        return stay(question, f"{question.asker} asks for the return: it waits until something is known of the line")
    if question.condition in GONE:
        return stay(question, f"no return: {question.condition}", answered=True)
    return go_back(question, f"return asked for by {question.asker}")


def _switch_ordered(question: Question) -> Decision:
    record, verdict = question.record, question.verdict
    testing = record.wanted == TEST
    if testing and record.carrier is Carrier.MOBILE and record.by == TEST:
        return _test_carried(question)
    if record.carrier is Carrier.MOBILE:
        return stay(question, f"no {record.wanted}: mobile carries", answered=True)
    if question.unknown:
        reason = f"{question.asker} asks for a {record.wanted}: it waits until something is known of the line"
        return stay(question, reason)
    refusal = question.entitled
    if not refusal and question.condition in (Condition.CPE_DEAD, Condition.MANAGEMENT_ONLY):
        refusal = f"{question.condition}: the box cannot be reached"
    if not refusal and testing:
        refusal = _no_test(question)
    if refusal:
        ordinary = by_itself(replace(question, record=replace(record, wanted="", wanted_by="")))
        if ordinary.act is not Act.NOTHING:
            return replace(ordinary, answered=True)
        reasons = (f"no {record.wanted}: {refusal}", *ordinary.reasons)
        return replace(ordinary, reasons=reasons, answered=True)
    if testing and verdict.suspicion:
        return stay(question, "the test waits: something speaks against the fixed line")
    return switch(question, f"{record.wanted} asked for by {question.asker}", TEST if testing else question.asker)


def _no_test(question: Question) -> str:
    if question.condition not in (Condition.UP, Condition.DEGRADED):
        return f"the line is {question.condition}"
    if question.record.state is State.FAILED:
        return "the line has failed"
    if question.verdict.mobile_ok is False:
        return "the mobile way does not answer"
    return question.may_switch


def _test_carried(question: Question) -> Decision:
    """The test has been carried by mobile, and ends; or the line went down in it, and it became earnest."""
    if question.unknown:
        return stay(question, "the test returns as soon as something is known of the line")
    if question.condition in GONE:
        decision = carried(replace(question, record=replace(question.record, wanted="", wanted_by="")))
        reasons = ("the line went down in the test: it is earnest now", *decision.reasons)
        return replace(decision, reasons=reasons, answered=True, by="manager")
    return go_back(question, "the test passed: back to the fixed line")
