"""The steps of an activation that change something: the subscription, the box by pushes, and its first backup.

Each is right to do twice. A push is named by the activation, its step and its round, and looked for under that name
before anything else: what a process before this one has asked for is followed, not asked for again.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from cpe_manager.domain.activation.activation_config import managed_after, patch_of
from cpe_manager.domain.activation.activation_flow import Step
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.domain.jobs import JobState, Outcome, Priority
from cpe_manager.domain.model.cpe_config_data import changed
from cpe_manager.domain.push.checks import Check
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.domain.push.pushes import Push
from cpe_manager.ports.activations import PUSH_KEY
from cpe_manager.ports.stores import DeviceFilter
from cpe_manager.services.activation.parts import (
    ActivationStores,
    Door,
    House,
    NotDone,
    NotYet,
    Refused,
    Trip,
    wanted_subscription,
    writing,
)
from cpe_manager.services.failover.lines import Lines
from cpe_manager.services.jobs.jobs import Jobs, RunRequest
from cpe_manager.services.push.pushes import PushAsked, Pushes

POLL: Final = 1.0
"""Seconds between looks at a push or a backup that is on its way."""
TRIGGER: Final = "activation"
_FINAL: Final = frozenset(
    {
        Check.MODEL, Check.LOCKOUT, Check.OVERLAP, Check.ROUTE, Check.FLEET, Check.OUTSIDE_LAN, Check.OWN_ADDRESS,
        Check.MANAGEMENT_PORT, Check.RESERVED, Check.END_USERS, Check.ENTITLEMENT,
    }
)  # fmt: skip
"""Why a push is withdrawn that would be withdrawn again."""

_NONE: Final[frozenset[Lockout]] = frozenset()
_MEANT: Final = {Step.ADDRESS: frozenset({Lockout.ROUTE})}
"""Predicted lock-outs that an order means: the way in which the WAN connects is what is loaded into the router. The box
takes it back by itself when it is not met again."""


class Configuring:
    def __init__(self, stores: ActivationStores, house: House, pushes: Pushes, jobs: Jobs, lines: Lines) -> None:
        self._stores, self._house, self._outside = stores, house, house.outside
        self._pushes, self._jobs, self._lines = pushes, jobs, lines
        self._door = Door(stores.inventory, house.outside)

    async def subscribe(self, trip: Trip) -> str:
        """The site's subscription, made or changed."""
        one = trip.activation
        before = await self._stores.subscriptions.of_site(one.site_id)
        wanted = wanted_subscription(one, trip.order, before)
        if before is not None and wanted == replace(before, catalogue_version=wanted.catalogue_version):
            return "the site has it already"
        await trip.begin()
        try:
            await self._stores.subscriptions.put(
                wanted, at=self._outside.clock.now(), by=one.requested_by,
                revision=0 if before is None else before.revision,
            )  # fmt: skip
        except Conflict as error:
            raise NotYet(f"the subscription was changed meanwhile: {error}") from error
        except NotFound as error:
            raise Refused(str(error)) from error
        options = f" with {', '.join(trip.order.options)}" if trip.order.options else ""
        return f"{one.formula} on {one.technology}{options}"

    async def push(self, trip: Trip, step: Step, number: int) -> str:
        """What a step makes of the box, by one push."""
        one = trip.activation
        key = f"{PUSH_KEY}{one.id}:{step}:{number}"
        push = await self._pushes.asked_before(key, by=one.requested_by)
        if push is None:
            view = await self._stores.inventory.device(one.device_id)
            async with self._door.open(one.device_id) as box:
                driver, now = writing(box)
                patch = patch_of(step, trip.order, now, driver.spec.features, self._house.terms.barrier)
            if not patch:
                await self._line(trip, step)
                return "the box is as ordered already"
            await trip.begin()
            moves = managed_after(view.device.address, now, changed(now, patch))
            asked = PushAsked(
                one.device, change=patch, key=key, any_time=True, managed_at=moves, overrides=_MEANT.get(step, _NONE)
            )
            push = await self._pushes.submit(asked, by=one.requested_by)
        trip.progress = replace(trip.progress, push_id=push.id)
        await trip.save()
        told = self._judged(await self._pushes.ended(push.id, partial(self._called_off, trip)))
        await self._line(trip, step)
        return told

    @staticmethod
    def _judged(push: Push) -> str:
        if push.phase is Phase.CONFIRMED:
            return f"push {push.id}"
        if push.phase is Phase.WITHDRAWN and push.code == Check.NOTHING:
            return "the box is as ordered already"
        said = f"push {push.id} was {push.phase}: {push.reason or 'no reason given'}"
        if push.phase is Phase.STUCK or push.code in _FINAL:
            raise Refused(said)
        raise NotDone(said)

    async def _called_off(self, trip: Trip) -> str | None:
        return (await self._stores.activations.activation(trip.id)).activation.said.cancelled_by

    async def _line(self, trip: Trip, step: Step) -> None:
        """A line with a backup is watched (§3.8). Addresses and platform are set up by whoever knows them; what the
        site is entitled to its subscription says."""
        if step is Step.CONFIGURE and trip.order.with_backup:
            await self._lines.set_up(trip.activation.device, {}, by=trip.activation.requested_by)

    async def back_up(self, trip: Trip, number: int) -> str:
        """The first configuration backup (§4.2, §5.2.1.3), by a run of its own that is waited for."""
        one = trip.activation
        occurrence = f"{PUSH_KEY}{one.id}:{Step.BACKUP}:{number}"
        view = await self._stores.inventory.device(one.device_id)
        if view.device.state is not LifeState.ACTIVE:
            raise Refused(f"{view.device.name} is {view.device.state}; only active devices are backed up")
        where = DeviceFilter(names=(view.device.name,))
        request = RunRequest(TRIGGER, where, one.requested_by, occurrence, priority=Priority.NORMAL)
        await trip.begin()
        job = await self._jobs.start_backup(request) or await self._jobs.of_occurrence(occurrence)
        trip.progress = replace(trip.progress, job_id=job.id)
        await trip.save()
        while (job := await self._jobs.show(job.id)).state is JobState.OPEN:
            if (by := await self._called_off(trip)) is not None:
                with suppress(Conflict):
                    await self._jobs.cancel(job.id, by=by)
            await self._outside.clock.sleep(POLL)
        row = next(iter((await self._jobs.work(job.id)).items), None)
        if row is None or row.outcome not in (Outcome.STORED, Outcome.UNCHANGED):
            told = "it did not come about" if row is None else f"{row.outcome}: {row.error or 'no reason given'}"
            if row is not None and row.outcome is Outcome.QUARANTINED:
                raise Refused(f"the first backup waits for a person: {told}")
            raise NotDone(f"no first backup: {told}")
        current = (await self._stores.inventory.device(one.device_id)).status.current_backup_id
        trip.progress = replace(trip.progress, backup_id=current)
        return f"version {(await self._stores.backups.backup(current)).number}" if current else "stored"

    async def activate(self, trip: Trip) -> str:
        """The activation date (§4.2). One that is set stays: a site that is changed has been in service before."""
        one, now = trip.activation, self._outside.clock.now()
        await trip.begin()
        await self._stores.subscriptions.activated(one.site_id, now)
        at = trip.progress.activated_at or now
        trip.progress = replace(trip.progress, activated_at=at)
        return f"activated on {at:%Y-%m-%d}"
