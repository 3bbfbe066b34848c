"""What is looked at every half minute about pushes: stuck devices that turned out well, held pushes that may begin
again, and which device holds which public address. Level-triggered: what one look misses the next one finds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from backups.vault import Vault
from cpe_manager.domain.backup.backups import SealedObject
from cpe_manager.domain.errors import CpeManagerError, StoreError
from cpe_manager.domain.model.cpe_config_data import changed
from cpe_manager.domain.push.checks import Held, held_by
from cpe_manager.domain.push.pushes import Order, Push, PushKind, SettledAs, Settlement
from cpe_manager.ports.addresses import AddressStore, Read, Unread
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.driver import Drivers, Modelled
from cpe_manager.ports.pushes import PushStore
from cpe_manager.ports.stores import BackupStore

log = structlog.get_logger()

AT_ONCE: Final = 50
"""Versions looked at for addresses in one go: opening and reading one takes milliseconds, and sessions wait."""
MOST_AT_A_LOOK: Final = 200
BY: Final = "a backup"


@dataclass(frozen=True, slots=True)
class Books:
    """What is needed to read stored versions."""

    pushes: PushStore
    backups: BackupStore
    addresses: AddressStore
    vault: Vault
    drivers: Drivers


class PushUpkeep:
    """``look`` is a chore."""

    def __init__(self, books: Books, clock: Clock, failures_per_hour: int) -> None:
        self._books, self._clock, self._failures = books, clock, failures_per_hour
        self._looked_at: dict[str, str] = {}

    async def look(self) -> None:
        for push, version in await self._books.pushes.read_since_stuck():
            if self._looked_at.get(push.id) == version:
                continue
            how = await self._runs(push, version)
            if how is not None:
                end = Settlement(how, self._clock.now(), BY, f"the device was read and runs version {version}")
                await self._books.pushes.settle(push.id, end)
                log.info("push.settled", device=push.device, push_id=push.id, settled_as=how.value)
            self._looked_at[push.id] = version
        if await self._books.pushes.release_held(self._failures, self._clock.now()):
            log.info("alarm.cleared", kind="push.held")

    async def _runs(self, push: Push, version: str) -> SettledAs | None:
        """Whether the version is what the device ran before the push, or what it was to run after it."""
        try:
            return await self._judge(push, version)
        except StoreError:
            raise
        except CpeManagerError as error:
            log.info("push.not_settled", push_id=push.id, code=error.code, reason=str(error))
            return None

    async def _judge(self, push: Push, version: str) -> SettledAs | None:
        backups, vault = self._books.backups, self._books.vault
        now = await backups.backup(version)
        if push.snapshot_id is None:
            return None
        before = await backups.backup(push.snapshot_id)
        if now.fingerprint == before.fingerprint:
            return SettledAs.BEFORE
        order = Order.from_text(vault.open_note(await self._books.pushes.order(push.id)))
        if order.version is not None:
            wanted = await backups.backup(order.version)
            return SettledAs.AFTER if now.fingerprint == wanted.fingerprint else None
        driver = self._books.drivers.get(now.family)
        if order.kind is not PushKind.CHANGE or not isinstance(driver, Modelled):
            return None
        after = changed(driver.parse(vault.open_original(await backups.sealed(before.id))), order.patch)
        runs = driver.parse(vault.open_original(await backups.sealed(now.id)))
        return SettledAs.AFTER if runs == after else None


class FleetAddresses:
    """Reads the public addresses out of every device's current version; ``look`` is a chore."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def look(self) -> None:
        for _ in range(MOST_AT_A_LOOK // AT_ONCE):
            waiting = await self._books.addresses.unread(AT_ONCE)
            await self._books.addresses.save([await self._read(one) for one in waiting])
            if len(waiting) < AT_ONCE:
                return

    async def _read(self, one: Unread) -> Read:
        """What nobody can read holds nothing, until there is another version."""
        try:
            driver = self._books.drivers.get(one.family)
            if not isinstance(driver, Modelled):
                return Read(one.device_id, one.backup_id, ())
            sealed = await self._books.backups.sealed(one.backup_id)
            held = await asyncio.to_thread(_held, self._books.vault, sealed, driver)
        except StoreError:
            raise
        except CpeManagerError as error:
            log.info("addresses.not_read", device_id=one.device_id, code=error.code)
            held = ()
        return Read(one.device_id, one.backup_id, held)


def _held(vault: Vault, sealed: SealedObject, driver: Modelled) -> tuple[Held, ...]:
    return held_by(driver.parse(vault.open_original(sealed)))
