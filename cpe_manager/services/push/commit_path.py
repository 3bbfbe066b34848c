"""The one way by which a device's configuration is changed: step by step, each written down before it has an effect.

What comes next is decided in ``domain.push.commit_path`` from the journal alone; here the steps are taken. The device's
row in the push's job is claimed like that of a backup, so the lease keeps every other writer and every backup away, and
a process that dies is followed by another one that finds the row due.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, cast

import structlog

from cpe_manager.domain.backup.backups import Draft
from cpe_manager.domain.errors import (
    Conflict,
    CpeManagerError,
    DeviceTimeout,
    PromptLost,
    SessionDropped,
    StoreError,
)
from cpe_manager.domain.fleet.inventory import Group
from cpe_manager.domain.jobs import Outcome
from cpe_manager.domain.model.cpe_differences import differences
from cpe_manager.domain.push.checks import Check, Refused
from cpe_manager.domain.push.commit_path import (
    Entry,
    Note,
    Phase,
    Result,
    Step,
    Verdict,
    code_of,
    decide,
    noted,
    phase_of,
)
from cpe_manager.domain.push.pushes import NOTHING_TO_CHANGE, Offer, Order, Push, PushKind
from cpe_manager.ports.driver import Guard, Moving, Replacing
from cpe_manager.ports.pushes import Ended, PushStore
from cpe_manager.ports.shell import Shell
from cpe_manager.ports.stores import BackupStore, Claimed, Settled
from cpe_manager.services.backup.attempt import LONGEST_ERROR, Outside
from cpe_manager.services.fleet.targets import path_of
from cpe_manager.services.push.push_admission import again_at
from cpe_manager.services.push.push_checks import ok_of, refused
from cpe_manager.services.push.push_device import DeviceSide
from cpe_manager.services.push.push_plan import Plan, PushDriver, make_plan, show_plan
from cpe_manager.services.push.push_probes import Meant, Prober, carrier_notes, failed, line_notes
from cpe_manager.services.push.push_restart import COMES_UP_WITH, Patience, Restart, comes_up_with
from cpe_manager.services.push.push_trip import Care, Trip, cause_of, take_up

log = structlog.get_logger()

REVERT_PAUSE: Final = 15.0
"""Seconds between attempts to revert: a device that is going back by itself needs a moment."""
STORE_PAUSE: Final = 5.0
"""Seconds until a push is taken up again after the database refused."""
_ENDS: Final[Mapping[Phase, Outcome]] = {
    Phase.CONFIRMED: Outcome.CONFIRMED,
    Phase.REVERTED: Outcome.REVERTED,
    Phase.STUCK: Outcome.STUCK,
    Phase.WITHDRAWN: Outcome.WITHDRAWN,
}


class CommitPath(DeviceSide):
    """Takes pushes to their ends. ``run`` stands where ``Attempt.run`` does for backups."""

    def __init__(self, outside: Outside, pushes: PushStore, backups: BackupStore, care: Care | None = None) -> None:
        super().__init__(outside, backups)
        self._pushes = pushes
        self._restart = Restart(outside.clock)
        self._care = care or Care()
        self._prober = Prober(self._care.reach, outside.clock)
        self._steps: Mapping[Step, Callable[[Trip], Awaitable[None]]] = {
            Step.PLAN: self._plan,
            Step.CHECK: self._check,
            Step.SNAPSHOT: self._snapshot,
            Step.ARM: self._arm,
            Step.APPLY: self._apply,
            Step.PROBE: self._probe,
            Step.CONFIRM: self._confirm,
            Step.REVERT: self._revert,
        }

    async def run(self, claimed: Claimed, groups: Mapping[str, Group]) -> Settled:
        """Raises nothing but cancellation. A database that refuses gives the row back; the journal knows the rest."""
        with ExitStack() as held:
            try:
                found = await self._pushes.of_row(claimed.job_id, claimed.device.id)
                admission, clock = self._care.admission, self._outside.clock
                waiting = await admission.not_yet(self._pushes, found.record, claimed, groups, clock)
                if waiting is not None:
                    return self._given_back(claimed, again_at(waiting, clock.now()))
                order = Order.from_text(self._outside.vault.open_note(found.order))
                trip = Trip(claimed, found.record.push, order, list(found.record.journal), groups, held)
                trip.withdrawn = found.record.push.withdrawn_by is not None
                return await self._walk(trip)
            except CpeManagerError as error:
                write = log.error if isinstance(error, StoreError) else log.exception
                write("push.hindered", device=claimed.device.name, code=error.code, reason=str(error))
                return self._given_back(claimed)

    async def step(self, step: Step, trip: Trip) -> None:
        """One step without its journal, for a push that nobody has asked for yet. Raises what the step raises."""
        await self._steps[step](trip)

    def _given_back(self, claimed: Claimed, again: datetime | None = None) -> Settled:
        now = self._outside.clock.now()
        again = again or now + timedelta(seconds=STORE_PAUSE)
        return Settled(claimed.job_id, claimed.lease, now, None, retry_at=again, attempted=False)

    async def _walk(self, trip: Trip) -> Settled:
        resumed = True
        while True:
            now, guarded = self._outside.clock.now(), not trip.restarts
            verdict = decide(trip.journal, now, withdrawn=trip.withdrawn, resumed=resumed, guarded=guarded)
            resumed = False
            if verdict.end is not None:
                return await self._end(trip, verdict.end, verdict.reason)
            result = await self._take(trip, verdict)
            if verdict.step is Step.REVERT and result is Result.FAILED:
                await self._outside.clock.sleep(REVERT_PAUSE)

    async def _take(self, trip: Trip, verdict: Verdict) -> Result:
        """One step: written down, taken, written down."""
        step = verdict.step
        assert step is not None
        now = self._outside.clock.now()
        deadline = now + timedelta(seconds=trip.push.guard_seconds) if step is Step.ARM else None
        await self._note(trip, Entry(step, now, None, verdict.reason, deadline))
        result, reason, code = Result.DONE, "", ""
        trip.notes.clear()
        try:
            await self._steps[step](trip)
        except StoreError:
            raise  # the database, not the device: whoever takes the push up next reads what was written
        except CpeManagerError as error:
            result, reason, code = Result.FAILED, self._told(error), cause_of(error)
        except Exception as error:  # a driver's defect must not leave a device half-way
            log.exception("push.defect", device=trip.claimed.device.name, step=step.value)
            reason = f"internal error ({type(error).__name__}); the log has the details"
            result, code = Result.FAILED, CpeManagerError.code
        notes = tuple(replace(note, reason=self._outside.redactor.text(note.reason)) for note in trip.notes)
        await self._note(trip, Entry(step, self._outside.clock.now(), result, reason, code=code, notes=notes))
        return result

    async def _note(self, trip: Trip, entry: Entry) -> None:
        trip.journal.append(entry)
        # Whether somebody gave the push up is told with each write: asking for it took as long again.
        given_up = await self._pushes.record(trip.push.id, entry, phase_of(trip.journal), trip.claimed.lease)
        trip.withdrawn = trip.withdrawn or bool(given_up)
        if entry.result is not None:
            log.info(
                "push.step", device=trip.claimed.device.name, push_id=trip.push.id, step=entry.step.value,
                result=entry.result.value, reason=entry.reason, fence=trip.claimed.lease.fence,
            )  # fmt: skip

    def _told(self, error: CpeManagerError) -> str:
        return self._outside.redactor.text(" ".join(str(error).split()))[:LONGEST_ERROR]

    # The steps, in their order.

    async def _plan(self, trip: Trip) -> None:
        if not trip.claimed.pinned_keys:
            raise Refused("no host key is pinned: who is at that address is not known", Check.HOST_KEY)
        text = await self._read(trip, twice=True)
        await self._make_plan(trip, text, await self._comes_up_with(trip, text))
        trip.notes += trip.line
        assert trip.before is not None
        if trip.push.basis not in (None, trip.before.fingerprint):
            await self._offer(trip, trip.before.fingerprint)
            raise Refused("the device was changed since the plan was made; look at the new plan", Check.BASIS)

    async def _offer(self, trip: Trip, basis: str) -> None:
        """What was approved was approved for another device than this has become: it is asked again."""
        _, driver, _ = self.way(trip)
        assert trip.plan is not None
        shown = show_plan(trip.plan, trip.push.device, driver, basis, ())
        await self._pushes.offer(trip.push.id, Offer(basis, shown.native, shown.neutral), trip.claimed.lease)

    async def _make_plan(self, trip: Trip, text: str, stored: str | None = None) -> None:
        _, driver, log_in = self.way(trip)
        if trip.order.version is not None:
            stored = self._outside.vault.open_original(await self._backups.sealed(trip.order.version))
        plan = make_plan(driver, text, trip.order, stored, log_in)
        trip.plan = replace(plan, managed_at=trip.push.managed_at)

    async def _comes_up_with(self, trip: Trip, text: str) -> str | None:
        """Of a restart: what the device has saved, where it tells; noted, for whoever looks at it afterwards."""
        if not trip.restarts:
            return None
        _, driver, _ = self.way(trip)
        async with self._session(trip) as opened:
            saved = await comes_up_with(driver, opened.shell, text, trip.order)
        if saved is not None:
            trip.notes.append(Note(COMES_UP_WITH, None, self.examine(trip, saved).fingerprint))
        return saved

    async def _check(self, trip: Trip) -> None:
        assert trip.plan is not None
        if trip.plan.empty:
            raise Refused(NOTHING_TO_CHANGE, Check.NOTHING)
        target, _, _ = self.way(trip)
        path = path_of(target, trip.manager)
        hindrances = [one for one in trip.plan.lockouts(path) if one.kind not in trip.push.overrides]
        found = await self._care.checks.judge(trip.claimed.device, trip.plan, path)
        trip.notes += [Note(f"{Check.LOCKOUT}:{one.kind}", False, one.reason) for one in hindrances]
        trip.notes += [Note(one.check, ok_of(one, trip.push.accepted), one.reason) for one in found]
        if hindrances:
            raise Refused(f"this would lock us out: {'; '.join(map(str, hindrances))}", Check.LOCKOUT)
        if (refusal := refused(found, trip.push.accepted)) is not None:
            raise refusal

    async def _snapshot(self, trip: Trip) -> None:
        backup_id, draft = self.way_back(trip)
        await self._pushes.snapshot(trip.push, backup_id, draft, self._outside.clock.now(), trip.claimed.lease)
        trip.push = await self._fresh(trip)

    def way_back(self, trip: Trip) -> tuple[str, Draft | None]:
        """The version that the device runs before the change; with a draft where it has to be stored first."""
        assert trip.before is not None
        last = trip.claimed.last_good
        if last is not None and last.fingerprint == trip.before.fingerprint:
            return last.backup_id, None
        backup_id = self._outside.ids.new()
        return backup_id, self._draft(trip, trip.before, backup_id)

    async def _fresh(self, trip: Trip) -> Push:
        return (await self._pushes.push(trip.push.id)).push

    async def _arm(self, trip: Trip) -> None:
        _, driver, _ = self.way(trip)
        if trip.restarts:
            return  # there is nothing to go back from
        async with self._session(trip) as opened:
            await driver.arm(opened.shell, trip.guard)

    async def _apply(self, trip: Trip) -> None:
        _, driver, _ = self.way(trip)
        if trip.restarts:
            patience = Patience.of(trip.journal, trip.push.guard_seconds)
            trip.notes.append(await self._restart.apply(driver, lambda: self._session(trip), patience))
            return
        assert trip.plan is not None
        told = False
        try:
            async with self._session(trip) as opened:
                told = True
                await self._bring(trip.plan, opened.shell, trip.guard, driver)
        except (SessionDropped, DeviceTimeout, PromptLost) as error:
            if not told or trip.push.managed_at is None:
                raise
            # The device has moved from under the session, or not: whoever looks for it at its new address will see.
            trip.notes.append(Note("session", None, f"it was lost: {error}"))

    @staticmethod
    async def _bring(plan: Plan, shell: Shell, guard: Guard, driver: PushDriver) -> None:
        if plan.whole is not None:
            await cast("Replacing", driver).replace(shell, plan.whole, guard)
        elif plan.managed_at is not None and isinstance(driver, Moving):
            await driver.apply_apart(shell, plan.script, guard)
        else:
            await driver.apply(shell, plan.script, guard)

    async def _probe(self, trip: Trip) -> None:
        """A new session, and the device is what the plan says. What lines make of it nobody knows: there, that it is
        reached and read whole has to do."""
        _, driver, _ = self.way(trip)
        if trip.plan is None:
            await self._make_plan(trip, await self._snapshot_text(trip))
        text = await (self._read(trip, after=True) if trip.push.managed_at is None else self._read_there(trip))
        assert trip.plan is not None
        assert trip.after is not None
        expected = noted(trip.journal, COMES_UP_WITH) if trip.restarts else None
        if expected is not None and trip.after.fingerprint != expected.reason:
            raise Refused("the device came up with another configuration than it had saved", Check.NOT_AS_WANTED)
        if trip.plan.whole is not None:
            if trip.after.fingerprint != self.examine(trip, trip.plan.whole).fingerprint:
                raise Refused("the device does not run the version that was brought back", Check.NOT_AS_WANTED)
        elif trip.plan.after is not None and (found := driver.parse(text)) != trip.plan.after:
            parts = ", ".join(difference.part for difference in differences(found, trip.plan.after))
            raise Refused(f"the device is not what was wanted: {parts}", Check.NOT_AS_WANTED)
        await self._probe_line(trip, text)
        if trip.push.probes:
            async with self._session(trip) as opened:
                notes = await self._prober.run(trip.push.probes, opened.shell, driver, driver.parse(text))
            trip.notes += notes
            if (refusal := failed(notes)) is not None:
                raise refusal

    async def _probe_line(self, trip: Trip, text: str) -> None:
        """What the line had before the change it has to have again, within a while; or the route has moved."""
        _, driver, _ = self.way(trip)
        assert trip.plan is not None
        meant = Meant(trip.plan.before, trip.plan.after)

        async def ask() -> tuple[Note, ...]:
            look = carrier_notes if meant.moves_to_mobile else line_notes
            async with self._session(trip) as opened:
                trip.line = await look(driver, opened.shell, text)
            return trip.line

        try:
            await self._prober.line(trip.journal, await ask() if meant.moves_to_mobile else trip.line, meant, ask)
        finally:
            trip.notes += trip.line

    async def _confirm(self, trip: Trip) -> None:
        """From here on the device takes nothing back by itself: what was probed is looked for once more, since it may
        have restarted, or gone back, in the moment before."""
        if trip.after is None:
            await self._probe(trip)
        assert trip.after is not None
        _, driver, _ = self.way(trip)
        if not trip.restarts:
            async with self._session(trip) as opened:
                await driver.confirm(opened.shell, trip.guard)
                await driver.save(opened.shell)
        if await self._back(trip) != trip.after.fingerprint:
            raise Conflict("the device went back, or was changed by somebody else, before it could be confirmed")

    async def _revert(self, trip: Trip) -> None:
        """Have the device go back, and believe it only when it has been read again."""
        _, driver, _ = self.way(trip)
        wanted = self.examine(trip, text := await self._snapshot_text(trip)).fingerprint
        if trip.restarts:
            await self._restart.stands(trip.journal, lambda: self._found(trip), wanted)
            return
        async with self._session(trip) as opened:
            if await driver.armed(opened.shell) == trip.push.token:
                await driver.revert(opened.shell, trip.guard)
        if await self._back(trip) != wanted:
            await self._put_back(trip, text)
            if await self._back(trip) != wanted:
                raise Conflict("the device did not go back to what it was before")
        async with self._session(trip) as opened:
            await take_up(driver, opened.shell, trip.guard)
            await driver.save(opened.shell)
        if await self._back(trip) != wanted:
            raise Conflict("the device has restarted with something else than it had gone back to")

    async def _put_back(self, trip: Trip, text: str) -> None:
        """Where the device did not go back by itself: bring back the whole text, or at least all that it means."""
        _, driver, _ = self.way(trip)
        present = await self._read(trip)
        async with self._session(trip) as opened:
            if isinstance(driver, Replacing):
                await driver.replace(opened.shell, text)
            else:
                await driver.apply(opened.shell, driver.render(present, driver.parse(text)))

    async def _look_once_more(self, trip: Trip) -> None:
        """After a crash before the end the device alone has what was confirmed. Unread, it shows as drift later on."""
        try:
            await self._read(trip, after=True)
        except CpeManagerError as error:
            log.warning("push.not_seen_again", device=trip.claimed.device.name, code=error.code, reason=str(error))

    async def _end(self, trip: Trip, phase: Phase, reason: str) -> Settled:
        clock, claimed = self._outside.clock, trip.claimed
        code = "" if phase is Phase.CONFIRMED else code_of(trip.journal) or Check.WITHDRAWN
        await self._pushes.end(trip.push, Ended(phase, reason, clock.now(), code), claimed.lease)
        write = {Phase.STUCK: log.error, Phase.REVERTED: log.warning}.get(phase, log.info)
        write(
            "push.ended", device=claimed.device.name, push_id=trip.push.id, phase=phase.value, reason=reason, code=code
        )
        # To save is not to want what runs: that is the version that it was before, confirmed or not. So is a restart.
        made = phase is Phase.CONFIRMED and trip.order.kind not in (PushKind.SAVE, PushKind.REBOOT)
        if made and trip.after is None:
            await self._look_once_more(trip)
        backup_id = self._outside.ids.new() if made and trip.after is not None else None
        failed = phase is not Phase.CONFIRMED
        return Settled(
            job_id=claimed.job_id,
            lease=claimed.lease,
            at=clock.now(),
            outcome=_ENDS[phase],
            backup_id=backup_id,
            draft=self._draft(trip, trip.after, backup_id) if trip.after and backup_id else None,
            error_code=code if failed else None,
            error=reason if failed else None,
        )
