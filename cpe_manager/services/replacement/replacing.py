"""The work on replacements of hardware: step by step, each written down before it has an effect.

What comes next is decided in ``domain.replacement.replacements`` from the journal; here the steps are taken. Who works
on a replacement holds it, with a fence; a process that dies is followed by another. Looking at the new box changes
nothing on it; what changes it is a push on the commit path, as any other, so a restore that cuts our way to the box is
taken back by the box itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

import structlog

from cpe_manager.domain.errors import CpeManagerError, DeviceError, StoreError
from cpe_manager.domain.events import NewEvent, Severity
from cpe_manager.domain.replacement.replacements import (
    LOOKING,
    Ask,
    Entry,
    Progress,
    Replacement,
    Result,
    Stage,
    Step,
    Told,
    Verdict,
    decide,
    is_restored,
    questions,
    stage_of,
)
from cpe_manager.ports.driver import Resettable
from cpe_manager.ports.engine import Engine, Ticket
from cpe_manager.ports.replacements import TICKET, Hold, ReplacementStore
from cpe_manager.services.backup.attempt import LONGEST_ERROR, Outside
from cpe_manager.services.fleet.inventory import Inventory
from cpe_manager.services.jobs.held_work import HeldWork
from cpe_manager.services.push.pushes import Pushes
from cpe_manager.services.replacement.replacement_steps import Steps
from cpe_manager.services.replacement.replacement_ways import Asks, Refused, SwapStores, Trip
from cpe_manager.services.replacement.replacements import Replacements

log = structlog.get_logger()

LOOK_AGAIN: Final = timedelta(seconds=60)
"""Until a box that is not there yet is looked for again."""


@dataclass(slots=True)
class _Work:
    """One process's way through a replacement; what outlives it is in the store."""

    hold: Hold
    replacement: Replacement
    journal: list[Entry]
    trip: Trip = field(init=False)

    def __post_init__(self) -> None:
        self.trip = Trip(self.replacement, self.journal)


class ReplacementWork:
    """The engine's handler for replacements."""

    def __init__(self, store: ReplacementStore, steps: Steps, outside: Outside, *, owner: str) -> None:
        self._store, self._steps, self._outside = store, steps, outside
        self._held = HeldWork("replacement", owner, outside.clock)

    async def handle(self, ticket: Ticket) -> None:
        """Go as far as it goes without a person or the box; ends at once when somebody else is at it."""
        await self._held.go(self._store, ticket.id, self._walk)

    async def _walk(self, hold: Hold) -> None:
        with ExitStack() as held:
            work = await self._read(hold)
            work.trip.held = held
            while True:
                verdict = decide(work.journal, self._told(work.replacement))
                if verdict.end is not None:
                    await self._end(work, verdict)
                    return
                if verdict.step is None:
                    if await self._is_asking(work, verdict):
                        return
                elif not await self._take(work, verdict.step) and not self._is_called_off(work):
                    return
                # What people say meanwhile counts from the next step on.
                fresh = (await self._store.replacement(hold.replacement_id)).replacement
                work.replacement = work.trip.replacement = fresh

    @staticmethod
    def _is_called_off(work: _Work) -> bool:
        """Whether there is no point in waiting for the box: what is restored is closed all the same."""
        return work.replacement.answers.cancelled_by is not None and not is_restored(work.journal)

    async def _read(self, hold: Hold) -> _Work:
        record = await self._store.replacement(hold.replacement_id)
        return _Work(hold, record.replacement, list(record.journal))

    def _told(self, replacement: Replacement) -> Told:
        answers = replacement.answers
        try:
            resettable = isinstance(self._steps.driver_of(replacement), Resettable)
        except CpeManagerError:
            resettable = False
        return Told(answers.answered, answers.consent is not None, answers.cancelled_by is not None, resettable)

    async def _take(self, work: _Work, step: Step) -> bool:
        """One step. False when nothing more can be done for now: the box is looked for again later."""
        if step not in LOOKING:
            await self._note(work, Entry(step, self._outside.clock.now()))
        result, reason = await self._result(work.trip, step)
        if step is Step.RESTORE and result is Result.FAILED:
            work.trip.forget()
        entry = Entry(step, self._outside.clock.now(), result, reason)
        waits = result is Result.FAILED and step not in (Step.RESTORE, Step.TEST, Step.RESET)
        await self._note(work, entry, waits=waits)
        return not waits

    async def _result(self, trip: Trip, step: Step) -> tuple[Result, str]:
        try:
            return Result.DONE, await self._steps.take(trip, step)
        except StoreError:
            raise  # the database, not the box: whoever comes next reads what was written
        except Asks as question:
            return Result.ASKS, str(question)
        except Refused as refusal:
            return Result.REFUSED, self._words(refusal)
        except DeviceError as error:
            return (Result.FAILED if error.retryable or step not in LOOKING else Result.REFUSED), self._words(error)
        except CpeManagerError as error:
            return (Result.REFUSED if step in LOOKING else Result.FAILED), self._words(error)
        except Exception as error:  # a driver's defect must not leave a replacement without a word
            log.exception("replacement.defect", device=trip.replacement.device, step=step.value)
            return Result.REFUSED, f"internal error ({type(error).__name__}); the log has the details"

    def _words(self, error: Exception) -> str:
        return self._outside.redactor.text(" ".join(str(error).split()))[:LONGEST_ERROR]

    async def _note(self, work: _Work, entry: Entry, *, waits: bool = False) -> None:
        """A line of the journal, but for one that says again what the last one said."""
        last = work.journal[-1] if work.journal else None
        again = waits and last is not None and (last.step, last.result, last.reason) == (
            entry.step, entry.result, entry.reason,
        )  # fmt: skip
        if not again:
            work.journal.append(entry)
        now = self._outside.clock.now()
        progress = replace(
            work.trip.progress,
            stage=stage_of(work.journal),
            asks=(),
            questions=questions(work.journal),
            note=entry.reason,
            not_before=now + LOOK_AGAIN if waits else now,
        )
        await self._advance(work, progress, None if again else entry)
        if entry.result is not None and not again:
            log.info(
                "replacement.step", device=work.replacement.device, replacement_id=work.replacement.id,
                step=entry.step.value, result=entry.result.value, reason=entry.reason, fence=work.hold.fence,
            )  # fmt: skip

    async def _is_asking(self, work: _Work, verdict: Verdict) -> bool:
        """Whether the question stands already, and there is nothing to do but to wait. Else it is put now; what was
        said in the meantime is read before anybody waits for it."""
        progress = work.replacement.progress
        if progress.asks == verdict.asks and progress.not_before is None:
            return True
        failed = Ask.RETRY in verdict.asks
        asking = replace(
            work.trip.progress,
            stage=Stage.FAILED if failed else stage_of(work.journal),
            asks=verdict.asks,
            questions=questions(work.journal),
            note=verdict.reason,
            not_before=None,
        )
        event = self._event(
            work.replacement, "failed" if failed else "asks", verdict.reason, "warning", asks=list(verdict.asks)
        )
        await self._advance(work, asking, events=[event])
        return False

    async def _end(self, work: _Work, verdict: Verdict) -> None:
        assert verdict.end is not None
        now = self._outside.clock.now()
        report = dict(work.trip.progress.report)
        reason = verdict.reason
        if verdict.end is Stage.SUPPORT:
            report["tried"] = [
                f"{entry.step}: {entry.result}" + (f": {entry.reason}" if entry.reason else "")
                for entry in work.journal
                if entry.result is not None and entry.step not in LOOKING
            ]
            reason = f"on-demand support: {reason}"
        ended = replace(
            work.trip.progress, stage=verdict.end, asks=(), report=report, note="", reason=reason or None,
            not_before=None, ended_at=now,
        )  # fmt: skip
        severity: Severity = "error" if verdict.end is Stage.SUPPORT else "info"
        event = self._event(work.replacement, verdict.end.value, reason, severity)
        await self._advance(work, ended, events=[event])
        log.info(
            "replacement.ended", device=work.replacement.device, replacement_id=work.replacement.id,
            stage=verdict.end.value, reason=reason,
        )  # fmt: skip

    async def _advance(
        self, work: _Work, progress: Progress, entry: Entry | None = None, events: Sequence[NewEvent] = ()
    ) -> None:
        await self._store.advance(work.hold, progress, entry, events)
        work.trip.progress = progress

    def _event(self, one: Replacement, kind: str, reason: str, severity: Severity, **more: Any) -> NewEvent:
        message = f"{one.device}: replacement by {one.unit.serial}: {kind}" + (f": {reason}" if reason else "")
        data = {"replacement_id": one.id, "device": one.device, "serial": one.unit.serial, **more}
        return NewEvent(
            f"replacement.{kind}",
            self._outside.clock.now(),
            severity,
            device_id=one.progress.new_device_id or one.device_id,
            message=message,
            data=data,
        )


class ReplacementChore:
    """Level-triggered: tickets for whatever is due and held by nobody; a lost one costs a moment."""

    def __init__(self, store: ReplacementStore, engine: Engine, outside: Outside) -> None:
        self._store, self._engine, self._clock = store, engine, outside.clock

    async def look(self) -> None:
        due = await self._store.due(self._clock.now())
        if due:
            await self._engine.enqueue([Ticket(TICKET, replacement_id) for replacement_id in due])


@dataclass(frozen=True, slots=True)
class Swapping:
    """All of it: what people call, what the engine's tickets lead to, and what makes tickets."""

    service: Replacements
    work: ReplacementWork
    chore: ReplacementChore


def swapping(
    stores: SwapStores, inventory: Inventory, pushes: Pushes, engine: Engine, outside: Outside, owner: str
) -> Swapping:
    """Put together, its handler registered with the engine."""
    work = ReplacementWork(stores.replacements, Steps(stores, inventory, pushes, outside), outside, owner=owner)
    engine.register(TICKET, work.handle)
    service = Replacements(stores.replacements, inventory, stores.backups, engine, outside, stores.entitling)
    return Swapping(service, work, ReplacementChore(stores.replacements, engine, outside))
