"""How the new box of a replacement is reached, and what one process knows on its way through it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from cpe_manager.domain.errors import CpeManagerError
from cpe_manager.domain.fleet.host_keys import fingerprint
from cpe_manager.domain.fleet.settings_inheritance import Resolved
from cpe_manager.domain.replacement.replacements import Entry, Progress, Replacement
from cpe_manager.ports.facts import FactsStore
from cpe_manager.ports.replacements import ReplacementStore
from cpe_manager.ports.sessions import OpenedSession
from cpe_manager.ports.shell import Target
from cpe_manager.ports.stores import BackupStore
from cpe_manager.services.backup.attempt import Outside
from cpe_manager.services.fleet.inventory import Inventory
from cpe_manager.services.fleet.targets import known, target_of
from cpe_manager.services.push.push_plan import PushDriver
from cpe_manager.services.replacement.replacement_plan import RestorePlan
from cpe_manager.services.subscription.entitling import Entitling

NO_KEY: Final = ("none",)
"""Pinned, no box can show it: a session stops at the key, before anything secret is sent."""


class Asks(CpeManagerError):
    """A person has to look at something before this step can be done."""


class Refused(CpeManagerError):
    """Trying again will not help."""


@dataclass(frozen=True, slots=True)
class SwapStores:
    replacements: ReplacementStore
    backups: BackupStore
    facts: FactsStore
    entitling: Entitling | None = None
    """None: no subscriptions are known here."""


@dataclass(slots=True)
class Trip:
    """One process's way through a replacement, as the steps see it."""

    replacement: Replacement
    journal: list[Entry]
    progress: Progress = field(init=False)
    held: ExitStack = field(default_factory=ExitStack)
    plan: RestorePlan | None = None
    basis: str | None = None
    manager: str = ""

    def __post_init__(self) -> None:
        self.progress = self.replacement.progress

    def forget(self) -> None:
        """What was planned is of a moment that is over."""
        self.plan = self.basis = None


class Ways:
    """What the steps are made of."""

    def __init__(self, inventory: Inventory, outside: Outside) -> None:
        self._inventory, self._outside = inventory, outside

    async def _target(self, trip: Trip, keys: tuple[str, ...]) -> tuple[Target, Resolved]:
        """How the new box is reached. Until it is in the inventory it is the old device with what was ordered."""
        one, unit = trip.replacement, trip.replacement.unit
        device = (await self._inventory.show(trip.progress.new_device_id or one.device_id)).device
        if trip.progress.new_device_id is None:
            device = replace(
                device,
                address=unit.address,
                port=unit.port or device.port,
                family=unit.family or device.family,
                credential=unit.credential or device.credential,
            )
        resolved = await self._inventory.in_force(device)
        secrets = self._outside.credentials.get(known("credential", resolved.credential)).secrets()
        trip.held.enter_context(self._outside.redactor.holding(*secrets))
        return target_of(device, resolved, keys), resolved

    @asynccontextmanager
    async def _session(self, trip: Trip) -> AsyncIterator[OpenedSession]:
        """With the key that was accepted, never another. Raises ``Refused`` when there is none."""
        shown = trip.progress.offered_key
        if shown is None or fingerprint(shown) != trip.replacement.answers.key:
            raise Refused("no host key of the new box was accepted")
        target, _ = await self._target(trip, (shown,))
        async with self._outside.sessions.open(target) as opened:
            trip.manager = opened.manager or trip.manager
            yield opened

    async def _read(self, trip: Trip, driver: PushDriver) -> str:
        async with self._session(trip) as opened:
            return (await driver.fetch(opened.shell)).text
