"""Which interfaces of a box carry its two ways, as its current version says: for polls and traps of lines whose ports
nobody has named. An Ethernet port to an ONT looks like any other to an SNMP agent; the configuration knows better."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from cpe_manager.domain.errors import CpeManagerError, StoreError
from cpe_manager.domain.model.cpe_config import Role
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.driver import Drivers, Wired
from cpe_manager.ports.stores import BackupStore, InventoryStore

log = structlog.get_logger()

AT_A_LOOK: Final = 300
READ_FOR: Final = 3600.0
"""Seconds after which a device's version is looked at again."""


@dataclass(frozen=True, slots=True)
class PortWords:
    """Names as the configuration has them, the likeliest first."""

    fixed: tuple[str, ...] = ()
    mobile: tuple[str, ...] = ()


NONE: Final = PortWords()


class LinePorts:
    def __init__(self, inventory: InventoryStore, backups: BackupStore, drivers: Drivers, clock: Clock) -> None:
        self._inventory, self._backups, self._drivers, self._clock = inventory, backups, drivers, clock
        self._read: dict[str, tuple[float, str, PortWords]] = {}

    def get(self, device_id: str) -> PortWords:
        """What was read; nothing until then."""
        found = self._read.get(device_id)
        return found[2] if found is not None else NONE

    async def learn(self, devices: Mapping[str, str]) -> bool:
        """Read some of those (family by id) that were not read, or long ago; whether anything is now known that was
        not. Called again it goes on with the rest. Raises ``StoreError``."""
        now = self._clock.monotonic()
        self._read = {device_id: read for device_id, read in self._read.items() if device_id in devices}
        stale = [each for each in devices if each not in self._read or self._read[each][0] <= now]
        news = False
        for device_id in stale[:AT_A_LOOK]:
            _, backup_id, before = self._read.get(device_id, (0.0, "", NONE))
            current = (await self._inventory.device(device_id)).status.current_backup_id or ""
            words = before if current == backup_id else await self._words(devices[device_id], current)
            self._read[device_id] = (now + READ_FOR, current, words)
            news = news or words != before
        return news or len(stale) > AT_A_LOOK

    async def _words(self, family: str, backup_id: str) -> PortWords:
        """What nobody can read names nothing, until there is another version."""
        try:
            driver = self._drivers.get(family)
            if not backup_id or not isinstance(driver, Wired):
                return NONE
            text = (await self._backups.redacted(backup_id)).decode("utf-8", "replace")
            found = await asyncio.to_thread(driver.interfaces, text)
        except StoreError:
            raise
        except CpeManagerError as error:
            log.info("lines.ports_not_read", backup=backup_id, code=error.code)
            return NONE
        return PortWords(_some(found.roles.get(Role.WAN, ())), _some(found.roles.get(Role.MOBILE, ())))


def _some(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(names[:4])
