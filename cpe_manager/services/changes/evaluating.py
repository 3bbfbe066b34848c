"""Whether a request is accepted, and what the customer is shown then; or why it is refused (§5.2.2).

The device is read, once, and everything is judged by what it runs at that moment: the entry's own check, lock-outs, the
checks of the push path. What would be done is sealed beside the request and bound to what is shown by one digest, so
that an approval is one of exactly this. A device that cannot be read is no reason to refuse.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from cpe_manager.domain.backup.backups import SealedObject
from cpe_manager.domain.changes.base import cited
from cpe_manager.domain.changes.entries import ChangeType, Effect, EntryTerms, Setting
from cpe_manager.domain.changes.flow import COVERAGE, DEVICE_GONE, NO_SUBSCRIPTION, NOT_OFFERED, fee_of
from cpe_manager.domain.changes.requests import ChangeRequest, Fee, Shown
from cpe_manager.domain.errors import Conflict, DeviceError, InputError, NotFound
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.domain.fleet.settings_inheritance import resolve
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_config_data import changed
from cpe_manager.domain.push.checks import ACCEPTABLE, Check, Finding
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.domain.subscription.catalogue import ServiceCatalogue
from cpe_manager.domain.subscription.entitlement import Component, newly_used
from cpe_manager.domain.subscription.subscriptions import Subscription
from cpe_manager.ports.driver import Drivers
from cpe_manager.services.changes.parts import (
    ChangeParts,
    Execution,
    KnownLines,
    LineSaid,
    Pushing,
    asked_of,
    effect_text,
)
from cpe_manager.services.fleet.targets import known
from cpe_manager.services.push.push_plan import PlanShown
from cpe_manager.services.push.pushes import PushAsked

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Accepted:
    """``effect``: what would be done, sealed."""

    shown: Shown
    effect: SealedObject = field(repr=False)
    fee: Fee
    terms: EntryTerms
    catalogue_version: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """``reason`` is a sentence for the customer, ``code`` for programs."""

    reason: str
    code: str


@dataclass(frozen=True, slots=True)
class NotNow:
    """The device could not be read. ``passing``: that may be over soon."""

    reason: str
    passing: bool = True


class _Refused(Exception):
    def __init__(self, reason: str, code: str) -> None:
        super().__init__(reason)
        self.refusal = Refusal(reason, code)


@dataclass(slots=True)
class _Draft:
    """What becomes known while the device is read."""

    effect: Effect = field(default_factory=Effect)
    uses: tuple[Component, ...] = ()
    notes: list[str] = field(default_factory=list)


class Evaluating:
    def __init__(self, parts: ChangeParts, pushing: Pushing, lines: KnownLines, drivers: Drivers) -> None:
        self._parts, self._pushing, self._lines, self._drivers = parts, pushing, lines, drivers

    async def evaluate(self, change: ChangeRequest) -> Accepted | Refusal | NotNow:
        """Reads the device, changes nothing. Raises ``StoreError`` and ``KeyringError``."""
        try:
            return await self._evaluate(change)
        except _Refused as refused:
            return refused.refusal
        except DeviceError as error:
            return NotNow(str(error), error.retryable)
        except InputError as error:
            return Refusal(str(error), Check.MODEL)
        except Conflict as error:
            return Refusal(str(error), error.code)

    async def against(self, change: ChangeRequest) -> Refusal | None:
        """What speaks against executing an approved request by now: its device is gone, or the subscription no longer
        entitles to it, by the catalogue that it was approved under."""
        try:
            await self._device(change)
            catalogue = await self._parts.catalogues.version(change.catalogue_version)
            await self._entitled(change, catalogue)
        except _Refused as refused:
            return refused.refusal
        return None

    async def _evaluate(self, change: ChangeRequest) -> Accepted | NotNow:
        device = await self._device(change)
        if device.state is LifeState.SUSPENDED:
            return NotNow(f"{device.name} is suspended", passing=False)
        catalogue, terms = await self._parts.catalogues.current(), await self._terms(change)
        subscription = await self._entitled(change, catalogue, terms.components)
        try:
            return await self._judge(change, device, catalogue, terms, subscription)
        except _Refused as refused:
            raise _Refused(cited(refused.refusal.reason, terms.section), refused.refusal.code) from refused
        except InputError as error:
            raise _Refused(cited(str(error), terms.section), Check.MODEL) from error

    async def _judge(
        self,
        change: ChangeRequest,
        device: Device,
        catalogue: ServiceCatalogue,
        terms: EntryTerms,
        subscription: Subscription,
    ) -> Accepted:
        kind = self._parts.entries.type(change.type)
        if kind is None:
            raise _Refused(f"{change.type} is no longer offered", NOT_OFFERED)
        text = self._parts.seals.open_note(await self._parts.store.parameters(change.id))
        wanted = self._parts.entries.read(change.type, json.loads(text))
        line = await self._lines.of(device.name)
        setting = await self._setting(device, catalogue, subscription)
        setting = replace(setting, barrier=line.barrier, section=terms.section)
        draft = _Draft()
        shown = await self._pushing.planned(
            device.id, lambda now: _drafted(draft, device, kind, wanted, now, setting)
        )  # fmt: skip
        _require_clear(shown, draft.effect.overrides)
        if not (shown.native or shown.neutral or draft.effect.reboot):
            raise _Refused("there is nothing to change: the device is so already", Check.NOTHING)
        if Component.MOBILE_BACKUP in draft.uses:
            _require_coverage(line)
        sealed = self._parts.seals.seal_note(self._parts.ids.new(), effect_text(draft.effect))
        fee = self._fee(change, terms, subscription, catalogue)
        return Accepted(self._shown(shown, draft, sealed), sealed, fee, terms, catalogue.version)

    def _shown(self, plan: PlanShown, draft: _Draft, sealed: SealedObject) -> Shown:
        notes = tuple(dict.fromkeys((*plan.warnings, *map(str, plan.lockouts), *draft.notes)))
        if draft.effect.reboot:
            notes = (*notes, "the box restarts; traffic stops until it is back")
        digest = digest_of(plan.basis, plan.neutral, plan.native, sealed.id)
        return Shown(plan.basis, digest, plan.neutral, plan.native, notes, self._parts.clock.now())

    def _fee(
        self, change: ChangeRequest, terms: EntryTerms, subscription: Subscription, catalogue: ServiceCatalogue
    ) -> Fee:
        if change.by_right:
            return Fee(billable=False, reason="a right of the customer's (§5.2.1.1)")
        return fee_of(terms, subscription.activated_at, change.submitted_at, catalogue.free_days)

    async def _device(self, change: ChangeRequest) -> Device:
        try:
            device = (await self._parts.inventory.device(change.device_id)).device
        except NotFound:
            raise _Refused(f"{change.device} is not there any more", DEVICE_GONE) from None
        if device.state is LifeState.DECOMMISSIONED:
            raise _Refused(f"{device.name} is out of service", DEVICE_GONE)
        return device

    async def _terms(self, change: ChangeRequest) -> EntryTerms:
        terms = (await self._parts.catalogues.entries()).get(change.type)
        if terms is None or not terms.enabled:
            raise _Refused(f"{change.type} is no longer offered", NOT_OFFERED)
        return terms

    async def _entitled(
        self, change: ChangeRequest, catalogue: ServiceCatalogue, components: Sequence[str] = ()
    ) -> Subscription:
        subscription = await self._parts.subscriptions.of_site(change.site_id)
        if subscription is None:
            raise _Refused(f"{change.site} has no subscription", NO_SUBSCRIPTION)
        answer = self._parts.entitle(catalogue, subscription, change.type, components=components)
        if not answer.allowed:
            raise _Refused(answer.reason, Check.ENTITLEMENT)
        return subscription

    async def _setting(self, device: Device, catalogue: ServiceCatalogue, subscription: Subscription) -> Setting:
        groups = {group.name: group for group in await self._parts.inventory.groups()}
        resolved = resolve(device, groups)
        spec = self._drivers.get(known("family", resolved.family)).spec
        return Setting(
            catalogue, subscription, resolved.port, managed_at=device.address, family=spec.family,
            features=spec.features,
        )  # fmt: skip


def digest_of(basis: str, neutral: Sequence[tuple[str, Any, Any]], native: str, effect_id: str) -> str:
    """Of all that an approval is bound to: what runs, the difference that is shown, and what is sealed to be done."""
    text = json.dumps([basis, [list(part) for part in neutral], native, effect_id], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _drafted(
    draft: _Draft, device: Device, kind: ChangeType[Any], wanted: Any, now: CpeConfig, setting: Setting
) -> PushAsked:
    """The push that a request is on what the device runs now. Raises ``_Refused`` and ``InputError``."""
    found = list(kind.check(wanted, now, setting))
    _require_fit(found)
    draft.notes = [one.reason for one in found]
    draft.effect = kind.effect(wanted, now, setting)
    draft.uses = newly_used(now, changed(now, draft.effect.patch))
    return asked_of(device.id, draft.effect, Execution(None))


def _require_fit(found: Sequence[Finding]) -> None:
    # What nobody can accept comes first: that is the code of the refusal.
    if bad := sorted((one for one in found if one.refuses), key=lambda one: one.check in ACCEPTABLE):
        raise _Refused("; ".join(map(str, bad)), bad[0].check)


def _require_coverage(line: LineSaid) -> None:
    if line.coverage != "passed":
        told = "found insufficient" if line.coverage == "refused" else "not checked yet"
        raise _Refused(f"mobile coverage was {told} (§3.8)" + (f": {line.reason}" if line.reason else ""), COVERAGE)


def _require_clear(shown: PlanShown, meant: Collection[Lockout]) -> None:
    if bad := [one for one in shown.lockouts if one.kind not in meant]:
        reasons = "; ".join(map(str, bad))
        raise _Refused(f"the box could not be reached afterwards: {reasons}", Check.LOCKOUT)
    _require_fit(shown.findings)
