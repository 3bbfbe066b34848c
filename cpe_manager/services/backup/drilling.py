"""The work of restore drills: a stored version is brought back onto a fresh box of its family, and read again.

The box has another name, other addresses and other secrets than any device. What was not truly brought back is found
out, and so is what was brought back and not kept: the box is restarted before it is read. The device's own log-in is in
no backup and stays the box's own (§5.2.1.3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

import structlog

from backups.vault import Expected, Vault
from cpe_manager.domain.backup.backups import Backup
from cpe_manager.domain.backup.drills import NOT_PROVEN, Candidate, DrillResult, Verdict, choose
from cpe_manager.domain.errors import (
    CpeManagerError,
    DeviceError,
    KeyringError,
    NotFound,
    SealBroken,
    SessionDropped,
    StoreError,
    UnknownFamily,
)
from cpe_manager.domain.fleet.inventory import Group
from cpe_manager.domain.fleet.settings_inheritance import resolve
from cpe_manager.domain.jobs import Job
from cpe_manager.kit.log_redaction import Redactor
from cpe_manager.kit.redaction import redact
from cpe_manager.kit.textdiff import unified
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.drills import DrillStand, DrillStore, FreshBox
from cpe_manager.ports.driver import Choosing, Driver, Drivers, Replacing, Writing
from cpe_manager.ports.sessions import Credentials
from cpe_manager.ports.stores import BackupStore, InventoryStore

log = structlog.get_logger()

DRILL_SECONDS = 300.0
"""For one drill, from the order for a box to the verdict."""
BACK_SECONDS = 60.0
"""How long a restored or restarted box may take until it answers again."""
BETWEEN_LOOKS = 0.5
LONGEST_REASON = 400
SHOWN_LINES = 3
MOST_NAMED = 100
NO_STAND = "drill.no_stand"


class Meter(Protocol):
    """The metrics implement it."""

    def drill(self, family: str, verdict: str, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class DrillStores:
    drills: DrillStore
    backups: BackupStore
    inventory: InventoryStore


@dataclass(frozen=True, slots=True)
class DrillParts:
    """What a drill needs from outside, besides the database."""

    stand: DrillStand
    drivers: Drivers
    credentials: Credentials
    vault: Vault
    clock: Clock
    meter: Meter
    redactor: Redactor


def restorable(drivers: Drivers, family: str) -> bool:
    """Whether backups of a family can be brought back at all."""
    try:
        driver = drivers.get(family)
    except UnknownFamily:
        return False
    return isinstance(driver, Replacing) and isinstance(driver, Writing)


class _Step:
    """Where a drill stands, for the reason of one that fails."""

    name = "opening the original"


class Drill:
    """One version, one box, one verdict. Holds no state between drills."""

    def __init__(self, stores: DrillStores, parts: DrillParts) -> None:
        self._stores, self._parts = stores, parts

    async def run(self, candidate: Candidate, groups: Mapping[str, Group], job_id: str | None) -> DrillResult:
        """Never raises but for the database and for cancellation: what goes wrong is the verdict."""
        clock, step = self._parts.clock, _Step()
        began = clock.monotonic()
        lines = 0
        try:
            async with asyncio.timeout(DRILL_SECONDS):
                verdict, lines, reason = await self._verdict(candidate, groups, step)
        except UnknownFamily as error:
            verdict, reason = Verdict.NOT_POSSIBLE, str(error)
        except SealBroken as error:
            verdict, reason = Verdict.FAILED, f"{step.name}: {error}"
        except (StoreError, NotFound, KeyringError):
            raise  # no statement about this version
        except CpeManagerError as error:
            verdict, reason = Verdict.FAILED, f"{step.name}: {error}"
        except TimeoutError:
            verdict, reason = Verdict.FAILED, f"{step.name}: the drill took longer than {DRILL_SECONDS:g} s"
        except Exception as error:  # a driver's defect fails this drill alone; the log has the traceback
            log.exception("drill.defect", device=candidate.device)
            verdict, reason = Verdict.FAILED, f"{step.name}: internal error ({type(error).__name__})"
        seconds = clock.monotonic() - began
        reason = self._fit(reason, candidate.family)
        return DrillResult(
            candidate.backup_id, candidate.device_id, verdict, clock.now(), round(seconds, 3), lines, reason, job_id
        )

    def _fit(self, reason: str, family: str) -> str:
        """One line without what looks like a secret in the family's language or in ours."""
        with suppress(UnknownFamily):
            reason = redact(reason, self._parts.drivers.get(family).spec.secrets)
        return " ".join(self._parts.redactor.text(reason).split())[:LONGEST_REASON]

    async def _verdict(
        self, candidate: Candidate, groups: Mapping[str, Group], step: _Step
    ) -> tuple[Verdict, int, str]:  # fmt: skip
        if not restorable(self._parts.drivers, candidate.family):
            return Verdict.NOT_POSSIBLE, 0, f"backups of {candidate.family} are read only"
        driver = self._parts.drivers.get(candidate.family)
        backups, vault = self._stores.backups, self._parts.vault
        backup = await backups.backup(candidate.backup_id)
        sealed = await backups.sealed(backup.id)
        text = vault.open_original(sealed)
        expected = vault.expected(backup, sealed, await backups.redacted(backup.id), driver.spec)
        if isinstance(driver, Choosing) and (why := driver.unrestorable(text)):
            return Verdict.NOT_POSSIBLE, 0, why
        step.name = "starting a box"
        username, options = await self._habits(candidate, groups)
        async with self._parts.stand.box(candidate.family, username=username) as fresh:
            box = replace(fresh, target=replace(fresh.target, options=options))
            with self._parts.redactor.holding(*box.secrets):
                try:
                    await self._bring_back(driver, box, text, step)
                    step.name = "reading the box"
                    return self._compare(driver, backup, expected, await self._read(driver, box), box.secrets)
                except CpeManagerError as error:
                    # Said here, while the box's own secrets are known to the redactor.
                    return Verdict.FAILED, 0, self._parts.redactor.text(f"{step.name}: {error}")

    async def _habits(self, candidate: Candidate, groups: Mapping[str, Group]) -> tuple[str, Mapping[str, str]]:
        """Who logs in to the device, since the text says that this one may, and the options that its driver reads it
        with. Nothing where they are not known any more: the box then has its family's usual ones."""
        try:
            resolved = resolve((await self._stores.inventory.device(candidate.device_id)).device, groups)
            ref = resolved.credential
            username = self._parts.credentials.get(ref).username if ref else ""
            return username, resolved.settings.options
        except StoreError:
            raise
        except CpeManagerError:
            return "", {}

    async def _bring_back(self, driver: Driver, box: FreshBox, text: str, step: _Step) -> None:
        assert isinstance(driver, Replacing)
        assert isinstance(driver, Writing)
        step.name = "bringing the text back"
        try:
            async with self._parts.stand.open(box.target) as opened:
                await driver.replace(opened.shell, text)
        except SessionDropped:
            # A configuration that takes effect may take the session with it. What came of it is read.
            log.info("drill.session_lost", family=driver.spec.family)
        step.name = "saving"
        await self._patiently(box, driver.save)
        step.name = "restarting the box"
        await box.restart()

    async def _read(self, driver: Driver, box: FreshBox) -> str:
        texts: list[str] = []

        async def fetch(shell: Any) -> None:
            texts.append((await driver.fetch(shell)).text)

        await self._patiently(box, fetch)
        return texts[-1]

    async def _patiently(self, box: FreshBox, verb: Any) -> None:
        """A verb over a session of its own, with a box that may be on its way up. Raises the last ``DeviceError``."""
        clock = self._parts.clock
        until = clock.monotonic() + BACK_SECONDS
        while True:
            try:
                async with self._parts.stand.open(box.target) as opened:
                    await verb(opened.shell)
                return
            except DeviceError as error:
                if not error.retryable or clock.monotonic() >= until:
                    raise
            await clock.sleep(BETWEEN_LOOKS)

    def _compare(
        self, driver: Driver, backup: Backup, expected: Expected, text: str, secrets: Sequence[str]
    ) -> tuple[Verdict, int, str]:
        vault, spec = self._parts.vault, driver.spec
        found = vault.examine(text, spec, secrets)
        if found.fingerprint == expected.fingerprint:
            return Verdict.PROVEN, 0, ""
        view = vault.view(found, spec, position_id=backup.position_id)
        diff = unified(expected.view, view, context=0)
        changed = [line for line in diff.text.splitlines()[2:] if line[:1] in ("+", "-")]
        if not changed:
            return Verdict.DIFFERS, 0, "the texts differ in something that the redacted view does not show"
        some = "; ".join(f"{line[0]} {' '.join(line[1:].split())}" for line in changed[:SHOWN_LINES])
        words = f"lines of the backup that the box has not: {diff.removed}, that it has instead: {diff.added}; {some}"
        return Verdict.DIFFERS, len(changed), words


@dataclass(frozen=True, slots=True)
class DrillLimits:
    """``sample``: devices a night; ``boxes``: how many at once."""

    sample: int
    boxes: int


class Drilling:
    """The step of a drill job (see ``services.jobs.upkeep``). What is drilled is written down at once, so that a job
    which another process takes over goes on where it stood."""

    def __init__(
        self, stores: DrillStores, parts: DrillParts, limits: DrillLimits, afterwards: Callable[[], Awaitable[None]]
    ) -> None:
        """``afterwards``: to be told when a job has drilled what it could."""
        self._stores, self._parts, self._limits = stores, parts, limits
        self._afterwards = afterwards
        self._drill = Drill(stores, parts)

    async def __call__(self, job: Job) -> dict[str, Any]:
        drills, clock = self._stores.drills, self._parts.clock
        hindrance = self._parts.stand.hindrance()
        if await drills.alarm(NO_STAND, hindrance, at=clock.now()) and hindrance:
            log.warning("drill.no_stand", reason=hindrance)
        if hindrance:
            # A night without a stand is no failure of the night: the alarm says it. Who asks by hand is told.
            return {"drilled": 0, "hindrance" if job.requested_by is None else "error": hindrance}
        chosen = await self._chosen(job)
        groups = {group.name: group for group in await self._stores.inventory.groups()}
        gate = asyncio.Semaphore(self._limits.boxes)
        results: list[tuple[Candidate, DrillResult]] = []

        async def one(candidate: Candidate) -> None:
            async with gate:
                result = await self._one(candidate, groups, job.id)
            if result is not None:
                results.append((candidate, result))

        try:
            async with asyncio.TaskGroup() as group:
                for candidate in chosen:
                    group.create_task(one(candidate), name=f"drill {candidate.device}")
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        await self._afterwards()
        return await self._summary(job)

    async def _chosen(self, job: Job) -> Sequence[Candidate]:
        params, drivers = job.params, self._parts.drivers
        devices, family = params.get("devices"), params.get("family")
        done = await self._stores.drills.drilled_in(job.id)
        left = [
            one
            for one in await self._stores.drills.candidates()
            if (not devices or one.device_id in devices) and (not family or one.family == family)
        ]
        if devices:
            return [one for one in left if one.backup_id not in done]
        sample = int(params.get("sample") or self._limits.sample)
        possible = [one for one in left if restorable(drivers, one.family) and one.backup_id not in done]
        return choose(possible, sample - len(done))

    async def _one(self, candidate: Candidate, groups: Mapping[str, Group], job_id: str) -> DrillResult | None:
        """None when the version was deleted meanwhile."""
        try:
            result = await self._drill.run(candidate, groups, job_id)
        except NotFound:
            return None
        if not await self._stores.drills.record(result):
            return None
        self._parts.meter.drill(candidate.family, result.verdict.value, result.seconds)
        write = log.error if result.verdict in NOT_PROVEN else log.info
        write(
            "drill.ended", device=candidate.device, family=candidate.family, verdict=result.verdict.value,
            seconds=result.seconds, reason=result.reason,
        )  # fmt: skip
        return result

    async def _summary(self, job: Job) -> dict[str, Any]:
        """Of all that this job drilled, by whatever process."""
        found = await self._stores.drills.of(sorted(await self._stores.drills.drilled_in(job.id)))
        counts = {verdict.value: 0 for verdict in Verdict}
        for result in found.values():
            counts[result.verdict.value] += 1
        broken = [result for result in found.values() if result.verdict in NOT_PROVEN]
        answer: dict[str, Any] = {"drilled": len(found), **counts}
        if broken:
            which = sorted([await self._told(result) for result in broken[:MOST_NAMED]])
            error = f"{len(broken)} of {len(found)} backups were not brought back, first: {which[0]}"
            answer |= {"which": which, "error": error}
        return answer

    async def _told(self, result: DrillResult) -> str:
        return f"{(await self._stores.inventory.device(result.device_id)).device.name}: {result.reason}"
