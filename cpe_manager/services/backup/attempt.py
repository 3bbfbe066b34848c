"""One attempt at one device: open, fetch, judge, seal. Its end is data (``Settled``), never an exception."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol, cast

import structlog

from backups.vault import Examined, Vault
from cpe_manager.domain.backup.acceptance import quarantine_reason
from cpe_manager.domain.backup.backups import Draft, FileDraft, LastGood
from cpe_manager.domain.errors import CpeManagerError, DeviceError, FetchIncomplete, HostKeyChanged
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.fleet.inventory import DeviceSettings, Group
from cpe_manager.domain.fleet.settings_inheritance import Resolved, resolve
from cpe_manager.domain.jobs import Outcome
from cpe_manager.domain.timing import backoff
from cpe_manager.kit.log_redaction import Redactor
from cpe_manager.ports.clock import Clock, Ids
from cpe_manager.ports.driver import Capture, Driver, Drivers
from cpe_manager.ports.driver_reading import Archiving
from cpe_manager.ports.facts import DeviceFacts
from cpe_manager.ports.sessions import Credentials, OpenedSession, Sessions
from cpe_manager.ports.shell import Shell, Target
from cpe_manager.ports.stores import Claimed, Settled
from cpe_manager.services.backup.witness import Look, Seen
from cpe_manager.services.fleet.facts import facts_due, facts_event
from cpe_manager.services.fleet.targets import known, target_of
from cpe_manager.services.jobs.giving_way import GivingWay

log = structlog.get_logger()

FACTS_SECONDS = 10.0
"""What a box gets to say what it is, after its configuration is here."""
LONGEST_ERROR = 500
"""Characters kept of an error: a device may have said a lot."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Back-off between attempts at one device: exponential with jitter, in seconds."""

    base: float = 20.0
    cap: float = 900.0


@dataclass(frozen=True, slots=True)
class Outside:
    """What an attempt needs from outside. ``redactor`` is the one of the logs: it is told of log-ins while in use."""

    sessions: Sessions
    drivers: Drivers
    credentials: Credentials
    vault: Vault
    clock: Clock
    ids: Ids
    redactor: Redactor = field(default_factory=Redactor)


class _Filing(Driver, Archiving, Protocol):
    """A driver whose boxes make a backup file of their own."""


@dataclass(slots=True)
class _Contact:
    """What was learned on the way, also when the attempt failed later."""

    host_key: str | None = None
    settings: DeviceSettings = field(default_factory=DeviceSettings)
    facts: DeviceFacts | None = None
    seen: Seen = field(default_factory=Seen)


class Attempt:
    """Makes attempts; holds no state between them."""

    def __init__(self, outside: Outside, retry: RetryPolicy) -> None:
        self._outside, self._retry = outside, retry
        self.way = GivingWay(outside.clock)
        """Where sessions of bulk work wait for their turn; the worker's is the same."""

    async def run(self, claimed: Claimed, groups: Mapping[str, Group]) -> Settled:
        """Raises nothing but cancellation: a driver's defect fails this device alone."""
        contact = _Contact()
        with ExitStack() as held:
            try:
                return await self._visit(claimed, groups, contact, held)
            except CpeManagerError as error:
                return self._failed(claimed, error, contact)
            except Exception as error:  # see above; the log has the traceback
                log.exception("backup.defect", device=claimed.device.name)
                reason = f"internal error ({type(error).__name__}); the log has the details"
                return self._failed(claimed, CpeManagerError(reason), contact)

    async def _visit(
        self, claimed: Claimed, groups: Mapping[str, Group], contact: _Contact, held: ExitStack
    ) -> Settled:  # fmt: skip
        resolved = resolve(claimed.device, groups)
        contact.settings = resolved.settings
        driver = self._outside.drivers.get(known("family", resolved.family))
        secrets = self._outside.credentials.get(known("credential", resolved.credential)).secrets()
        held.enter_context(self._outside.redactor.holding(*secrets))
        secrets_of = tuple(secrets)
        capture, examined = await self._fetch(claimed, resolved, driver, contact, secrets_of)
        if _in_doubt(examined, claimed.last_good, counted=capture.counted):
            _, second = await self._fetch(claimed, resolved, driver, contact, secrets_of)
            if second.fingerprint != examined.fingerprint:
                raise FetchIncomplete(
                    f"two readings of the configuration differ ({examined.lines} and {second.lines} lines); "
                    "neither is believed"
                )
        settled = self._judge(claimed, driver, examined, contact)
        if isinstance(driver, Archiving) and (version := _without_file(claimed, settled)):
            target = target_of(claimed.device, resolved, claimed.pinned_keys)
            filing = cast("_Filing", driver)
            return replace(settled, file=await self._file(claimed, target, filing, version, secrets_of))
        return settled

    @asynccontextmanager
    async def _open(self, target: Target, *, bulk: bool) -> AsyncIterator[OpenedSession]:
        async with AsyncExitStack() as held:
            async with self.way.turn() if bulk else nullcontext():
                opened = await held.enter_async_context(self._outside.sessions.open(target))
            yield opened

    async def _file(
        self, claimed: Claimed, target: Target, driver: _Filing, version: str, secrets: tuple[str, ...]
    ) -> FileDraft | None:
        """The box's own backup file, for beside a version. No backup fails for it; the next night tries again."""
        outside = self._outside
        try:
            async with self._open(target, bulk=claimed.bulk) as opened:
                made = await driver.archive(opened.shell)
            return outside.vault.draft_file(made, driver.spec, secrets, backup_id=version, object_id=outside.ids.new())
        except (DeviceError, ValueError) as error:
            said = outside.redactor.text(" ".join(str(error).split()))[:LONGEST_ERROR]
            log.warning("backup.no_file", device=target.name, error=said)
            return None

    async def _fetch(
        self, claimed: Claimed, resolved: Resolved, driver: Driver, contact: _Contact, secrets: tuple[str, ...]
    ) -> tuple[Capture, Examined]:
        target = target_of(claimed.device, resolved, claimed.pinned_keys)
        found: tuple[Capture, Examined] | None = None
        try:
            async with self._open(target, bulk=claimed.bulk) as opened:
                if not claimed.pinned_keys and opened.host_key:
                    contact.host_key = opened.host_key
                capture = await driver.fetch(opened.shell)
                examined = self._outside.vault.examine(capture.text, driver.spec, secrets)
                found = capture, examined
                if contact.facts is None and facts_due(claimed.facts, self._outside.clock.now()):
                    contact.facts = await self._ask(claimed, driver, opened.shell)
                if claimed.unsaved or _changed(examined, claimed.last_good):
                    look = Look(driver, self._outside.vault, secrets, self._outside.redactor)
                    contact.seen = await look.closer(opened.shell, capture.text, examined)
        except DeviceError as error:
            if found is None:
                raise
            # What the session died of came after the text was here, whole.
            log.info("backup.late_trouble", device=claimed.device.name, code=error.code, error=str(error))
        return found

    async def _ask(self, claimed: Claimed, driver: Driver, shell: Shell) -> DeviceFacts | None:
        """What the box says of itself, while somebody is there. No backup fails for it."""
        try:
            async with asyncio.timeout(FACTS_SECONDS):
                facts = await driver.facts(shell)
        except Exception as error:  # noqa: BLE001 - whatever a driver stumbles over here, the backup goes on
            log.info("facts.not_told", device=claimed.device.name, error=type(error).__name__)
            return None
        return DeviceFacts(claimed.device.id, facts, "session", self._outside.clock.now())

    def _judge(self, claimed: Claimed, driver: Driver, examined: Examined, contact: _Contact) -> Settled:
        outside, last = self._outside, claimed.last_good
        if last is not None and last.fingerprint == examined.fingerprint:
            return self._settled(claimed, contact, outcome=Outcome.UNCHANGED)
        reason = quarantine_reason(examined.size, examined.lines, last, ratio=contact.settings.shrink_ratio)
        backup_id = outside.ids.new()
        position = claimed.device.position_id
        draft = outside.vault.draft(examined, driver.spec, position_id=position, object_id=backup_id)
        return self._stored(claimed, contact, backup_id, draft, reason)

    def _stored(self, claimed: Claimed, contact: _Contact, backup_id: str, draft: Draft, reason: str | None) -> Settled:
        name = claimed.device.name
        if reason is None:
            event = self._event(claimed, "backup.stored", f"{name}: new version, {draft.lines} lines")
        else:
            event = self._event(claimed, "backup.quarantined", f"{name}: {reason}", warning=True)
        return self._settled(
            claimed,
            contact,
            outcome=Outcome.STORED if reason is None else Outcome.QUARANTINED,
            draft=draft,
            backup_id=backup_id,
            reason=reason,
            event=event,
        )

    def _settled(
        self,
        claimed: Claimed,
        contact: _Contact,
        *,
        outcome: Outcome,
        draft: Draft | None = None,
        backup_id: str | None = None,
        reason: str | None = None,
        event: NewEvent | None = None,
    ) -> Settled:
        events = [event] if event else []
        if contact.host_key is not None:
            events.append(self._first_contact(claimed, contact.host_key))
        if contact.facts is not None and (told := facts_event(claimed.device, claimed.facts, contact.facts)):
            events.append(told)
        return Settled(
            job_id=claimed.job_id,
            lease=claimed.lease,
            at=self._outside.clock.now(),
            facts=contact.facts,
            saved=contact.seen.saved,
            change=contact.seen.change,
            outcome=outcome,
            backup_id=backup_id,
            draft=draft,
            quarantine_reason=reason,
            first_host_key=contact.host_key,
            events=tuple(events),
        )

    def _failed(self, claimed: Claimed, error: CpeManagerError, contact: _Contact) -> Settled:
        now = self._outside.clock.now()
        attempt = claimed.attempts + 1
        again = error.retryable and isinstance(error, DeviceError) and attempt < contact.settings.max_attempts
        wait = backoff(attempt, base=self._retry.base, cap=self._retry.cap, jitter=self._outside.ids.jitter())
        offered = error.offered if isinstance(error, HostKeyChanged) else None
        said = self._outside.redactor.text(" ".join(str(error).split()))[:LONGEST_ERROR]
        events = []
        if contact.host_key is not None:
            events.append(self._first_contact(claimed, contact.host_key))
        if offered is not None:
            events.append(self._event(claimed, "hostkey.changed", said, warning=True))
        if not again:
            events.append(self._event(claimed, "backup.failed", f"{claimed.device.name}: {said}", warning=True))
        return Settled(
            job_id=claimed.job_id,
            lease=claimed.lease,
            at=now,
            outcome=None if again else Outcome.FAILED,
            retry_at=now + timedelta(seconds=wait) if again else None,
            error_code=error.code,
            error=said,
            first_host_key=contact.host_key,
            offered_host_key=offered,
            events=tuple(events),
        )

    def _first_contact(self, claimed: Claimed, key: str) -> NewEvent:
        kind = key.split(" ", 1)[0]
        message = f"{claimed.device.name}: first contact, {kind} host key pinned"
        return self._event(claimed, "hostkey.first_contact", message, data={"host_key": key})

    def _event(
        self, claimed: Claimed, kind: str, message: str, *, warning: bool = False, data: Mapping[str, str] | None = None
    ) -> NewEvent:
        return NewEvent(
            kind,
            self._outside.clock.now(),
            "warning" if warning else "info",
            device_id=claimed.device.id,
            job_id=claimed.job_id,
            message=message,
            data=dict(data or {}),
        )


def _without_file(claimed: Claimed, settled: Settled) -> str | None:
    """The version that the device's own backup file is still missing beside, if any."""
    if settled.outcome is Outcome.STORED:
        return settled.backup_id
    last = claimed.last_good
    wanted = settled.outcome is Outcome.UNCHANGED and last is not None and not last.archived
    return last.backup_id if wanted and last is not None else None


def _changed(examined: Examined, last: LastGood | None) -> bool:
    return last is not None and last.fingerprint != examined.fingerprint


def _in_doubt(examined: Examined, last: LastGood | None, *, counted: bool) -> bool:
    """Whether a text that would become a version has to be read once more, in a session of its own.

    A text that was cut in its middle on the way can look whole in a family whose dialect counts nothing. So what the
    device did not count is read twice, and so is anything that has less than the last good version.
    """
    if last is None:
        return not counted
    return _changed(examined, last) and (not counted or examined.lines < last.lines or examined.size < last.size)
