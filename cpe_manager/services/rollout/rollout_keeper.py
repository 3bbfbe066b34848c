"""Takes each running roll-out one decision further, again and again.

Level-triggered: what a decision needs is read from the pushes each time, so nothing is lost with a process. Several
processes may do this at once: the store writes only what was decided on the newest revision.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Final, Protocol

import structlog

from cpe_manager.domain.errors import Conflict, StoreError
from cpe_manager.domain.jobs import Job, JobKind, JobState, Priority
from cpe_manager.domain.push.pushes import Push
from cpe_manager.domain.rollout.rollouts import DeviceEnd, Rollout, RolloutState, move
from cpe_manager.ports.clock import Clock, Ids
from cpe_manager.ports.engine import Engine
from cpe_manager.ports.pushes import PushStore
from cpe_manager.ports.rollouts import RolloutStore, Turn
from cpe_manager.services.jobs.jobs import shard_ticket

log = structlog.get_logger()

BUSY_PAUSE: Final = 1.0
IDLE_PAUSE: Final = 2.0
"""Seconds between looks while a roll-out runs, and while none does."""
BATCH: Final = 100
"""Pushes begun in one transaction, as one job."""


class RolloutGauges(Protocol):
    """Takes how many roll-outs and devices are where; the metrics implement it."""

    def rollouts(self, states: Mapping[RolloutState, int], devices: Mapping[DeviceEnd, int]) -> None: ...


class RolloutKeeper:
    """One in every process that works."""

    def __init__(
        self, store: RolloutStore, pushes: PushStore, engine: Engine, clock: Clock, ids: Ids, gauges: RolloutGauges
    ) -> None:
        self._store, self._pushes, self._engine = store, pushes, engine
        self._clock, self._ids, self._gauges = clock, ids, gauges

    async def run(self) -> None:
        """Until cancelled. A database that is away for a while is waited for."""
        while True:
            busy = False
            try:
                busy = await self.look()
            except StoreError as error:
                log.error("rollout.refused", code=error.code, reason=str(error))
            except Exception:  # a defect must not end the looking for good
                log.exception("rollout.defect")
            await self._clock.sleep(BUSY_PAUSE if busy else IDLE_PAUSE)

    async def look(self) -> bool:
        """One decision of each roll-out; whether there are any. One that fails holds up no other."""
        found = await self._store.active()
        for rollout in found:
            try:
                await self._step(rollout)
            except Conflict as error:  # somebody was faster; the next look sees what came of it
                log.debug("rollout.overtaken", rollout_id=rollout.id, reason=str(error))
            except StoreError:
                raise
            except Exception:
                log.exception("rollout.defect", rollout_id=rollout.id)
        return bool(found)

    async def figures(self) -> None:
        """What the metrics show; a chore, as it need not be up to the second."""
        devices = dict.fromkeys(DeviceEnd, 0)
        for rollout in await self._store.active():
            for wave in (await self._store.standing(rollout)).waves:
                for end, number in wave.counts.items():
                    devices[end] += number
        self._gauges.rollouts(await self._store.counts(), devices)

    async def _step(self, rollout: Rollout) -> None:
        if rollout.state is RolloutState.CANCELLED:
            await self._give_up(rollout)
            return
        now = self._clock.now()
        step = move(rollout.strategy, await self._store.standing(rollout), now)
        if step.to is not None:
            await self._store.turn(rollout.id, Turn(step.to, now, step.reason, expected=rollout.revision))
            write = log.error if step.to is RolloutState.STOPPED else log.info
            write("rollout.ended", rollout_id=rollout.id, name=rollout.name, state=step.to.value, reason=step.reason)
        elif step.start:
            # What is left of a longer list is decided on again at the next look, with what has ended by then.
            await self._start(rollout, step.wave, step.start[:BATCH])

    async def _start(self, rollout: Rollout, wave: int, device_ids: tuple[str, ...]) -> None:
        now = self._clock.now()
        job = Job(
            id=self._ids.new(),
            kind=JobKind.PUSH,
            state=JobState.OPEN,
            trigger=f"rollout:{rollout.name}",
            created_at=now,
            priority=Priority.NORMAL,
            requested_by=rollout.requested_by,
        )
        pushes = {device_id: self._push(rollout, job, device_id) for device_id in device_ids}
        made = await self._store.start(rollout, wave, job, pushes)
        if made:
            log.info("rollout.pushes", rollout_id=rollout.id, name=rollout.name, wave=wave, devices=len(made))
            await self._engine.enqueue([shard_ticket(job.id, 0, job.priority)])

    def _push(self, rollout: Rollout, job: Job, device_id: str) -> Push:
        return Push(
            id=self._ids.new(),
            job_id=job.id,
            device_id=device_id,
            device="",  # the store knows its name
            kind=rollout.kind,
            summary=f"roll-out {rollout.name}",
            created_at=job.created_at,
            requested_by=rollout.requested_by,
            token=secrets.token_hex(4),
            guard_seconds=rollout.guard_seconds,
            overrides=rollout.overrides,
            key=f"rollout:{rollout.id}:{device_id}",
        )

    async def _give_up(self, rollout: Rollout) -> None:
        for push_id in await self._store.in_flight(rollout.id):
            try:
                await self._pushes.withdraw(push_id, at=self._clock.now(), by=f"roll-out {rollout.name}")
            except Conflict as error:  # it has ended meanwhile
                log.debug("rollout.push_ended", push_id=push_id, reason=str(error))
