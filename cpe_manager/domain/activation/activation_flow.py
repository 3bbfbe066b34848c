"""What has to happen next on an activation (§4.2), decided from its journal alone.

::

    subscribe -> (rush answered) -> configure -> address -> wifi -> backup -> test -> report -> activate = activated
                                        ^                                      | |       |
                                        '------ corrected, at most twice ------' |       | it failed
                                                                    to its end --'       v
                                                      a person retries <------------- failed

As on the commit path each step is journaled as *begun* before it has any effect and as *ended* after it, and each is
made so that doing it again is right. What a step pushes is named by the step and its *round*, which counts up with each
end of it: a step that was interrupted has the round that it had, so its push is found and not made twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal


class Step(StrEnum):
    """In the order in which they are taken."""

    SUBSCRIBE = "subscribe"
    """The site has the subscription that was ordered."""
    CONFIGURE = "configure"
    """LAN, DHCP, opened ports, firewall, name servers, mobile backup with its voice bar: a push."""
    ADDRESS = "address"
    """Addresses and PPP log-in are loaded into the router: a push."""
    WIFI = "wifi"
    """Wifi on or off: a push."""
    BACKUP = "backup"
    """The first configuration backup (§5.2.1.3)."""
    TEST = "test"
    REPORT = "report"
    ACTIVATE = "activate"
    """The activation date is set, and everybody told."""


ON_THE_BOX: Final = (Step.CONFIGURE, Step.ADDRESS, Step.WIFI)
"""Steps that configure the router: none of them where it is the customer's."""


class State(StrEnum):
    """How far an activation has come, as people see it. ``failed`` waits for a person's retry; two are ends."""

    ORDERED = "ordered"
    RUSH_ASKED = "rush-asked"
    """The customer waits to be told whether the day that he asked for is feasible (§4.3)."""
    CONFIGURING = "configuring"
    ADDRESSING = "addressing"
    WIFI = "wifi"
    BACKING_UP = "backing-up"
    TESTING = "testing"
    CORRECTING = "correcting"
    REPORTED = "reported"
    FAILED = "failed"
    ACTIVATED = "activated"
    CANCELLED = "cancelled"


ENDS: Final = frozenset({State.ACTIVATED, State.CANCELLED})
_STATES: Final = {
    Step.SUBSCRIBE: State.ORDERED, Step.CONFIGURE: State.CONFIGURING, Step.ADDRESS: State.ADDRESSING,
    Step.WIFI: State.WIFI, Step.BACKUP: State.BACKING_UP, Step.TEST: State.TESTING, Step.REPORT: State.TESTING,
    Step.ACTIVATE: State.REPORTED,
}  # fmt: skip


class Result(StrEnum):
    """How a step ended. What waits is no end of a round: the same step is taken once more, later."""

    DONE = "done"
    WAITS = "waits"
    """It had no effect: the box does not answer yet, the database of another part refused."""
    FAILED = "failed"
    """It had its chance: a push was reverted, a test failed."""
    REFUSED = "refused"
    """It will not work by trying again: the box cannot carry it, a check speaks against it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the journal: a step that has begun, or one that has ended. ``redo``: of tests that failed, the steps
    whose push may mend that; none of them: nothing does."""

    step: Step
    at: datetime
    result: Result | None = None
    reason: str = ""
    redo: tuple[Step, ...] = ()


Rush = Literal["none", "asked", "answered"]


@dataclass(frozen=True, slots=True)
class Told:
    """What people have said. ``router``: False where it is the customer's own. ``rush``: whether one was asked for, and
    answered, however. ``retries``: how often it was to be tried again after it had failed."""

    router: bool = True
    rush: Rush = "none"
    retries: int = 0
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Next:
    """What happens next: a step with its round, a wait for a person, or the end. ``state``: while that is so.
    ``passed``: of a report, whether it is one of a site that is well."""

    state: State
    step: Step | None = None
    round: int = 0
    reason: str = ""
    passed: bool = True
    failures: int = 0

    @property
    def ended(self) -> bool:
        return self.state in ENDS


MOST_CORRECTIONS: Final = 2
"""Times that what failed in a test is pushed once more, within one attempt."""
MOST_TRIES: Final = 3
"""Times that one step's push may be reverted, within one attempt."""


@dataclass(slots=True)
class _Walk:
    """Where a journal has led to."""

    step: Step = Step.SUBSCRIBE
    redo: tuple[Step, ...] = ()
    corrections: int = 0
    tries: int = 0
    backed_up: bool = False
    passed: bool = True
    failures: int = 0
    reason: str = ""
    activated: bool = False


def decide(journal: Sequence[Entry], told: Told) -> Next:
    """Total: every journal that it led to itself has an answer. A step that had begun is taken to its end, also when
    somebody has called the whole off: it sees to that itself."""
    walk = _walked(journal, told)
    if walk.activated:
        return Next(State.ACTIVATED)
    amid = bool(journal) and journal[-1].result is None
    if told.cancelled and not amid:
        return Next(State.CANCELLED, reason="called off")
    if not amid and walk.failures > told.retries:
        return Next(State.FAILED, reason=walk.reason, failures=walk.failures)
    if not amid and told.rush == "asked" and walk.step is not Step.SUBSCRIBE:
        return Next(State.RUSH_ASKED, reason="the feasibility of the rush is not answered yet (§4.3)")
    state = State.CORRECTING if walk.corrections and walk.step in ON_THE_BOX else _STATES[walk.step]
    number = round_of(journal, walk.step)
    return Next(state, walk.step, number, walk.reason, walk.passed, walk.failures)


def round_of(journal: Sequence[Entry], step: Step) -> int:
    """How often a step has come to an end: names the push of the next time."""
    return sum(one.step is step and one.result not in (None, Result.WAITS) for one in journal)


def failures(journal: Sequence[Entry], told: Told) -> int:
    """How often it has failed for good."""
    return _walked(journal, told).failures


def _walked(journal: Sequence[Entry], told: Told) -> _Walk:
    walk = _Walk()
    for entry in journal:
        if entry.result is None or entry.result is Result.WAITS:
            walk.step = entry.step
        elif entry.result is Result.DONE:
            _done(walk, entry.step, told)
        else:
            _not_done(walk, entry, told)
    return walk


def _done(walk: _Walk, step: Step, told: Told) -> None:
    if step is Step.ACTIVATE:
        walk.activated = True
    elif step is Step.TEST:
        walk.step, walk.passed, walk.reason = Step.REPORT, True, ""
    elif step is Step.REPORT and walk.passed:
        walk.step = Step.ACTIVATE
    elif step is Step.REPORT:
        _failed(walk)
    elif walk.redo:
        walk.tries, walk.redo = 0, walk.redo[1:]
        walk.step = walk.redo[0] if walk.redo else Step.TEST
    else:
        walk.tries, walk.backed_up = 0, walk.backed_up or step is Step.BACKUP
        walk.step = _after(step, walk, told)


def _not_done(walk: _Walk, entry: Entry, told: Told) -> None:
    walk.reason, step = entry.reason, entry.step
    if step is Step.TEST and entry.result is Result.FAILED:
        redo = tuple(one for one in entry.redo if told.router and one in ON_THE_BOX)
        if redo and walk.corrections < MOST_CORRECTIONS:
            walk.corrections += 1
            walk.redo, walk.step = redo, redo[0]
            return
    elif entry.result is Result.FAILED and step not in (Step.REPORT, Step.ACTIVATE):
        walk.tries += 1
        if walk.tries < MOST_TRIES:
            return
    walk.passed = False
    if step is Step.REPORT:
        _failed(walk)
    else:
        # Somebody is told in writing, also of what came to nothing before any test.
        walk.step = Step.REPORT


def _failed(walk: _Walk) -> None:
    """For good, until somebody retries. All of it is looked at anew then: the subscription may be what was wrong."""
    walk.failures += 1
    walk.step, walk.redo, walk.corrections, walk.tries, walk.passed = Step.SUBSCRIBE, (), 0, 0, True


def _after(step: Step, walk: _Walk, told: Told) -> Step:
    order = tuple(Step)
    skipped = set(() if told.router else ON_THE_BOX) | ({Step.BACKUP} if walk.backed_up else set())
    return next(one for one in order[order.index(step) + 1 :] if one not in skipped)
