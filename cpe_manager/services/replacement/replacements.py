"""Replacements of hardware as people and programs see them: order one, follow it, answer its questions, call it off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cpe_manager.domain.errors import Conflict, InputError, NotFound
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.fleet import import_rules as rules
from cpe_manager.domain.fleet.host_keys import fingerprint
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.domain.paging import Page
from cpe_manager.domain.push.checks import Check, Refused
from cpe_manager.domain.replacement.replacements import (
    Answers,
    Ask,
    Progress,
    Replacement,
    ReplacementRecord,
    Unit,
    is_restored,
)
from cpe_manager.domain.subscription.subscriptions import Operation
from cpe_manager.ports.driver import Resettable
from cpe_manager.ports.engine import Engine, Ticket
from cpe_manager.ports.replacements import TICKET, ReplacementStore
from cpe_manager.ports.stores import BackupStore, DeviceFilter
from cpe_manager.services.backup.attempt import Outside
from cpe_manager.services.fleet.inventory import Inventory
from cpe_manager.services.fleet.targets import known, target_of
from cpe_manager.services.push.push_plan import able
from cpe_manager.services.subscription.entitling import Entitling


@dataclass(frozen=True, slots=True)
class ReplacementAsked:
    """``where`` is a device, or a site with one device in service. ``unit.address`` empty: the old one's. ``host_key``
    is a fingerprint that somebody has read on the box; ``consent`` the customer's to factory settings, should the
    restore fail: who, when, how. ``on_demand``: who ordered the restore, when and how, where it is no part of what the
    site has (§5.1.2.4)."""

    where: str
    unit: Unit
    version: int | None = None
    host_key: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    consent: str | None = None
    key: str | None = None
    on_demand: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """An answer. ``host_key`` and ``plan`` are fingerprints of what was shown; ``retry``: it may be tried again."""

    host_key: str | None = None
    plan: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    consent: str | None = None
    retry: bool = False

    def __bool__(self) -> bool:
        return bool(self.host_key or self.plan or self.names or self.consent or self.retry)


class Replacements:
    def __init__(
        self, store: ReplacementStore, inventory: Inventory, backups: BackupStore, engine: Engine, outside: Outside,
        entitling: Entitling | None = None,
    ) -> None:  # fmt: skip
        self._store, self._inventory, self._backups = store, inventory, backups
        self._engine, self._outside, self._entitling = engine, outside, entitling

    async def order(self, asked: ReplacementAsked, *, by: str) -> Replacement:
        """The replacement, about to be worked on; the one that has the same key already, if any.

        Raises ``NotFound``, ``InputError`` for what is wrong in itself, ``Conflict`` for a device that is out of
        service or replaced already, a family that cannot be restored, or a site that is not entitled to it.
        """
        device = await self._device(asked.where)
        await self._insist_entitled(device, asked)
        unit = await self._checked(device, asked)
        now = self._outside.clock.now()
        if asked.version is not None:
            await self._backups.number(device.position_id, asked.version)
        answers = Answers(
            key=_key(asked.host_key),
            names=dict(asked.names),
            consent=asked.consent,
            consent_by=by if asked.consent else None,
            consent_at=now if asked.consent else None,
        )
        ordered = Replacement(
            id=self._outside.ids.new(),
            device_id=device.id,
            position_id=device.position_id,
            device=device.name,
            site=device.site,
            unit=unit,
            created_at=now,
            requested_by=by,
            version=asked.version,
            key=f"{by}:{asked.key}" if asked.key else None,
            answers=answers,
            progress=Progress(not_before=now, note="waits for the new box"),
        )
        made = await self._store.create(ordered)
        if asked.on_demand and made.id == ordered.id:
            words = f"{device.name}: restored on demand (§5.1.2.4): {asked.on_demand}"
            event = self._event(made, "answered", words, by=by, accepted="restore on demand", words=asked.on_demand)
            made = await self._store.answer(made.id, answers, event)
        await self._look(made)
        return made

    async def _insist_entitled(self, device: Device, asked: ReplacementAsked) -> None:
        """A unit is replaced (§5.1.3), and the configuration restored on it (§5.1.2.4): two components. The second one
        may be ordered for this once, as on-demand support. Without a subscription nothing is judged."""
        if self._entitling is None:
            return
        for operation in (Operation.REPLACE, Operation.RESTORE):
            answer = await self._entitling.of_site(device.site_id, operation)
            if answer is None or answer.allowed:
                continue
            if operation is Operation.REPLACE:
                raise Refused(f"{device.site}: {answer.reason}", Check.ENTITLEMENT)
            if not asked.on_demand:
                more = "say who ordered it on demand, or record the swap without a restore"
                raise Refused(f"{device.site}: {answer.reason}; {more}", Check.ENTITLEMENT)

    async def show(self, replacement_id: str) -> ReplacementRecord:
        return await self._store.replacement(replacement_id)

    async def list(
        self, *, device: str | None = None, open_only: bool = False, after: str | None = None, limit: int = 50
    ) -> Page[Replacement]:
        position = None if device is None else (await self._inventory.show(device)).device.position_id
        return await self._store.replacements(position_id=position, open_only=open_only, after=after, limit=limit)

    async def accept(self, replacement_id: str, said: Said, *, by: str) -> Replacement:
        """Answer what is asked. Raises ``Conflict`` when nothing is, or when the answer is to something else than what
        was shown, ``InputError`` for an empty answer."""
        one = (await self._store.replacement(replacement_id)).replacement
        progress, answers = one.progress, one.answers
        if not said:
            raise InputError("say what is accepted: a host key, a plan, interface names, consent, or another try")
        if progress.ended_at is not None:
            raise Conflict(f"the replacement has ended already: {progress.stage}")
        if not progress.asks:
            raise Conflict(f"nothing is asked at the moment: {progress.note or progress.stage}")
        self._insist_on_what_was_shown(progress, said)
        now = self._outside.clock.now()
        answers = replace(
            answers,
            key=_key(said.host_key) or answers.key,
            plan=said.plan or answers.plan,
            names={**answers.names, **said.names},
            answered=progress.questions,
        )
        if said.consent:
            answers = replace(answers, consent=said.consent, consent_by=by, consent_at=now)
        words = ", ".join(
            word
            for word, given in (
                ("host key", said.host_key), ("plan", said.plan), ("interface names", said.names),
                ("consent to factory settings", said.consent), ("another try", said.retry),
            )
            if given
        )  # fmt: skip
        event = self._event(one, "answered", f"{one.device}: {words} accepted by {by}", by=by, accepted=words)
        # Consent alone answers no question: it says what happens now that no more is tried.
        if said.consent and not said.retry:
            answers = replace(answers, answered=one.answers.answered)
        stored = await self._store.answer(replacement_id, answers, event)
        await self._look(stored)
        return stored

    async def cancel(self, replacement_id: str, *, by: str) -> Replacement:
        """Call it off. Before the swap nothing has changed; after it the new unit stays, suspended, and what a restore
        on its way has done is taken back. Raises ``Conflict`` when it was restored already, or has ended."""
        record = await self._store.replacement(replacement_id)
        if is_restored(record.journal):
            raise Conflict("the configuration is restored already; there is nothing to call off")
        one = record.replacement
        event = self._event(one, "cancelling", f"{one.device}: replacement called off by {by}", by=by)
        stored = await self._store.answer(replacement_id, replace(one.answers, cancelled_by=by), event)
        await self._look(stored)
        return stored

    async def _look(self, one: Replacement) -> None:
        if one.progress.ended_at is None:
            await self._engine.enqueue([Ticket(TICKET, one.id)])

    def _event(self, one: Replacement, kind: str, message: str, **more: str) -> NewEvent:
        data = {"replacement_id": one.id, "device": one.device, "serial": one.unit.serial, **more}
        return NewEvent(
            f"replacement.{kind}", self._outside.clock.now(), device_id=one.device_id, message=message, data=data
        )

    @staticmethod
    def _insist_on_what_was_shown(progress: Progress, said: Said) -> None:
        if said.host_key is not None:
            shown = None if progress.offered_key is None else fingerprint(progress.offered_key)
            if Ask.KEY not in progress.asks or shown != _key(said.host_key):
                raise Conflict(f"the new box shows the host key {shown or '-'}; that one can be accepted, no other")
        if said.plan is not None and (Ask.PLAN not in progress.asks or said.plan != progress.plan.get("fingerprint")):
            raise Conflict(f"what was shown last is {progress.plan.get('fingerprint') or 'nothing'}; look at it again")
        if said.names and Ask.PLAN not in progress.asks:
            raise Conflict("interfaces are mapped once the plan is shown")
        if (said.retry or said.consent) and Ask.RETRY not in progress.asks:
            raise Conflict("nothing has failed that could be tried again")

    async def _device(self, where: str) -> Device:
        try:
            device = (await self._inventory.show(where)).device
        except NotFound:
            states = (LifeState.ACTIVE, LifeState.SUSPENDED)
            page = await self._inventory.list(DeviceFilter(sites=(where,), states=states), limit=10)
            names = [view.device.name for view in page.items]
            if not names:
                raise NotFound(f"no device and no site {where}") from None
            if len(names) > 1:
                raise Conflict(f"site {where} has several devices: {', '.join(names)}; name one of them") from None
            device = page.items[0].device
        if device.state is LifeState.DECOMMISSIONED:
            raise Conflict(f"{device.name} is out of service")
        return device

    async def _checked(self, device: Device, asked: ReplacementAsked) -> Unit:
        unit = asked.unit
        try:
            address = rules.address(unit.address or device.address)
            serial = rules.label(unit.serial)
            model = None if unit.model is None else rules.label(unit.model)
        except ValueError as error:
            raise InputError(str(error)) from error
        if device.serial and device.serial.casefold() == serial.casefold():
            raise Conflict(f"{device.name} is the unit with serial {device.serial} already")
        unit = replace(unit, serial=serial, address=address, model=model)
        like = replace(
            device, address=address, port=unit.port or device.port, family=unit.family or device.family,
            credential=unit.credential or device.credential,
        )  # fmt: skip
        resolved = await self._inventory.in_force(like)
        target = target_of(like, resolved, ())
        driver = able(self._outside.drivers.get(known("family", resolved.family)))
        self._outside.credentials.get(target.credential_ref)
        if target.transport != "ssh":
            raise Conflict("a box that is reached over Telnet shows no host key: nobody would know which one it is")
        if asked.consent is not None and not isinstance(driver, Resettable):
            family = driver.spec.family
            raise InputError(f"a {family} device cannot be taken back to factory settings from here; leave consent out")
        return replace(unit, family=None if unit.family == device.family else unit.family)


def _key(text: str | None) -> str | None:
    """A fingerprint, also of a whole key in OpenSSH form."""
    if text is None:
        return None
    words = text.split()
    if len(words) == 1:
        return text if text.startswith("SHA256:") else f"SHA256:{text}"
    return fingerprint(text)
