"""An edge in memory: where the addresses go, and what keeps them from moving."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from cpe_manager.domain.errors import CommandRefused, InputError
from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.ports.platform import EdgeSession, Platform, Routed


class MemoryPlatform:
    """``ports.platform.Platform``. ``refusing``: raised by the next calls of ``carry``, one each. ``seconds``: what
    moving takes. ``moves``: every move that changed something, as (line, over)."""

    def __init__(self) -> None:
        self.over: dict[str, Carrier] = {}
        self.moves: list[tuple[str, Carrier]] = []
        self.refusing: list[Exception] = []
        self.seconds = 0.0
        self.dead: set[str] = set()
        self.neighbours: dict[str, EdgeSession] | None = {}
        self.closed = False

    async def carry(self, routed: Routed, over: Carrier) -> None:
        await asyncio.sleep(self.seconds)
        if self.refusing:
            raise self.refusing.pop(0)
        if routed.ipv4 is None and routed.ipv6 is None:
            raise CommandRefused(f"line {routed.line_id}: has no fixed addresses that could be moved")
        if over is Carrier.MOBILE and not routed.mobile_gateway:
            raise CommandRefused(f"line {routed.line_id}: has no next hop over mobile")
        if self.over.get(routed.line_id, Carrier.FIXED) is not over:
            self.moves.append((routed.line_id, over))
        self.over[routed.line_id] = over

    async def carried(self, routed: Routed) -> Carrier | None:
        await asyncio.sleep(0)
        return self.over.get(routed.line_id, Carrier.FIXED)

    async def reachable(self, routed: Routed) -> bool | None:
        await asyncio.sleep(0)
        return routed.line_id not in self.dead

    async def sessions(self) -> Mapping[str, EdgeSession] | None:
        await asyncio.sleep(0)
        return self.neighbours

    async def warm(self) -> None:
        await asyncio.sleep(0)

    async def close(self) -> None:
        self.closed = True


class MemoryPlatforms:
    """``ports.platform.Platforms``."""

    def __init__(self, platforms: Mapping[str, Platform]) -> None:
        self._platforms = dict(platforms)

    def get(self, name: str) -> Platform:
        if name not in self._platforms:
            raise InputError(f"no platform {name!r}")
        return self._platforms[name]

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._platforms))
