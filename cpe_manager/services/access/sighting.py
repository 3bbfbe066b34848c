"""Looking for a device on behalf of somebody who may be bound to sites."""

from __future__ import annotations

from collections.abc import Collection

from cpe_manager.domain.errors import NotFound
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.ports.stores import DeviceFilter, InventoryStore


async def device_for(inventory: InventoryStore, name_or_id: str, sites: Collection[str] | None) -> Device:
    """By id, else by name the one in service. ``sites``: names of those that the asker is bound to; None: not bound.

    Where there is a bound it is looked for inside alone: what others have is not even looked at, so that neither the
    words nor the time tell anything of it. Raises ``NotFound``.
    """
    if sites is None:
        return (await inventory.device(name_or_id)).device
    theirs = await inventory.all_devices(DeviceFilter(sites=tuple(sorted(sites)), states=tuple(LifeState)))
    named = [device for device in theirs if name_or_id in {device.name, device.id}]
    if not named:
        raise NotFound(f"no such device: {name_or_id}")
    return min(named, key=lambda one: (one.id != name_or_id, one.state is LifeState.DECOMMISSIONED))
