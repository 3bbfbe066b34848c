"""What the vault holds of a device: versions, redacted views, differences, decisions on quarantined ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backups.vault import Vault
from cpe_manager.domain.backup.backups import Backup, BackupState, FileInfo
from cpe_manager.domain.errors import Conflict, InputError, NotFound
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.model.cpe_config_data import to_data
from cpe_manager.domain.paging import Page
from cpe_manager.kit.textdiff import TextDiff, unified
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.driver import Drivers, Modelled
from cpe_manager.ports.stores import BackupStore, DeviceView, EventStore, InventoryStore


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """``older`` and ``newer`` are versions of one position; the diff is between their redacted views."""

    older: Backup
    newer: Backup
    diff: TextDiff


class History:
    """Read side of the vault, and the two decisions a person takes: accept or refuse."""

    def __init__(
        self,
        inventory: InventoryStore,
        backups: BackupStore,
        events: EventStore,
        vault: Vault,
        drivers: Drivers,
        clock: Clock,
    ) -> None:
        self._inventory, self._backups, self._events = inventory, backups, events
        self._vault, self._drivers, self._clock = vault, drivers, clock

    async def versions(
        self, device: str, *, after: str | None = None, limit: int = 50, state: BackupState | None = None
    ) -> Page[Backup]:
        """Newest first, over every hardware the position has had. Raises ``NotFound``."""
        view = await self._inventory.device(device)
        return await self._backups.versions(view.device.position_id, after=after, limit=limit, state=state)

    async def find(self, device: str, version: int | None = None) -> Backup:
        """Version ``version``, or the current one (last good). Raises ``NotFound``, ``Conflict`` with no backup yet."""
        view = await self._inventory.device(device)
        if version is not None:
            return await self._backups.number(view.device.position_id, version)
        return await self._backups.backup(await self._current(view))

    async def _current(self, view: DeviceView) -> str:
        if view.status.current_backup_id:
            return view.status.current_backup_id
        # New hardware of a known position: the position's last good version still is the one to look at.
        page = await self._backups.versions(view.device.position_id, limit=1, state=BackupState.GOOD)
        if not page.items:
            raise Conflict(f"{view.device.name} has no backup yet")
        return page.items[0].id

    async def text(self, backup: Backup) -> str:
        """The redacted canonical view."""
        return self._vault.read_redacted(await self._backups.redacted(backup.id))

    async def original(self, backup: Backup, *, by: str) -> str:
        """The restore-grade original, secrets included; every opening leaves an event. Raises ``SealBroken``."""
        text = self._vault.open_original(await self._backups.sealed(backup.id))
        message = f"original of {backup.device} version {backup.number} opened by {by}"
        event = _opened(backup, message, by, self._clock.now())
        await self._events.add([event])
        return text

    async def file(self, backup: Backup) -> FileInfo | None:
        """What is kept of the box's own backup file beside a version; None when there is none."""
        return await self._backups.file(backup.id)

    async def open_file(self, backup: Backup, *, by: str) -> tuple[FileInfo, bytes]:
        """The box's own backup file, secrets but for its log-in included; every opening leaves an event.

        Raises ``NotFound`` when there is none, ``SealBroken``.
        """
        info = await self._backups.file(backup.id)
        if info is None:
            raise NotFound(f"no file of {backup.device}'s own making is kept beside version {backup.number}")
        content = self._vault.open_file(info, await self._backups.sealed_file(backup.id))
        message = f"{info.name} of {backup.device} version {backup.number} opened by {by}"
        event = _opened(backup, message, by, self._clock.now())
        await self._events.add([event])
        return info, content

    async def neutral(self, backup: Backup) -> Mapping[str, Any]:
        """What a version says in the words of the neutral model, as plain data, secrets masked.

        Raises ``Conflict`` for a family without the model, ``SealBroken``.
        """
        driver = self._drivers.get(backup.family)
        if not isinstance(driver, Modelled):
            raise Conflict(f"configurations of {backup.family} are not read as the neutral model")
        # From the original: masks in the redacted view are no values.
        text = self._vault.open_original(await self._backups.sealed(backup.id))
        return to_data(driver.parse(text), secrets=False)

    async def diff(self, device: str, older: int | None, newer: int | None, *, context: int = 3) -> VersionDiff:
        """Between two versions; by default the newest good one against the good one before it."""
        if older is None or newer is None:
            default_older, default_newer = await self._last_two(device)
            older, newer = older or default_older, newer or default_newer
        old, new = await self.find(device, older), await self.find(device, newer)
        names = (f"{old.device} version {old.number}", f"{new.device} version {new.number}")
        return VersionDiff(old, new, unified(await self.text(old), await self.text(new), names=names, context=context))

    async def _last_two(self, device: str) -> tuple[int, int]:
        page = await self.versions(device, limit=2, state=BackupState.GOOD)
        if len(page.items) < 2:
            have = f"{len(page.items)} good version" + ("s" if not page.items else "")
            raise InputError(f"{device} has {have}; a diff needs two")
        return page.items[1].number, page.items[0].number

    async def decide(self, device: str, version: int | None, *, accept: bool, by: str) -> Backup:
        """Accept or refuse a quarantined version (the newest when None). Raises ``Conflict`` when there is none."""
        if version is None:
            page = await self.versions(device, limit=1, state=BackupState.QUARANTINED)
            if not page.items:
                raise Conflict(f"{device} has nothing in quarantine")
            backup = page.items[0]
        else:
            backup = await self.find(device, version)
        now = self._clock.now()
        decided = await self._backups.decide(backup.id, accept=accept, at=now, by=by)
        word = "accepted" if accept else "refused"
        message = f"{decided.device} version {decided.number} {word} by {by}"
        await self._events.add(
            [NewEvent(f"backup.{word}", now, device_id=decided.device_id, message=message, data={"by": by})]
        )
        return decided


def _opened(backup: Backup, message: str, by: str, at: datetime) -> NewEvent:
    data = {"by": by, "version": backup.number}
    return NewEvent("original.opened", at, "warning", device_id=backup.device_id, message=message, data=data)
