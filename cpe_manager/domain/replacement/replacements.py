"""The swap of a position's hardware, and what has to happen next on it, decided from its journal alone (§5.1.3).

::

    key -> bootstrap -> reach -> plan -> swap -> restore -> test -> login -> close = closed
    '------ nothing has an effect yet -----'      |          |
                                                  '- again from plan, at most three times
    a question at any point: it waits for a person;  reset = support, only with the customer's consent (§5.1.2.4)

As on the commit path each step is journaled as *begun* before it has any effect and as *ended* after it, and each is
made so that doing it again is right: who takes a replacement up, at once or after a crash, reads the journal and asks
`decide`. Until the plan was looked at nothing is changed, neither on the new box nor in the inventory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final


class Step(StrEnum):
    KEY = "key"
    """The host key that the new box shows is the one that a person has compared."""
    BOOTSTRAP = "bootstrap"
    """The box answers to a log-in that is known here."""
    REACH = "reach"
    """What it says of itself is what was ordered: serial number, model, release."""
    PLAN = "plan"
    """What would be restored, what would be lost, and what of that a person has to have accepted."""
    SWAP = "swap"
    """The new unit takes over the position in the inventory; it is visited by nobody else yet."""
    RESTORE = "restore"
    """A push on the commit path."""
    TEST = "test"
    """Function tests over a new session, before the intervention is closed."""
    LOGIN = "login"
    """The box is given the site's own log-in, where it came with another one and its family can be given it."""
    CLOSE = "close"
    """The unit is in service."""
    RESET = "reset"
    """Back to factory settings."""


class Stage(StrEnum):
    """How far a replacement has come, as operators see it. The last three are ends."""

    ORDERED = "ordered"
    KEYED = "keyed"
    BOOTSTRAPPED = "bootstrapped"
    REACHABLE = "reachable"
    PLANNED = "planned"
    SWAPPED = "swapped"
    RESTORED = "restored"
    TESTED = "tested"
    FAILED = "failed"
    """It does not restore; a person says how it goes on."""
    CLOSED = "closed"
    SUPPORT = "support"
    """Past what can be done from here: on-demand support (§5.1.2.4)."""
    CANCELLED = "cancelled"


class Result(StrEnum):
    DONE = "done"
    FAILED = "failed"
    """It did not work this time: the box is not there yet, a push was reverted."""
    ASKS = "asks"
    """A person has to look at something first: a key, a list of losses."""
    REFUSED = "refused"
    """It will not work by trying again: another serial number, a wrong log-in."""


class Ask(StrEnum):
    """What is waited for."""

    KEY = "key"
    PLAN = "plan"
    RETRY = "retry"
    CONSENT = "consent"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the journal: a step that has begun, or one that has ended with a result."""

    step: Step
    at: datetime
    result: Result | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What people have said: the number of the question that was answered last, whether the customer agreed to factory
    settings, and whether the whole thing is called off. ``resettable``: the family goes back to them when told to."""

    answered: int = 0
    consent: bool = False
    cancelled: bool = False
    resettable: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens next: a step, questions to a person, or the end; ``reason`` in operators' words."""

    step: Step | None = None
    asks: tuple[Ask, ...] = ()
    end: Stage | None = None
    reason: str = ""


END: Final = frozenset({Stage.CLOSED, Stage.SUPPORT, Stage.CANCELLED})
_ORDER: Final = (
    Step.KEY, Step.BOOTSTRAP, Step.REACH, Step.PLAN, Step.SWAP, Step.RESTORE, Step.TEST, Step.LOGIN,
    Step.CLOSE,
)  # fmt: skip
LOOKING: Final = frozenset({Step.KEY, Step.BOOTSTRAP, Step.REACH, Step.PLAN})
"""Steps without any effect: they are tried again for as long as it takes, since a box may come in days."""
_ON_THE_BOX: Final = frozenset({Step.RESTORE, Step.TEST})
_STAGES: Final = {
    Step.KEY: Stage.KEYED, Step.BOOTSTRAP: Stage.BOOTSTRAPPED, Step.REACH: Stage.REACHABLE, Step.PLAN: Stage.PLANNED,
    Step.SWAP: Stage.SWAPPED, Step.RESTORE: Stage.RESTORED, Step.TEST: Stage.TESTED, Step.LOGIN: Stage.TESTED,
}  # fmt: skip
MOST_TRIES: Final = 3
"""Restores that have to fail before a person is asked how it goes on."""


def decide(journal: Sequence[Entry], told: Told) -> Verdict:
    """The next step, what a person is asked, or the end. Total: a journal that `decide` itself led to has an answer."""
    last = journal[-1] if journal else None
    if last is not None and last.step is Step.CLOSE and last.result is Result.DONE:
        return Verdict(end=Stage.CLOSED)
    if last is not None and last.step is Step.RESET:
        return _after_reset(last)
    if told.cancelled and not _cannot_be_called_off(journal):
        return Verdict(end=Stage.CANCELLED, reason="called off")
    asked = questions(journal)
    stuck = asked > told.answered
    if last is not None and last.result is None:
        return Verdict(last.step)  # interrupted: done again
    if stuck and last is not None:
        return _waiting(journal, last, told)
    return Verdict(_next(journal))


def questions(journal: Sequence[Entry]) -> int:
    """How many questions were put so far. Every third restore that fails is one."""
    failed = sum(entry.step in _ON_THE_BOX and entry.result is Result.FAILED for entry in journal)
    return sum(entry.result in (Result.ASKS, Result.REFUSED) for entry in journal) + failed // MOST_TRIES


def tries(journal: Sequence[Entry]) -> int:
    """How many restores have failed, the tests behind them counted in: what names the next one's push."""
    return sum(entry.step in _ON_THE_BOX and entry.result is Result.FAILED for entry in journal)


def stage_of(journal: Sequence[Entry]) -> Stage:
    """How far it has come: the last step that was done and still holds."""
    done = [entry.step for entry in journal if entry.result is Result.DONE]
    if any(entry.step is Step.RESET for entry in journal):
        return Stage.FAILED if journal[-1].result is None else Stage.SUPPORT
    if done and done[-1] is Step.CLOSE:
        return Stage.CLOSED
    step = _next(journal)
    if Step.SWAP in done and step in LOOKING | {Step.SWAP}:
        return Stage.SWAPPED  # looked at anew after a restore that failed
    place = _ORDER.index(step)
    return _STAGES[_ORDER[place - 1]] if place else Stage.ORDERED


def is_restored(journal: Sequence[Entry]) -> bool:
    """Whether the restore stands: from here on there is nothing to call off."""
    return _next(journal) in (Step.TEST, Step.LOGIN, Step.CLOSE)


def _waiting(journal: Sequence[Entry], last: Entry, told: Told) -> Verdict:
    if last.result is Result.ASKS:
        return Verdict(asks=(Ask.KEY if last.step is Step.KEY else Ask.PLAN,), reason=last.reason)
    if not any(entry.step is Step.RESTORE for entry in journal):
        return Verdict(asks=(Ask.RETRY,), reason=last.reason)
    if told.consent and told.resettable:
        return Verdict(Step.RESET, reason=last.reason)
    if told.consent:
        return Verdict(end=Stage.SUPPORT, reason=last.reason)
    return Verdict(asks=(Ask.CONSENT, Ask.RETRY), reason=last.reason)


def _after_reset(last: Entry) -> Verdict:
    """One try, or as many as processes die of: whether it worked or not, the rest is for people on the spot."""
    return Verdict(Step.RESET) if last.result is None else Verdict(end=Stage.SUPPORT, reason=last.reason)


def _cannot_be_called_off(journal: Sequence[Entry]) -> bool:
    """While a push is on its way it has to end first; what was restored stays."""
    last = journal[-1] if journal else None
    amid = last is not None and last.result is None and last.step not in LOOKING
    return amid or is_restored(journal)


def _next(journal: Sequence[Entry]) -> Step:
    """The step that the journal leads to, questions aside."""
    step, swapped = Step.KEY, False
    for entry in journal:
        if entry.result is Result.DONE:
            swapped = swapped or entry.step is Step.SWAP
            step = _after(entry.step, swapped=swapped)
        elif entry.result is Result.REFUSED:
            # What was found out before may be of another box: the whole is looked at anew.
            step = Step.KEY
        elif entry.result is Result.FAILED and entry.step in _ON_THE_BOX:
            step = Step.PLAN
        else:
            step = entry.step
    return step


def _after(step: Step, *, swapped: bool) -> Step:
    if step is Step.PLAN and swapped:
        return Step.RESTORE
    place = _ORDER.index(step) + 1 if step in _ORDER else len(_ORDER)
    return _ORDER[min(place, len(_ORDER) - 1)]


@dataclass(frozen=True, slots=True)
class Unit:
    """The new hardware, as it was ordered, and how it is reached. None in ``port``, ``family`` or ``credential``: as
    the one before; ``model`` None: whatever it says. ``credential`` names the log-in that the new box answers to."""

    serial: str
    address: str
    port: int | None = None
    family: str | None = None
    model: str | None = None
    credential: str | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """What people have said of it. ``key`` and ``plan`` are fingerprints; ``names`` maps interface names of the old
    box to those of the new one."""

    key: str | None = None
    plan: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    consent: str | None = None
    """Who agreed to factory settings, when and how, in words (§5.1.2.4)."""
    consent_by: str | None = None
    consent_at: datetime | None = None
    answered: int = 0
    cancelled_by: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """What the work on it has found out. ``plan`` and ``report`` are plain data without secrets."""

    stage: Stage = Stage.ORDERED
    asks: tuple[Ask, ...] = ()
    questions: int = 0
    offered_key: str | None = None
    """OpenSSH public-key form."""
    plan: Mapping[str, Any] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)
    backup_id: str | None = None
    """The version that is restored, once it was chosen."""
    push_id: str | None = None
    new_device_id: str | None = None
    note: str = ""
    """What it waits for, or why it could not go on, in a sentence."""
    not_before: datetime | None = None
    reason: str | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Replacement:
    """One swap of one position's hardware. All durable truth about it is here and in its journal."""

    id: str
    device_id: str
    """The hardware that leaves."""
    position_id: str
    device: str
    site: str
    unit: Unit
    created_at: datetime
    requested_by: str
    version: int | None = None
    """Number of the version to restore; None: the latest good one."""
    key: str | None = None
    """Idempotency key of whoever asked."""
    answers: Answers = field(default_factory=Answers)
    progress: Progress = field(default_factory=Progress)


@dataclass(frozen=True, slots=True)
class ReplacementRecord:
    """A replacement with its journal, oldest entry first."""

    replacement: Replacement
    journal: Sequence[Entry] = ()
