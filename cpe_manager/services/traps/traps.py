"""Traps and informs of the fleet's boxes become events.

Who can have sent one is asked of the inventory (``trap_senders``), and proven by community or keys; what is proven
becomes an event in the stream, hundreds in one transaction. An inform is acknowledged after its event is stored, so
that its sender repeats what a full disk or a crash has cost.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import structlog

from cpe_manager.domain.errors import DeviceError, StoreError
from cpe_manager.domain.events import NewEvent
from cpe_manager.kit.log_redaction import MASK, Redactor
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.snmp import Datagram, Notification, SnmpReader, SnmpTarget, TrapIntake, TrapRefused, Value
from cpe_manager.services.traps.trap_kinds import IF_DESCR, IF_NAME, KINDS, LINK_DOWN, LINK_UP, OTHER, port_row, shown
from cpe_manager.services.traps.trap_senders import Neighbours, TrapSenders, TrapStores

log = structlog.get_logger()

BATCH: Final = 500
SLICE_SECONDS: Final = 0.005
"""After so much reading the loop gets a turn: the port has to be emptied, sessions go on."""
MOST_INFORMS: Final = 20_000
REPEATED_SECONDS: Final = 300.0
STORE_AGAIN_SECONDS: Final = 1.0
STORM: Final = 20_000
STORM_SECONDS: Final = 3600.0
"""More events of one device than this within the time are a storm: what is beyond is counted and not stored. A burst
after a power cut is far below; a port that flaps for days would fill the disk."""
MOST_VALUES: Final = 30
LONGEST_VALUE: Final = 200

_COMMUNITY = "1.3.6.1.6.3.18.1.4"
"""snmpTrapCommunity: what a proxy forwards with a trap is a secret."""


class TrapObserver(Protocol):
    """Counts; the metrics implement it."""

    def trap(self, kind: str) -> None: ...

    def trap_dropped(self, reason: str, number: int = 1) -> None: ...


class PortNames:
    """Names of interfaces by their number, for boxes whose traps tell the number alone (RFC 2863 asks for no more).

    Learned behind the scenes from the first trap on: a box whose line has just gone down may not answer now.
    """

    def __init__(self, reader: SnmpReader, *, most: int = 50_000, waiting: int = 1000) -> None:
        self._reader, self._most = reader, most
        self._names: OrderedDict[str, Mapping[int, str]] = OrderedDict()
        self._asked: set[str] = set()
        self._queue: asyncio.Queue[tuple[str, SnmpTarget]] = asyncio.Queue(waiting)

    def get(self, device_id: str, index: int) -> str | None:
        return self._names.get(device_id, {}).get(index)

    def want(self, device_id: str, target: SnmpTarget) -> None:
        """Ask for a device's names some time; when too many wait, the next trap asks again."""
        if device_id not in self._names and device_id not in self._asked and not self._queue.full():
            self._asked.add(device_id)
            self._queue.put_nowait((device_id, target))

    async def run(self) -> None:
        """For ever, one after the other."""
        while True:
            device_id, target = await self._queue.get()
            try:
                got = await self._reader.walk(target, IF_NAME) or await self._reader.walk(target, IF_DESCR)
                self._names[device_id] = {int(name.rpartition(".")[2]): shown(value) for name, value in got.items()}
                if len(self._names) > self._most:
                    self._names.popitem(last=False)
            except DeviceError as error:
                log.info("traps.no_port_names", device=target.name, code=error.code)
            finally:
                self._asked.discard(device_id)


class Storms:
    """Counts each device's events within an hour."""

    def __init__(self, clock: Clock, most: int = STORM) -> None:
        self._clock, self.most = clock, most
        self._counted: dict[str, int] = {}
        self._until = 0.0

    def exceeded(self, device_id: str) -> int:
        """How many beyond the bound this event is; 0 when it is within."""
        now = self._clock.monotonic()
        if now >= self._until:
            self._counted.clear()
            self._until = now + STORM_SECONDS
        count = self._counted[device_id] = self._counted.get(device_id, 0) + 1
        return max(0, count - self.most)


class Traps:
    """One per process that listens. ``run`` and ``names.run`` go on for ever; ``look`` is a chore."""

    def __init__(
        self,
        intake: TrapIntake,
        stores: TrapStores,
        reader: SnmpReader,
        clock: Clock,
        observer: TrapObserver,
        redactor: Redactor,
        storms: Storms | None = None,
    ) -> None:
        self.intake = intake
        self.names = PortNames(reader)
        self._stores, self._clock, self._observer, self._redactor = stores, clock, observer, redactor
        self.senders = TrapSenders(stores, intake, clock)
        self.watching: Callable[[Notification], None] | None = None
        """Who hears of each that is proven, before it is stored, repeated ones too. Never waits, never raises."""
        self._informs: OrderedDict[tuple[str, str, int, int], float] = OrderedDict()
        self._told: Counter[str] = Counter()
        self._storms = storms or Storms(clock)

    async def run(self) -> None:
        while True:
            await self.work(await self.intake.take(BATCH))
            # A batch of strangers is over without a pause of its own.
            await asyncio.sleep(0)

    async def look(self) -> None:
        """Count what was lost before it could be read."""
        for reason, lost in (("overflow", self.intake.overflowed), ("socket_buffer", self.intake.lost_in_kernel())):
            if lost > self._told[reason]:
                self._observer.trap_dropped(reason, lost - self._told[reason])
                log.warning("traps.lost", reason=reason, number=lost - self._told[reason])
            self._told[reason] = lost

    async def work(self, datagrams: Sequence[Datagram]) -> None:
        """Read, store, acknowledge."""
        around: Sequence[Neighbours] = await self._insist(lambda: self.senders.look_up(datagrams))
        taken: list[Notification] = []
        sliced = self._clock.monotonic()
        for datagram, neighbours in zip(datagrams, around, strict=True):
            taken += self._read(datagram, neighbours)
            if self._clock.monotonic() - sliced > SLICE_SECONDS:
                await asyncio.sleep(0)
                sliced = self._clock.monotonic()
        if self.watching is not None:
            for one in taken:
                self.watching(one)
        events = [event for one in self._fresh(taken) if (event := self._bounded(one)) is not None]
        if events:
            await self._insist(lambda: self._stores.events.add(events))
        for one in taken:
            self.intake.acknowledge(one)
        self._remember(one for one in taken if one.inform)
        for event in events:
            self._observer.trap(event.kind)

    def _read(self, datagram: Datagram, neighbours: Neighbours) -> list[Notification]:
        senders = [one.sender for one in neighbours if one.sender is not None]
        if neighbours and not senders:
            self._observer.trap_dropped("no_access")
            return []
        try:
            found = self.intake.read(datagram, senders)
        except TrapRefused as refused:
            if refused.reason is not None:
                self._observer.trap_dropped(refused.reason)
                log.debug("traps.dropped", reason=refused.reason, host=datagram.host)
            return []
        self.senders.proven(found)
        target = next((one.target for one in neighbours if one.sender == found.sender), None)
        if target is not None and found.kind in {LINK_DOWN, LINK_UP}:
            self.names.want(found.sender.device_id, target)
        return [found]

    async def _insist(self, step: Any) -> Any:
        """Again until the database takes it: meanwhile datagrams wait, up to their bound."""
        while True:
            try:
                return await step()
            except StoreError as error:
                log.error("traps.store_refused", code=error.code, reason=str(error))
                await self._clock.sleep(STORE_AGAIN_SECONDS)

    def _key(self, one: Notification) -> tuple[str, str, int, int]:
        return (one.sender.device_id, one.host, one.port, one.number)

    def _fresh(self, taken: Sequence[Notification]) -> list[Notification]:
        """Without informs that were repeated because their acknowledgement was late or lost."""
        now = self._clock.monotonic()
        seen: set[tuple[str, str, int, int]] = set()
        fresh: list[Notification] = []
        for one in taken:
            key = self._key(one)
            if not one.inform or (key not in seen and self._informs.get(key, now) <= now):
                seen.add(key)
                fresh.append(one)
        return fresh

    def _remember(self, informs: Iterable[Notification]) -> None:
        until = self._clock.monotonic() + REPEATED_SECONDS
        for one in informs:
            self._informs[self._key(one)] = until
        while len(self._informs) > MOST_INFORMS:
            self._informs.popitem(last=False)

    def _bounded(self, one: Notification) -> NewEvent | None:
        """None within a storm, after an event that says that there is one."""
        beyond = self._storms.exceeded(one.sender.device_id)
        if not beyond:
            return self._event(one)
        self._observer.trap_dropped("storm")
        if beyond > 1:
            return None
        message = (
            f"{one.sender.name}: more than {self._storms.most} traps within an hour; no more of them are kept for now"
        )
        data = {"trap": one.kind, "source": one.host}
        return NewEvent("trap.storm", one.at, "error", device_id=one.sender.device_id, message=message, data=data)

    def _event(self, one: Notification) -> NewEvent:
        kind, words, severity = KINDS.get(one.kind, OTHER)
        data: dict[str, Any] = {"trap": one.kind, "source": one.host, "uptime_seconds": one.uptime}
        if one.kind in {LINK_DOWN, LINK_UP}:
            data |= self._interface(one)
            words = f"{data['interface'] or 'interface ' + str(data['if_index'])}: {words}"
            if one.kind == LINK_DOWN and data.get("admin_status") == "down":
                severity, words = "info", f"{words} (switched off)"
        else:
            data["values"] = self._values(one)
            if kind == OTHER[0]:
                words = f"{words} {one.kind}"
        return NewEvent(
            kind, one.at, severity, device_id=one.sender.device_id, message=f"{one.sender.name}: {words}", data=data
        )

    def _interface(self, one: Notification) -> dict[str, Any]:
        """Number, name and states from the bindings of a row of ifTable, whichever of them the box sends."""
        row = port_row(one.values)
        return {
            "if_index": row.index,
            "interface": self._shown(one, row.name) or self.names.get(one.sender.device_id, row.index),
            "admin_status": row.admin,
            "oper_status": row.oper,
        }

    def _values(self, one: Notification) -> dict[str, str]:
        kept = [(name, value) for name, value in one.values.items() if not name.startswith(_COMMUNITY)]
        return {name: self._shown(one, value) for name, value in kept[:MOST_VALUES]}

    def _shown(self, one: Notification, value: Value) -> str:
        """As text fit for an event: one line, bounded, without a secret."""
        text = shown(value)
        for secret in one.sender.access.secrets():
            text = text.replace(secret, MASK)
        return self._redactor.text(text)[:LONGEST_VALUE]
