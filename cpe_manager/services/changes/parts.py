"""What the services of change requests are given, and what they share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Protocol

from cpe_manager.domain.backup.backups import SealedObject
from cpe_manager.domain.changes.entries import ChangeType, Effect
from cpe_manager.domain.failover.lines import Barrier, Coverage
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.domain.push.probes import Probe
from cpe_manager.domain.push.pushes import Push, PushRecord
from cpe_manager.domain.subscription.catalogue import ServiceCatalogue
from cpe_manager.domain.subscription.subscriptions import Entitled, Operation, Subscription
from cpe_manager.ports.catalogue import Catalogues
from cpe_manager.ports.changes import ChangeStore
from cpe_manager.ports.clock import Clock, Ids
from cpe_manager.ports.stores import InventoryStore
from cpe_manager.services.push.push_plan import PlanShown
from cpe_manager.services.push.pushes import PushAsked


class Entries(Protocol):
    """The entries of the change catalogue, as code."""

    def type(self, name: str) -> ChangeType[Any] | None: ...

    def read(self, name: str, parameters: Mapping[str, Any]) -> Any:
        """Raises ``InputError``, which names the field."""
        ...

    def masked(self, wanted: Any) -> Mapping[str, Any]:
        """Parameters as plain data, without secrets."""
        ...


RESTART_SECONDS: Final = 600
"""Within which a box has to be back: some take five minutes."""


class Seals(Protocol):
    """Of the vault."""

    def seal_note(self, object_id: str, text: str) -> SealedObject: ...

    def open_note(self, sealed: SealedObject) -> str: ...


class Subscriptions(Protocol):
    """Of the store of subscriptions."""

    async def of_site(self, site: str) -> Subscription | None: ...


class Entitle(Protocol):
    """``domain.subscription.entitlement.entitled``."""

    def __call__(
        self, catalogue: ServiceCatalogue, subscription: Subscription, operation: Operation | str, /, *,
        components: Sequence[str] = (),
    ) -> Entitled: ...  # fmt: skip


class Pushing(Protocol):
    """What change requests need of pushes."""

    async def planned(self, device: str, make: Callable[[CpeConfig], PushAsked]) -> PlanShown: ...

    async def submit(self, asked: PushAsked, *, by: str) -> Push: ...

    async def show(self, push_id: str) -> PushRecord: ...

    async def asked_before(self, key: str, *, by: str) -> Push | None: ...


@dataclass(frozen=True, slots=True)
class LineSaid:
    """What is known of the line of a device. ``coverage`` of mobile: ``untested`` where nobody has looked."""

    coverage: Coverage = "untested"
    reason: str = ""
    barrier: Barrier = field(default_factory=Barrier)


class KnownLines(Protocol):
    async def of(self, device: str) -> LineSaid: ...


@dataclass(frozen=True, slots=True)
class ChangeRules:
    """``approval``: how long an answer of the customer is awaited."""

    approval: timedelta = timedelta(days=30)
    at_once: int = 16
    """Devices read for evaluations at the same time."""


@dataclass(frozen=True, slots=True)
class ChangeParts:
    store: ChangeStore
    inventory: InventoryStore
    entries: Entries
    catalogues: Catalogues
    subscriptions: Subscriptions
    entitle: Entitle
    seals: Seals
    clock: Clock
    ids: Ids
    rules: ChangeRules = ChangeRules()


def effect_text(effect: Effect) -> str:
    """As it is sealed."""
    return json.dumps(
        {
            "patch": effect.patch,
            "probes": [str(probe) for probe in effect.probes],
            "reboot": effect.reboot,
            "managed_at": effect.managed_at,
            "overrides": sorted(effect.overrides),
        }
    )


def effect_of(text: str) -> Effect:
    data = json.loads(text)
    probes = tuple(Probe.parse(each) for each in data["probes"])
    overrides = frozenset(Lockout(each) for each in data["overrides"])
    return Effect(data["patch"], probes, data["reboot"], data["managed_at"], overrides)


@dataclass(frozen=True, slots=True)
class Execution:
    """How a push of a change is bound."""

    basis: str | None
    key: str | None = None
    any_time: bool = False


def asked_of(device: str, effect: Effect, bound: Execution) -> PushAsked:
    """The push that an effect is."""
    if effect.reboot:
        return PushAsked(
            device=device, reboot=True, basis=bound.basis, key=bound.key, any_time=bound.any_time,
            guard_seconds=RESTART_SECONDS,
        )  # fmt: skip
    return PushAsked(
        device=device, change=effect.patch, basis=bound.basis, key=bound.key, any_time=bound.any_time,
        probes=effect.probes, managed_at=effect.managed_at, overrides=effect.overrides,
    )  # fmt: skip
