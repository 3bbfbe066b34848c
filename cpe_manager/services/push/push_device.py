"""The device's side of a push: how it is reached, wherever it is, and what it runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Final

from backups.vault import Examined
from cpe_manager.domain.backup.backups import Draft
from cpe_manager.domain.errors import Conflict, DeviceError, FetchIncomplete
from cpe_manager.domain.fleet.settings_inheritance import resolve
from cpe_manager.domain.push.checks import Check, Refused
from cpe_manager.domain.push.commit_path import places
from cpe_manager.ports.sessions import OpenedSession
from cpe_manager.ports.shell import Target
from cpe_manager.ports.stores import BackupStore
from cpe_manager.services.backup.attempt import Outside
from cpe_manager.services.fleet.targets import known, target_of
from cpe_manager.services.push.push_plan import PushDriver, able
from cpe_manager.services.push.push_probes import line_notes
from cpe_manager.services.push.push_trip import Trip

BACK_WITHIN: Final = 90.0
"""Seconds within which a device that was told to revert, or moved, has to be reached again; some restart for it."""


class DeviceSide:
    """What the steps of a push are made of."""

    def __init__(self, outside: Outside, backups: BackupStore) -> None:
        self._outside, self._backups = outside, backups

    def way(self, trip: Trip) -> tuple[Target, PushDriver, tuple[str, ...]]:
        """Target, driver and log-in secrets of the device. Raises for what is not set or not able."""
        if trip.ready is None:
            resolved = resolve(trip.claimed.device, trip.groups)
            driver = able(self._outside.drivers.get(known("family", resolved.family)))
            secrets = self._outside.credentials.get(known("credential", resolved.credential)).secrets()
            trip.held.enter_context(self._outside.redactor.holding(*secrets))
            trip.ready = target_of(trip.claimed.device, resolved, trip.claimed.pinned_keys), driver, tuple(secrets)
        return trip.ready

    @asynccontextmanager
    async def _session(self, trip: Trip) -> AsyncIterator[OpenedSession]:
        """A new session to the device, wherever it may be. Raises the ``DeviceError`` of the likeliest address."""
        target, _, _ = self.way(trip)
        async with AsyncExitStack() as stack:
            opened = await self._opened(trip, target, stack)
            trip.manager = opened.manager or trip.manager
            yield opened

    async def _opened(self, trip: Trip, target: Target, stack: AsyncExitStack) -> OpenedSession:
        likely = places(trip.journal, target.host, trip.push.managed_at)
        failure: DeviceError | None = None
        for host in sorted(likely, key=lambda one: one != trip.at):
            try:
                opened = await stack.enter_async_context(self._outside.sessions.open(replace(target, host=host)))
            except DeviceError as error:  # nobody is there, or somebody else
                failure = failure or error
                continue
            trip.at = host
            return opened
        assert failure is not None
        raise failure

    async def _read_there(self, trip: Trip) -> str:
        """What the device runs, at its new address, once it answers there. Raises ``Refused`` when it does not."""
        clock = self._outside.clock
        until = clock.monotonic() + BACK_WITHIN
        while True:
            try:
                return await self._read(trip, after=True)
            except DeviceError as error:
                if clock.monotonic() >= until:
                    told = f"the device does not answer at {trip.push.managed_at}: {error}"
                    raise Refused(told, Check.NOT_THERE) from error
                await clock.sleep(2.0)

    async def _found(self, trip: Trip) -> str:
        """The fingerprint of what runs. Raises a ``DeviceError``."""
        return self.examine(trip, await self._read(trip)).fingerprint

    async def _read(self, trip: Trip, *, twice: bool = False, after: bool = False) -> str:
        """What the device runs, in a session of its own. ``twice``: what it did not count is read a second time."""
        _, driver, _ = self.way(trip)
        async with self._session(trip) as opened:
            capture = await driver.fetch(opened.shell)
            if twice or after:
                trip.line = await line_notes(driver, opened.shell, capture.text)
        examined = self.examine(trip, capture.text)
        if twice and not capture.counted:
            async with self._session(trip) as opened:
                again = self.examine(trip, (await driver.fetch(opened.shell)).text)
            if again.fingerprint != examined.fingerprint:
                raise FetchIncomplete("two readings of the configuration differ; neither is believed")
        if twice:
            trip.before = examined
        if after:
            trip.after = examined
        return capture.text

    def examine(self, trip: Trip, text: str) -> Examined:
        _, driver, secrets = self.way(trip)
        return self._outside.vault.examine(text, driver.spec, secrets)

    def _draft(self, trip: Trip, examined: Examined, backup_id: str) -> Draft:
        _, driver, _ = self.way(trip)
        position = trip.claimed.device.position_id
        return self._outside.vault.draft(examined, driver.spec, position_id=position, object_id=backup_id)

    async def _snapshot_text(self, trip: Trip) -> str:
        if trip.push.snapshot_id is None:
            raise Conflict("the version to go back to is not known")
        return self._outside.vault.open_original(await self._backups.sealed(trip.push.snapshot_id))

    async def _back(self, trip: Trip) -> str:
        """The fingerprint of what runs, once the device is reached again. Raises the last ``DeviceError``."""
        clock = self._outside.clock
        until = clock.monotonic() + BACK_WITHIN
        while True:
            try:
                return await self._found(trip)
            except DeviceError:
                if clock.monotonic() >= until:
                    raise
                await clock.sleep(2.0)
