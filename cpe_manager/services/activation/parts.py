"""What the steps of an activation share: their stores, their terms, one process's way through, and the way to a box."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from cpe_manager.domain.activation.activation_flow import Entry
from cpe_manager.domain.activation.activations import Activation, ActivationOrder, Progress
from cpe_manager.domain.errors import Conflict, CpeManagerError
from cpe_manager.domain.events import NewEvent, Severity
from cpe_manager.domain.failover.lines import Barrier
from cpe_manager.domain.fleet.settings_inheritance import resolve
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_features import Feature
from cpe_manager.domain.push.push_windows import PLACE
from cpe_manager.domain.subscription.subscriptions import Subscription
from cpe_manager.ports.activations import ActivationStore, OutsideProber
from cpe_manager.ports.catalogue import Catalogues
from cpe_manager.ports.driver import Driver, Modelled
from cpe_manager.ports.holidays import Holidays
from cpe_manager.ports.shell import Shell
from cpe_manager.ports.stores import BackupStore, InventoryStore
from cpe_manager.ports.subscriptions import SubscriptionStore
from cpe_manager.services.backup.attempt import Outside
from cpe_manager.services.failover.coverage import TransferTest
from cpe_manager.services.fleet.targets import known, target_of
from cpe_manager.services.push.push_plan import PushDriver, able


class Refused(CpeManagerError):
    """A step that trying again will not help."""


class NotDone(CpeManagerError):
    """A step that had its chance, and may have another."""


class NotYet(CpeManagerError):
    """A step that had no effect, and may have one later."""


@dataclass(frozen=True, slots=True)
class ActivationStores:
    activations: ActivationStore
    subscriptions: SubscriptionStore
    catalogues: Catalogues
    inventory: InventoryStore
    backups: BackupStore


@dataclass(frozen=True, slots=True)
class Terms:
    """How this installation activates. ``zone``: of working days. ``barrier``: voice stays off mobile (§7.6)."""

    zone: str = PLACE
    barrier: Barrier = field(default_factory=Barrier)
    transfers: TransferTest = field(default_factory=TransferTest)
    """What a box fetches and sends over the fixed line."""
    speed_share: float = 0.8
    """Of the formula's speeds (§3.1.2), what has to be reached."""
    dns_name: str = ""
    """What a box has to be able to resolve; empty: the host of the transfers' address."""
    port_seconds: float = 5.0
    """For one attempt to connect from outside."""
    failover_seconds: float = 240.0
    """How long a planned test of the backup is waited for."""
    comes_up_seconds: float = 45.0
    """What a line gets to come up after its box was configured."""
    proves_backup: bool = True
    """Whether somebody watches lines here, so that a backup can be exercised."""


@dataclass(frozen=True, slots=True)
class House:
    """What the installation brings besides its database."""

    outside: Outside
    holidays: Holidays
    prober: OutsideProber
    terms: Terms = field(default_factory=Terms)


@dataclass(slots=True)
class Trip:
    """One process's way through an activation; what outlives it is in the store."""

    activation: Activation
    journal: list[Entry]
    order: ActivationOrder
    save: Callable[[], Awaitable[None]] = field(init=False)
    """Write ``progress`` down at once, for whoever looks on while a step takes its time."""
    begin: Callable[[], Awaitable[None]] = field(init=False)
    """To be called before the step has any effect: a step that waited is written down as begun by that."""
    progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        self.progress = self.activation.progress

    @property
    def id(self) -> str:
        return self.activation.id


def wanted_subscription(activation: Activation, order: ActivationOrder, before: Subscription | None) -> Subscription:
    """What the site is to have, by the order; who speaks for it stays where the order does not say."""
    kept = before or Subscription(activation.site_id, activation.site, "", order.formula, order.technology)
    return Subscription(
        site_id=activation.site_id,
        site=activation.site,
        customer=order.customer or kept.customer,
        formula=order.formula,
        technology=order.technology,
        options=frozenset(order.options),
        activated_at=kept.activated_at,
        representatives=order.representatives or kept.representatives,
        revision=kept.revision,
        catalogue_version=activation.catalogue_version,
        language=order.language if before is None or order.language != "en" else kept.language,
    )


def event_of(
    one: Activation, kind: str, outside: Outside, reason: str = "", severity: Severity = "info", **more: Any
) -> NewEvent:
    """Every event of an activation names its site: a customer is shown those of his own."""
    message = f"{one.site}: activation {kind.replace('_', ' ')}" + (f": {reason}" if reason else "")
    data = {
        "activation_id": one.id, "site": one.site, "device": one.device, "formula": one.formula,
        "technology": one.technology.value, "state": one.progress.state.value, "reason": reason, **more,
    }  # fmt: skip
    return NewEvent(f"activation.{kind}", outside.clock.now(), severity, one.device_id, message=message, data=data)


@dataclass(slots=True)
class OpenBox:
    """A box with a session to it, and what it runs as it was read at its beginning."""

    driver: Driver
    shell: Shell
    text: str = field(repr=False)
    config: CpeConfig | None
    """None: nobody can read what the text means."""

    @property
    def features(self) -> frozenset[Feature]:
        return self.driver.spec.features


class Door:
    """Opens boxes."""

    def __init__(self, inventory: InventoryStore, outside: Outside) -> None:
        self._inventory, self._outside = inventory, outside

    @asynccontextmanager
    async def open(self, device_id: str) -> AsyncIterator[OpenBox]:
        """Raises ``NotYet`` for a box that nobody has visited yet, and ``DeviceError``s."""
        view = await self._inventory.device(device_id)
        resolved = resolve(view.device, {group.name: group for group in await self._inventory.groups()})
        driver = self._outside.drivers.get(known("family", resolved.family))
        if not view.pinned_keys and resolved.settings.transport == "ssh":
            raise NotYet(f"{view.device.name} was never visited; its first backup learns its host key")
        target = target_of(view.device, resolved, view.pinned_keys)
        secrets = tuple(self._outside.credentials.get(target.credential_ref).secrets())
        with self._outside.redactor.holding(*secrets):
            async with self._outside.sessions.open(target) as opened:
                text = (await driver.fetch(opened.shell)).text
                config = driver.parse(text) if isinstance(driver, Modelled) else None
                yield OpenBox(driver, opened.shell, text, config)


def writing(box: OpenBox) -> tuple[PushDriver, CpeConfig]:
    """Raises ``Refused`` for a family that is not configured from here."""
    try:
        driver = able(box.driver)
    except Conflict as error:
        raise Refused(str(error)) from error
    if box.config is None:
        raise Refused(f"what a {box.driver.spec.family} box runs cannot be read")
    return driver, box.config
