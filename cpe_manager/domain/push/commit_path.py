"""The way that every change of a device takes, and what has to happen next on it, decided from the journal alone.

::

    plan -> check -> snapshot -> arm -> apply -> probe -> confirm = confirmed
                |        |        |       |        |         |
                '- no effect yet -'       '----- revert -----'  = reverted, or stuck when it cannot be made sure of

Each step is journaled as *begun* before it has any effect, and as *ended* after it. Who takes up a push, at once or
after a crash, reads the journal and asks `decide`: it never needs to know what the process before it was about to do.
A step that had begun and not ended may have had its whole effect, a part of it, or none; every step is made so that
doing it again is right (arming again, confirming what is confirmed, reverting what has reverted).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class Step(StrEnum):
    PLAN = "plan"
    CHECK = "check"
    SNAPSHOT = "snapshot"
    ARM = "arm"
    APPLY = "apply"
    PROBE = "probe"
    CONFIRM = "confirm"
    REVERT = "revert"


class Phase(StrEnum):
    """Where a push stands, as operators see it. The last four are ends."""

    PLANNED = "planned"
    CHECKED = "checked"
    SNAPSHOTTED = "snapshotted"
    ARMED = "armed"
    APPLIED = "applied"
    PROBED = "probed"
    CONFIRMED = "confirmed"
    REVERTED = "reverted"
    STUCK = "stuck"
    WITHDRAWN = "withdrawn"
    """Given up before anything had an effect on the device."""


class Result(StrEnum):
    DONE = "done"
    FAILED = "failed"
    """For sure: the device refused, a probe failed. What it means for the device is decided here, not there."""


@dataclass(frozen=True, slots=True)
class Note:
    """What one check or probe of a step said. ``ok`` None: it could not tell."""

    what: str
    ok: bool | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the journal: a step that has begun, or one that has ended with a result.

    ``deadline`` belongs to the ARM that begins: when the device takes the change back by itself, on our clock, at the
    earliest. ``code`` and ``notes`` belong to steps that ended: why one failed, for programs, and what was looked at.
    Nothing is decided by them.
    """

    step: Step
    at: datetime
    result: Result | None = None
    reason: str = ""
    deadline: datetime | None = None
    code: str = ""
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens next: a step to be taken, or the end that was reached; ``reason`` says why in operators' words."""

    step: Step | None = None
    end: Phase | None = None
    reason: str = ""


END: Final = frozenset({Phase.CONFIRMED, Phase.REVERTED, Phase.STUCK, Phase.WITHDRAWN})
_ORDER: Final = (Step.PLAN, Step.CHECK, Step.SNAPSHOT, Step.ARM, Step.APPLY, Step.PROBE, Step.CONFIRM)
_HARMLESS: Final = frozenset({Step.PLAN, Step.CHECK, Step.SNAPSHOT})
_PHASES: Final = dict(zip(_ORDER, list(Phase)[:6], strict=False)) | {Step.CONFIRM: Phase.CONFIRMED}
MARGIN: Final = timedelta(seconds=20)
"""Before the device's own deadline nothing new is begun that only makes sense if the change stays: its clock is not
ours, and a confirmation that crosses the device's reverting on the way would end in neither state."""
MOST_REVERTS: Final = 5
"""Attempts to revert that have to fail before a push is called stuck. Only those count that were made when the device
should long have taken the change back by itself: until then a box that is cut off is no alarm, it is what arming is
for."""


def decide(
    journal: Sequence[Entry], now: datetime, *, withdrawn: bool = False, resumed: bool = False, guarded: bool = True
) -> Verdict:
    """The next step of a push, or its end. ``withdrawn``: somebody asked to give it up; that is heeded for as long as
    nothing is confirmed. ``resumed``: who asks has just taken the push up, and knows nothing but the journal. Not
    ``guarded``: the device promises nothing, as there is nothing to go back from (a restart); what broke off is begun
    again.

    Total: any journal that `decide` itself led to has an answer.
    """
    if not journal:
        return Verdict(end=Phase.WITHDRAWN, reason="withdrawn") if withdrawn else Verdict(Step.PLAN)
    last = journal[-1]
    if any(entry.step is Step.REVERT for entry in journal):
        return _reverting(journal)
    if last.step in _HARMLESS:
        return _before_effect(last, withdrawn=withdrawn, resumed=resumed)
    if last.result is Result.FAILED:
        return Verdict(Step.REVERT, reason=last.reason)
    if last.step is Step.CONFIRM:
        # Begun means: the change was found good. It may be confirmed already, so there is no way back but the device's.
        return Verdict(end=Phase.CONFIRMED) if last.result is Result.DONE else Verdict(Step.CONFIRM)
    if withdrawn:
        return Verdict(Step.REVERT, reason="withdrawn")
    if not guarded:
        return Verdict(last.step) if last.result is None else Verdict(_after(last.step))
    if last.result is None and last.step in (Step.ARM, Step.APPLY):
        return Verdict(Step.REVERT, reason=f"interrupted in the middle of {last.step}")
    if resumed and last.step is Step.ARM:
        # What was to be applied died with the process that had planned it.
        return Verdict(Step.REVERT, reason="interrupted before anything was applied")
    if _too_late(journal, now):
        return Verdict(Step.REVERT, reason="too little time was left before the device takes the change back by itself")
    return Verdict(last.step) if last.result is None else Verdict(_after(last.step))


def phase_of(journal: Sequence[Entry]) -> Phase:
    """Where a push stands: the last step that was done; what has only begun is not there yet."""
    done = [entry for entry in journal if entry.result is Result.DONE]
    if any(entry.step is Step.REVERT for entry in journal):
        if done and done[-1].step is Step.REVERT:
            return Phase.REVERTED
        if _failed_reverts(journal) >= MOST_REVERTS:
            return Phase.STUCK
    return _PHASES[done[-1].step] if done else Phase.PLANNED


def code_of(journal: Sequence[Entry]) -> str:
    """Why a push did not become what was wanted, for programs: the first failure after which no step forward was done;
    empty when none failed."""
    failed = ""
    for entry in journal:
        if entry.result is Result.FAILED and not failed:
            failed = entry.code
        elif entry.result is Result.DONE and entry.step is not Step.REVERT:
            failed = ""
    return failed


def noted(journal: Sequence[Entry], what: str) -> Note | None:
    """The last note of that name from before the change was applied."""
    found = None
    for entry in journal:
        if entry.step is Step.APPLY:
            break
        found = next((note for note in entry.notes if note.what == what), found)
    return found


def begun(journal: Sequence[Entry], step: Step) -> Entry | None:
    """Where a step began for the first time."""
    return next((entry for entry in journal if entry.step is step and entry.result is None), None)


def places(journal: Sequence[Entry], old: str, new: str | None) -> tuple[str, ...]:
    """At which addresses a device is looked for, the likeliest first. ``new``: where the change has it managed from its
    effect on; None where that stays as it is.

    A change that is in effect is proved and confirmed at the new address and nowhere else. One that is taken back may
    be at either: the device goes back when it sees fit.
    """
    if new is None or new == old:
        return (old,)
    applied = any(entry.step is Step.APPLY and entry.result is Result.DONE for entry in journal)
    if journal and journal[-1].step is Step.REVERT:
        return (new, old) if applied else (old, new)
    return (new,) if applied else (old,)


def _before_effect(last: Entry, *, withdrawn: bool, resumed: bool) -> Verdict:
    if withdrawn or last.result is Result.FAILED:
        return Verdict(end=Phase.WITHDRAWN, reason=last.reason or "withdrawn")
    if last.result is None or resumed:
        # What a dead process had planned may be stale by now: it is planned anew, at no cost to the device.
        return Verdict(Step.PLAN)
    return Verdict(_after(last.step))


def _reverting(journal: Sequence[Entry]) -> Verdict:
    last = journal[-1]
    if last.result is Result.DONE:
        first = next(index for index, entry in enumerate(journal) if entry.step is Step.REVERT)
        return Verdict(end=Phase.REVERTED, reason=journal[first].reason)
    if _failed_reverts(journal) >= MOST_REVERTS:
        return Verdict(end=Phase.STUCK, reason=last.reason)
    return Verdict(Step.REVERT, reason=last.reason)


def _failed_reverts(journal: Sequence[Entry]) -> int:
    deadline = _deadline(journal)
    return sum(
        entry.step is Step.REVERT
        and entry.result is Result.FAILED
        and (deadline is None or entry.at >= deadline + MARGIN)
        for entry in journal
    )


def _too_late(journal: Sequence[Entry], now: datetime) -> bool:
    deadline = _deadline(journal)
    return deadline is not None and now >= deadline - MARGIN


def _deadline(journal: Sequence[Entry]) -> datetime | None:
    return next((entry.deadline for entry in reversed(journal) if entry.deadline is not None), None)


def _after(step: Step) -> Step:
    return _ORDER[_ORDER.index(step) + 1]
