"""Fast polls of lines: one question to each box, for just what tells how its ways are.

Where those objects are (ifIndex, rows of the maker's tables) is learned once by walking, and again when the agent has
restarted, since interfaces may be numbered anew then (RFC 2863 §3.1.5), when an interface has gone, and once an hour.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from cpe_manager.domain.errors import CredentialMissing, DeviceError
from cpe_manager.domain.failover.lines import Way
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.line_oids import Good, LineTarget, Sign
from cpe_manager.ports.sensing import LineReading, PortReading, Read
from cpe_manager.ports.snmp import SnmpAsking, SnmpReader, Value

LEARNING_AT_ONCE: Final = 20
LEARNED_FOR: Final = 3600.0
LEARNED_IN_PART_FOR: Final = 300.0
"""Seconds that what was learned is believed: whole, and when an interface was not found."""
_UPTIME: Final = "1.3.6.1.2.1.1.3.0"
_IF_DESCR, _IF_TYPE, _IF_OPER, _IF_FRAMES, _IF_ERRORS = (f"1.3.6.1.2.1.2.2.1.{column}" for column in (2, 3, 8, 11, 14))
_IF_IN32, _IF_OUT32 = (f"1.3.6.1.2.1.2.2.1.{column}" for column in (10, 16))
_IF_NAME, _IF_IN, _IF_OUT = (f"1.3.6.1.2.1.31.1.1.1.{column}" for column in (1, 6, 10))
_DSL_TYPES: Final = frozenset({94, 97, 230, 238, 250, 251})
"""IANAifType: adsl, vdsl, adsl2, adsl2plus, gpon, vdsl2."""
_CELLULAR_TYPES: Final = frozenset({243, 244})
"""wwanPP, wwanPP2."""
_OPER: Final[Mapping[int, bool]] = {1: True, 2: False, 3: False, 6: False, 7: False}
"""ifOperStatus; unknown(4) and dormant(5) say nothing: a modem may wait to be dialled."""
_OPER_WORDS: Final[Mapping[int, str]] = {2: "down", 3: "testing", 6: "not present", 7: "lower layer down"}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_SLACK = 5.0
_MOST_ROWS = 500


@dataclass(frozen=True, slots=True)
class _Port:
    """Where a way's objects are; ``signs`` and ``signal`` with their whole names. ``last``: of each text what it said
    last and what that means, for most polls bring the same."""

    way: Way
    index: int
    signs: tuple[tuple[str, Sign], ...] = ()
    signal: str = ""
    oper: str = ""
    errors: str = ""
    frames: str = ""
    octets: tuple[str, str] = ("", "")
    octet_bits: int = 64
    last: dict[str, tuple[Value, bool | float | None]] = field(default_factory=dict, compare=False)


@dataclass(slots=True)
class _Plan:
    """What was learned of a box."""

    ports: tuple[_Port, ...]
    names: tuple[str, ...]
    ways: Mapping[int, Way]
    until: float
    uptime: float | None = None


@dataclass(slots=True)
class _Table:
    """Interfaces of a box: its names and types by ifIndex."""

    names: dict[int, list[str]] = field(default_factory=dict)
    types: dict[int, int] = field(default_factory=dict)


class SnmpLinePoller:
    """Implements ``ports.sensing.LinePoller`` on any ``SnmpReader``. A line's plan is kept while its target stays."""

    def __init__(self, reader: SnmpReader, clock: Clock) -> None:
        self._reader, self._clock = reader, clock
        self._asking = reader if isinstance(reader, SnmpAsking) else None
        self._targets: dict[str, LineTarget] = {}
        self._plans: dict[str, _Plan] = {}
        self._learning = asyncio.Semaphore(LEARNING_AT_ONCE)

    def set_targets(self, targets: Mapping[str, LineTarget]) -> None:
        """From now on exactly these lines can be polled."""
        for line_id in [line_id for line_id in self._plans if targets.get(line_id) != self._targets.get(line_id)]:
            del self._plans[line_id]
        self._targets = dict(targets)

    async def poll(self, line_id: str) -> LineReading:
        target = self._targets.get(line_id)
        if target is None:
            raise CredentialMissing(f"line {line_id}: its box has no SNMP access")
        plan = self._plans.get(line_id)
        if plan is None or plan.until <= self._clock.monotonic():
            plan = await self._learned(line_id, target, plan)
        got = await self._reader.get(target.target, plan.names)
        uptime = _seconds(got.get(_UPTIME))
        if uptime is not None and plan.uptime is not None and uptime < plan.uptime - _SLACK:
            plan = await self._learned(line_id, target, None)
            got = await self._reader.get(target.target, plan.names)
            uptime = _seconds(got.get(_UPTIME))
        return _read(plan, got, uptime)

    def ask(self, line_id: str, told: Read) -> bool:
        plan, target = self._plans.get(line_id), self._targets.get(line_id)
        if self._asking is None or plan is None or target is None or plan.until <= self._clock.monotonic():
            return False
        return self._asking.ask(target.target, plan.names, partial(_told, plan, told))

    def way_of(self, line_id: str, index: int, name: str) -> Way | None:
        plan, target = self._plans.get(line_id), self._targets.get(line_id)
        if plan is not None and index and index in plan.ways:
            return plan.ways[index]
        if target is None or not name:
            return None
        said = name.casefold()
        if said in (port.casefold() for port in target.fixed_ports):
            return Way.FIXED
        named = said in (port.casefold() for port in target.mobile_ports)
        if named or (not target.mobile_ports and target.oids.mobile_names.search(name)):
            return Way.MOBILE
        return None

    async def _learned(self, line_id: str, target: LineTarget, before: _Plan | None) -> _Plan:
        async with self._learning:
            table = await self._table(target)
            fixed = _named(table, target.fixed_ports) or _typed(table, _DSL_TYPES)
            mobile = _named(table, target.mobile_ports) or _typed(table, _CELLULAR_TYPES)
            mobile = mobile or _fitting(table, target.oids.mobile_names)
            ways: dict[int, Way] = {}
            ports: list[_Port] = []
            for way, index, signs in (
                (Way.FIXED, fixed, target.oids.fixed), (Way.MOBILE, mobile, target.oids.mobile)
            ):  # fmt: skip
                placed = await self._placed(target, signs, index)
                # A line's own interface may lie below the one that routes: a dialler over VDSL.
                if way is Way.FIXED:
                    ways |= {row: way for name, _ in placed if (row := _last(name)) in table.names}
                if index:
                    ways[index] = way
                signal = await self._signal(target, index) if way is Way.MOBILE else ""
                if index or placed or signal:
                    ports.append(_port(way, index, tuple(placed), signal))
                    if index and way is Way.MOBILE:
                        ports[-1] = await self._counted(target, ports[-1])
        whole = {port.way for port in ports if port.index} == {Way.FIXED, Way.MOBILE}
        until = self._clock.monotonic() + (LEARNED_FOR if whole else LEARNED_IN_PART_FOR)
        plan = _Plan(tuple(ports), _names(ports), ways, until, before.uptime if before is not None else None)
        if self._targets.get(line_id) is target:
            self._plans[line_id] = plan
        return plan

    async def _table(self, target: LineTarget) -> _Table:
        table = _Table()
        for root in (_IF_NAME, _IF_DESCR):
            for name, value in (await self._reader.walk(target.target, root, most=_MOST_ROWS)).items():
                table.names.setdefault(_last(name), []).append(_text(value))
        if not (_named(table, target.fixed_ports) and _named(table, target.mobile_ports)):
            kinds = await self._reader.walk(target.target, _IF_TYPE, most=_MOST_ROWS)
            table.types = {_last(name): value for name, value in kinds.items() if isinstance(value, int)}
        return table

    async def _placed(self, target: LineTarget, signs: Iterable[Sign], index: int) -> list[tuple[str, Sign]]:
        """Those signs that the box has, with their whole names."""
        exact = await self._had(target, [sign.name for sign in signs if sign.row == "exact"])
        found: list[tuple[str, Sign]] = []
        for sign in signs:
            if sign.row == "exact":
                name = sign.name if sign.name in exact else ""
            else:
                name = await self._row(target, sign.name, index, own=sign.row == "own")
            if name:
                found.append((name, sign))
        return found

    async def _counted(self, target: LineTarget, port: _Port) -> _Port:
        """A port with the octet counters of 32 bits where the agent has none of 64."""
        narrow = f"{_IF_IN32}.{port.index}", f"{_IF_OUT32}.{port.index}"
        had = await self._had(target, (*port.octets, *narrow))
        if not set(port.octets) <= set(had) and set(narrow) <= set(had):
            return replace(port, octets=narrow, octet_bits=32)
        return port

    async def _signal(self, target: LineTarget, index: int) -> str:
        if target.oids.signal_exact:
            return next(iter(await self._had(target, target.oids.signal)), "")
        for name in target.oids.signal:
            if row := await self._row(target, name, index):
                return row
        return ""

    async def _had(self, target: LineTarget, names: Sequence[str]) -> Sequence[str]:
        """Of some objects those that the box has."""
        got = await self._reader.get(target.target, names) if names else {}
        return [name for name in names if name in got]

    async def _row(self, target: LineTarget, column: str, index: int, *, own: bool = False) -> str:
        """The row of an interface, else, unless it has to be its own, the first; empty when there is none."""
        rows = await self._reader.walk(target.target, column, most=_MOST_ROWS)
        name = f"{column}.{index}"
        return name if name in rows else "" if own else next(iter(rows), "")


def _told(plan: _Plan, told: Read, got: Mapping[str, Value] | DeviceError) -> None:
    if isinstance(got, DeviceError):
        told(got)
        return
    uptime = _seconds(got.get(_UPTIME))
    if uptime is not None and plan.uptime is not None and uptime < plan.uptime - _SLACK:
        # Where the objects are is learned anew with the next poll: until then nothing is said of the ways.
        plan.until = 0.0
        told(LineReading((), uptime))
        return
    told(_read(plan, got, uptime))


def _read(plan: _Plan, got: Mapping[str, Value], uptime: float | None) -> LineReading:
    plan.uptime = uptime
    if any(port.oper and port.oper not in got for port in plan.ports):
        plan.until = 0.0
    return LineReading(tuple([_reading(port, got) for port in plan.ports]), uptime)


def _port(way: Way, index: int, signs: tuple[tuple[str, Sign], ...], signal: str) -> _Port:
    if not index:
        return _Port(way, 0, signs, signal)
    return _Port(
        way, index, signs, signal, f"{_IF_OPER}.{index}", f"{_IF_ERRORS}.{index}",
        f"{_IF_FRAMES}.{index}", (f"{_IF_IN}.{index}", f"{_IF_OUT}.{index}"),
    )  # fmt: skip


def _names(ports: Iterable[_Port]) -> tuple[str, ...]:
    """Everything that one question asks for."""
    names = [_UPTIME]
    for port in ports:
        names += [name for name in (port.oper, port.errors, port.frames, *port.octets, port.signal) if name]
        names += [name for name, _ in port.signs]
    return tuple(names)


def _reading(port: _Port, got: Mapping[str, Value]) -> PortReading:
    status = got.get(port.oper)
    up = _OPER.get(status) if isinstance(status, int) else None
    what = ""
    if up is False and isinstance(status, int):
        what = f"interface {_OPER_WORDS[status]}"
    for name, sign in port.signs:
        value = got.get(name)
        before = port.last.get(name)
        if before is None or before[0] != value:
            before = port.last[name] = value, _said(sign, value)
        said = before[1]
        if said is False:
            up, what = False, f"{what}, {sign.what}" if what else sign.what
        elif said and up is None:
            up = True
    signal = got.get(port.signal)
    heard = port.last.get(port.signal)
    if heard is None or heard[0] != signal:
        heard = port.last[port.signal] = signal, _figure(signal)
    errors, frames, came, went = map(got.get, (port.errors, port.frames, *port.octets))
    return PortReading(
        port.way, up, errors if isinstance(errors, int) else None,
        came + went if isinstance(came, int) and isinstance(went, int) else None,
        heard[1], what, frames if isinstance(frames, int) else None, port.octet_bits, port.index,
    )  # fmt: skip


def _said(sign: Sign, value: Value) -> bool | None:
    """Whether a sign speaks for the way (True) or against it; None when it says nothing."""
    asked = (sign.good, True), (sign.bad, False)
    for wanted, speaks in asked if sign.good_first else reversed(asked):
        if _fits(sign, wanted, value):
            return speaks
    return None


def _fits(sign: Sign, wanted: Good, value: Value) -> bool:
    if isinstance(wanted, re.Pattern):
        return isinstance(value, str | bytes) and bool(wanted.search(_text(value)))
    if sign.bits:
        return isinstance(value, bytes) and any(
            bit // 8 < len(value) and value[bit // 8] & 0x80 >> bit % 8 for bit in wanted
        )
    return isinstance(value, int) and value in wanted


def _named(table: _Table, wanted: Iterable[str]) -> int:
    """ifIndex of the first of some names that is there; 0 when none is."""
    for name in wanted:
        for index, names in table.names.items():
            if name.casefold() in (each.casefold() for each in names):
                return index
    return 0


def _typed(table: _Table, kinds: frozenset[int]) -> int:
    return next((index for index, kind in sorted(table.types.items()) if kind in kinds), 0)


def _fitting(table: _Table, pattern: re.Pattern[str]) -> int:
    return next((index for index, names in sorted(table.names.items()) if any(map(pattern.search, names))), 0)


def _last(name: str) -> int:
    return int(name.rpartition(".")[2])


def _seconds(value: Value) -> float | None:
    return value / 100 if isinstance(value, int) else None


def _figure(value: Value) -> float | None:
    """A number, or the first one within a text."""
    if isinstance(value, int | float):
        return float(value)
    found = _NUMBER.search(_text(value)) if value is not None else None
    return float(found[0]) if found else None


def _text(value: Value) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
