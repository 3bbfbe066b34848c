"""The round trip of a prepared push, what is made of its answer, and what its journal says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

import structlog

from cpe_manager.domain.errors import CommandRefused, CpeManagerError, DeviceTimeout, SessionDropped, StoreError
from cpe_manager.domain.fleet.inventory import Group
from cpe_manager.domain.push.commit_path import Entry, Phase, Result, Step, phase_of
from cpe_manager.ports.driver import Swift
from cpe_manager.ports.pushes import Prepared, PushStore
from cpe_manager.ports.shell import Shell
from cpe_manager.ports.stores import Claimed, Lease, Settled
from cpe_manager.services.backup.attempt import LONGEST_ERROR, Outside
from cpe_manager.services.push.commit_path import CommitPath
from cpe_manager.services.push.push_plan import PushDriver
from cpe_manager.services.push.push_trip import Trip, cause_of

log = structlog.get_logger()

STRIKE_SECONDS: Final = 5.0
"""What the round trip of a strike may take over the session that is open; then a new one is tried."""
CONNECT_SECONDS: Final = 5.0
RECORD_PAUSES: Final = (0.1, 0.3, 1.0)


class SwiftDriver(PushDriver, Swift, Protocol):
    """A driver that has the swift path."""


class _Untouched(CommandRefused):
    """Nothing was armed and nothing applied."""


@dataclass(slots=True)
class Ready:
    """One device, prepared. ``version``: its current backup then; when that changes the box was changed."""

    trip: Trip
    driver: SwiftDriver
    entries: tuple[Entry, ...]
    version: str | None
    made_at: float
    shell: Shell
    token: str
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def device_id(self) -> str:
        return self.trip.claimed.device.id


class Striking:
    """What a strike is made with."""

    def __init__(self, path: CommitPath, pushes: PushStore, outside: Outside) -> None:
        self._path, self._pushes, self._outside = path, pushes, outside

    async def hit(self, ready: Ready) -> CpeManagerError | None:
        """The round trip; over a new session where the one that was open is gone. What was wrong, if anything."""
        try:
            try:
                async with asyncio.timeout(STRIKE_SECONDS):
                    await ready.driver.strike(ready.shell, ready.token, ready.trip.guard)
            except (TimeoutError, SessionDropped, DeviceTimeout):
                log.info("swift.session_gone", device=ready.trip.push.device)
                await self._hit_anew(ready)
        except CommandRefused as error:
            return await self._refusal(ready, error)
        except CpeManagerError as error:
            return error
        except Exception as error:  # a driver's defect must not leave a device half-way
            log.exception("swift.defect", device=ready.trip.push.device)
            return CpeManagerError(f"internal error ({type(error).__name__}); the log has the details")
        return None

    async def _refusal(self, ready: Ready, error: CommandRefused) -> CpeManagerError:
        """A refusal that says that the device is untouched is believed when no promise of ours is open on it."""
        if error.device_state != "untouched":
            return error
        try:
            async with asyncio.timeout(STRIKE_SECONDS):
                armed = await ready.driver.armed(ready.shell)
        except (TimeoutError, CpeManagerError):
            return error
        return error if armed == ready.trip.push.token else _Untouched(str(error))

    async def _hit_anew(self, ready: Ready) -> None:
        """The strike before this one may have had its effect, or a part of it: the box is asked first."""
        target, driver, _ = self._path.way(ready.trip)
        assert ready.trip.plan is not None
        quick = replace(target, connect_timeout=min(target.connect_timeout, CONNECT_SECONDS))
        async with self._outside.sessions.open(quick) as opened:
            if await driver.armed(opened.shell) != ready.trip.push.token:
                await ready.driver.strike(opened.shell, ready.token, ready.trip.guard)
                return
            if driver.parse((await driver.fetch(opened.shell)).text) != ready.trip.plan.after:
                raise SessionDropped("the session was lost in the middle of the change")

    async def told(self, new: Prepared, claimed: Claimed, error: CpeManagerError | None) -> None:
        """Journal what came of a strike. Raises ``StoreError``: whoever finds the push then takes the change back."""
        now, journal = self._outside.clock.now(), list(new.journal)
        if error is None:
            # Both at once: they were one round trip.
            entries = [Entry(Step.ARM, now, Result.DONE), Entry(Step.APPLY, now, Result.DONE)]
        else:
            reason = self._outside.redactor.text(" ".join(str(error).split()))[:LONGEST_ERROR]
            # The box looks before it does anything: what it refused untouched is a check that failed.
            step = Step.CHECK if isinstance(error, _Untouched) else Step.APPLY
            entries = [Entry(step, now, Result.FAILED, reason, code=cause_of(error))]
        for entry in entries:
            journal.append(entry)
            await self._recorded(new.push.id, entry, phase_of(journal), claimed.lease)

    async def _recorded(self, push_id: str, entry: Entry, phase: Phase, lease: Lease) -> None:
        for pause in RECORD_PAUSES:
            with suppress(StoreError):
                await self._pushes.record(push_id, entry, phase, lease)
                return
            await self._outside.clock.sleep(pause)
        await self._pushes.record(push_id, entry, phase, lease)

    async def rest(self, claimed: Claimed, groups: Mapping[str, Group]) -> Settled:
        """What follows is an ordinary push."""
        return await self._path.run(claimed, groups)

    @property
    def now(self) -> datetime:
        return self._outside.clock.now()


class Strike:
    """``services.backup.worker.Visit`` of a device that is struck; ``struck``: what was wrong with it, empty when
    nothing."""

    def __init__(self, path: Striking, ready: Ready, new: Prepared) -> None:
        self._path, self._ready, self._new = path, ready, new
        self.struck: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def run(self, claimed: Claimed, groups: Mapping[str, Group]) -> Settled:
        try:
            error = await self._path.hit(self._ready)
            self.struck.set_result("" if error is None else str(error))
            log.info(
                "push.struck", device=claimed.device.name, push_id=self._new.push.id, fence=claimed.lease.fence,
                error="" if error is None else error.code,
            )  # fmt: skip
            await self._path.told(self._new, claimed, error)
        except StoreError as refused:
            log.error("push.hindered", device=claimed.device.name, code=refused.code, reason=str(refused))
            return Settled(claimed.job_id, claimed.lease, self._path.now, None, attempted=False)
        finally:
            self._ready.let_go.set()
        return await self._path.rest(claimed, groups)
