"""A line with its box and its edge, as little of them as fail-over needs: what carries is a variable on either side.

What goes wrong is named by the side it strikes; each mishap strikes until it is taken away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from cpe_manager.domain.errors import DeviceError, DeviceTimeout, InputError, SessionDropped
from cpe_manager.domain.failover.lines import Carrier, Evidence, FailoverState, LineRecord, Source, Way
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.platform import EdgeSession, Platform, Routed
from cpe_manager.services.failover.asking import Asking
from cpe_manager.services.failover.box import Moving


@dataclass
class Site:
    """One line. ``box``, ``edge``: what either side sends the customer's traffic over."""

    line_id: str
    fixed_up: bool = True
    mobile_up: bool = True
    power: bool = True
    box: Carrier = Carrier.FIXED
    edge: Carrier = Carrier.FIXED
    mishaps: set[str] = field(default_factory=set)
    """``box-refuses``, ``box-silent``, ``box-reverts``, ``box-hangs``, ``edge-refuses``, ``edge-unknown``,
    ``edge-lies``, ``outside-dead``, ``back-refused``."""
    follows: bool = False
    """The box moves by itself, and the edge with it."""
    pushes: dict[str, Carrier] = field(default_factory=dict)
    """What was done to the box, by key, in order."""
    log: list[str] = field(default_factory=list)

    def up(self, way: Carrier) -> bool:
        return self.power and (self.fixed_up if way is Carrier.FIXED else self.mobile_up)

    @property
    def served(self) -> bool:
        """Whether the customer is online: both sides over one way that is up."""
        return self.box is self.edge and self.up(self.box)

    def follow(self) -> None:
        if self.follows:
            way = Carrier.FIXED if self.fixed_up else Carrier.MOBILE
            self.box = self.edge = way

    def evidence(self, at: float) -> Iterable[Evidence]:
        for way, carrier in ((Way.FIXED, Carrier.FIXED), (Way.MOBILE, Carrier.MOBILE)):
            yield Evidence(self.line_id, Source.ICMP, way, self.up(carrier), at, "echo")


@dataclass(frozen=True)
class _Asked:
    site: Site

    async def carrying(self) -> Carrier | None:
        self.site.follow()
        if not self.site.power:
            raise DeviceTimeout("nobody there")
        return self.site.box


class Sites:
    """All of them, as ``Box``, ``Platform``, ``Platforms`` and ``Echoes``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.of: dict[str, Site] = {}

    def add(self, line_id: str, **more: Any) -> Site:
        self.of[line_id] = Site(line_id, **more)
        return self.of[line_id]

    # services.failover.box.Box

    async def move(self, record: LineRecord, over: Carrier, key: str) -> Moving:
        site = self.of[record.line.id]
        await asyncio.sleep(0)
        if "box-hangs" in site.mishaps:
            await self._clock.sleep(10_000)
        if "box-silent" in site.mishaps or not site.power:
            raise SessionDropped("the box is gone")
        if "box-refuses" in site.mishaps or ("back-refused" in site.mishaps and over is Carrier.FIXED):
            return Moving(f"push-{key}", "push withdrawn: % no")
        if key not in site.pushes:
            site.pushes[key] = over
            site.log.append(f"box {over.value}")
            site.box = over
        return Moving(f"push-{key}")

    async def end(self, moving: Moving) -> str:
        await self._clock.sleep(0.5)
        key = moving.push_id.removeprefix("push-")
        for site in self.of.values():
            if key in site.pushes and "box-reverts" in site.mishaps and site.pushes[key] is Carrier.MOBILE:
                site.box = Carrier.FIXED
                return "push reverted: a probe failed"
        return ""

    async def give_up(self, record: LineRecord, key: str) -> bool:
        return key in self.of[record.line.id].pushes and "box-reverts" not in self.of[record.line.id].mishaps

    @asynccontextmanager
    async def asking(self, record: LineRecord) -> AsyncIterator[Asking]:
        yield _Asked(self.of[record.line.id])

    # ports.sensing.Echoes

    async def ping(self, host: str, seconds: float, *, source: str = "") -> float | None:
        del source
        way, _, line_id = host.partition("-")
        if self.of[line_id].up(Carrier(way)):
            return 0.01
        await self._clock.sleep(seconds)
        return None

    def send(self, host: str, seconds: float, answered: Any, *, source: str = "") -> Any:
        raise AssertionError((host, seconds, answered, source))

    # ports.platform

    def get(self, name: str) -> Platform:
        if name != "edge":
            raise InputError(f"no platform {name!r}")
        return self

    def names(self) -> tuple[str, ...]:
        return ("edge",)

    async def carry(self, routed: Routed, over: Carrier) -> None:
        site = self.of[routed.line_id]
        await asyncio.sleep(0)
        if "edge-refuses" in site.mishaps:
            raise DeviceError("vtysh: % no such route")
        if site.edge is not over:
            site.log.append(f"edge {over.value}")
        site.edge = over
        if "edge-unknown" in site.mishaps:
            error = DeviceTimeout("no answer within 10 s")
            error.device_state = "unknown"
            raise error

    async def carried(self, routed: Routed) -> Carrier | None:
        site = self.of[routed.line_id]
        site.follow()
        return Carrier.FIXED if "edge-lies" in site.mishaps else site.edge

    async def reachable(self, routed: Routed) -> bool | None:
        site = self.of[routed.line_id]
        return site.served and "outside-dead" not in site.mishaps

    async def sessions(self) -> Mapping[str, EdgeSession] | None:
        return None

    async def warm(self) -> None: ...

    async def close(self) -> None: ...


@dataclass
class Counts:
    """``services.failover.rounds.LineObserver``."""

    states: Mapping[str, int] = field(default_factory=dict)
    decisions: list[float] = field(default_factory=list)
    acts: list[tuple[str, bool]] = field(default_factory=list)

    def lines(self, states: Mapping[str, int]) -> None:
        self.states = dict(states)

    def decided(self, seconds: float) -> None:
        self.decisions.append(seconds)

    def acted(self, act: str, ok: bool, seconds: float) -> None:
        del seconds
        self.acts.append((act, ok))


UNDER_WAY = frozenset({FailoverState.SWITCHING, FailoverState.RETURNING})
