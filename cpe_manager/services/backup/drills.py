"""Restore drills as people and programs see them; and the look at them every so often: tonight's, alarm, figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Protocol

from cpe_manager.domain.backup.drills import GRACE, DrillResult, Standing, Verdict, standing
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.domain.jobs import Job, JobKind, Priority
from cpe_manager.domain.paging import Page
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.drills import DrillStand, DrillStore, DrillView
from cpe_manager.ports.driver import Drivers
from cpe_manager.services.backup.drilling import Drilling, DrillLimits, DrillParts, DrillStores, restorable
from cpe_manager.services.jobs.jobs import Jobs

BELOW_TARGET = "drill.below_target"
LOOK_SECONDS = 120.0
"""Between looks at the whole fleet's standing, which a large fleet's database counts for a good part of a second."""
SHOWN_FAILURES = 50
EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class DrillAsked:
    """What somebody wants drilled: these devices, or a sample of a family, or of the whole fleet."""

    devices: tuple[str, ...] = ()
    family: str | None = None
    sample: int | None = None
    key: str | None = None
    """Idempotency key: the same one again gives the job that is there."""


@dataclass(frozen=True, slots=True)
class DrillReport:
    """``hindrance``: why this process could not drill now; ``failures``: current versions that were not brought back,
    newest first."""

    at: datetime
    standing: Standing
    target: float
    sample: int
    hindrance: str | None
    failures: tuple[DrillView, ...]


class Gauges(Protocol):
    """The metrics implement it."""

    def restorable(self, found: Standing) -> None: ...


@dataclass(frozen=True, slots=True)
class DrillGoals:
    """``sample``: devices a night, 0 switches the nightly drills off; ``target``: the share that has to be proven."""

    sample: int
    target: float


class Drills:
    """Asking for drills, and what is known of them."""

    def __init__(self, stores: DrillStores, stand: DrillStand, drivers: Drivers, jobs: Jobs, goals: DrillGoals) -> None:
        self._store, self._inventory, self._stand = stores.drills, stores.inventory, stand
        self._drivers, self._jobs, self._goals = drivers, jobs, goals

    async def start(self, asked: DrillAsked, *, by: str) -> Job:
        """A job. Raises ``NotFound`` for an unknown device, ``InputError`` for what can be no drill."""
        if asked.devices and (asked.family or asked.sample):
            raise InputError("name devices, or a family and a sample, not both")
        ids = [await self._device(name) for name in dict.fromkeys(asked.devices)]
        if asked.family and asked.family not in {one.family for one in await self._store.counts(EPOCH)}:
            raise InputError(f"no active device has a backup of family {asked.family}")
        sample = asked.sample or self._goals.sample or len(self._drivers.families())
        params = {"devices": ids} if ids else {"family": asked.family, "sample": sample}
        # Keys of two callers have nothing to do with each other, and a column holds no more than this.
        occurrence = f"drill:key:{sha256(f'{by}:{asked.key}'.encode()).hexdigest()}" if asked.key else None
        return await self._jobs.once(
            occurrence,
            lambda: self._jobs.start(JobKind.DRILL, params, by=by, occurrence=occurrence, priority=Priority.BULK),
        )

    async def _device(self, name: str) -> str:
        view = await self._inventory.device(name)
        if view.device.state is not LifeState.ACTIVE or not view.status.current_backup_id:
            raise InputError(f"{view.device.name} is not active, or has no backup yet")
        return view.device.id

    async def results(
        self, *, device: str | None = None, verdict: Verdict | None = None, family: str | None = None,
        after: str | None = None, limit: int = 50,
    ) -> Page[DrillView]:  # fmt: skip
        """Newest first. Raises ``NotFound`` for an unknown device."""
        device_id = (await self._inventory.device(device)).device.id if device else None
        return await self._store.results(
            device_id=device_id, verdict=verdict, family=family, after=after, limit=limit
        )  # fmt: skip

    async def of(self, backup_ids: Sequence[str | None]) -> Mapping[str, DrillResult]:
        """What is known of these versions, by their ids."""
        return await self._store.of(sorted({one for one in backup_ids if one}))

    async def report(self, now: datetime) -> DrillReport:
        found: list[DrillView] = []
        for verdict in (Verdict.DIFFERS, Verdict.FAILED):
            page = await self._store.results(verdict=verdict, limit=10 * SHOWN_FAILURES)
            found += [one for one in page.items if one.current]
        found.sort(key=lambda one: one.result.at, reverse=True)
        return DrillReport(
            at=now,
            standing=await self.standing(now),
            target=self._goals.target,
            sample=self._goals.sample,
            hindrance=self._stand.hindrance(),
            failures=tuple(found[:SHOWN_FAILURES]),
        )

    async def standing(self, now: datetime) -> Standing:
        counts = await self._store.counts(now - GRACE)
        return standing(counts, {one.family: restorable(self._drivers, one.family) for one in counts})


class DrillWatch:
    """A chore: keeps the alarm and the figures equal to the fleet's standing."""

    def __init__(self, drills: Drills, store: DrillStore, gauges: Gauges, clock: Clock, goals: DrillGoals) -> None:
        self._drills, self._store, self._gauges = drills, store, gauges
        self._clock, self._goals = clock, goals
        self._looked_at: float | None = None

    async def look(self) -> None:
        if self._looked_at is None or self._clock.monotonic() - self._looked_at >= LOOK_SECONDS:
            await self.look_now()

    async def look_now(self) -> None:
        now = self._clock.now()
        found = await self._drills.standing(now)
        self._looked_at = self._clock.monotonic()
        self._gauges.restorable(found)
        raised = self._goals.sample > 0 and found.below(self._goals.target)
        await self._store.alarm(BELOW_TARGET, self._message(found) if raised else None, at=now)

    def _message(self, found: Standing) -> str:
        share = found.proven / found.judged
        text = (
            f"{found.proven} of {found.judged} devices have a proven backup ({share:.0%}, target "
            f"{self._goals.target:.0%})"
        )
        bad = sum(one.differs + one.failed for one in found.families if one.possible)
        late = sum(one.waiting for one in found.families if one.possible)
        text += f"; {bad} were not brought back, {late} have waited for more than {GRACE.days} days"
        return text + (", raise drill_sample" if late > bad else "")


class DrillRoom:
    """All of it, put together. ``boxes``: how many are restored onto at once."""

    def __init__(
        self, stores: DrillStores, parts: DrillParts, jobs: Jobs, gauges: Gauges, goals: DrillGoals, boxes: int
    ) -> None:
        self.service = Drills(stores, parts.stand, parts.drivers, jobs, goals)
        self.watch = DrillWatch(self.service, stores.drills, gauges, parts.clock, goals)
        self.step = Drilling(stores, parts, DrillLimits(goals.sample, boxes), self.watch.look_now)
