"""What devices say of themselves: model, serial number, release, uptime; in a session and over SNMP.

A backup asks along the way, once a week. On demand both ways are tried: the family's driver knows its boxes best, SNMP
knows the uptime and often the serial number where the shell does not tell.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import structlog

from cpe_manager.domain.errors import Conflict, DeviceError, InputError, NotFound
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.domain.fleet.settings_inheritance import Resolved, resolve
from cpe_manager.kit.log_redaction import Redactor
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.detection import SnmpIdentity
from cpe_manager.ports.driver import Drivers, Facts, SnmpFacts
from cpe_manager.ports.facts import DeviceFacts, FactsStore
from cpe_manager.ports.sessions import Credentials, Sessions
from cpe_manager.ports.shell import Target
from cpe_manager.ports.snmp import SnmpReader, SnmpTarget, Value
from cpe_manager.ports.stores import DeviceView, EventStore, InventoryStore
from cpe_manager.services.fleet.targets import known, snmp_target_of, target_of

log = structlog.get_logger()

FRESH: Final = timedelta(days=7)
AT_ONCE: Final = 8
"""Sessions that are opened on demand at the same time; the night's runs have their own."""
IDENTIFY_SECONDS: Final = 1.5
"""For one of two tries: many a box has no agent, and the session that follows tells more."""
Way = Literal["both", "session", "snmp"]

_SYSTEM = "1.3.6.1.2.1.1"
SYS_OBJECT_ID = f"{_SYSTEM}.2.0"
SYS_DESCR, SYS_UPTIME, SYS_NAME = f"{_SYSTEM}.1.0", f"{_SYSTEM}.3.0", f"{_SYSTEM}.5.0"
_ENTITY = "1.3.6.1.2.1.47.1.1.1.1"
_CLASS, _SOFTWARE, _SERIAL, _MODEL = (f"{_ENTITY}.{column}" for column in (5, 10, 11, 13))
_CHASSIS = 3
_MOST_PARTS = 500


def facts_due(before: DeviceFacts | None, now: datetime) -> bool:
    return before is None or before.source == "snmp" or now - before.at >= FRESH


def facts_event(device: Device, before: DeviceFacts | None, now: DeviceFacts) -> NewEvent | None:
    """What has changed, if anything has that matters."""
    news = now.news(before)
    if not news:
        return None
    words = ", ".join(f"{name.replace('_', ' ')} {old} is now {new}" for name, (old, new) in news.items())
    message = f"{device.name}: {words}"
    return NewEvent("device.facts_changed", now.at, device_id=device.id, message=message, data=news)


@dataclass(frozen=True, slots=True)
class Askable:
    """Ways to ask. ``redactor``: the one of the logs."""

    sessions: Sessions
    snmp: SnmpReader
    drivers: Drivers
    credentials: Credentials
    redactor: Redactor = field(default_factory=Redactor)


class DeviceFactsBook:
    """Facts of devices: known ones, and fresh ones on demand."""

    def __init__(
        self, store: FactsStore, inventory: InventoryStore, events: EventStore, ways: Askable, clock: Clock
    ) -> None:
        self._store, self._inventory, self._events = store, inventory, events
        self._ways, self._clock = ways, clock
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def of(self, device_id: str) -> DeviceFacts | None:
        return await self._store.get(device_id)

    async def known(self, name: str) -> DeviceFacts:
        """By name or id. Raises ``NotFound``, also when nothing is known yet."""
        device = (await self._inventory.device(name)).device
        found = await self._store.get(device.id)
        if found is None:
            raise NotFound(f"{device.name} has not told anything of itself yet; ask it, or wait for its next backup")
        return found

    async def refresh(self, name: str, way: Way = "both") -> DeviceFacts:
        """Ask the device now and store the answer.

        Raises ``NotFound``, ``Conflict`` for a device that is out of service, ``InputError`` for one that cannot be
        asked that way, and a ``DeviceError`` when no way led to an answer.
        """
        view = await self._inventory.device(name)
        if view.device.state is LifeState.DECOMMISSIONED:
            raise Conflict(f"{view.device.name} is out of service")
        resolved = resolve(view.device, {group.name: group for group in await self._inventory.groups()})
        found = await self._ask(view, resolved, way)
        event = facts_event(view.device, await self._store.get(view.device.id), found)
        await self._store.put([found])
        await self._events.add([event] if event else [])
        return found

    async def _ask(self, view: DeviceView, resolved: Resolved, way: Way) -> DeviceFacts:
        credential = self._ways.credentials.get(known("credential", resolved.credential))
        access = credential.snmp
        if way == "snmp" and access is None:
            raise InputError(f"credential {resolved.credential} has neither snmp_community nor snmp_user")
        answers: dict[str, Facts] = {}
        problems: list[DeviceError | Conflict] = []
        with self._ways.redactor.holding(*credential.secrets(), *(access.secrets() if access else ())):
            if way != "snmp":
                await self._collect(answers, problems, "session", self._in_session(view, resolved))
            if way != "session" and access is not None:
                target = snmp_target_of(view.device, resolved, access)
                where = self._ways.drivers.get(known("family", resolved.family)).spec.snmp
                await self._collect(answers, problems, "snmp", over_snmp(self._ways.snmp, target, where))
        if not answers:
            raise problems[0]
        source = next(iter(answers)) if len(answers) == 1 else "both"
        merged = _merged(*answers.values())
        return DeviceFacts(view.device.id, merged, source, self._clock.now())  # type: ignore[arg-type]

    async def _collect(self, answers: dict[str, Facts], problems: list[Any], name: str, asking: Any) -> None:
        try:
            answers[name] = await asking
        except (DeviceError, Conflict) as error:
            log.info("facts.not_told", way=name, code=error.code, error=str(error))
            problems.append(error)

    async def _in_session(self, view: DeviceView, resolved: Resolved) -> Facts:
        if not view.pinned_keys and resolved.settings.transport == "ssh":
            raise Conflict(f"{view.device.name} was never visited; its first backup learns its host key")
        driver = self._ways.drivers.get(known("family", resolved.family))
        async with self._slots, self._ways.sessions.open(target_of(view.device, resolved, view.pinned_keys)) as opened:
            return await driver.facts(opened.shell)


class SnmpFacing:
    """Implements ``ports.detection.SnmpIdentifier``: what an agent of unknown family says that it is."""

    def __init__(self, snmp: SnmpReader, credentials: Credentials) -> None:
        self._snmp, self._credentials = snmp, credentials

    async def identify(self, target: Target) -> SnmpIdentity | None:
        access = self._credentials.get(target.credential_ref).snmp
        if access is None:
            return None
        aim = SnmpTarget(target.name, target.host, access, timeout=IDENTIFY_SECONDS, retries=1)
        try:
            got = await self._snmp.get(aim, [SYS_OBJECT_ID, SYS_DESCR])
        except DeviceError as error:
            log.info("device.detection", way="snmp", code=error.code)
            return None
        return SnmpIdentity(_text(got.get(SYS_OBJECT_ID)), _text(got.get(SYS_DESCR)))


async def over_snmp(reader: SnmpReader, target: SnmpTarget, where: SnmpFacts) -> Facts:
    """Raises a ``DeviceError``."""
    own = (*where.model, *where.serial, *where.os_release)
    got = dict(await reader.get(target, [SYS_DESCR, SYS_UPTIME, SYS_NAME, *own]))
    chassis = await _chassis(reader, target)
    if chassis:
        got |= await reader.get(target, [f"{column}.{chassis}" for column in (_SOFTWARE, _SERIAL, _MODEL)])
    uptime = got.get(SYS_UPTIME)
    return Facts(
        hostname=_text(got.get(SYS_NAME)),
        model=_first(got, (*where.model, f"{_MODEL}.{chassis}")),
        serial=_first(got, (*where.serial, f"{_SERIAL}.{chassis}")),
        os_release=_release(got, where, f"{_SOFTWARE}.{chassis}"),
        uptime=int(uptime) // 100 if isinstance(uptime, int) else None,
    )


async def _chassis(reader: SnmpReader, target: SnmpTarget) -> str:
    """Index of the chassis in entPhysicalTable; empty when the box has no such table."""
    try:
        parts = await reader.walk(target, _CLASS, most=_MOST_PARTS)
    except DeviceError as error:
        log.debug("facts.no_entity_table", device=target.name, error=str(error))
        return ""
    return next((name.rpartition(".")[2] for name, kind in parts.items() if kind == _CHASSIS), "")


def _release(got: Mapping[str, Value], where: SnmpFacts, entity: str) -> str:
    told = _first(got, where.os_release)
    if told or where.descr is None:
        return told or _first(got, (entity,))
    found: re.Match[str] | None = where.descr.search(_text(got.get(SYS_DESCR)))
    return found["release"] if found else _first(got, (entity,))


def _first(got: Mapping[str, Value], names: tuple[str, ...]) -> str:
    return next((text for name in names if (text := _text(got.get(name)))), "")


def _text(value: Value) -> str:
    """One line of text, whatever the octets are."""
    words = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
    return " ".join("".join(char if char.isprintable() else " " for char in words).split())


def _merged(first: Facts, *others: Facts) -> Facts:
    """Of each fact the first that somebody told."""
    told: dict[str, Any] = {one.name: getattr(first, one.name) for one in fields(Facts)}
    for other in others:
        told |= {name: getattr(other, name) for name, value in told.items() if value in {"", None}}
    return Facts(**told)
