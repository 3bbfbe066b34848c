"""What happens next with a change request: decided from the request, its push and the clock alone (§5.2.2).

Pure and total: whatever state a request is in, and whatever became of its push, there is an answer. Nothing goes to a
device but from ``executing``, and nothing comes there that was not approved exactly as it is (or is the customer's by
right). A push that ended without an effect on the device was no execution; the next one has a key of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from cpe_manager.domain.access.access import is_account
from cpe_manager.domain.changes.entries import EntryTerms
from cpe_manager.domain.changes.requests import ChangeRequest, ChangeState, Fee
from cpe_manager.domain.errors import DeviceError
from cpe_manager.domain.push.checks import Check
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.domain.push.pushes import Push, SettledAs

NO_SUBSCRIPTION: Final = "no-subscription"
NOT_OFFERED: Final = "not-offered"
UNREACHABLE: Final = "device-unreachable"
DEVICE_GONE: Final = "device-gone"
COVERAGE: Final = "coverage-not-passed"
FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(hours=1)
"""Between two tries at a device that does not answer; each is twice the one before."""
MOST_TRIES: Final = 30
"""Pushes of an approved change that may come to nothing since the device cannot be reached: with their pauses a day.
Then the customer is told that it failed."""
_S: Final = ChangeState


class Act(StrEnum):
    """``ask``: plan it anew and have the customer asked again; ``turn``: into another state."""

    WAIT = "wait"
    EVALUATE = "evaluate"
    TURN = "turn"
    PUSH = "push"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Decision:
    """``values``: fields of the request that become others with the turn. ``until``: look again then."""

    act: Act
    to: ChangeState | None = None
    reason: str = ""
    code: str = ""
    values: tuple[tuple[str, Any], ...] = ()
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known besides the request. ``push``: the one of its round. ``refusal``: (reason, code) of what speaks
    against it by now. ``opens``: when it may begin at the earliest, not before ``now``. ``told``: everyone was."""

    now: datetime
    push: Push | None = None
    refusal: tuple[str, str] | None = None
    opens: datetime | None = None
    told: bool = False


WAIT: Final = Decision(Act.WAIT)


def decide(change: ChangeRequest, seen: Seen) -> Decision:
    """The next step of a request."""
    state, now = change.state, seen.now
    if state is _S.SUBMITTED:
        return Decision(Act.EVALUATE)
    if state is _S.ACCEPTED:
        return _accepted(change, now)
    if state is _S.APPROVED:
        return _schedule(change, seen)
    if state is _S.SCHEDULED:
        return _scheduled(change, seen)
    if state is _S.EXECUTING:
        return _executing(change, seen)
    if state is _S.STUCK:
        return _stuck(change, seen)
    if state is _S.CLOSED:
        return WAIT
    return _turn(_S.CLOSED, change.reason, change.code, closed_at=now) if seen.told else WAIT


def may_execute(change: ChangeRequest) -> bool:
    """Whether exactly what it would do was approved, or is the customer's by right (§5.2.1.1)."""
    if change.shown is None:
        return False
    if change.by_right:
        return True
    given = change.approval
    return (
        given is not None
        and is_account(given.by_id)
        and given.by_id != change.submitted_by_id
        and (given.basis, given.digest) == (change.shown.basis, change.shown.digest)
    )


def push_key(change: ChangeRequest) -> str:
    """Names the push of this round: asked for twice it is the same push."""
    return f"change:{change.id}:{change.round}"


def pause(tries: int) -> timedelta:
    """Until something that did not answer is tried again."""
    return min(FIRST_PAUSE * float(2 ** min(tries, 10)), LONGEST_PAUSE)


def fee_of(terms: EntryTerms, activated_at: datetime | None, asked_at: datetime, free_days: int) -> Fee:
    """Whether an intervention is billable: asked for more than ``free_days`` after activation (§5.2.2). Recorded, not
    invoiced."""
    if not terms.fee:
        return Fee(billable=False, reason=f"{terms.type} is free of charge")
    if activated_at is None:
        return Fee(billable=False, reason="the subscription is not activated yet")
    until = activated_at + timedelta(days=free_days)
    if asked_at <= until:
        return Fee(billable=False, reason=f"asked for within {free_days} days after activation (§5.2.2)")
    return Fee(billable=True, reason=f"asked for more than {free_days} days after activation (§5.2.2)")


def _accepted(change: ChangeRequest, now: datetime) -> Decision:
    if change.by_right:
        at = max(now, change.requested_for or now)
        return _turn(_S.SCHEDULED, "by right of the customer (§5.2.1.1)", not_before=at)
    if change.expires_at is not None and change.expires_at <= now:
        return _turn(_S.EXPIRED, "nobody answered in time", "expired", ended_at=now)
    return WAIT


def _schedule(change: ChangeRequest, seen: Seen) -> Decision:
    at = max(seen.now, seen.opens or seen.now)
    reason = "" if at <= seen.now else "waits for the change window"
    if change.requested_for is not None and at > seen.now and at == change.requested_for:
        reason = "waits for the time that was asked for"
    return _turn(_S.SCHEDULED, reason, not_before=at, tries=change.tries)


def _scheduled(change: ChangeRequest, seen: Seen) -> Decision:
    now = seen.now
    if seen.refusal is not None:
        return _refused(seen.refusal, now)
    if change.not_before is not None and change.not_before > now:
        return Decision(Act.WAIT, until=change.not_before)
    if seen.opens is not None and seen.opens > now:
        return _schedule(change, seen)
    if not may_execute(change):
        # Nothing leads here. If it ever should: nobody's approval is worse than one asked for once too often.
        return Decision(Act.ASK, reason="it was not approved as it is", code=Check.BASIS)
    return _turn(_S.EXECUTING, tries=change.tries)


def _executing(change: ChangeRequest, seen: Seen) -> Decision:
    push = seen.push
    if push is None:
        return Decision(Act.PUSH) if seen.refusal is None else _refused(seen.refusal, seen.now)
    if push.ended_at is None:
        return WAIT
    reason, code = push.reason or "", push.code or ""
    if push.phase is Phase.CONFIRMED:
        return _turn(_S.DONE, ended_at=push.ended_at)
    if push.phase is Phase.STUCK:
        return _turn(_S.STUCK, reason, code)
    if push.withdrawn_by is None and _interrupted(push):
        return _once_more(change, "it was interrupted, and is tried again", seen.now)
    if push.phase is Phase.REVERTED:
        return _turn(_S.REVERTED, reason, code, ended_at=push.ended_at)
    return _without_effect(change, push, seen)


def _without_effect(change: ChangeRequest, push: Push, seen: Seen) -> Decision:
    reason, code = push.reason or "", push.code or ""
    if code == Check.NOTHING:
        return _turn(_S.DONE, "the device was so already", code, ended_at=push.ended_at)
    if code == Check.BASIS:
        return Decision(Act.ASK, reason="the device was changed since the approval", code=code)
    if code == Check.ENTITLEMENT:
        return _refused((reason, code), seen.now)
    if push.withdrawn_by is not None:
        return _turn(_S.WITHDRAWN, f"its push was given up by {push.withdrawn_by}", code, ended_at=push.ended_at)
    if code in _PASSING and change.tries < MOST_TRIES:
        return _once_more(change, f"the device could not be reached: {reason}", seen.now)
    return _turn(_S.REVERTED, f"nothing was done on the device: {reason}", code, ended_at=push.ended_at)


def _once_more(change: ChangeRequest, reason: str, now: datetime) -> Decision:
    """The same approval, another push: the last one had no effect, or it was taken back."""
    tries = change.tries + 1
    return _turn(
        _S.SCHEDULED, reason, round=change.round + 1, push_id=None, tries=tries, not_before=now + pause(change.tries)
    )


def _stuck(change: ChangeRequest, seen: Seen) -> Decision:
    settled = None if seen.push is None else seen.push.settled
    if settled is None:
        return WAIT
    told = f"{settled.by or 'somebody'} looked at the device: {settled.note}" if settled.note else change.reason
    if settled.how is SettledAs.AFTER:
        return _turn(_S.DONE, told, ended_at=settled.at)
    if settled.how is SettledAs.LATER:
        told = "a later change was confirmed on the device"
    return _turn(_S.REVERTED, told, change.code, ended_at=settled.at)


def _interrupted(push: Push) -> bool:
    """Cut short by an end of our own process: says nothing of the device or of the change."""
    return push.phase is Phase.REVERTED and (push.reason or "").startswith("interrupted")


def _refused(refusal: tuple[str, str], now: datetime) -> Decision:
    return _turn(_S.REFUSED, *refusal, ended_at=now)


def _turn(to: ChangeState, reason: str = "", code: str = "", **values: Any) -> Decision:
    return Decision(Act.TURN, to, reason, code, tuple(values.items()))


def _codes(kind: type[DeviceError]) -> Iterator[str]:
    if kind.retryable:
        yield kind.code
    for inner in kind.__subclasses__():
        yield from _codes(inner)


_PASSING: Final = frozenset(_codes(DeviceError))
"""Codes of what may be over when it is tried again."""
