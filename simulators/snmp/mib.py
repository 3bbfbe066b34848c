"""The objects of a box: SNMPv2-MIB, IF-MIB, ADSL-LINE-MIB, VDSL2-LINE-MIB, and what its vendor shows besides.

VDSL2-LINE-MIB (RFC 5650) is shown in part: line state and attainable rates, and the channels' actual rates.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Any

from pysnmp.proto.api import v2c

from simulators.generate.site import make_site
from simulators.snmp.families import Oid, oid
from simulators.snmp.line import Ports
from simulators.state import DeviceState

Get = Callable[[], Any]
SYSTEM = oid("1.3.6.1.2.1.1")
SYS_UPTIME = (*SYSTEM, 3, 0)
IF_ENTRY = oid("1.3.6.1.2.1.2.2.1")
IF_X_ENTRY = oid("1.3.6.1.2.1.31.1.1.1")
IF_INDEX, IF_DESCR, IF_ADMIN, IF_OPER = 1, 2, 7, 8
_ADSL = oid("1.3.6.1.2.1.10.94.1.1")
_VDSL2 = oid("1.3.6.1.2.1.10.251.1")
_ENTITY = oid("1.3.6.1.2.1.47.1.1.1.1")
_CHASSIS = 3
_CENTRAL, _REMOTE = 1, 2
"""Xdsl2Unit: the access node's end and the box's."""


class Mib:
    """Objects in the order of their names. Every value is made when it is asked for."""

    def __init__(self, state: DeviceState, name: Callable[[], str], ports: Ports) -> None:
        self._state = state
        self._ports = ports
        objects: dict[Oid, Get] = {}
        objects.update(self._system(name))
        for index in range(len(ports.states)):
            objects.update(self._interface(index))
        objects.update(self._adsl())
        objects.update(self._vdsl2())
        if ports.persona.entity:
            objects.update(self._entity())
        objects.update(self._own(name))
        objects[ports.persona.signal_oid] = self._signal
        objects[ports.persona.registration.name] = self._registration
        self._objects: Mapping[Oid, Get] = objects
        self._order = sorted(objects)
        # The channel table is the only one with two indices.
        deep = (*_VDSL2, 2, 2, 1)
        self._types = {name[: -2 if name[: len(deep)] == deep else -1] for name in objects}

    def get(self, name: Oid) -> Any:
        """The value of an object; None when there is none."""
        found = self._objects.get(name)
        return None if found is None else found()

    def knows(self, name: Oid) -> bool:
        """Whether the name begins with an object type that the box has: what tells noSuchInstance from noSuchObject."""
        return any(name[:length] in self._types for length in range(len(name), 0, -1))

    def after(self, name: Oid) -> tuple[Oid, Any] | None:
        """The next object in lexicographic order; None at the end."""
        place = bisect_right(self._order, name)
        if place == len(self._order):
            return None
        found = self._order[place]
        return found, self._objects[found]()

    def ticks(self) -> int:
        """sysUpTime: hundredths of a second since the box started."""
        return int(self._state.uptime * 100) % 2**32

    def row(self, index: int) -> list[tuple[Oid, Any]]:
        """What linkDown and linkUp carry of a port (RFC 2863), with its name."""
        names = [(*IF_ENTRY, column, index + 1) for column in (IF_INDEX, IF_ADMIN, IF_OPER, IF_DESCR)]
        return [(name, self._objects[name]()) for name in names]

    def _system(self, name: Callable[[], str]) -> dict[Oid, Get]:
        persona, site = self._ports.persona, make_site(self._state.spec)
        texts: dict[int, Get] = {
            1: lambda: v2c.OctetString(persona.descr.format(name=name()).encode()),
            2: lambda: v2c.ObjectIdentifier(persona.object_id),
            3: lambda: v2c.TimeTicks(self.ticks()),
            4: lambda: v2c.OctetString(b"noc@operator.example"),
            5: lambda: v2c.OctetString(name().encode()),
            6: lambda: v2c.OctetString(site.location.encode()),
            7: lambda: v2c.Integer32(78),
        }
        return {(*SYSTEM, column, 0): get for column, get in texts.items()}

    def _interface(self, index: int) -> dict[Oid, Get]:
        ports, number = self._ports, index + 1
        port, state = ports.persona.ports[index], ports.states[index]
        mac = self._state.spec.digest(f"mac {index}")[:5]

        def octets(way: int) -> Get:
            return lambda: v2c.Counter32(ports.octets(index)[way] % 2**32)

        def octets64(way: int) -> Get:
            return lambda: v2c.Counter64(ports.octets(index)[way])

        def packets(way: int) -> Get:
            return lambda: v2c.Counter32(ports.octets(index)[way] // 700 % 2**32)

        columns: dict[int, Get] = {
            IF_INDEX: lambda: v2c.Integer32(number),
            IF_DESCR: lambda: v2c.OctetString(port.name.encode()),
            3: lambda: v2c.Integer32(port.kind),
            4: lambda: v2c.Integer32(1500),
            5: lambda: v2c.Gauge32(min(ports.speed(index), 2**32 - 1)),
            6: lambda: v2c.OctetString(b"\x02" + mac),
            IF_ADMIN: lambda: v2c.Integer32(state.admin),
            IF_OPER: lambda: v2c.Integer32(state.oper),
            9: lambda: v2c.TimeTicks(int(max(0.0, state.changed - self._booted()) * 100) if state.changed else 0),
            10: octets(0),
            11: packets(0),
            13: lambda: v2c.Counter32(0),
            14: lambda: v2c.Counter32(ports.counted.crc_errors if index == ports.line_index else 0),
            16: octets(1),
            17: packets(1),
            19: lambda: v2c.Counter32(0),
            20: lambda: v2c.Counter32(0),
        }
        extended: dict[int, Get] = {
            1: lambda: v2c.OctetString(port.name.encode()),
            6: octets64(0),
            10: octets64(1),
            15: lambda: v2c.Gauge32(ports.speed(index) // 1_000_000),
            18: lambda: v2c.OctetString(port.alias.encode()),
        }
        objects = {(*IF_ENTRY, column, number): get for column, get in columns.items()}
        objects |= {(*IF_X_ENTRY, column, number): get for column, get in extended.items()}
        objects[oid("1.3.6.1.2.1.2.1.0")] = lambda: v2c.Integer32(len(ports.states))
        return objects

    def _booted(self) -> float:
        return self._state.booted_at.timestamp()

    def _adsl(self) -> dict[Oid, Get]:
        """adslAturPhysTable, the channels' rates and the line's error counters; sync is adslAturCurrStatus."""
        ports, sync, number = self._ports, self._ports.sync, self._ports.line_index + 1

        def figure(value: int) -> Get:
            return lambda: v2c.Gauge32(value if ports.in_sync else 0)

        # BITS: bit 0 noDefect, bit 2 lossOfSignal.
        objects: dict[Oid, Get] = {
            (*_ADSL, 3, 1, 4): lambda: v2c.Integer32(sync.margin_down if ports.in_sync else 0),
            (*_ADSL, 3, 1, 5): figure(sync.attenuation_down),
            (*_ADSL, 3, 1, 6): lambda: v2c.OctetString(b"\x80" if ports.in_sync else b"\x20"),
            (*_ADSL, 3, 1, 8): figure(sync.attainable_up),
            (*_ADSL, 2, 1, 4): lambda: v2c.Integer32(sync.margin_up if ports.in_sync else 0),
            (*_ADSL, 2, 1, 5): figure(sync.attenuation_up),
            (*_ADSL, 2, 1, 6): lambda: v2c.OctetString(b"\x80" if ports.in_sync else b"\x20"),
            (*_ADSL, 2, 1, 8): figure(sync.attainable_down),
            (*_ADSL, 4, 1, 2): figure(sync.down),
            (*_ADSL, 5, 1, 2): figure(sync.up),
            (*_ADSL, 7, 1, 2): lambda: v2c.Counter32(ports.counted.losses_of_signal),
            (*_ADSL, 7, 1, 4): lambda: v2c.Counter32(ports.counted.errored_seconds),
        }
        return {(*name, number): get for name, get in objects.items()}

    def _vdsl2(self) -> dict[Oid, Get]:
        ports, sync, number = self._ports, self._ports.sync, self._ports.line_index + 1

        def figure(value: int) -> Get:
            return lambda: v2c.Unsigned32(value if ports.in_sync else 0)

        def status() -> Any:
            return v2c.OctetString(b"\x80" if ports.in_sync else b"\x20")

        line, channel = (*_VDSL2, 1, 1, 1), (*_VDSL2, 2, 2, 1)
        return {
            (*line, 18, number): status,
            (*line, 19, number): status,
            (*line, 20, number): figure(sync.attainable_down),
            (*line, 21, number): figure(sync.attainable_up),
            (*channel, 2, number, _CENTRAL): figure(sync.down),
            (*channel, 2, number, _REMOTE): figure(sync.up),
        }

    def _entity(self) -> dict[Oid, Get]:
        persona, site = self._ports.persona, make_site(self._state.spec)
        texts = {
            2: f"{persona.model} chassis",
            7: "Chassis",
            11: persona.serial(site),
            12: persona.vendor,
            13: persona.model,
        }

        def text(value: str) -> Get:
            return lambda: v2c.OctetString(value.encode())

        objects = {(*_ENTITY, column, 1): text(value) for column, value in texts.items()}
        objects[(*_ENTITY, 5, 1)] = lambda: v2c.Integer32(_CHASSIS)
        return objects

    def _own(self, name: Callable[[], str]) -> dict[Oid, Get]:
        """What the maker's own MIB tells of the box."""
        persona = self._ports.persona
        serial = persona.serial(make_site(self._state.spec))

        def text(template: str) -> Get:
            return lambda: v2c.OctetString(template.format(name=name(), model=persona.model, serial=serial).encode())

        return {place: text(template) for place, template in persona.own}

    def _signal(self) -> Any:
        signal = self._ports.signal
        if self._ports.persona.signal_text:
            return v2c.OctetString(f"rssi {signal} dBm".encode())
        return v2c.Integer32(signal)

    def _registration(self) -> Any:
        told = self._ports.persona.registration
        value = told.registered if self._ports.registered else told.lost
        return v2c.OctetString(value.encode()) if isinstance(value, str) else v2c.Integer32(value)
