"""Open port and close port (§3.4, §5.2.2.1): how many a customer has open is not limited; port 23 is the operator's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any, ClassVar, Final, Literal

from cpe_manager.domain.changes.base import Entry, after_patch, listed
from cpe_manager.domain.changes.entries import Effect, Setting
from cpe_manager.domain.changes.reading import host, misfit, named, private_or_public, told
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.failover.voice_barrier import barred_of
from cpe_manager.domain.model.cpe_config import CpeConfig, PortMapping
from cpe_manager.domain.model.cpe_config_data import Bounds, plain
from cpe_manager.domain.model.cpe_mobile import Ports, Protocol
from cpe_manager.domain.push.checks import RESERVED_PORT, Check, Finding, mapping_findings
from cpe_manager.domain.push.probes import Probe
from cpe_manager.domain.subscription.catalogue import ServiceCatalogue

MOST: Final = 100
"""Entries of one request; a customer makes as many requests as he likes."""
_PROBED: Final = 10
_BOTH: Final[tuple[Protocol, ...]] = ("tcp", "udp")
Placed = tuple[str, PortMapping]
"""A mapping, and the field that asks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What is to be reached from the internet, and where it is inside. Either ``port`` or ``preset``."""

    inside: IPv4Address = field(
        metadata=told("Address of the host inside that is reached", Bounds(check=host), example="192.168.1.10")
    )
    port: Ports | None = field(
        default=None, metadata=told('Port on the outside, or a range `"first-last"`', example=443)
    )
    preset: str | None = field(
        default=None,
        metadata=told(
            "Instead of `port`: typical TCP ports by the name that the service catalogue has for them (§3.4)",
            Bounds(most=31, check=named), example="mail", preset=True,
        ),
    )  # fmt: skip
    protocol: Literal["tcp", "udp", "both"] = field(default="tcp", metadata=told("What is let in"))
    inside_port: int | None = field(
        default=None,
        metadata=told("Port on the host inside, of a range the first one; the same as outside unless given",
                      Bounds(1, 65535), example=8443),
    )  # fmt: skip
    source: IPv4Network | None = field(
        default=None,
        metadata=told("Who may come in; everybody unless given", Bounds(check=private_or_public),
                      example="203.0.113.0/24"),
    )  # fmt: skip

    def __post_init__(self) -> None:
        _one_of_both(self.port, self.preset, self.protocol)
        if self.inside_port is None:
            return
        if self.port is None:
            raise misfit("inside_port", "the ports of a preset are the same inside")
        if self.inside_port + self.port.count - 1 > 65535:
            raise misfit("inside_port", f"{self.port.count} ports from {self.inside_port} on run over 65535")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPorts:
    ports: tuple[Opening, ...] = field(metadata=told("What is opened, all of it or nothing", Bounds(1, MOST)))

    def __post_init__(self) -> None:
        _apart([(f"ports[{n}].port", *each) for n, one in enumerate(self.ports) for each in _asked(one)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """An open port by its outside, as it was opened. Either ``port`` or ``preset``."""

    port: Ports | None = field(
        default=None, metadata=told("Port that is open, or the whole range as it was opened", example="8000-8010")
    )
    preset: str | None = field(
        default=None,
        metadata=told("Instead of `port`: typical TCP ports by name (§3.4)", Bounds(most=31, check=named),
                      example="mail", preset=True),
    )  # fmt: skip
    protocol: Literal["tcp", "udp", "both"] = field(default="tcp", metadata=told("Of what is closed"))
    inside: IPv4Address | None = field(
        default=None,
        metadata=told("The host that it has to lead to, to be sure; else it does not matter", Bounds(check=host),
                      example="192.168.1.10"),
    )  # fmt: skip

    def __post_init__(self) -> None:
        _one_of_both(self.port, self.preset, self.protocol)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosePorts:
    ports: tuple[Closing, ...] = field(metadata=told("What is closed, all of it or nothing", Bounds(1, MOST)))

    def __post_init__(self) -> None:
        _apart([(f"ports[{n}].port", *each) for n, one in enumerate(self.ports) for each in _asked(one)])


def _one_of_both(port: Ports | None, preset: str | None, protocol: str) -> None:
    if port is None and preset is None:
        raise misfit("port", "give a port, a range or a preset")
    if port is not None and preset is not None:
        raise misfit("preset", "give either a port or a preset")
    if preset is not None and protocol != "tcp":
        raise misfit("protocol", "presets are of TCP")


def _asked(one: Opening | Closing) -> list[tuple[Protocol, Ports]]:
    """What is asked for outright; what a preset stands for only the catalogue knows."""
    return [] if one.port is None else [(protocol, one.port) for protocol in _protocols(one)]


def _protocols(one: Opening | Closing) -> tuple[Protocol, ...]:
    return _BOTH if one.protocol == "both" else (one.protocol,)


def _apart(asked: Sequence[tuple[str, Protocol, Ports]]) -> None:
    """Raises ``InputError`` for ports that are named twice."""
    seen: dict[Protocol, tuple[str, Ports]] = {}
    for place, protocol, ports in sorted(asked, key=lambda one: (one[1], one[2])):
        if protocol in seen and ports.first <= seen[protocol][1].last:
            other, before = seen[protocol]
            raise misfit(place, f"{protocol} {ports} is asked for twice (see {other}, {before})")
        seen[protocol] = (place, ports)


def _expanded(place: str, one: Opening | Closing, catalogue: ServiceCatalogue) -> list[tuple[str, Protocol, Ports]]:
    if one.preset is None:
        return [(f"{place}.port", protocol, ports) for protocol, ports in _asked(one)]
    presets = catalogue.port_presets
    if one.preset not in presets:
        raise misfit(f"{place}.preset", f"{one.preset} is none of {', '.join(sorted(presets)) or '(there are none)'}")
    return [(f"{place}.preset", "tcp", Ports.one(port)) for port in sorted(set(presets[one.preset]))]


def _wanted(wanted: OpenPorts, catalogue: ServiceCatalogue) -> list[Placed]:
    """The mappings that are asked for. Raises ``InputError`` for an unknown preset and for ports named twice."""
    found: list[Placed] = []
    asked: list[tuple[str, Protocol, Ports]] = []
    for number, one in enumerate(wanted.ports):
        for place, protocol, ports in _expanded(f"ports[{number}]", one, catalogue):
            asked.append((place, protocol, ports))
            inside = ports.first if one.inside_port is None else one.inside_port
            found.append((place, PortMapping(protocol, ports, one.inside, inside, one.source)))
    _apart(asked)
    return found


def _clash(mapping: PortMapping, now: CpeConfig) -> PortMapping | None:
    """The mapping that has some of its outside ports already."""
    return next(
        (
            one
            for one in now.port_mappings
            if one.protocol == mapping.protocol
            and one.ports.first <= mapping.ports.last
            and mapping.ports.first <= one.ports.last
        ),
        None,
    )


def _in_words(mapping: PortMapping) -> str:
    told_source = "" if mapping.source is None else f" from {mapping.source}"
    return f"{mapping.protocol} {mapping.ports} to {mapping.inside}:{mapping.inside_port}{told_source}"


def _mapped(mapping: PortMapping, there: PortMapping) -> str:
    if mapping == there:
        return f"{_in_words(there)} is open already"
    return f"{mapping.protocol} {mapping.ports} clashes with what is open: {_in_words(there)}"


class OpenPort(Entry[OpenPorts]):
    """Lets somebody in from the internet, to a host inside. What other parts of the device have for themselves is
    refused and named: an open port, port 23, the port at which the box is managed, the ports of voice."""

    name: ClassVar[str] = "open-port"
    parameters: ClassVar[type] = OpenPorts

    def summary(self, wanted: OpenPorts, /) -> str:
        told_ports = [f"{_outside(one)} to {one.inside}" for one in wanted.ports]
        return f"open {listed(told_ports)}"

    def conflicts(self, wanted: OpenPorts, now: CpeConfig, setting: Setting, /) -> Iterator[Finding]:
        try:
            asked = _wanted(wanted, setting.catalogue)
        except InputError:
            return  # `effect` says the same, with its field.
        for place, mapping in asked:
            for one in _clashes(mapping, now, setting):
                inside = one.check in (Check.OUTSIDE_LAN, Check.OWN_ADDRESS)
                yield replace(one, field=f"{place.rpartition('.')[0]}.inside" if inside else place)

    def effect(self, wanted: OpenPorts, now: CpeConfig, setting: Setting, /) -> Effect:
        asked = _wanted(wanted, setting.catalogue)
        for place, mapping in asked:
            if mapping.ports.first <= RESERVED_PORT <= mapping.ports.last:
                raise misfit(place, f"port {RESERVED_PORT} is reserved for the operator (§5.2.2.1)")
            if (there := _clash(mapping, now)) is not None:
                raise misfit(place, _mapped(mapping, there))
        new = [mapping for _, mapping in asked]
        patch = {"port_mappings": [plain(one) for one in (*now.port_mappings, *new)]}
        after = after_patch("ports", now, patch)
        places = [after.port_mappings.index(one) for one in new]
        probes = tuple(Probe("config", f"port_mappings.{at}", value=plain(after.port_mappings[at])) for at in places)
        return Effect(patch, probes[:_PROBED])


def _clashes(mapping: PortMapping, now: CpeConfig, setting: Setting) -> Iterator[Finding]:
    yield from mapping_findings(now, mapping, setting.management_port)
    yield from _reserved(mapping, setting)
    if (there := _clash(mapping, now)) is not None:
        yield Finding(Check.MAPPED, _mapped(mapping, there))
    yield from _voice(mapping, setting)
    yield from _pool(mapping, now)


def _outside(one: Opening | Closing) -> str:
    return f"{one.preset} ports" if one.port is None else f"{'/'.join(_protocols(one))} {one.port}"


def _reserved(mapping: PortMapping, setting: Setting) -> Iterator[Finding]:
    """What `mapping_findings` does not know: the catalogue may reserve more, and 23 is reserved for UDP, too."""
    first, last = mapping.ports.first, mapping.ports.last
    more = setting.catalogue.reserved_ports - {RESERVED_PORT} if mapping.protocol == "tcp" else {RESERVED_PORT}
    for port in sorted(more):
        if first <= port <= last:
            reason = (
                f"{mapping.protocol} {mapping.ports} takes port {port}, which is reserved for the operator (§5.2.2.1)"
            )
            yield Finding(Check.RESERVED, reason)


def _voice(mapping: PortMapping, setting: Setting) -> Iterator[Finding]:
    try:
        voice = barred_of(setting.barrier)
    except InputError:
        return
    for one in voice:
        if one.protocol == mapping.protocol and _overlap(one.ports, mapping.ports):
            reason = (
                f"{mapping.protocol} {mapping.ports} takes ports of voice over IP: {one.protocol} {one.ports} (§3.8)"
            )
            yield Finding(Check.VOICE, reason)


def _overlap(one: Ports, other: Ports) -> bool:
    return one.first <= other.last and other.first <= one.last


def _pool(mapping: PortMapping, now: CpeConfig) -> Iterator[Finding]:
    dhcp = now.dhcp
    if dhcp is None or not dhcp.first <= mapping.inside <= dhcp.last:
        return
    if all(one.address != mapping.inside for one in dhcp.reservations):
        yield Finding(
            Check.IN_POOL,
            f"{mapping.inside} is in the DHCP pool {dhcp.first}-{dhcp.last} without a reservation: "
            "some day another host has that address, and the open port leads to it",
            refuses=False,
        )


class ClosePort(Entry[ClosePorts]):
    """Takes open ports away. Each has to be named as it is: a part of a range cannot be closed by itself."""

    name: ClassVar[str] = "close-port"
    parameters: ClassVar[type] = ClosePorts

    def summary(self, wanted: ClosePorts, /) -> str:
        return f"close {listed([_outside(one) for one in wanted.ports])}"

    def conflicts(self, wanted: ClosePorts, now: CpeConfig, setting: Setting, /) -> Iterator[Finding]:
        for number, one in enumerate(wanted.ports):
            try:
                asked = _expanded(f"ports[{number}]", one, setting.catalogue)
            except InputError:
                return
            for place, protocol, ports in asked:
                if isinstance(found := _open(protocol, ports, one.inside, now), str):
                    yield Finding(Check.ABSENT, found, field=place)

    def effect(self, wanted: ClosePorts, now: CpeConfig, setting: Setting, /) -> Effect:
        gone: list[PortMapping] = []
        for number, one in enumerate(wanted.ports):
            for place, protocol, ports in _expanded(f"ports[{number}]", one, setting.catalogue):
                found = _open(protocol, ports, one.inside, now)
                if isinstance(found, str):
                    raise misfit(place, found)
                if found in gone:
                    raise misfit(place, f"{protocol} {ports} is closed twice")
                gone.append(found)
        patch: dict[str, Any] = {"port_mappings": [plain(one) for one in now.port_mappings if one not in gone]}
        after_patch("ports", now, patch)
        left = patch["port_mappings"]
        # Nothing left is nothing configured, and a probe for that has no value.
        return Effect(patch, () if len(left) > _PROBED else (Probe("config", "port_mappings", value=left or None),))


def _open(protocol: Protocol, ports: Ports, inside: IPv4Address | None, now: CpeConfig) -> PortMapping | str:
    """The mapping that is there, else why it is not the one that is meant."""
    there = next((one for one in now.port_mappings if (one.protocol, one.ports) == (protocol, ports)), None)
    if there is not None:
        if inside is None or there.inside == inside:
            return there
        return f"{protocol} {ports} leads to {there.inside}, and not to {inside}"
    part = next((one for one in now.port_mappings if one.protocol == protocol and _overlap(one.ports, ports)), None)
    if part is not None:
        return f"{protocol} {ports} is not open as such; what is open is {_in_words(part)}"
    return f"{protocol} {ports} is not open"
