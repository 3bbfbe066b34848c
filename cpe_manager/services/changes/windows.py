"""When a request may begin (§2.3, §5.2.2): standard changes at once, others in the change window."""

from __future__ import annotations

from datetime import datetime, timedelta

from cpe_manager.domain.changes.requests import ChangeRequest
from cpe_manager.domain.changes.windows import closed_on, opening
from cpe_manager.domain.fleet.inventory import Device
from cpe_manager.domain.fleet.settings_inheritance import resolve
from cpe_manager.domain.push.push_windows import HORIZON, Calendar, calendar_of, windows_of
from cpe_manager.domain.subscription.catalogue import ServiceCatalogue
from cpe_manager.ports.holidays import Holidays
from cpe_manager.ports.stores import InventoryStore


class ChangeWindows:
    """``windows`` and ``freezes``: of the installation, where neither device nor group says."""

    def __init__(
        self, inventory: InventoryStore, holidays: Holidays, *, windows: str = "", freezes: str = ""
    ) -> None:  # fmt: skip
        self._inventory, self._holidays = inventory, holidays
        self._windows, self._freezes = windows, freezes

    def warm(self, catalogue: ServiceCatalogue, now: datetime) -> None:
        """Look holidays up once, which takes its time: to be called beside the event loop."""
        self.of_catalogue(catalogue, now)

    async def opens(
        self, change: ChangeRequest, device: Device, catalogue: ServiceCatalogue, now: datetime
    ) -> datetime:
        """Not before ``now``, nor before the time that was asked for. Raises ``InputError`` for settings of a device
        that mean nothing."""
        at = max(now, change.requested_for or now)
        if change.standard or change.by_right:
            return at
        groups = {group.name: group for group in await self._inventory.groups()}
        settings = resolve(device, groups).settings
        site = calendar_of(settings.push_windows or self._windows, settings.push_freezes or self._freezes)
        return opening(at, (self.of_catalogue(catalogue, at), site))

    def of_catalogue(self, catalogue: ServiceCatalogue, at: datetime) -> Calendar:
        """The change window of a catalogue, without the holidays of the time to come."""
        first = at.date() - timedelta(days=1)
        days = self._holidays.between(catalogue.holidays, first, first + HORIZON)
        return Calendar(windows_of(catalogue.change_window), closed_on(days))
