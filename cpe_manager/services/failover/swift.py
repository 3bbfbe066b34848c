"""The swift path of a switch to mobile: what of a push can be done beforehand is done while the line is well.

A *prepared push* has read the device, made its plan, run all checks and laid down on the box what arming and applying
take; its session is kept open. At the switch one transaction writes all that the journal of an ordinary push would hold
by then, up to the beginning of APPLY, and one round trip on the box checks that it still runs what was planned for,
arms the box's own way back and applies. From there on it is a push like any other: probed over a new session, confirmed
and saved on the commit path, and taken back by its rules when this process dies in between (§3.8).

Sessions that are kept open are bounded: lines that are in doubt, and lines whose outage has to stay short, come first.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final, Protocol, cast

import structlog

from cpe_manager.domain.backup.backups import LastGood
from cpe_manager.domain.errors import (
    Conflict,
    CpeManagerError,
)
from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.domain.fleet.inventory import Group, LifeState
from cpe_manager.domain.jobs import Job, JobKind, JobState, Priority
from cpe_manager.domain.push.commit_path import Entry, Phase, Result, Step
from cpe_manager.domain.push.pushes import Order, Push, PushKind
from cpe_manager.ports.driver import Swift
from cpe_manager.ports.pushes import Prepared
from cpe_manager.ports.shell import Shell
from cpe_manager.ports.stores import Claimed, DeviceView, Lease
from cpe_manager.services.backup.worker import Visit, WorkerLimits
from cpe_manager.services.failover.change import RouteChange
from cpe_manager.services.failover.strike import Ready, Strike, Striking, SwiftDriver
from cpe_manager.services.failover.waiting import woken
from cpe_manager.services.push.commit_path import CommitPath
from cpe_manager.services.push.push_trip import Trip, cause_of
from cpe_manager.services.push.pushes import PushStores

log = structlog.get_logger()

SUMMARY: Final = "change of mobile"
LOOK_SECONDS: Final = 1.0
HEARTBEAT_SECONDS: Final = 20.0
"""Between looks at a session that is kept open, which a box or a firewall may have let go of."""
AGAIN_SECONDS: Final = 60.0
"""Until a device that could not be prepared is tried again."""
AT_ONCE: Final = 4
"""Devices prepared at a time: each reads its box twice."""


class Hands(Protocol):
    """What is needed of the worker of this process."""

    @property
    def limits(self) -> WorkerLimits: ...

    def adopt(self, claimed: Claimed, groups: Mapping[str, Group], visit: Visit) -> asyncio.Task[None]: ...


@dataclass(frozen=True, slots=True)
class SwiftRules:
    """``warm``: sessions kept open at the most; ``renew`` seconds until what was prepared is prepared anew."""

    warm: int = 64
    renew: float = 600.0
    guard_seconds: int = 120


@dataclass(frozen=True, slots=True)
class Struck:
    """A push that was struck: its id, the task that takes it to its end, and what was wrong with the strike itself."""

    push_id: str
    ended: asyncio.Task[None]
    error: str = ""


class SwiftPath:
    """One per process. ``run`` is a task of the daemon's."""

    def __init__(
        self, path: CommitPath, stores: PushStores, hands: Hands, change: RouteChange, rules: SwiftRules | None = None
    ) -> None:
        self._path, self._stores, self._hands = path, stores, hands
        self._change, self._outside = change, change.outside
        self._rules = rules or SwiftRules()
        self._ready: dict[str, Ready] = {}
        self._keeping: dict[str, asyncio.Task[None]] = {}
        self._wanted: tuple[str, ...] = ()
        self._again: dict[str, float] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._wake = asyncio.Event()

    def want(self, device_ids: Sequence[str]) -> None:
        """Devices to be kept ready, those that need it most first; what is beyond the bound is not."""
        wanted = tuple(dict.fromkeys(device_ids))[: self._rules.warm]
        if wanted != self._wanted:
            self._wanted = wanted
            self._wake.set()

    @property
    def ready(self) -> frozenset[str]:
        return frozenset(self._ready)

    def shell(self, device_id: str) -> Shell | None:
        """The session that is open to a device, for one who only looks."""
        found = self._ready.get(device_id)
        return None if found is None else found.shell

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                self._look()
                self._wake.clear()
                await woken(self._wake, self._outside.clock, LOOK_SECONDS)
        finally:
            keeping = tuple(self._keeping.values())
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)

    def _look(self) -> None:
        now = self._outside.clock.monotonic()
        for device_id in self._ready.keys() - set(self._wanted):
            self._ready[device_id].let_go.set()
        for device_id in self._wanted:
            if device_id in self._keeping or self._again.get(device_id, 0.0) > now:
                continue
            task = asyncio.create_task(self._keep(device_id), name=f"ready {device_id}")
            self._keeping[device_id] = task
            task.add_done_callback(partial(self._over, device_id))

    def _over(self, device_id: str, _: asyncio.Task[None]) -> None:
        self._keeping.pop(device_id, None)
        self._wake.set()

    async def _keep(self, device_id: str) -> None:
        """Prepare a device and keep it so, until it is let go, changed or too old: then the next one is made."""
        clock = self._outside.clock
        with ExitStack() as held:
            try:
                await self._kept(device_id, held)
            except CpeManagerError as error:
                self._again[device_id] = clock.monotonic() + AGAIN_SECONDS
                log.info("swift.not_ready", device_id=device_id, code=cause_of(error), reason=str(error))
            except Exception:  # a driver's defect costs this device its swift path, nothing else
                self._again[device_id] = clock.monotonic() + AGAIN_SECONDS
                log.exception("swift.defect", device_id=device_id)

    async def _kept(self, device_id: str, held: ExitStack) -> None:
        sessions, rules = self._outside.sessions, self._rules
        async with self._turns:
            trip, entries, version = await self._rehearsed(device_id, held)
        target, driver, _ = self._path.way(trip)
        assert trip.plan is not None
        assert trip.before is not None
        async with sessions.open(replace(target, session_timeout=rules.renew * 2)) as opened:
            swift = cast("SwiftDriver", driver)
            token = await swift.prepare(opened.shell, trip.plan.script, trip.guard)
            text = (await driver.fetch(opened.shell)).text
            if self._path.examine(trip, text).fingerprint != trip.before.fingerprint:
                raise Conflict("the device was changed while it was prepared")
            made_at = self._outside.clock.monotonic()
            ready = Ready(trip, swift, entries, version, made_at, opened.shell, token)
            self._ready[device_id] = ready
            log.info("swift.ready", device=trip.push.device)
            try:
                await self._hold(ready)
            finally:
                if self._ready.get(device_id) is ready:
                    del self._ready[device_id]

    async def _rehearsed(self, device_id: str, held: ExitStack) -> tuple[Trip, tuple[Entry, ...], str | None]:
        """A trip whose plan is made and checked, and what its journal is to say of that."""
        view = await self._stores.inventory.device(device_id)
        if view.device.state is not LifeState.ACTIVE:
            raise Conflict(f"{view.device.name} is {view.device.state}")
        under_way = (await self._stores.pushes.pushes(device_id=device_id, open_only=True)).items
        if any(push.begun_at is not None for push in under_way):
            raise Conflict(f"a push of {view.device.name} is under way")
        trip = await self._trip(view, held)
        _, driver, _ = self._path.way(trip)
        if not isinstance(driver, Swift):
            raise Conflict(f"a {driver.spec.family} device takes the ordinary path")
        clock, entries = self._outside.clock, []
        for step in (Step.PLAN, Step.CHECK):
            entries.append(Entry(step, clock.now()))
            trip.notes.clear()
            await self._path.step(step, trip)
            entries.append(Entry(step, clock.now(), Result.DONE, notes=tuple(trip.notes)))
        return trip, tuple(entries), view.status.current_backup_id

    async def _trip(self, view: DeviceView, held: ExitStack) -> Trip:
        now, device = self._outside.clock.now(), view.device
        groups = {group.name: group for group in await self._stores.inventory.groups()}
        claimed = Claimed("", Lease(device.id, "", 0, now), 0, device, view.pinned_keys, await self._last_good(view))
        push = Push(
            id="", job_id="", device_id=device.id, device=device.name, kind=PushKind.CHANGE, summary=SUMMARY,
            created_at=now, requested_by="", token=secrets.token_hex(4), guard_seconds=self._rules.guard_seconds,
            priority=Priority.URGENT, any_time=True,
        )  # fmt: skip
        return Trip(
            claimed,
            push,
            Order(PushKind.CHANGE, patch=await self._change.patch(device.id, Carrier.MOBILE)),
            [],
            groups,
            held,
        )

    async def _last_good(self, view: DeviceView) -> LastGood | None:
        if view.status.current_backup_id is None:
            return None
        one = await self._stores.backups.backup(view.status.current_backup_id)
        return LastGood(one.id, one.fingerprint, one.size, one.lines, one.captured_at)

    async def _hold(self, ready: Ready) -> None:
        """Returns when it is of no use any more."""
        clock = self._outside.clock
        while not ready.let_go.is_set():
            await woken(ready.let_go, clock, HEARTBEAT_SECONDS)
            if ready.let_go.is_set() or clock.monotonic() - ready.made_at >= self._rules.renew:
                return
            view = await self._stores.inventory.device(ready.device_id)
            changed = view.status.current_backup_id != ready.version or view.device != ready.trip.claimed.device
            if changed or await ready.driver.armed(ready.shell) is not None:
                return

    # The switch.

    async def strike(self, device_id: str, key: str, *, by: str) -> Struck | None:
        """Move a device's traffic to mobile, now. None when it is not ready: the ordinary way is to be taken, and
        preparing it stands back.

        Returns when the box has taken the change or refused it. Raises ``Conflict`` (another push is in flight, or
        this was asked for already) and ``StoreError``, with nothing done.
        """
        ready = self._ready.pop(device_id, None)
        self._again[device_id] = self._outside.clock.monotonic() + AGAIN_SECONDS
        if ready is None:
            if (preparing := self._keeping.get(device_id)) is not None:
                preparing.cancel()
            return None
        new = self._prepared(ready, key, by)
        limits = self._hands.limits
        try:
            claimed = await self._stores.pushes.create_prepared(
                new, owner=limits.owner, now=self._outside.clock.now(), ttl=limits.lease_ttl
            )
            visit = Strike(Striking(self._path, self._stores.pushes, self._outside), ready, new)
            task = self._hands.adopt(claimed, ready.trip.groups, visit)
            both: set[asyncio.Future[Any]] = {task, visit.struck}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            ready.let_go.set()
            raise
        error = visit.struck.result() if visit.struck.done() else "the strike was broken off"
        return Struck(new.push.id, task, error)

    def _prepared(self, ready: Ready, key: str, by: str) -> Prepared:
        ids, now, trip = self._outside.ids, self._outside.clock.now(), ready.trip
        job = Job(ids.new(), JobKind.PUSH, JobState.OPEN, "failover", now, Priority.URGENT, requested_by=by)
        snapshot_id, draft = self._path.way_back(trip)
        deadline = now + timedelta(seconds=trip.push.guard_seconds)
        taken = (Entry(Step.SNAPSHOT, now), Entry(Step.SNAPSHOT, now, Result.DONE))
        begun = (Entry(Step.ARM, now, deadline=deadline), Entry(Step.APPLY, now))
        push = replace(
            trip.push, id=ids.new(), job_id=job.id, created_at=now, requested_by=by, key=f"{by}:{key}",
            snapshot_id=snapshot_id, begun_at=now, phase=Phase.SNAPSHOTTED,
        )  # fmt: skip
        sealed = self._outside.vault.seal_note(ids.new(), trip.order.to_text())
        return Prepared(push, sealed, job, (*ready.entries, *taken, *begun), draft)
