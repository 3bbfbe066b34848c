"""An inventory of one device that is known already: its host key is pinned."""

from __future__ import annotations

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.ports.clock import Clock, Ids
from cpe_manager.ports.stores import InventoryChanges, SiteChange


async def enrolled(database: Database, clock: Clock, ids: Ids, family: str) -> Device:
    """The device r1 of site s1, with log-in ``lab``."""
    device = Device(
        id=ids.new(), position_id=ids.new(), site_id="", site="s1", name="r1", address="192.0.2.1",
        state=LifeState.ACTIVE, installed_at=clock.now(), family=family, credential="lab",
    )  # fmt: skip
    changes = InventoryChanges(at=clock.now(), sites=(SiteChange("s1", ids.new()),), add=(device,))
    await database.inventory.apply(changes)
    await database.inventory.pin(device.id, ["ssh-ed25519 AAAA"], at=clock.now(), by="test")
    return device
