"""Pushes as people and programs see them: look at a plan, ask for it, follow it, give it up.

Asking writes rows and hands out a ticket; the work is done on the commit path.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from cpe_manager.domain.errors import Conflict, InputError
from cpe_manager.domain.fleet.import_rules import address
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.domain.fleet.settings_inheritance import resolve
from cpe_manager.domain.jobs import Job, JobKind, JobState, Priority
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.paging import Page
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.domain.push.probes import Probe
from cpe_manager.domain.push.pushes import Order, Push, PushKind, PushRecord, SettledAs, Settlement
from cpe_manager.ports.engine import Engine
from cpe_manager.ports.pushes import PushStore
from cpe_manager.ports.stores import BackupStore, InventoryStore, NewWork
from cpe_manager.services.backup.attempt import Outside
from cpe_manager.services.fleet.targets import known, path_of, target_of
from cpe_manager.services.jobs.jobs import shard_ticket
from cpe_manager.services.push.push_admission import again_at
from cpe_manager.services.push.push_checks import acceptable
from cpe_manager.services.push.push_plan import PlanShown, able, make_plan, require_meant, show_plan
from cpe_manager.services.push.push_restart import comes_up_with, require_restarting
from cpe_manager.services.push.push_trip import Care

LOOK_AGAIN: Final = 1.0
"""Seconds between looks at a push that somebody waits for."""
GUARD_SECONDS: Final = 300
"""When a device takes back what nobody confirmed, unless something else is asked for."""
SHORTEST_GUARD: Final = 120
LONGEST_GUARD: Final = 3600
"""Bounds: reading, applying and probing have to fit in, and a device that is cut off must not stay so for long."""


@dataclass(frozen=True, slots=True)
class PushAsked:
    """What somebody wants of a device: exactly one of ``change`` (a merge patch of the neutral model), ``lines``,
    ``version`` (the number of a stored one; 0 is the current one), ``save`` (keep what runs) and ``reboot``."""

    device: str
    change: Mapping[str, Any] | None = field(default=None, repr=False)
    lines: tuple[str, ...] = field(default=(), repr=False)
    version: int | None = None
    basis: str | None = None
    overrides: frozenset[Lockout] = frozenset()
    guard_seconds: int = GUARD_SECONDS
    key: str | None = None
    save: bool = False
    names: Mapping[str, str] | None = None
    """Of a version of other hardware: its interface names, and what they are called here. None: of this hardware."""
    on_demand: str = ""
    """Who ordered a version back, when and how, where restoring is no part of the subscription (§5.1.2.4)."""
    own: bool = False
    """A version that the operator brings back because it was confirmed: no restore to the customer."""
    entering: bool = False
    """The device is about to come into service: it is suspended still, so that nobody else visits it."""
    probes: tuple[Probe, ...] = ()
    accepted: frozenset[str] = frozenset()
    """Findings of checks that are accepted, by code."""
    any_time: bool = False
    """Begin outside of windows and in freezes, too."""
    priority: Priority = Priority.NORMAL
    """Urgent (failover): goes before what queues for the device, at any time, whatever the limits."""
    managed_at: str | None = None
    """The address at which the device is to be managed once the change is in effect, where that is another one."""
    reboot: bool = False
    """``guard_seconds`` is then how long it may take to come back."""


@dataclass(frozen=True, slots=True)
class Again:
    """What may differ from a push that is asked for again."""

    basis: str | None = None
    key: str | None = None
    any_time: bool = False


@dataclass(frozen=True, slots=True)
class PushStores:
    pushes: PushStore
    inventory: InventoryStore
    backups: BackupStore


class Pushes:
    def __init__(self, stores: PushStores, engine: Engine, outside: Outside, care: Care | None = None) -> None:
        self._pushes, self._inventory, self._backups = stores.pushes, stores.inventory, stores.backups
        self._engine, self._outside, self._care = engine, outside, care or Care()

    async def plan(self, asked: PushAsked) -> PlanShown:
        """What would be done, judged by what the device runs now. Reads the device, changes nothing.

        Raises ``InputError`` for what cannot be meant or carried, ``Conflict`` for a family that is read only, and a
        ``DeviceError`` when the device cannot be read.
        """
        view = await self._inventory.device(asked.device)
        await self._order(view.device, asked)  # what cannot be meant disturbs no device
        return await self.planned(asked.device, lambda _: asked)

    async def planned(self, device: str, make: Callable[[CpeConfig], PushAsked]) -> PlanShown:
        """As `plan`, of what ``make`` wants of what the device runs now. Raises what ``make`` raises, too."""
        view = await self._inventory.device(device)
        groups = {group.name: group for group in await self._inventory.groups()}
        resolved = resolve(view.device, groups)
        driver = able(self._outside.drivers.get(known("family", resolved.family)))
        target = target_of(view.device, resolved, view.pinned_keys)
        log_in = self._outside.credentials.get(target.credential_ref).secrets()
        with ExitStack() as held:
            held.enter_context(self._outside.redactor.holding(*log_in))
            async with self._outside.sessions.open(target) as opened:
                text, manager = (await driver.fetch(opened.shell)).text, opened.manager
                asked = make(driver.parse(text))
                order, _ = await self._order(view.device, asked)
                stored = await comes_up_with(driver, opened.shell, text, order)
        if order.version is not None:
            stored = self._outside.vault.open_original(await self._backups.sealed(order.version))
        moves = moved_to(asked, view.device)
        plan = replace(make_plan(driver, text, order, stored, log_in), managed_at=moves)
        basis = self._outside.vault.examine(text, driver.spec, log_in).fingerprint
        path = path_of(target, manager)
        shown = show_plan(plan, view.device.name, driver, basis, plan.lockouts(path))
        found = await self._care.checks.judge(view.device, plan, path)
        notes = [str(one) for one in found if not one.refuses]
        if plan.after is not None:
            after = plan.after
            told = ((probe, probe.told_by(after)) for probe in asked.probes if probe.kind == "config")
            notes += [f"the probe {probe} would fail: {reason}" for probe, reason in told if reason]
        waiting = None if _unbound(asked) else self._care.admission.window(view.device, groups, self._now())
        return replace(shown, findings=found, warnings=(*shown.warnings, *notes), waiting=waiting)

    def _now(self) -> datetime:
        return self._outside.clock.now()

    async def submit(self, asked: PushAsked, *, by: str) -> Push:
        """The push, about to be worked on; the one that has the same key already, if any.

        Raises ``InputError``, ``Conflict`` (device not in service, family read only, an earlier push is stuck),
        ``NotFound``.
        """
        view = await self._inventory.device(asked.device)
        order, summary = await self._order(view.device, asked)
        require_meant(order)
        return await self._submit(view.device, asked, order, summary, by=by)

    async def again(self, push_id: str, asked: Again, *, by: str) -> Push:
        """What an ended push wanted, once more as a push of its own: the same order, probes, overrides and priority.

        Its basis is the one that was given, else that of the plan that was offered, else none: whatever the device
        runs then. Raises ``NotFound``, and ``Conflict`` for one that has not ended or was confirmed.
        """
        old = (await self._pushes.push(push_id)).push
        if old.ended_at is None or old.phase is Phase.CONFIRMED:
            raise Conflict(f"the push is {old.phase}; only one that came to nothing is asked for again")
        order = Order.from_text(self._outside.vault.open_note(await self._pushes.order(push_id)))
        view = await self._inventory.device(old.device_id)
        offered = None if old.offer is None else old.offer.basis
        copied = PushAsked(
            view.device.name, basis=asked.basis or offered, overrides=old.overrides, guard_seconds=old.guard_seconds,
            key=asked.key, probes=old.probes, accepted=old.accepted, any_time=asked.any_time or old.any_time,
            priority=old.priority, managed_at=old.managed_at,
        )  # fmt: skip
        return await self._submit(view.device, copied, order, old.summary, by=by)

    async def _submit(self, device: Device, asked: PushAsked, order: Order, summary: str, *, by: str) -> Push:
        if device.state is not (LifeState.SUSPENDED if asked.entering else LifeState.ACTIVE):
            raise Conflict(f"{device.name} is {device.state}; only active devices are changed")
        if not SHORTEST_GUARD <= asked.guard_seconds <= LONGEST_GUARD:
            raise InputError(f"a device takes a change back after {SHORTEST_GUARD} to {LONGEST_GUARD} seconds")
        if asked.priority is Priority.BULK:
            raise InputError("a push is urgent or normal")
        groups = {group.name: group for group in await self._inventory.groups()}
        driver = able(self._outside.drivers.get(known("family", resolve(device, groups).family)))
        if order.kind is PushKind.REBOOT:
            require_restarting(driver)
        ids, now = self._outside.ids, self._now()
        job = Job(ids.new(), JobKind.PUSH, JobState.OPEN, "manual", now, asked.priority, requested_by=by)
        waiting = None if _unbound(asked) else self._care.admission.window(device, groups, now)
        push = Push(
            id=ids.new(),
            job_id=job.id,
            device_id=device.id,
            device=device.name,
            kind=order.kind,
            summary=summary,
            created_at=now,
            requested_by=by,
            token=secrets.token_hex(4),
            guard_seconds=asked.guard_seconds,
            basis=asked.basis,
            overrides=asked.overrides,
            key=f"{by}:{asked.key}" if asked.key else None,
            priority=asked.priority,
            any_time=asked.any_time,
            accepted=acceptable(asked.accepted),
            probes=asked.probes,
            waiting=waiting,
            managed_at=moved_to(asked, device),
        )
        sealed = self._outside.vault.seal_note(ids.new(), order.to_text())
        begins = now if waiting is None else again_at(waiting, now)
        made = await self._pushes.create(push, sealed, job, NewWork(device.id, 0, begins))
        if made.id == push.id and waiting is None:
            await self._engine.enqueue([shard_ticket(job.id, 0, job.priority)])
        return made

    async def _order(self, device: Device, asked: PushAsked) -> tuple[Order, str]:
        """The order, and in a few words what it is."""
        given = [asked.change is not None, bool(asked.lines), asked.version is not None, asked.save, asked.reboot]
        if sum(given) != 1:
            raise InputError("a push takes exactly one of a change, lines, a version and a restart")
        if asked.reboot:
            return Order(PushKind.REBOOT), "restart"
        if asked.save:
            return Order(PushKind.SAVE), "saving of what runs"
        if asked.change is not None:
            return Order(
                PushKind.CHANGE, patch=asked.change
            ), f"change of {', '.join(sorted(asked.change)) or 'nothing'}"
        if asked.lines:
            count = len(asked.lines)
            return Order(PushKind.LINES, lines=asked.lines), f"{count} line{'s' if count > 1 else ''}"
        version = await self._version(device, asked.version or 0)
        summary = f"restore of version {version[1]}" + (f", on demand: {asked.on_demand}" if asked.on_demand else "")
        as_change = asked.own or bool(asked.on_demand)
        return Order(PushKind.RESTORE, version=version[0], names=asked.names, as_change=as_change), summary

    async def _version(self, device: Device, number: int) -> tuple[str, int]:
        if number:
            backup = await self._backups.number(device.position_id, number)
            return backup.id, backup.number
        view = await self._inventory.device(device.id)
        if view.status.current_backup_id is None:
            raise Conflict(f"{device.name} has no backup yet")
        backup = await self._backups.backup(view.status.current_backup_id)
        return backup.id, backup.number

    async def show(self, push_id: str) -> PushRecord:
        return await self._pushes.push(push_id)

    async def asked_before(self, key: str, *, by: str) -> Push | None:
        """The push that ``by`` asked for with this key; None: there is none."""
        return await self._pushes.keyed(f"{by}:{key}")

    async def ended(self, push_id: str, called_off: Callable[[], Awaitable[str | None]]) -> Push:
        """The push at its end. As soon as ``called_off`` names somebody, it is asked to be given up in that name."""
        while True:
            seen = (await self._pushes.push(push_id)).push
            if seen.ended_at is not None:
                return seen
            by = await called_off()
            if by is not None and seen.withdrawn_by is None:
                with suppress(Conflict):  # it has ended in this moment: the next look tells how
                    await self.withdraw(push_id, by=by)
            await self._outside.clock.sleep(LOOK_AGAIN)

    async def list(
        self, *, device: str | None = None, open_only: bool = False, after: str | None = None, limit: int = 50
    ) -> Page[Push]:
        device_id = None if device is None else (await self._inventory.device(device)).device.id
        return await self._pushes.pushes(device_id=device_id, open_only=open_only, after=after, limit=limit)

    async def withdraw(self, push_id: str, *, by: str) -> Push:
        """Raises ``Conflict`` when it has ended. What it did to the device is taken back."""
        return await self._pushes.withdraw(push_id, at=self._outside.clock.now(), by=by)

    async def settle(self, push_id: str, how: SettledAs, note: str, *, by: str) -> Push:
        """Somebody has looked at the device of a push that was stuck, and says what it runs. Raises ``NotFound``,
        ``Conflict`` when it is not stuck, ``InputError`` without a word on what was seen."""
        if how is SettledAs.LATER:
            raise InputError("say what the device runs: what it ran before, or what it was to run after")
        if not note.strip():
            raise InputError("say in a note what was seen on the device")
        return await self._pushes.settle(push_id, Settlement(how, self._now(), by, note.strip()))


def moved_to(asked: PushAsked, device: Device) -> str | None:
    """The new address, in canonical form; None when the device is managed where it was. Raises ``InputError``."""
    if asked.managed_at is None:
        return None
    if asked.save or asked.reboot:
        raise InputError("managed_at: nothing changes by which the device could be managed elsewhere")
    try:
        new = address(asked.managed_at)
    except ValueError as error:
        raise InputError(f"managed_at: {error}") from error
    return None if new == device.address else new


def _unbound(asked: PushAsked) -> bool:
    return asked.any_time or asked.priority is Priority.URGENT
