"""Senses that a test tells what there is to be seen: hosts that answer or do not, agents, edges."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from cpe_manager.domain.errors import ConnectFailed, CpeManagerError, CredentialMissing, DeviceError, InputError
from cpe_manager.domain.failover.lines import Carrier, Way
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.platform import EdgeSession, Platform, Routed
from cpe_manager.ports.sensing import Answered, LineReading, PortReading, Read


class FakeEchoes:
    """Every host answers after its time, but for the dead. ``asked``: host and time of each echo, with its source."""

    def __init__(self, clock: Clock, takes: float = 0.01) -> None:
        self._clock, self._takes = clock, takes
        self.dead: set[str] = set()
        self.takes: dict[str, float] = {}
        self.unroutable: set[str] = set()
        self.full = False
        self.asked: list[tuple[str, float, str]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def times(self, host: str) -> list[float]:
        return [at for asked, at, _ in self.asked if asked == host]

    async def ping(self, host: str, seconds: float, *, source: str = "") -> float | None:
        came: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()
        if not self.send(host, seconds, came.set_result, source=source):
            raise ConnectFailed(f"{host}: no room")
        return await came

    def send(self, host: str, seconds: float, answered: Answered, *, source: str = "") -> bool:
        self.asked.append((host, self._clock.monotonic(), source))
        if host in self.unroutable:
            raise ConnectFailed(f"{host}: echo not sent: network is unreachable")
        if self.full:
            return False
        task = asyncio.create_task(self._answer(host, seconds, answered))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _answer(self, host: str, seconds: float, answered: Answered) -> None:
        takes = self.takes.get(host, self._takes)
        if host in self.dead or takes > seconds:
            await self._clock.sleep(seconds)
            answered(None)
        else:
            await self._clock.sleep(takes)
            answered(takes)


class FakeLinePoller:
    """Answers with the readings that a test gives, or both ways up. ``block``: polls wait until it is set."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.readings: dict[str, LineReading | CpeManagerError] = {}
        self.ways: dict[tuple[str, int, str], Way] = {}
        self.polled: list[tuple[str, float]] = []
        self.block: asyncio.Event | None = None
        self.at_once = self.most_at_once = 0

    def times(self, line_id: str) -> list[float]:
        return [at for polled, at in self.polled if polled == line_id]

    async def poll(self, line_id: str) -> LineReading:
        self.polled.append((line_id, self._clock.monotonic()))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.block is not None:
                await self.block.wait()
            found = self.readings.get(line_id)
        finally:
            self.at_once -= 1
        if isinstance(found, CpeManagerError):
            raise found
        return found or LineReading((PortReading(Way.FIXED, True), PortReading(Way.MOBILE, True)), 1000.0)

    def ask(self, line_id: str, told: Read) -> bool:
        return False

    def way_of(self, line_id: str, index: int, name: str) -> Way | None:
        return self.ways.get((line_id, index, ""), self.ways.get((line_id, 0, name)))


class AskedLinePoller(FakeLinePoller):
    """Needs no task of its caller's."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, line_id: str, told: Read) -> bool:
        task = asyncio.create_task(self._answer(line_id, told))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _answer(self, line_id: str, told: Read) -> None:
        try:
            got: LineReading | DeviceError = await self.poll(line_id)
        except DeviceError as error:
            got = error
        told(got)


class NoSnmp(FakeLinePoller):
    """No box may be asked."""

    async def poll(self, line_id: str) -> LineReading:
        self.polled.append((line_id, self._clock.monotonic()))
        raise CredentialMissing(f"line {line_id}: its box has no SNMP access")


@dataclass
class FakeReach:
    """Every port opens, but those of the closed hosts."""

    closed: set[str] = field(default_factory=set)
    tried: Counter[str] = field(default_factory=Counter)

    async def tcp(self, host: str, port: int, seconds: float) -> str:
        self.tried[host] += 1
        return f"no answer within {seconds:g} s" if host in self.closed else ""


class FakePlatform:
    """An edge whose sessions a test sets; it carries what it is told to carry."""

    def __init__(self, sessions: Mapping[str, EdgeSession] | CpeManagerError | None = None) -> None:
        self.found = sessions
        self.asked = 0
        self.over: dict[str, Carrier] = {}

    async def carry(self, routed: Routed, over: Carrier) -> None:
        self.over[routed.line_id] = over

    async def carried(self, routed: Routed) -> Carrier | None:
        return self.over.get(routed.line_id)

    async def reachable(self, routed: Routed) -> bool | None:
        return None

    async def sessions(self) -> Mapping[str, EdgeSession] | None:
        self.asked += 1
        if isinstance(self.found, CpeManagerError):
            raise self.found
        return None if self.found is None else dict(self.found)

    async def warm(self) -> None:
        pass

    async def close(self) -> None:
        pass


class FakePlatforms:
    def __init__(self, **platforms: Platform) -> None:
        self._platforms = platforms

    def get(self, name: str) -> Platform:
        if name not in self._platforms:
            raise InputError(f"no platform named {name}")
        return self._platforms[name]

    def names(self) -> tuple[str, ...]:
        return tuple(self._platforms)
