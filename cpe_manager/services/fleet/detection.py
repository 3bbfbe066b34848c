"""Which family is the box at an address of? Looks first, then asks, and says so when it does not know.

One connection, one log-in. What the box shows by itself nominates families (``domain.fleet.recognition``); a nominated
family then asks the box its own reading questions (``Driver.facts``), and only an answer settles it: a message of the
day may say anything, a release that the family's own parser understood may not. Nothing on the box is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import structlog

from cpe_manager.domain.errors import DeviceError, InputError, SessionDropped
from cpe_manager.domain.fleet import import_rules as rules
from cpe_manager.domain.fleet.host_keys import fingerprint
from cpe_manager.domain.fleet.inventory import Group
from cpe_manager.domain.fleet.recognition import Evidence, Verdict, recognise
from cpe_manager.domain.fleet.settings_inheritance import Resolved, resolve
from cpe_manager.kit.log_redaction import Redactor
from cpe_manager.ports.detection import Greeter, Greeting, Met, SnmpIdentifier
from cpe_manager.ports.driver import Drivers, Facts, Recognition
from cpe_manager.ports.sessions import Credentials
from cpe_manager.ports.shell import Target
from cpe_manager.ports.stores import InventoryStore

log = structlog.get_logger()

PATIENCE = 45.0
"""Seconds for the whole of one detection; a person waits for it."""
PER_QUESTION = 10.0
"""Seconds for one answer: a box that does not know a question may not answer at all."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Where to look, with what log-in. What is not given is the group's, as with a device that is added there."""

    address: str
    port: int | None = None
    credential: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Detection:
    """What was seen, and what follows from it. ``facts`` is what the recognised family's box said of itself."""

    address: str
    port: int
    credential: str
    host_key: str
    evidence: Evidence
    verdict: Verdict
    facts: Facts | None = None

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.host_key)


@dataclass(frozen=True, slots=True)
class _Question:
    """Has what ``resolve`` asks of a device."""

    group: str | None
    credential: str | None
    port: int | None
    family: str | None = None
    settings: dict[str, object] = field(default_factory=dict)


class Detector:
    """``snmp`` is None where nobody is asked over SNMP. ``redactor``: the one of the logs."""

    def __init__(
        self,
        greeter: Greeter,
        store: InventoryStore,
        drivers: Drivers,
        credentials: Credentials,
        *,
        snmp: SnmpIdentifier | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        self._greeter, self._store = greeter, store
        self._drivers, self._credentials = drivers, credentials
        self._snmp, self._redactor = snmp, redactor or Redactor()

    async def detect(self, asked: Asked, *, by: str) -> Detection:
        """Raises ``InputError`` for an address or a log-in that is none, and a ``DeviceError`` for what stood in the
        way. Not to be sure is no error: ``verdict.family`` is None then."""
        groups = {group.name: group for group in await self._store.groups()}
        target = self._target(asked, groups)
        secrets = self._credentials.get(target.credential_ref).secrets()
        with self._redactor.holding(*secrets):
            found = await self._look(target)
            log.info("device.detected", address=target.host, port=target.port, family=found.verdict.family, by=by)
        return found

    def _target(self, asked: Asked, groups: dict[str, Group]) -> Target:
        try:
            address = rules.address(asked.address)
        except ValueError as error:
            raise InputError(str(error)) from error
        resolved: Resolved = resolve(_Question(asked.group, asked.credential, asked.port), groups)
        if not resolved.credential:
            raise InputError("no log-in is named, neither here nor by the group")
        return Target(
            device_id="",
            name=address,
            host=address,
            port=resolved.port,
            family="",
            credential_ref=resolved.credential,
            connect_timeout=min(resolved.settings.connect_timeout, PATIENCE),
            command_timeout=min(resolved.settings.command_timeout, PER_QUESTION),
            session_timeout=PATIENCE,
            options=resolved.settings.options,
        )

    async def _look(self, target: Target) -> Detection:
        evidence = await self._over_snmp(target)
        async with self._greeter.meet(target) as met:
            evidence = self._shown(evidence, met.greeting)
            verdict, facts = await self._settle(met, evidence)
        return Detection(target.host, target.port, target.credential_ref, met.host_key, evidence, verdict, facts)

    async def _over_snmp(self, target: Target) -> Evidence:
        identity = await self._snmp.identify(target) if self._snmp is not None else None
        if identity is None:
            return Evidence()
        return Evidence(sys_object_id=identity.sys_object_id, sys_descr=self._redactor.text(identity.sys_descr))

    def _shown(self, evidence: Evidence, greeting: Greeting) -> Evidence:
        tell = self._redactor.text
        return replace(
            evidence, ssh_version=greeting.ssh_version, banner=tell(greeting.banner), prompt=tell(greeting.prompt)
        )

    async def _settle(self, met: Met, evidence: Evidence) -> tuple[Verdict, Facts | None]:
        """Ask the nominated families, the likeliest first, until one has answered or none is left to be asked."""
        marks = {name: self._drivers.get(name).spec.recognition for name in self._drivers.families()}
        answers: dict[str, str] = {}
        told: dict[str, Facts] = {}
        while True:
            verdict = recognise(marks, replace(evidence, answers=answers))
            waiting = _nominated(verdict, marks, answers)
            if not waiting:
                break
            for family in waiting:
                answers[family], told[family] = await self._ask(met, family)
        if verdict.family is None:
            return verdict, None
        return verdict, told.get(verdict.family)

    async def _ask(self, met: Met, family: str) -> tuple[str, Facts]:
        """(what the box said it is, in the words of a reason; its facts). Empty when it does not speak this family."""
        try:
            with self._as_device(family):
                facts = await self._drivers.get(family).facts(met.shell)
        except SessionDropped:
            raise
        except DeviceError as error:
            log.debug("device.detection", family=family, answer=str(error))
            return "", Facts()
        words = (facts.model, facts.os_release, facts.serial)
        return (" ".join(word for word in words if word) if facts.os_release else ""), facts

    @contextmanager
    def _as_device(self, family: str) -> Iterator[None]:
        """A driver that meets a box of another family may stumble; that is an answer, too, and goes to the log."""
        try:
            yield
        except DeviceError:
            raise
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            log.warning("driver stumbled over a box of another family", family=family, error=type(error).__name__)
            raise DeviceError(f"{family}: {type(error).__name__}") from error


def _nominated(verdict: Verdict, marks: Mapping[str, Recognition], answers: Mapping[str, str]) -> list[str]:
    """Who is to be asked next: nobody once somebody has answered; those with something strong before the others.

    Whoever looks like a family may be of one that is made from it, and show nothing of that; so that one is asked, too.
    """
    standing = [one for one in verdict.candidates if not one.against]
    if verdict.family is not None and any(one.answered for one in standing):
        return []
    left = [one for one in standing if one.family not in answers]
    chosen = [one.family for one in left if one.strong] or [one.family for one in left]
    relatives = [family for family, mark in marks.items() if set(mark.made_from) & set(chosen)]
    return [family for family in dict.fromkeys((*chosen, *relatives)) if family not in answers]
