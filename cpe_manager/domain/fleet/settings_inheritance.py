"""How a device's settings come about: its own, then its group's, then those of the group's parents, then defaults."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.import_rules import OPTION_PREFIX
from cpe_manager.domain.fleet.inventory import DEVICE_SETTINGS, GROUP_SETTINGS, SETTING_NAMES, DeviceSettings, Group

DEFAULT_PORT: Final = 22
TELNET_PORT: Final = 23


class HasSettings(Protocol):
    """What a device and a record of an inventory file have in common here."""

    @property
    def family(self) -> str | None: ...
    @property
    def group(self) -> str | None: ...
    @property
    def credential(self) -> str | None: ...
    @property
    def port(self) -> int | None: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Resolved:
    """What is in force for one device. ``family`` or ``credential`` is None when nothing in the chain gives one."""

    family: str | None
    credential: str | None
    port: int
    settings: DeviceSettings


def group_chain(name: str | None, groups: Mapping[str, Group]) -> tuple[Group, ...]:
    """The group and its parents, nearest first. Raises ``InputError`` for an unknown group or a circle."""
    chain: list[Group] = []
    seen: set[str] = set()
    while name is not None:
        if name in seen:
            circle = " -> ".join([group.name for group in chain] + [name])
            raise InputError(f"groups inherit in a circle: {circle}; take one parent away")
        if name not in groups:
            child = f", the parent of {chain[-1].name!r}," if chain else ""
            raise InputError(f"group {name!r}{child} does not exist; make it first")
        seen.add(name)
        chain.append(groups[name])
        name = groups[name].parent
    return tuple(chain)


def resolve(device: HasSettings, groups: Mapping[str, Group]) -> Resolved:
    """What is in force for a device. Raises ``InputError`` for an unknown group or a circle."""
    chain = group_chain(device.group, groups)
    sources: tuple[HasSettings | Group, ...] = (device, *chain)
    merged: dict[str, Any] = {}
    for group in reversed(chain):
        merged.update(_without(group.settings, DEVICE_SETTINGS))
    merged.update(_without(device.settings, GROUP_SETTINGS))
    inherited_port = next((group.port for group in chain if group.port is not None), DEFAULT_PORT)
    return Resolved(
        family=_first(source.family for source in sources),
        credential=_first(source.credential for source in sources),
        port=port_of(device, inherited_port),
        settings=device_settings(merged),
    )


def port_of(device: HasSettings, inherited: int) -> int:
    """The device's own port. Else what its groups say, which is for SSH; Telnet has its own well-known one."""
    if device.port is not None:
        return device.port
    return TELNET_PORT if device.settings.get("transport") == "telnet" else inherited


def insecurities(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Why sessions to a device are insecure, by its own settings: ``telnet``, ``legacy_crypto``; empty when not."""
    telnet = ("telnet",) if settings.get("transport") == "telnet" else ()
    return (*telnet, "legacy_crypto") if settings.get("legacy_crypto") else telnet


def _without(settings: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """What does not belong where it stands has no effect, however it came there."""
    return {name: value for name, value in settings.items() if name not in names}


def device_settings(merged: Mapping[str, Any]) -> DeviceSettings:
    """Merged, checked settings as the value that the services use; ``options.<key>`` goes to ``options``."""
    options = {
        name.removeprefix(OPTION_PREFIX): str(value) for name, value in merged.items() if name.startswith(OPTION_PREFIX)
    }
    return DeviceSettings(options=options, **{name: merged[name] for name in SETTING_NAMES & merged.keys()})


def with_descendants(names: Iterable[str], groups: Iterable[Group]) -> frozenset[str]:
    """The named groups and every group that inherits from one of them."""
    children: dict[str, list[str]] = {}
    for group in groups:
        if group.parent is not None:
            children.setdefault(group.parent, []).append(group.name)
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(children.get(name, ()))
    return frozenset(found)


def in_groups(device: HasSettings, names: Collection[str]) -> bool:
    """Whether the device belongs to one of the groups; ``names`` holds descendants already."""
    return device.group is not None and device.group in names


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value), None)
