"""The change of a box that moves its traffic, made from what the box was last read to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from cpe_manager.domain.errors import CpeManagerError, StoreError
from cpe_manager.domain.failover.lines import Barrier, Carrier
from cpe_manager.domain.failover.voice_barrier import to_mobile
from cpe_manager.domain.fleet.settings_inheritance import resolve
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.ports.driver import Driver, Modelled
from cpe_manager.ports.stores import BackupStore, InventoryStore
from cpe_manager.services.backup.attempt import Outside
from cpe_manager.services.fleet.targets import known

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RouteChange:
    """``barrier``: what stays off mobile (§7.6)."""

    inventory: InventoryStore
    backups: BackupStore
    outside: Outside
    barrier: Barrier = field(default_factory=Barrier)

    async def patch(self, device_id: str, over: Carrier) -> Mapping[str, Any]:
        """A merge patch of the neutral model. That voice could not be looked at keeps nobody from the internet: then
        the route alone is moved. Raises ``StoreError``."""
        if over is Carrier.FIXED:
            return {"mobile": {"preferred": False}}
        try:
            driver, config = await self._last_read(device_id)
            return to_mobile(config, driver.spec.features, self.barrier)
        except StoreError:
            raise
        except CpeManagerError as error:
            log.info("failover.barrier_not_known", device_id=device_id, code=error.code, reason=str(error))
            return to_mobile(None, frozenset(), self.barrier)

    async def _last_read(self, device_id: str) -> tuple[Driver, CpeConfig | None]:
        view = await self.inventory.device(device_id)
        groups = {group.name: group for group in await self.inventory.groups()}
        driver = self.outside.drivers.get(known("family", resolve(view.device, groups).family))
        if view.status.current_backup_id is None or not isinstance(driver, Modelled):
            return driver, None
        text = self.outside.vault.open_original(await self.backups.sealed(view.status.current_backup_id))
        return driver, driver.parse(text)
