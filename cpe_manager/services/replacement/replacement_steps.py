"""The steps of a replacement: what each does, and how it is right to do it twice."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from cpe_manager.domain.errors import Conflict, DeviceError, HostKeyChanged, InputError
from cpe_manager.domain.fleet.host_keys import fingerprint
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.domain.fleet.settings_inheritance import resolve
from cpe_manager.domain.model.cpe_differences import differences
from cpe_manager.domain.push.checks import ACCEPTABLE, Check
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.domain.replacement import releases
from cpe_manager.domain.replacement.replacements import Replacement, Step, tries
from cpe_manager.ports.driver import Driver, Facts, LogInSetting, Resettable
from cpe_manager.ports.facts import DeviceFacts
from cpe_manager.ports.replacements import PUSH_KEY
from cpe_manager.services.backup.attempt import Outside
from cpe_manager.services.fleet.inventory import Hardware, Inventory
from cpe_manager.services.fleet.targets import path_of
from cpe_manager.services.push.push_plan import able
from cpe_manager.services.push.pushes import PushAsked, Pushes
from cpe_manager.services.replacement.replacement_plan import RestorePlan, Source, plan_restore
from cpe_manager.services.replacement.replacement_ways import NO_KEY, Asks, Refused, SwapStores, Trip, Ways


class Steps(Ways):
    def __init__(self, stores: SwapStores, inventory: Inventory, pushes: Pushes, outside: Outside) -> None:
        super().__init__(inventory, outside)
        self._stores, self._pushes = stores, pushes
        self._steps = {
            Step.KEY: self._key,
            Step.BOOTSTRAP: self._bootstrap,
            Step.REACH: self._reach,
            Step.PLAN: self._plan,
            Step.SWAP: self._swap,
            Step.RESTORE: self._restore,
            Step.TEST: self._test,
            Step.LOGIN: self._login,
            Step.CLOSE: self._close,
            Step.RESET: self._reset,
        }

    async def take(self, trip: Trip, step: Step) -> str:
        """Do it; what there is to say of it. Raises ``Asks``, ``Refused``, or any other of our errors."""
        return await self._steps[step](trip)

    def driver_of(self, replacement: Replacement) -> Driver:
        """The new box's. Raises ``Conflict`` while its family is only known from the old device."""
        family = replacement.unit.family or replacement.progress.report.get("family")
        if not family:
            raise Conflict("the family is not known yet")
        return self._outside.drivers.get(family)

    # Looking: nothing here has an effect on the box or in the inventory.

    async def _key(self, trip: Trip) -> str:
        target, _ = await self._target(trip, NO_KEY)
        try:
            async with self._outside.sessions.open(target):
                raise Refused("the new box shows no host key")
        except HostKeyChanged as met:
            shown = met.offered
        trip.forget()
        mark = fingerprint(shown)
        trip.progress = replace(trip.progress, offered_key=shown)
        accepted = trip.replacement.answers.key
        if accepted is None:
            raise Asks(f"the new box shows the host key {mark}; compare it with the box's own and accept it")
        if accepted != mark:
            raise Asks(f"the new box shows the host key {mark}, and {accepted} was accepted")
        return mark

    async def _bootstrap(self, trip: Trip) -> str:
        async with self._session(trip) as opened:
            trip.manager = opened.manager
        return f"it answers to the log-in {(await self._target(trip, NO_KEY))[0].credential_ref}"

    async def _reach(self, trip: Trip) -> str:
        target, resolved = await self._target(trip, NO_KEY)
        driver = self._outside.drivers.get(target.family)
        async with self._session(trip) as opened:
            facts = await driver.facts(opened.shell)
        unit = trip.replacement.unit
        if facts.serial and facts.serial.strip().casefold() != unit.serial.strip().casefold():
            raise Refused(f"the box says that its serial number is {facts.serial}; {unit.serial} was ordered")
        currency, commonest = releases.compare(facts.os_release, await self._fleet(target.family))
        found = {
            **{name: value for name, value in asdict(facts).items() if name != "uptime"},
            "release": currency,
            "fleet_release": commonest,
            "serial_matches": bool(facts.serial) or None,
            "model_matches": None if not (unit.model and facts.model) else _same(unit.model, facts.model),
        }
        report = {**trip.progress.report, "family": target.family, "facts": found}
        trip.progress = replace(trip.progress, report=report)
        del resolved
        return f"{facts.model or 'model unknown'}, release {facts.os_release or 'unknown'}: {currency}"

    async def _fleet(self, family: str) -> list[str]:
        """Releases of the fleet's boxes of a family."""
        told = dict(await self._stores.replacements.releases())
        groups = {group.name: group for group in await self._inventory.groups()}
        devices = await self._inventory.in_service()
        return [told[one.id] for one in devices if one.id in told and _family_of(one, groups) == family]

    async def _plan(self, trip: Trip) -> str:
        trip.forget()
        plan = await self._planned(trip)
        trip.progress = replace(trip.progress, plan=plan.to_data())
        self._insist_accepted(trip, plan)
        return {"whole": "the whole text", "model": "what the text means", "nothing": "nothing to restore"}[plan.way]

    def _insist_accepted(self, trip: Trip, plan: RestorePlan) -> None:
        if plan.fingerprint and plan.fingerprint != trip.replacement.answers.plan:
            words = [
                (len(plan.losses), "losses"), (len(plan.names.unmapped), "interfaces without a place"),
                (len(plan.lockouts), "ways in which this may lock us out"),
            ]  # fmt: skip
            told = ", ".join(f"{count} {what}" for count, what in words if count)
            raise Asks(f"there are {told}; look at them and accept {plan.fingerprint}")

    async def _planned(self, trip: Trip) -> RestorePlan:
        """The plan by what the box runs now, or by what it ran before a restore that stands."""
        if trip.plan is not None:
            return trip.plan
        source = await self._source(trip)
        target, _ = await self._target(trip, NO_KEY)
        driver = able(self._outside.drivers.get(target.family))
        text = await self._before_restore(trip)
        if text is None:
            text = await self._read(trip, driver)
            secrets = self._outside.credentials.get(target.credential_ref).secrets()
            trip.basis = self._outside.vault.examine(text, driver.spec, secrets).fingerprint
        path = path_of(target, trip.manager)
        names = trip.replacement.answers.names
        trip.plan = await asyncio.to_thread(plan_restore, source, driver, text, names, path)
        return trip.plan

    async def _source(self, trip: Trip) -> Source:
        one, backups = trip.replacement, self._stores.backups
        chosen = trip.progress.backup_id
        if chosen is None:
            if one.version is None:
                chosen = await self._stores.replacements.restorable(one.position_id)
            else:
                chosen = (await backups.number(one.position_id, one.version)).id
        if chosen is None:
            raise Refused("there is no backup of this position to restore; the customer's own may be installed by hand")
        trip.progress = replace(trip.progress, backup_id=chosen)
        backup = await backups.backup(chosen)
        text = self._outside.vault.open_original(await backups.sealed(chosen))
        return Source(able(self._outside.drivers.get(backup.family)), text, backup.number)

    async def _before_restore(self, trip: Trip) -> str | None:
        """What the box ran before the restore that was confirmed; None when none was."""
        if trip.progress.push_id is None:
            return None
        push = (await self._pushes.show(trip.progress.push_id)).push
        if push.phase is not Phase.CONFIRMED or push.snapshot_id is None:
            return None
        return self._outside.vault.open_original(await self._stores.backups.sealed(push.snapshot_id))

    # From here on things change.

    async def _swap(self, trip: Trip) -> str:
        one, unit = trip.replacement, trip.replacement.unit
        present = (await self._inventory.show(one.device)).device
        if present.id != one.device_id:  # a process before this one has done it
            if present.position_id != one.position_id or not _same(present.serial or "", unit.serial):
                raise Refused(f"{one.device} is another unit by now: serial {present.serial or 'unknown'}")
        else:
            facts = trip.progress.report.get("facts", {})
            hardware = Hardware(
                unit.serial, unit.model or facts.get("model") or None, unit.address, unit.port, unit.family,
                unit.credential, trip.progress.offered_key or "",
            )  # fmt: skip
            swapped = await self._inventory.replace_hardware(
                one.device_id, hardware, by=one.requested_by, backup=False, suspended=True
            )
            present = swapped.device
        trip.progress = replace(trip.progress, new_device_id=present.id)
        await self._remember_facts(trip, present)
        return f"serial {unit.serial} is on {one.device}"

    async def _remember_facts(self, trip: Trip, device: Device) -> None:
        told = trip.progress.report.get("facts", {})
        facts = Facts(*(told.get(name, "") for name in ("hostname", "model", "serial", "os_release")))
        await self._stores.facts.put([DeviceFacts(device.id, facts, "session", self._outside.clock.now())])

    async def _restore(self, trip: Trip) -> str:
        key = f"{PUSH_KEY}{trip.replacement.id}:{tries(trip.journal)}"
        push = await self._pushes.asked_before(key, by=trip.replacement.requested_by)
        if push is None:
            plan = await self._planned(trip)
            if plan.way == "nothing":
                return "the box is what was wanted already"
            self._insist_still_accepted(trip, plan)
            push = await self._pushes.submit(self._asked(trip, plan, key), by=trip.replacement.requested_by)
        trip.progress = replace(trip.progress, push_id=push.id)
        ended = await self._pushes.ended(push.id, partial(self._called_off, trip))
        if ended.phase is Phase.STUCK:
            raise Refused(f"the restore is stuck: {ended.reason}")
        if ended.phase is not Phase.CONFIRMED:
            raise Conflict(f"the restore was {ended.phase}: {ended.reason or 'no reason given'}")
        return f"push {push.id}"

    def _insist_still_accepted(self, trip: Trip, plan: RestorePlan) -> None:
        try:
            self._insist_accepted(trip, plan)
        except Asks as question:
            raise Conflict(f"the box is not what it was when the plan was accepted: {question}") from question

    def _asked(self, trip: Trip, plan: RestorePlan, key: str) -> PushAsked:
        assert trip.progress.new_device_id is not None
        whole = plan.way == "whole"
        return PushAsked(
            trip.progress.new_device_id,
            change=None if whole else plan.patch,
            version=plan.number if whole else None,
            names=plan.names.renamed if whole else None,
            basis=trip.basis,
            overrides=frozenset(one.kind for one in plan.lockouts),
            key=key,
            entering=True,
            # What the site has been running all along is no news, and a customer without a line waits for no window.
            accepted=ACCEPTABLE - {Check.FLEET},
            any_time=True,
        )

    async def _called_off(self, trip: Trip) -> str | None:
        return (await self._stores.replacements.replacement(trip.replacement.id)).replacement.answers.cancelled_by

    async def _test(self, trip: Trip) -> str:
        """Function tests before the intervention is closed: over a new session, against what was wanted."""
        plan = await self._planned(trip)
        target, _ = await self._target(trip, NO_KEY)
        driver = able(self._outside.drivers.get(target.family))
        found = driver.parse(await self._read(trip, driver))
        wrong = {one.part for one in differences(found, plan.wanted)}
        parts = {
            "WAN": "wan", "LAN": "lan", "DHCP server": "dhcp", "opened ports": "port_mappings", "routes": "routes",
            "firewall": "firewall", "wifi": "wifi", "mobile backup": "mobile", "management": "management",
        }  # fmt: skip
        tests = [{"test": "management reachable over a new session", "passed": True}]
        tests += [
            {"test": f"{name} as restored", "passed": part not in wrong}
            for name, part in parts.items()
            if getattr(plan.wanted, part)
        ]
        tests.append({"test": "difference nil", "passed": not wrong})
        trip.progress = replace(trip.progress, report={**trip.progress.report, "tests": tests})
        if wrong:
            raise Conflict(f"the box does not run what was restored: {', '.join(sorted(wrong))}")
        return f"{len(tests)} tests passed"

    async def _login(self, trip: Trip) -> str:
        """The site's own log-in, where the box came with another one. Nothing depends on it: where it cannot be given,
        the box keeps the one that it came with, and that is told."""
        told = await self._given_log_in(trip)
        trip.progress = replace(trip.progress, report={**trip.progress.report, "log_in": told})
        return told

    async def _given_log_in(self, trip: Trip) -> str:
        one, outside = trip.replacement, self._outside
        old = (await self._inventory.show(one.device_id)).device
        site, came_with = (await self._inventory.in_force(old)).credential, one.unit.credential
        present = (await self._inventory.show(trip.progress.new_device_id or one.device)).device
        if came_with is None or site is None or site == came_with or present.credential != came_with:
            return "it has the site's log-in"
        kept = f"it keeps the log-in {came_with}"
        driver, wanted = self.driver_of(one), outside.credentials.get(site)
        if not isinstance(driver, LogInSetting):
            return f"{kept}: a {driver.spec.family} device is not given another one from here"
        if wanted.username == outside.credentials.get(came_with).username or not wanted.password:
            return f"{kept}: {site} is of the same user, or has no password"
        with outside.redactor.holding(*wanted.secrets()):
            key = f"{PUSH_KEY}{one.id}:login"
            push = await self._pushes.asked_before(key, by=one.requested_by)
            if push is None:
                lines = driver.log_in(wanted).commands
                asked = PushAsked(present.id, lines=lines, key=key, entering=True, any_time=True)
                push = await self._pushes.submit(asked, by=one.requested_by)
            ended = await self._pushes.ended(push.id, partial(self._called_off, trip))
            if ended.phase is not Phase.CONFIRMED:
                return f"{kept}: {ended.reason}"
            target, _ = await self._target(trip, (trip.progress.offered_key or "",))
            try:
                async with outside.sessions.open(replace(target, credential_ref=site)) as opened:
                    await driver.facts(opened.shell)
            except DeviceError as error:
                return f"{kept}: it did not answer to {site}: {error}"
        await self._inventory.give_credential(present.id, old.credential, by=one.requested_by)
        return f"it was given the log-in {site}; {came_with} still works and is to be taken away by hand"

    async def _close(self, trip: Trip) -> str:
        assert trip.progress.new_device_id is not None
        device = (await self._inventory.show(trip.progress.new_device_id)).device
        if device.state is LifeState.SUSPENDED:
            await self._inventory.resume(device.id, by=trip.replacement.requested_by)
        return "in service"

    async def _reset(self, trip: Trip) -> str:
        target, _ = await self._target(trip, NO_KEY)
        driver = self._outside.drivers.get(target.family)
        if not isinstance(driver, Resettable):
            raise Conflict(f"a {target.family} device cannot be taken back to factory settings from here")
        async with self._session(trip) as opened:
            await driver.factory_reset(opened.shell)
        return f"back to factory settings, with consent: {trip.replacement.answers.consent}"


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def _family_of(device: Device, groups: Any) -> str | None:
    try:
        return resolve(device, groups).family
    except InputError:
        return None
