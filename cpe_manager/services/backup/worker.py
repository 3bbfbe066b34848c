"""Works off shards: claims due devices as session slots become free, makes the attempts, settles them in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from cpe_manager.domain.errors import StoreError
from cpe_manager.domain.fleet.inventory import Group
from cpe_manager.domain.jobs import JobKind, Outcome, Priority
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.engine import Ticket
from cpe_manager.ports.stores import Claimed, InventoryStore, JobStore, Settled
from cpe_manager.services.backup.settler import Settler
from cpe_manager.services.jobs.giving_way import GivingWay
from cpe_manager.services.jobs.hindrance import Hindrance
from cpe_manager.services.jobs.leases import LeaseKeeper

log = structlog.get_logger()

CLAIM = 64
"""Devices leased in one go at the most."""
GATHER_SECONDS = 0.15
"""How long a claim waits for more slots to become free: claiming one by one would cost a transaction a device."""
LOOK_AGAIN_SECONDS = 0.2
"""How often a shard with nothing claimable is looked at while its sessions run (caps and retries free up)."""
LOOKS = 5
"""Looks in vain after which a shard is left: its last sessions go on, and a dead device holds up no other shard."""
PROBE = 4
"""Devices tried at a time while results cannot be written."""


class Slots:
    """Session slots of one priority class."""

    def __init__(self, size: int, clock: Clock) -> None:
        self._size, self._free, self._clock = size, size, clock
        self._freed = asyncio.Event()

    async def take(self) -> int:
        """At least one slot, and up to ``CLAIM`` of those that become free within a moment."""
        while True:
            while self._free <= 0:
                self._freed.clear()
                await self._freed.wait()
            if self._free < min(CLAIM, self._size):
                await self._clock.sleep(GATHER_SECONDS)
            taken = min(self._free, CLAIM)
            if taken > 0:
                self._free -= taken
                return taken

    def lend(self) -> None:
        """One more session than there is room for, if it has to be: it cannot wait."""
        self._free -= 1

    def give(self, slots: int) -> None:
        self._free += slots
        self._freed.set()


class Visit(Protocol):
    """What is done with a claimed device: a backup, or a push. Its end is data; it raises nothing but cancellation."""

    async def run(self, claimed: Claimed, groups: Mapping[str, Group]) -> Settled: ...


class Observer(Protocol):
    """Told of every attempt; the metrics implement it."""

    def attempt(self, family: str, outcome: str, code: str, seconds: float) -> None: ...

    def sessions(self, open_now: int) -> None: ...


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """``owner`` names this process in leases; ``lease_ttl`` in seconds."""

    owner: str
    sessions: int = 200
    per_access_node: int = 8
    lease_ttl: float = 15.0


class ShardWorker:
    """One per process. ``handle`` is the engine's handler for shard tickets."""

    def __init__(
        self,
        jobs: JobStore,
        inventory: InventoryStore,
        visits: Mapping[JobKind, Visit],
        clock: Clock,
        limits: WorkerLimits,
        observer: Observer,
    ) -> None:
        self._jobs, self._inventory, self._visits, self._clock = jobs, inventory, visits, clock
        self._limits, self._observer = limits, observer
        # A class of its own for each priority: a first backup never waits behind a night's slow sessions.
        aside = max(8, limits.sessions // 4)
        self._slots = {
            Priority.BULK: Slots(limits.sessions, clock),
            Priority.NORMAL: Slots(aside, clock),
            Priority.URGENT: Slots(aside, clock),
        }
        self._hindrance = Hindrance(clock)
        self.way = GivingWay(clock)
        """Where what is done in bulk waits; whoever opens sessions for it is given the same one."""
        self.keeper = LeaseKeeper(jobs, clock, ttl=limits.lease_ttl)
        self.settler = Settler(jobs, clock, self._forget, self._hindrance)
        self._stopping = False
        self._sessions: set[asyncio.Task[None]] = set()

    @property
    def hindrance(self) -> str | None:
        """Why results cannot be written at the moment, in one line; None when all is well."""
        error = self._hindrance.error
        return None if error is None else str(error)

    @property
    def hindrance_code(self) -> str | None:
        error = self._hindrance.error
        return None if error is None else error.code

    def stop(self) -> None:
        """Phase one: claim nothing more."""
        self._stopping = True

    async def close(self, grace: float) -> None:
        """Phase two: sessions get ``grace`` seconds to end, then they are cancelled and their rows given back."""
        self.stop()
        sessions = set(self._sessions)
        try:
            if sessions:
                await asyncio.wait(sessions, timeout=grace)
        finally:
            for session in sessions:
                session.cancel("shutdown")
        await asyncio.gather(*sessions, return_exceptions=True)

    def _forget(self, results: Sequence[Settled]) -> None:
        self.keeper.forget(result.lease for result in results)

    async def handle(self, ticket: Ticket) -> None:
        """Work off what is due in one shard; ends when nothing is claimable (the sweep comes back to the rest).

        Sessions are the worker's, not the ticket's: they outlive this call, until ``close``.
        """
        job_id, _, shard = ticket.id.rpartition("/")
        if self._hindrance.pause():
            return
        most = PROBE if self._hindrance.wasting else CLAIM
        groups = {group.name: group for group in await self._inventory.groups()}
        slots = self._slots[ticket.priority]
        running: set[asyncio.Task[None]] = set()
        in_vain = 0
        while not self._stopping:
            claimed = await self._claim(job_id, int(shard), slots, most)
            running = {task for task in running if not task.done()}
            running |= {self._start(one, groups, slots) for one in claimed}
            in_vain = 0 if claimed else in_vain + 1
            if not running or in_vain > LOOKS or self._hindrance.error is not None:
                return
            if not claimed:
                await asyncio.wait(running, timeout=LOOK_AGAIN_SECONDS)

    async def _claim(self, job_id: str, shard: int, slots: Slots, most: int) -> Sequence[Claimed]:
        taken = await slots.take()
        claimed: Sequence[Claimed] = ()
        try:
            if slots is self._slots[Priority.BULK]:
                await self.way.wait(lambda: self._stopping)
            if self._stopping:  # it was a session's end that gave the slots, maybe long after the look before
                return claimed
            claimed = await self._jobs.claim(
                job_id,
                shard,
                owner=self._limits.owner,
                now=self._clock.now(),
                ttl=self._limits.lease_ttl,
                limit=min(taken, most),
                per_access_node=self._limits.per_access_node,
            )
        except StoreError as error:
            self._hindrance.claim_refused(error)
            log.error("backup.claim_refused", code=error.code, reason=str(error), job_id=job_id)
        finally:
            slots.give(taken - len(claimed))
        if claimed:
            self._hindrance.claimed()
        return [replace(one, bulk=True) for one in claimed] if slots is self._slots[Priority.BULK] else claimed

    @property
    def limits(self) -> WorkerLimits:
        return self._limits

    def adopt(self, claimed: Claimed, groups: Mapping[str, Group], visit: Visit) -> asyncio.Task[None]:
        """Work off an urgent row that was made and leased in one go in this process, at once; ``visit`` stands for the
        usual one."""
        slots = self._slots[Priority.URGENT]
        slots.lend()
        return self._start(claimed, groups, slots, visit)

    def _start(
        self, claimed: Claimed, groups: Mapping[str, Group], slots: Slots, visit: Visit | None = None
    ) -> asyncio.Task[None]:
        made = self._one(claimed, groups, slots, visit or self._visits[claimed.kind])
        task = asyncio.create_task(made, name=f"{claimed.kind} {claimed.device.name}")
        self.keeper.hold(claimed.lease, task)
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)
        return task

    async def _one(self, claimed: Claimed, groups: Mapping[str, Group], slots: Slots, visit: Visit) -> None:
        started = self._clock.monotonic()
        self._observer.sessions(len(self.keeper))
        try:
            result = await visit.run(claimed, groups)
        except asyncio.CancelledError:
            # Lost lease, pre-emption or shutdown: give the row back as it was; a passed fence refuses even that.
            given_back = Settled(claimed.job_id, claimed.lease, self._clock.now(), None, attempted=False)
            await self.settler.settle(given_back)
            raise
        finally:
            self.keeper.session_over(claimed.lease)
            slots.give(1)
        seconds = self._clock.monotonic() - started
        if await self.settler.settle(result):
            self._report(claimed, result, seconds)

    def _report(self, claimed: Claimed, result: Settled, seconds: float) -> None:
        """One canonical line and one observation for each attempt at a backup; a push tells of itself, step by step."""
        if claimed.kind is not JobKind.BACKUP:
            return
        outcome = result.outcome or "retry"
        family = claimed.device.family or "inherited"
        self._observer.attempt(family, outcome, result.error_code or "", seconds)
        write = log.warning if result.outcome in {Outcome.FAILED, Outcome.QUARANTINED} else log.info
        write(
            "backup.device",
            device=claimed.device.name,
            site=claimed.device.site,
            job_id=claimed.job_id,
            outcome=outcome,
            attempt=claimed.attempts + 1,
            fence=claimed.lease.fence,
            seconds=round(seconds, 3),
            **({"size": result.draft.size} if result.draft else {}),
            **({"code": result.error_code, "error": result.error} if result.error_code else {}),
            **({"reason": result.quarantine_reason} if result.quarantine_reason else {}),
        )
