"""Jobs without device rows: verify, re-wrap after a key rotation, retention, export to git.

Each can be stopped at any point and started again: what is done is not done twice, or does no harm when it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from backups.vault import Vault
from cpe_manager.domain.backup.backups import Backup
from cpe_manager.domain.backup.retention import Policy, Version, expired
from cpe_manager.domain.errors import CpeManagerError, NotFound, SealBroken, UnknownFamily
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.fleet.inventory import Device
from cpe_manager.domain.fleet.settings_inheritance import insecurities
from cpe_manager.domain.jobs import Job, JobKind, JobState
from cpe_manager.domain.paging import Page
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.driver import Drivers, Spec
from cpe_manager.ports.engine import Ticket
from cpe_manager.ports.export import ExportedFile, Exporter
from cpe_manager.ports.keys import KeyStore
from cpe_manager.ports.stores import BackupStore, EventStore, JobStore
from cpe_manager.services.failover.line_history import LineHistory

log = structlog.get_logger()

HOLD_SECONDS = 30.0
PAGE_SECONDS = 60.0
Step = Callable[[Job], Coroutine[Any, Any, dict[str, Any]]]
ALONE = frozenset({JobKind.DRILL})
"""Kinds of which one process does one job at a time, so that long ones do not take all slots of their class; the next
one's turn comes with a later look of the sweep."""
MOST_NAMED = 100
"""Broken versions listed by name in a job's result; the count is always whole."""


@dataclass(frozen=True, slots=True)
class UpkeepStores:
    jobs: JobStore
    backups: BackupStore
    events: EventStore


class Upkeep:
    """The engine's handler for simple jobs; one owner at a time, held by a renewed mark on the job's row."""

    def __init__(self, stores: UpkeepStores, steps: Mapping[JobKind, Step], clock: Clock, *, owner: str) -> None:
        self._jobs, self._events = stores.jobs, stores.events
        self._steps, self._clock, self._owner = steps, clock, owner
        self._busy: set[JobKind] = set()

    async def handle(self, ticket: Ticket) -> None:
        """Do the job unless it has ended, somebody else has it, or it was cancelled meanwhile."""
        try:
            job = await self._jobs.job(ticket.id)
        except NotFound:
            return
        if job.state is not JobState.OPEN or job.kind in self._busy:
            return
        self._busy |= {job.kind} & ALONE
        try:
            if await self._take(job.id):
                await self._do(job)
        finally:
            self._busy -= {job.kind}

    async def _do(self, job: Job) -> None:
        step = asyncio.create_task(self._steps[job.kind](job), name=f"job {job.kind} {job.id}")
        try:
            await self._hold_while(step, job)
        finally:
            if not step.done():
                step.cancel()
                await asyncio.gather(step, return_exceptions=True)

    async def _take(self, job_id: str) -> bool:
        return await self._jobs.take(job_id, owner=self._owner, now=self._clock.now(), ttl=HOLD_SECONDS)

    async def _hold_while(self, step: asyncio.Task[dict[str, Any]], job: Job) -> None:
        while True:
            done, _ = await asyncio.wait({step}, timeout=HOLD_SECONDS / 3)
            if done:
                break
            if not await self._take(job.id):
                log.warning("job.lost", job_id=job.id, kind=job.kind)
                return
        await self._end(job, step)

    async def _end(self, job: Job, step: asyncio.Task[dict[str, Any]]) -> None:
        error: str | None = None
        result: dict[str, Any] = {}
        try:
            result = step.result()
            error = result.pop("error", None)
        except CpeManagerError as failure:
            error = str(failure)
        except Exception as failure:  # left open, the sweep would start a defect again and again
            log.exception("job.defect", job_id=job.id, kind=job.kind)
            error = f"internal error ({type(failure).__name__}); the log has the details"
        state = JobState.FAILED if error else JobState.DONE
        await self._jobs.finish(job.id, state, at=self._clock.now(), result=result, error=error)
        (log.error if error else log.info)("job.finished", job_id=job.id, kind=job.kind, state=state, error=error)


class Verify:
    """Opens and re-hashes everything that is stored."""

    def __init__(self, stores: UpkeepStores, vault: Vault, drivers: Drivers, clock: Clock) -> None:
        self._backups, self._events = stores.backups, stores.events
        self._vault, self._drivers, self._clock = vault, drivers, clock

    async def __call__(self, job: Job) -> dict[str, Any]:
        checked, broken = 0, []
        async for batch in self._backups.each_sealed():
            for backup, sealed, redacted in batch:
                checked += 1
                problem = self._vault.check(backup, sealed, redacted, self._spec(backup.family))
                if problem is not None:
                    broken.append(f"{backup.device} version {backup.number}: {problem}")
            await asyncio.sleep(0)
        async for files in self._backups.each_file():
            for backup, info, sealed in files:
                checked += 1
                try:
                    self._vault.open_file(info, sealed)
                except SealBroken as error:
                    broken.append(f"{backup.device} version {backup.number}, {info.name}: {error}")
            await asyncio.sleep(0)
        if broken:
            message = f"verify found {len(broken)} of {checked} originals broken, first: {broken[0]}"
            await self._events.add(
                [NewEvent("verify.broken", self._clock.now(), "error", job_id=job.id, message=message)]
            )
            return {"checked": checked, "broken": len(broken), "which": broken[:MOST_NAMED], "error": message}
        return {"checked": checked, "broken": 0, "which": []}

    def _spec(self, family: str) -> Spec | None:
        """None for a family that this release no longer knows; its versions are checked as far as that goes."""
        try:
            return self._drivers.get(family).spec
        except UnknownFamily:
            return None


class Rewrap:
    """After a rotation: wraps every data key with the active key. The sealed texts themselves are not touched."""

    def __init__(self, stores: UpkeepStores, vault: Vault, keys: KeyStore) -> None:
        self._backups, self._vault, self._keys = stores.backups, vault, keys

    async def __call__(self, _job: Job) -> dict[str, Any]:
        count = 0
        active = next(key.key_id for key in self._keys.infos() if key.active)
        async for batch in self._backups.each_sealed(key_id_not=active):
            wrapped = [(sealed.id, *self._vault.rewrap(sealed)) for _, sealed, _ in batch]
            await self._backups.rewrap(wrapped)
            count += len(wrapped)
        async for others in self._backups.each_other_sealed(key_id_not=active):
            wrapped = [(sealed.id, *self._vault.rewrap(sealed)) for sealed in others]
            await self._backups.rewrap(wrapped)
            count += len(wrapped)
        return {"rewrapped": count, "key_id": active}


class Retention:
    """Deletes what the policy no longer keeps; never the last good version, never one that waits for a decision. And
    what became of lines long ago."""

    def __init__(self, stores: UpkeepStores, policy: Policy, timezone: str, lines: LineHistory) -> None:
        self._backups, self._policy, self._timezone, self._lines = stores.backups, policy, timezone, lines

    async def __call__(self, _job: Job) -> dict[str, Any]:
        deleted, after = 0, None
        while True:
            page = await self._backups.positions(after=after)
            for position in page.items:
                gone = await self._expired(position)
                deleted += await self._backups.delete(gone) if gone else 0
            after = page.next
            if after is None:
                return {"deleted": deleted, "line_rows": await self._lines.prune()}

    async def _expired(self, position_id: str) -> list[str]:
        versions: list[Version] = []
        after: str | None = None
        while True:
            page = await self._backups.versions(position_id, after=after, limit=500)
            versions += [Version(b.id, b.captured_at, b.state) for b in page.items]
            after = page.next
            if after is None:
                return list(expired(versions, self._policy, timezone=self._timezone))


class Export:
    """The redacted views of all current versions, as a git repository in Oxidized's layout."""

    def __init__(self, stores: UpkeepStores, vault: Vault, exporter: Exporter | None, drivers: Drivers) -> None:
        self._backups, self._vault, self._exporter = stores.backups, vault, exporter
        self._drivers = drivers

    async def __call__(self, _job: Job) -> dict[str, Any]:
        if self._exporter is None:
            return {"error": "no git repository is configured (setting git_export_dir)"}
        loop = asyncio.get_running_loop()
        return dict(await asyncio.to_thread(self._exporter.export, self._files(loop)))

    def _files(self, loop: asyncio.AbstractEventLoop) -> Iterator[ExportedFile]:
        """In the exporter's thread, a page at a time: a fleet's views at once would fill the memory."""
        after: str | None = None
        while True:
            page = asyncio.run_coroutine_threadsafe(_page(self._backups, after), loop).result(PAGE_SECONDS)
            for device, backup, redacted in page.items:
                text = self._note(device, backup.family) + self._vault.read_redacted(redacted)
                yield ExportedFile(device.group, device.name, text)
            after = page.next
            if after is None:
                return

    def _note(self, device: Device, family: str) -> str:
        """A comment line above the configuration of a device that is reached in an insecure way."""
        reasons = ", ".join(insecurities(device.settings))
        if not reasons:
            return ""
        try:
            comment = self._drivers.get(family).spec.comment
        except UnknownFamily:
            comment = "#"
        return f"{comment} insecure: {reasons}\n"


async def _page(backups: BackupStore, after: str | None) -> Page[tuple[Device, Backup, bytes]]:
    return await backups.current(after=after)
