"""From an order and the text that a device runs to what would be typed there, and what it would mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, cast

from cpe_manager.domain.errors import Conflict, InputError
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_config_data import changed, secrets_of, to_data, with_stand_ins
from cpe_manager.domain.model.cpe_differences import differences
from cpe_manager.domain.push.checks import Finding
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.domain.push.lockout import Hindrance, ManagementPath, predicted_lockouts
from cpe_manager.domain.push.pushes import Order, PushKind, Waiting
from cpe_manager.kit.pasted import foreign_to_devices, left_by_template
from cpe_manager.kit.redaction import canonical, redact, strip_login
from cpe_manager.kit.textdiff import unified
from cpe_manager.ports.driver import Driver, FullDriver, Guarded, Modelled, Replacing, Script, Wired, Writing
from cpe_manager.services.fleet.targets import address_of

_STAND_IN: Final = re.compile(r"NEWSECRET\d{4}")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to happen to one device. ``script`` is what is typed; a restore has ``whole`` instead, the text that the
    device is to run. ``after`` is what the device means when all went well; None where nobody can know (lines)."""

    order: Order
    text: str = field(repr=False)
    before: CpeConfig
    after: CpeConfig | None
    script: Script = field(default_factory=Script)
    whole: str | None = field(default=None, repr=False)
    kept: str = field(default="", repr=False)
    """Of a restore: ``text`` as it would be stored, without the device's own log-in."""
    managed_at: str | None = None
    """Where the device is to be managed once this is in effect, if elsewhere."""

    @property
    def empty(self) -> bool:
        acts = self.order.kind in (PushKind.SAVE, PushKind.REBOOT)
        return not self.script and self.whole is None and not acts

    @property
    def unsaved(self) -> tuple[str, ...]:
        """Of a restart: the parts of the configuration that it loses."""
        lost = self.after is not None and self.order.kind is PushKind.REBOOT
        return tuple(one.part for one in differences(self.before, self.after)) if lost and self.after else ()

    def lockouts(self, path: ManagementPath) -> tuple[Hindrance, ...]:
        """What would keep us out. Of lines in the device's language nothing can be predicted."""
        if self.after is None:
            return ()
        then = None if self.managed_at is None else replace(path, address=address_of(self.managed_at))
        return predicted_lockouts(self.before, self.after, path, then)


@dataclass(frozen=True, slots=True)
class PlanShown:
    """A plan for people and programs: without any secret. ``basis`` is the fingerprint of the running configuration."""

    device: str
    family: str
    basis: str
    native: str
    """Commands, or for a restore the unified diff; secrets masked."""
    neutral: tuple[tuple[str, Any, Any], ...]
    """(part of the model, before, after) as plain data, secrets masked."""
    lockouts: tuple[Hindrance, ...]
    warnings: tuple[str, ...] = ()
    phase: Phase = Phase.PLANNED
    findings: tuple[Finding, ...] = ()
    """What the checks found; those that refuse, and are not accepted, keep a push from beginning."""
    waiting: Waiting | None = None
    """When a push may begin, if not now."""


class PushDriver(FullDriver, Guarded, Protocol):
    """A driver that a push can go through."""


def able(driver: Driver) -> PushDriver:
    """The driver, as one that writes and guards. Raises ``Conflict`` for a family that does not."""
    family = driver.spec.family
    if not isinstance(driver, Modelled) or not isinstance(driver, Writing):
        raise Conflict(f"{family} is read only: there is no push for it")
    if not isinstance(driver, Guarded):
        raise Conflict(f"a {family} device cannot be armed to take a change back by itself")
    return cast("PushDriver", driver)


def make_plan(driver: FullDriver, text: str, order: Order, stored: str | None, log_in: Sequence[str] = ()) -> Plan:
    """``stored`` is the text of the version of a restore, or what the device of a restart would come up with (None: it
    does not tell); ``log_in`` the secrets that no version holds.

    Raises ``InputError`` for what the family cannot carry or the model refuses, ``Conflict`` when the family cannot do
    it at all.
    """
    require_meant(order)
    before = driver.parse(text)
    if order.kind is PushKind.LINES:
        return Plan(order, text, before, None, Script(order.lines))
    if order.kind is PushKind.CHANGE:
        after = changed(before, order.patch)
        return Plan(order, text, before, after, driver.render(text, after))
    if order.kind is PushKind.SAVE:
        return Plan(order, text, before, before)
    if order.kind is PushKind.REBOOT:
        return Plan(order, text, before, None if stored is None else driver.parse(stored))
    if stored is None or not isinstance(driver, Replacing):
        raise Conflict(f"a whole configuration cannot be brought back onto {driver.spec.family}")
    if order.names is not None and isinstance(driver, Wired):
        stored = driver.adopted(stored, text, order.names)
    kept = strip_login(text, driver.spec.secrets, log_in)
    same = canonical(stored, driver.spec.volatile) == canonical(kept, driver.spec.volatile)
    return Plan(order, text, before, driver.parse(stored), whole=None if same else stored, kept=kept)


def require_meant(order: Order) -> None:
    """Raises ``InputError`` for lines that no device should be given: a template's left-overs, a device's own answers.

    Lines may hold secrets: the message has their numbers, not their words."""
    for number, line in enumerate(order.lines, 1):
        if what := foreign_to_devices(line):
            raise InputError(f"line {number} is {what}, and no command")
    if left_by_template(order.patch):
        raise InputError("the change holds what a template left")


def show_plan(plan: Plan, device: str, driver: FullDriver, basis: str, lockouts: tuple[Hindrance, ...]) -> PlanShown:
    warnings = []
    if plan.order.kind is PushKind.LINES:
        warnings.append("what lines in the device's own language do to the way to it cannot be predicted")
    if plan.order.kind is PushKind.REBOOT and plan.after is None:
        warnings.append("the device does not say what it would come up with: what was not saved is lost")
    if plan.managed_at is not None:
        warnings.append(f"from the confirmation on the device is managed at {plan.managed_at}")
    return PlanShown(
        device=device,
        family=driver.spec.family,
        basis=basis,
        native=_native(plan, driver, device),
        neutral=_neutral(plan),
        lockouts=lockouts,
        warnings=tuple(warnings),
    )


def _masked_commands(plan: Plan, driver: FullDriver) -> Iterator[str]:
    """The commands without secrets. The family's rules know configurations, not what is typed to make them: so what is
    new is rendered once more with stand-ins, and what is old is taken out by what it is."""
    script = plan.script
    known = secrets_of(plan.before)
    if plan.after is not None:
        script = driver.render(plan.text, with_stand_ins(plan.after, known, "NEWSECRET{:04d}".format))
    rules = driver.spec.secrets
    for command in script.commands:
        line = _STAND_IN.sub("<new secret>", command)
        for secret in sorted(known, key=len, reverse=True):
            line = line.replace(secret, "<secret>")
        # As a line at the margin and as one of a block: rules look at the indentation.
        yield redact(redact(f" {line}", rules)[1:], rules)


def _native(plan: Plan, driver: FullDriver, device: str) -> str:
    if plan.order.kind is PushKind.REBOOT:
        return "restart\n"
    if plan.whole is None:
        return "".join(f"{line}\n" for line in _masked_commands(plan, driver))
    spec = driver.spec
    old, new = (redact(canonical(text, spec.volatile), spec.secrets) for text in (plan.kept, plan.whole))
    return unified(old, new, names=(f"{device} now", f"{device} after"), context=3).text


def _neutral(plan: Plan) -> tuple[tuple[str, Any, Any], ...]:
    if plan.after is None:
        return ()
    old, new = to_data(plan.before, secrets=False), to_data(plan.after, secrets=False)
    return tuple((d.part, old.get(d.part), new.get(d.part)) for d in differences(plan.before, plan.after))
