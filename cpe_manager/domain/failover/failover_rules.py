"""What fail-over does with a line by itself, with nothing under way and no order: see `failover`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cpe_manager.domain.failover.failover_policy import hold_down, retry_wait, return_wait
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

DOWN: Final = frozenset({Condition.LINE_DOWN, Condition.NODE_DOWN})
GONE: Final = DOWN | {Condition.CPE_DEAD}
WELL: Final = frozenset({Condition.UP, Condition.DEGRADED, Condition.MANAGEMENT_ONLY})
TEST: Final = "test"
"""``LineRecord.by`` of a line that a planned test has moved."""
_BY_ITSELF: Final = frozenset({"manager", "cpe", ""})

State = FailoverState


@dataclass(frozen=True, slots=True)
class Question:
    """All that is known when a decision is made. ``condition``: the verdict's, with the node; the last known one while
    it is unknown."""

    record: LineRecord
    verdict: Verdict
    now: float
    policy: FailoverPolicy
    condition: Condition
    entitled: str
    may_return: str
    may_switch: str

    @property
    def unknown(self) -> bool:
        return self.verdict.condition is Condition.UNKNOWN

    @property
    def testing(self) -> bool:
        return TEST in (self.record.wanted, self.record.by)

    @property
    def asker(self) -> str:
        return self.record.wanted_by or "an operator"


def stay(question: Question, *reasons: str, again: float | None = None, answered: bool = False) -> Decision:
    if answered:
        again = question.now
    return Decision(question.record.state, Act.NOTHING, reasons, look_again=again, answered=answered)


def switch(question: Question, reason: str, by: str) -> Decision:
    again = question.now + question.policy.switch_within
    return Decision(State.SWITCHING, Act.SWITCH, (reason,), by=by, look_again=again)


def go_back(question: Question, reason: str, *, answered: bool = False) -> Decision:
    """To the fixed line: a return of what mobile carries, a roll-back of what never came to carry."""
    act = Act.RETURN if question.record.carrier is Carrier.MOBILE else Act.ROLL_BACK
    again = question.now + question.policy.switch_within
    return Decision(State.RETURNING, act, (reason,), answered=answered, look_again=again)


def by_itself(question: Question) -> Decision:
    if question.unknown:
        return stay(question, "nothing is known of the line at the moment, so nothing is moved")
    if question.record.carrier is Carrier.MOBILE:
        return carried(question)
    if question.condition in GONE:
        return _lost(question)
    if question.record.state is State.FAILED and question.record.switch_id:
        return _undone(question)
    if _moved_itself(question) and not question.entitled:
        return switch(question, "the box has moved its traffic to mobile by itself: the edge follows", "cpe")
    if question.verdict.suspicion:
        if question.record.state is State.FAILED:
            # After a restart little is known at first: that it is well again has to be seen.
            return stay(question, "the line has failed, and something still speaks against it")
        return Decision(State.SUSPECT, reasons=("something speaks against the fixed line, not enough yet",))
    words = {State.SUSPECT: "the suspicion has passed", State.FAILED: "the line is up again"}
    reason = words.get(question.record.state, "the fixed line carries")
    return Decision(State.FIXED, reasons=(reason,), settled=question.record.state is State.FAILED)


def _moved_itself(question: Question) -> bool:
    return _said_since(question, Carrier.MOBILE) and question.condition is not Condition.MANAGEMENT_ONLY


def _said_since(question: Question, carrier: Carrier) -> bool:
    """Whether a box that moves by itself has said, in the state that the line is in, that this carries its traffic."""
    record, verdict = question.record, question.verdict
    if record.line.setup.moves != "cpe" or verdict.carries is not carrier:
        return False
    return verdict.carries_at is not None and verdict.carries_at > record.since


def _lost(question: Question) -> Decision:
    """The fixed line is down, and nothing carries it."""
    record, verdict, now = question.record, question.verdict, question.now
    refusal, again = "", None
    if question.condition is Condition.CPE_DEAD:
        refusal = "the box does not answer over either way: there is nothing to be switched"
    elif question.entitled:
        refusal = f"no backup: {question.entitled}"
    elif not seen_up(record):
        refusal = "it was never seen up since it is watched: is its line_address right? An operator may switch it"
    elif verdict.wait_until is not None and now < verdict.wait_until:
        refusal, again = "the box or its line is coming back, and gets time for it", verdict.wait_until
    elif verdict.mobile_ok is False:
        refusal = "the mobile way does not answer either"
    elif question.may_switch:
        refusal, again = f"not switched: {question.may_switch}", now + 2.0
    elif record.state is State.FAILED and record.attempts:
        until = record.since + retry_wait(record.attempts, question.policy)
        if now < until:
            refusal, again = f"{record.attempts} switches failed: the next is tried in {until - now:.0f} s", until
    if refusal:
        return Decision(State.FAILED, reasons=(f"{question.condition}: {refusal}",), look_again=again)
    who = "the box moves by itself, and is helped if it does not" if record.line.setup.moves == "cpe" else "switching"
    return switch(question, f"{question.condition} for {now - verdict.since:.1f} s: {who}", "manager")


def seen_up(record: LineRecord) -> bool:
    """A record that is new has no known condition and no losses; what was lost once had been up."""
    return bool(record.flaps) or record.condition in WELL


def _undone(question: Question) -> Decision:
    """The line is up, but a switch could not be rolled back: nobody knows what the box and the edge do."""
    until = question.record.since + question.policy.retry_after
    if question.record.attempts and question.now < until:
        return stay(question, "the line is up, but its switch was not undone: that is tried again", again=until)
    return go_back(question, "the line is up, but its switch was not undone")


def carried(question: Question) -> Decision:
    """Mobile carries, or should."""
    record, verdict, now, policy = question.record, question.verdict, question.now, question.policy
    mobile_dead = verdict.mobile_ok is False
    if question.condition in GONE:
        if mobile_dead or (question.condition is Condition.CPE_DEAD and verdict.mobile_ok is not True):
            return Decision(
                State.FAILED, reasons=(f"{question.condition}, and mobile does not answer: nothing carries",)
            )
        again = "mobile answers again and carries" if record.state is State.FAILED else "mobile carries"
        return Decision(State.MOBILE, reasons=(f"{question.condition}: {again}",))
    retry = record.since + (retry_wait(record.attempts, policy) if record.attempts else 0.0)
    if now < retry:
        return Decision(record.state, reasons=("the return failed: it is tried again",), look_again=retry)
    if mobile_dead:
        return go_back(question, f"mobile does not answer and the fixed line is {question.condition}: back at once")
    if record.by == TEST:
        return go_back(question, "the test is over")
    if record.by == "cpe" and _said_since(question, Carrier.FIXED):
        return go_back(question, "the box has gone back to the fixed line by itself: the edge follows")
    if record.by not in _BY_ITSELF:
        return Decision(State.MOBILE, reasons=(f"switched by {record.by}: stays until an operator returns it",))
    return _stable(question)


def _stable(question: Question) -> Decision:
    record, verdict, now = question.record, question.verdict, question.now
    if question.condition is not Condition.UP or verdict.suspicion:
        return Decision(State.MOBILE, reasons=(f"the fixed line is {question.condition}, not well yet",))
    wait = return_wait(record, now, question.policy)
    _, losses = hold_down(record, question.policy)
    # A box that moved by itself has seen what we have not: its line has to prove itself from then on.
    since = max(verdict.since, record.since) if record.by == "cpe" else verdict.since
    until = since + wait
    if now < until:
        after = f" after {losses} losses" if losses > 1 else ""
        reason = f"the fixed line is up for {now - since:.0f} s of the {wait:.0f} s that it has to be{after}"
        return Decision(State.MOBILE, reasons=(reason,), look_again=until)
    if question.may_return:
        reason = f"the fixed line is stable, but {question.may_return}"
        return Decision(State.MOBILE, reasons=(reason,), look_again=now + 60.0)
    return go_back(question, f"the fixed line is up for {now - since:.0f} s without a break")
