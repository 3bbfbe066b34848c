"""The work on activations: step by step, each written down before it has an effect; and the watch over their time.

What comes next is decided in ``domain.activation.activation_flow`` from the journal; here the steps are taken. Who
works on an activation holds it, with a fence; a process that dies is followed by another.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from cpe_manager.domain.activation.activation_flow import Entry, Next, Result, State, Step, Told, decide
from cpe_manager.domain.activation.activations import Activation, TestResult, Verdict, order_of
from cpe_manager.domain.errors import CpeManagerError, DeviceError, InputError, NotFound, StoreError
from cpe_manager.domain.events import Alarm, NewEvent
from cpe_manager.domain.working_days import local_day
from cpe_manager.ports.activations import (
    AT_RISK,
    OVERDUE,
    TICKET,
    UNANSWERED,
    ActivationStore,
    Hold,
    alarm_key,
)
from cpe_manager.ports.engine import Engine, Ticket
from cpe_manager.ports.stores import EventStore
from cpe_manager.services.activation.configuring import Configuring
from cpe_manager.services.activation.parts import NotDone, Refused, Trip, event_of
from cpe_manager.services.activation.reporting import Reporting
from cpe_manager.services.activation.testing import Testing, summary_of
from cpe_manager.services.backup.attempt import LONGEST_ERROR, Outside
from cpe_manager.services.jobs.held_work import HeldWork

log = structlog.get_logger()

LOOK_AGAIN: Final = timedelta(seconds=60)
"""Until a step is taken once more that had to wait: a box that does not answer yet."""


@dataclass(frozen=True, slots=True)
class Hands:
    configuring: Configuring
    testing: Testing
    reporting: Reporting


@dataclass(slots=True)
class _Work:
    hold: Hold
    trip: Trip


@dataclass(frozen=True, slots=True)
class _Outcome:
    result: Result
    reason: str = ""
    redo: tuple[Step, ...] = ()
    events: tuple[NewEvent, ...] = ()


class ActivationWork:
    """The engine's handler for activations."""

    def __init__(self, store: ActivationStore, hands: Hands, outside: Outside, *, owner: str) -> None:
        self._store, self._hands, self._outside = store, hands, outside
        self._held = HeldWork("activation", owner, outside.clock)

    async def handle(self, ticket: Ticket) -> None:
        """Go as far as it goes without a person or the box; ends at once when somebody else is at it."""
        await self._held.go(self._store, ticket.id, self._walk)

    async def _walk(self, hold: Hold) -> None:
        work = await self._read(hold)
        while True:
            trip = work.trip
            verdict = decide(trip.journal, _told(trip.activation))
            if verdict.ended:
                await self._end(work, verdict)
                return
            if verdict.step is None:
                if await self._is_waiting(work, verdict):
                    return
            elif not await self._take(work, verdict):
                return
            # What people say meanwhile counts from the next step on.
            fresh = (await self._store.activation(hold.activation_id)).activation
            trip.activation = fresh

    async def _read(self, hold: Hold) -> _Work:
        record = await self._store.activation(hold.activation_id)
        sealed = await self._store.order(hold.activation_id)
        order = order_of(json.loads(self._outside.vault.open_note(sealed)))

        work = _Work(hold, Trip(record.activation, list(record.journal), order))

        async def save() -> None:
            await self._store.advance(hold, work.trip.progress)

        async def begin() -> None:
            last = work.trip.journal[-1]
            if last.result is not None:
                await self._write(work, Entry(last.step, self._outside.clock.now()))

        work.trip.save, work.trip.begin = save, begin
        return work

    async def _take(self, work: _Work, verdict: Next) -> bool:
        """One step. False when nothing more can be done for now: it is looked at again later. A step that waited is
        written down as begun when it is about to have an effect, not at every look."""
        step, trip = verdict.step, work.trip
        assert step is not None
        last = trip.journal[-1] if trip.journal else None
        if last is None or last.result not in (None, Result.WAITS):
            came_further = trip.progress.state is not verdict.state or last is None
            now = self._outside.clock.now()
            trip.progress = replace(trip.progress, state=verdict.state, note="", not_before=now)
            told = [self._event(trip, "step", "", step=step.value)] if came_further else []
            await self._write(work, Entry(step, now), told)
        outcome = await self._outcome(work, verdict)
        now, waits = self._outside.clock.now(), outcome.result is Result.WAITS
        entry = Entry(step, now, outcome.result, outcome.reason, outcome.redo)
        last = trip.journal[-1]
        again = waits and (last.result, last.reason) == (entry.result, entry.reason)
        trip.progress = replace(trip.progress, note=outcome.reason, not_before=now + LOOK_AGAIN if waits else now)
        told = list(outcome.events)
        if waits and not again:
            told.append(self._event(trip, "step", outcome.reason, step=step.value))
        await self._write(work, None if again else entry, told)
        if not again:
            log.info(
                "activation.step", site=trip.activation.site, activation_id=trip.id, step=step.value,
                result=outcome.result.value, reason=outcome.reason, fence=work.hold.fence,
            )  # fmt: skip
        return not waits

    async def _write(self, work: _Work, entry: Entry | None, events: Sequence[NewEvent] = ()) -> None:
        await self._store.advance(work.hold, work.trip.progress, entry, events)
        if entry is not None:
            work.trip.journal.append(entry)

    async def _outcome(self, work: _Work, verdict: Next) -> _Outcome:
        step = verdict.step
        try:
            return await self._done(work, verdict)
        except StoreError:
            raise  # the database: whoever comes next reads what was written
        except Refused as error:
            return _Outcome(self._final(step), self._words(error))
        except CpeManagerError as error:
            return _Outcome(_result_of(error, step), self._words(error))
        except Exception as error:  # a defect must not leave an activation without a word
            log.exception("activation.defect", site=work.trip.activation.site, step=str(step))
            return _Outcome(self._final(step), f"internal error ({type(error).__name__}); the log has the details")

    @staticmethod
    def _final(step: Step | None) -> Result:
        """What is told in writing is told, however long that takes."""
        return Result.WAITS if step in (Step.REPORT, Step.ACTIVATE) else Result.REFUSED

    async def _done(self, work: _Work, verdict: Next) -> _Outcome:
        trip, step, hands = work.trip, verdict.step, self._hands
        if step is Step.SUBSCRIBE:
            return _Outcome(Result.DONE, await hands.configuring.subscribe(trip))
        if step is Step.BACKUP:
            return _Outcome(Result.DONE, await hands.configuring.back_up(trip, verdict.round))
        if step is Step.TEST:
            return await self._tested(trip, verdict.round)
        if step is Step.REPORT:
            report = await hands.reporting.make(
                trip, verdict.round + 1, passed=verdict.passed, reason="" if verdict.passed else verdict.reason
            )
            await self._store.add_report(work.hold, report)
            told = "passed" if verdict.passed else f"not passed: {verdict.reason}"
            event = self._event(trip, "reported", told, report=report.number, passed=report.passed)
            return _Outcome(Result.DONE, f"report {report.number}", events=(event,))
        if step is Step.ACTIVATE:
            return _Outcome(Result.DONE, await hands.configuring.activate(trip))
        assert step is not None
        return _Outcome(Result.DONE, await hands.configuring.push(trip, step, verdict.round))

    async def _tested(self, trip: Trip, number: int) -> _Outcome:
        made = await self._hands.testing.run(trip, number)
        why = summary_of(made)
        tests = [{"name": one.name, "verdict": one.verdict.value, "reason": one.reason} for one in made.results]
        told = why or _counted(made.results)
        event = self._event(trip, "tested", told, round=made.number, tests=tests)
        if not why:
            return _Outcome(Result.DONE, told, events=(event,))
        return _Outcome(Result.FAILED, why, made.redo, (event,))

    def _words(self, error: Exception) -> str:
        return self._outside.redactor.text(" ".join(str(error).split()))[:LONGEST_ERROR]

    def _event(self, trip: Trip, kind: str, reason: str, **more: object) -> NewEvent:
        one = replace(trip.activation, progress=trip.progress)
        severity = "error" if kind == "failed" else "info"
        return event_of(one, kind, self._outside, reason, severity, **more)  # type: ignore[arg-type]

    async def _is_waiting(self, work: _Work, verdict: Next) -> bool:
        """Whether it is written down already that a person is waited for, and there is nothing to do. Else it is
        written now; what was said in the meantime is read before anybody waits for it."""
        trip = work.trip
        before = trip.activation.progress
        known = (before.state, before.failures) == (verdict.state, verdict.failures)
        if known and before.not_before is None:
            return True
        trip.progress = replace(
            trip.progress, state=verdict.state, note=verdict.reason, not_before=None, failures=verdict.failures
        )
        kind = "failed" if verdict.state is State.FAILED else "step"
        await self._write(work, None, [] if known else [self._event(trip, kind, verdict.reason)])
        return False

    async def _end(self, work: _Work, verdict: Next) -> None:
        trip, now = work.trip, self._outside.clock.now()
        reason = verdict.reason
        if verdict.state is State.CANCELLED:
            reason = f"called off by {trip.activation.said.cancelled_by}"
        trip.progress = replace(trip.progress, state=verdict.state, note=reason, not_before=None, ended_at=now)
        at = trip.progress.activated_at
        event = self._event(
            trip, verdict.state.value, reason, activated_at=None if at is None else at.isoformat(),
            report=trip.progress.reports or None,
        )  # fmt: skip
        await self._store.advance(work.hold, trip.progress, None, [event])
        log.info("activation.ended", site=trip.activation.site, activation_id=trip.id, state=verdict.state.value)


def _result_of(error: CpeManagerError, step: Step | None) -> Result:
    """A way to the box that is not there yet is waited for; a log-in that is wrong, and what an order cannot be, is for
    a person."""
    if isinstance(error, NotDone):
        return Result.FAILED
    if step in (Step.REPORT, Step.ACTIVATE):
        return Result.WAITS
    final = isinstance(error, InputError | NotFound) or (isinstance(error, DeviceError) and not error.retryable)
    return Result.REFUSED if final else Result.WAITS


def _told(one: Activation) -> Told:
    rush = "none" if not one.rush else "asked" if one.said.rush is None else "answered"
    return Told(one.router, rush, one.said.retries, one.said.cancelled_by is not None)  # type: ignore[arg-type]


class ActivationWatch:
    """Level-triggered: tickets for whatever is due and held by nobody; alarms of what is late (§4.2, §4.3)."""

    def __init__(self, store: ActivationStore, events: EventStore, engine: Engine, outside: Outside, zone: str) -> None:
        self._store, self._events, self._engine, self._zone = store, events, engine, zone
        self._clock = outside.clock

    async def look(self) -> None:
        now = self._clock.now()
        due = await self._store.due(now)
        if due:
            await self._engine.enqueue([Ticket(TICKET, activation_id) for activation_id in due])
        wanted = {one.key: one for late in await self._store.late(now) for one in self._alarms(late, now)}
        raised = {one.key for one in await self._events.alarms() if one.kind.startswith("activation.")}
        new, over = [wanted[key] for key in wanted if key not in raised], sorted(raised - wanted.keys())
        if new or over:
            await self._store.alarm(new, over, now)

    def _alarms(self, one: Activation, now: datetime) -> list[Alarm]:
        found, promise = [], one.promise
        day = local_day(promise.due_at, self._zone)
        state = f"it is {one.progress.state}" + (f": {one.progress.note}" if one.progress.note else "")
        if now >= promise.due_at:
            found.append((OVERDUE, f"{one.site}: was to be activated by {day}; {state}"))
        elif now >= promise.risk_at:
            found.append((AT_RISK, f"{one.site}: is to be activated by {day}; {state}"))
        if promise.answer_by is not None and one.said.rush is None and now >= promise.answer_by:
            until = local_day(promise.answer_by, self._zone)
            found.append((UNANSWERED, f"{one.site}: the rush was to be answered by {until} (§4.3)"))
        return [
            Alarm(alarm_key(kind, one.id), kind, one.device_id, one.device, now, message) for kind, message in found
        ]


def _counted(results: Sequence[TestResult]) -> str:
    """``4 passed, 2 unproven, none failed``; what was not ordered was no test."""
    count = Counter(one.verdict for one in results)
    unproven = f"{count[Verdict.UNPROVEN]} unproven, " if count[Verdict.UNPROVEN] else ""
    return f"{count[Verdict.PASSED]} passed, {unproven}none failed"
