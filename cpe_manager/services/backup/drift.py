"""Drift as people and programs see it: who is out of step, in what, since when; and the two ways back into step.

To *adopt* is to say that what a device runs is what is wanted. To *remediate* is a push: the confirmed version is
brought back, and saved as at the end of every push; a device that runs what is confirmed without having saved it is
made to save it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from backups.vault import Examined
from cpe_manager.domain.backup.backups import Backup
from cpe_manager.domain.backup.drift import LastChange, Standing, Verdict, verdict_of
from cpe_manager.domain.errors import Conflict, CpeManagerError, NotFound
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.domain.fleet.settings_inheritance import resolve
from cpe_manager.domain.model.cpe_config_data import to_data
from cpe_manager.domain.model.cpe_differences import differences
from cpe_manager.domain.paging import Page
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.domain.push.pushes import Push
from cpe_manager.kit.textdiff import unified
from cpe_manager.ports.drift import DriftRow, DriftStore
from cpe_manager.ports.driver import Driver, Modelled
from cpe_manager.ports.driver_reading import Starting
from cpe_manager.ports.pushes import PushStore
from cpe_manager.ports.stores import BackupStore, DeviceView, InventoryStore
from cpe_manager.services.backup.attempt import Outside
from cpe_manager.services.backup.witness import Look, Seen
from cpe_manager.services.fleet.targets import known, target_of
from cpe_manager.services.push.pushes import GUARD_SECONDS, PushAsked, Pushes


@dataclass(frozen=True, slots=True)
class Compared:
    """Two texts against each other, without secrets. ``neutral``: (part of the model, before, after) as plain data;
    None where the family, or one of the texts, is not read as the model."""

    neutral: tuple[tuple[str, Any, Any], ...] | None
    native: str


@dataclass(frozen=True, slots=True)
class DriftShown:
    """How a device stands. ``changed``: confirmed against running; ``unsaved``: startup against running, known from a
    live look alone. ``basis``: the fingerprint of what it runs, to be adopted by."""

    row: DriftRow
    verdict: Verdict
    basis: str
    live: bool
    tells_startup: bool
    """Whether the family can tell what its devices would come up with."""
    change: LastChange | None
    changed: Compared | None
    unsaved: Compared | None = None


@dataclass(frozen=True, slots=True)
class Remedy:
    """``basis``: the fingerprint of what the device ran when somebody looked; a push for another one is refused."""

    device: str
    basis: str | None = None
    overrides: frozenset[Lockout] = frozenset()
    guard_seconds: int = GUARD_SECONDS
    key: str | None = None


@dataclass(frozen=True, slots=True)
class DriftStores:
    drift: DriftStore
    inventory: InventoryStore
    backups: BackupStore
    pushes: PushStore


@dataclass(frozen=True, slots=True)
class _Read:
    """What one session gave."""

    examined: Examined = field(repr=False)
    seen: Seen


class DriftBook:
    def __init__(self, stores: DriftStores, pushes: Pushes, outside: Outside) -> None:
        self._drift, self._inventory, self._backups = stores.drift, stores.inventory, stores.backups
        self._open_pushes, self._pushes, self._outside = stores.pushes, pushes, outside

    async def list(
        self, *, verdicts: Collection[Verdict] = (), after: str | None = None, limit: int = 100
    ) -> Page[DriftRow]:
        """By device name; without ``verdicts`` devices of any."""
        return await self._drift.drifts(verdicts=verdicts, after=after, limit=limit)

    async def standing(self, device_id: str) -> Standing | None:
        """None when nothing was ever confirmed."""
        try:
            return (await self._drift.drift(device_id)).standing
        except NotFound:
            return None

    async def counts(self) -> Mapping[Verdict, int]:
        return await self._drift.counts()

    async def show(self, device: str, *, live: bool = False, context: int = 3) -> DriftShown:
        """``live``: read the device now, also what it would come up with. Changes nothing there.

        Raises ``NotFound``, ``Conflict`` when there is no backup yet, or for ``live`` when the device is in the middle
        of a push, and for ``live`` a ``DeviceError``.
        """
        view = await self._inventory.device(device)
        row = await self._row(view)
        confirmed = await self._backups.backup(row.standing.confirmed_id)
        if live:
            return await self._live(view, row, confirmed, context)
        if row.running_id is None:
            raise Conflict(f"{row.device} has no backup of the hardware that is there now")
        running = await self._backups.backup(row.running_id)
        changed = None
        if running.fingerprint != confirmed.fingerprint:
            changed = await self._stored_difference(confirmed, running, context)
        return DriftShown(
            row=row,
            verdict=row.standing.verdict,
            basis=running.fingerprint,
            live=False,
            tells_startup=self._tells(running.family),
            change=row.standing.change,
            changed=changed,
        )

    async def adopt(self, device: str, basis: str, *, by: str) -> DriftRow:
        """What the device ran at its last backup becomes what is wanted. ``basis`` is that version's fingerprint, as it
        was shown. Raises ``NotFound``, ``Conflict`` when it runs another one by now or there is nothing to adopt."""
        view = await self._inventory.device(device)
        await self._row(view)
        return await self._drift.adopt(view.device.id, basis, at=self._outside.clock.now(), by=by)

    async def remediate(self, remedy: Remedy, *, by: str) -> Push:
        """The push that brings the device back into step, about to be worked on.

        Raises ``NotFound``, ``Conflict`` when it is in step as far as is known, when the confirmed version is of
        another family, or when the family is read only.
        """
        view = await self._inventory.device(remedy.device)
        row = await self._row(view)
        confirmed = await self._backups.backup(row.standing.confirmed_id)
        groups = {group.name: group for group in await self._inventory.groups()}
        family = known("family", resolve(view.device, groups).family)
        asked = PushAsked(
            view.device.id,
            basis=remedy.basis,
            overrides=remedy.overrides,
            guard_seconds=remedy.guard_seconds,
            key=f"drift:{remedy.key}" if remedy.key else None,
        )
        if row.standing.changed_since is not None or remedy.basis not in (None, confirmed.fingerprint):
            if confirmed.family != family:
                raise Conflict(
                    f"{row.device} is {family}, and what is confirmed for its place is of {confirmed.family}; "
                    "adopt what it runs, or bring the meaning over as for replaced hardware"
                )
            return await self._pushes.submit(replace(asked, version=confirmed.number, own=True), by=by)
        if row.standing.unsaved_since is not None:
            return await self._pushes.submit(replace(asked, save=True), by=by)
        raise Conflict(f"{row.device} is in step as far as is known; a live look tells what it runs now")

    # What it is made of.

    async def _row(self, view: DeviceView) -> DriftRow:
        if view.device.state is LifeState.DECOMMISSIONED:
            raise Conflict(f"{view.device.name} is out of service")
        try:
            return await self._drift.drift(view.device.id)
        except NotFound as error:
            raise Conflict(f"{view.device.name}: {error}") from error

    async def _live(self, view: DeviceView, row: DriftRow, confirmed: Backup, context: int) -> DriftShown:
        if (await self._open_pushes.pushes(device_id=row.device_id, open_only=True, limit=1)).items:
            raise Conflict(f"{row.device} is in the middle of a push; what it runs is neither before nor after")
        driver, read = await self._read(view)
        if read.seen.saved is not None:
            now = self._outside.clock.now()
            row = await self._drift.startup(row.device_id, saved=read.seen.saved, at=now)
        position, vault = view.device.position_id, self._outside.vault
        running = vault.view(read.examined, driver.spec, position)
        changed, unsaved = None, None
        differs = read.examined.fingerprint != confirmed.fingerprint
        if differs:
            old = vault.read_redacted(await self._backups.redacted(confirmed.id))
            names = (f"{row.device} version {confirmed.number}, confirmed", f"{row.device} now")
            native = unified(old, running, names=names, context=context).text
            stored = vault.open_original(await self._backups.sealed(confirmed.id))
            changed = Compared(
                self._neutral((confirmed.family, stored), (driver.spec.family, read.examined.text)), native
            )
        startup = read.seen.startup
        if startup is not None and not read.seen.saved:
            names = (f"{row.device} after a restart", f"{row.device} now")
            native = unified(vault.view(startup, driver.spec, position), running, names=names, context=context).text
            family = driver.spec.family
            unsaved = Compared(self._neutral((family, startup.text), (family, read.examined.text)), native)
        return DriftShown(
            row=row,
            verdict=verdict_of(changed=differs, unsaved=read.seen.saved is False),
            basis=read.examined.fingerprint,
            live=True,
            tells_startup=startup is not None,
            change=read.seen.change if differs else None,
            changed=changed,
            unsaved=unsaved,
        )

    async def _read(self, view: DeviceView) -> tuple[Driver, _Read]:
        outside = self._outside
        resolved = resolve(view.device, {group.name: group for group in await self._inventory.groups()})
        driver = outside.drivers.get(known("family", resolved.family))
        if not view.pinned_keys and resolved.settings.transport == "ssh":
            raise Conflict(f"{view.device.name} was never visited; its next backup learns its host key")
        target = target_of(view.device, resolved, view.pinned_keys)
        secrets: Sequence[str] = tuple(outside.credentials.get(target.credential_ref).secrets())
        with ExitStack() as held:
            held.enter_context(outside.redactor.holding(*secrets))
            async with outside.sessions.open(target) as opened:
                text = (await driver.fetch(opened.shell)).text
                examined = outside.vault.examine(text, driver.spec, secrets)
                look = Look(driver, outside.vault, secrets, outside.redactor)
                return driver, _Read(examined, await look.closer(opened.shell, text, examined))

    async def _stored_difference(self, old: Backup, new: Backup, context: int) -> Compared:
        vault = self._outside.vault
        texts = [vault.read_redacted(await self._backups.redacted(one.id)) for one in (old, new)]
        originals = [vault.open_original(await self._backups.sealed(one.id)) for one in (old, new)]
        names = (f"{old.device} version {old.number}, confirmed", f"{new.device} version {new.number}, running")
        native = unified(texts[0], texts[1], names=names, context=context).text
        return Compared(self._neutral((old.family, originals[0]), (new.family, originals[1])), native)

    def _neutral(self, old: tuple[str, str], new: tuple[str, str]) -> tuple[tuple[str, Any, Any], ...] | None:
        """Each as (family, text)."""
        try:
            models = []
            for family, text in (old, new):
                driver = self._outside.drivers.get(family)
                if not isinstance(driver, Modelled):
                    return None
                models.append(driver.parse(text))
        except CpeManagerError:  # a text that contradicts itself; the native difference stands
            return None
        before, after = (to_data(model, secrets=False) for model in models)
        return tuple((d.part, before.get(d.part), after.get(d.part)) for d in differences(*models))

    def _tells(self, family: str) -> bool:
        try:
            return isinstance(self._outside.drivers.get(family), Starting)
        except CpeManagerError:
            return False
