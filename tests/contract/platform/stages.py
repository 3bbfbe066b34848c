"""Platforms under test, each with a way to see the truth that does not go through the platform."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Protocol

from cpe_manager.adapters.clock import SystemClock
from cpe_manager.adapters.http_posts import HttpPosts
from cpe_manager.adapters.platform.frr_edge import FrrEdge, FrrOptions
from cpe_manager.adapters.platform.hook import CommandCaller, Hook, HttpCaller
from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.ports.platform import Platform, Routed
from tests.fakes.platform import MemoryPlatform
from tests.lab.box import LoginShell
from tests.lab.edge import LINE, RealEdge
from tests.lab.product import credential, sessions, target
from tests.support.hook_server import HookServer

EXAMPLE: Final = Path(__file__).parents[3] / "config/examples/platform-hook.example.py"


class Stage(Protocol):
    platform: Platform
    line: Routed

    def truth(self, routed: Routed) -> Carrier | None: ...


class MemoryStage:
    def __init__(self) -> None:
        self.platform = MemoryPlatform()
        self.line = LINE

    def truth(self, routed: Routed) -> Carrier | None:
        return self.platform.over.get(routed.line_id, Carrier.FIXED)


class CommandStage:
    """The example that the documentation shows."""

    def __init__(self, folder: Path) -> None:
        self._state = folder / "lines.json"
        self.platform = Hook("bras", CommandCaller("bras", (str(EXAMPLE), str(self._state))))
        self.line = LINE

    def truth(self, routed: Routed) -> Carrier | None:
        lines = json.loads(self._state.read_text()) if self._state.exists() else {}
        return Carrier(lines.get(routed.line_id, "fixed"))


class HttpStage:
    def __init__(self, server: HookServer) -> None:
        self._server = server
        posts = HttpPosts(private=True)
        self.platform = Hook("orchestrator", HttpCaller("orchestrator", server.url, posts, token="hook-token"))
        self.line = LINE
        self._over: dict[str, str] = {}
        server.answer = self._answer

    def truth(self, routed: Routed) -> Carrier | None:
        return Carrier(self._over.get(routed.line_id, "fixed"))

    def _answer(self, call: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int, Any]:
        if headers["authorization"] != "Bearer hook-token" or headers["idempotency-key"] != call["id"]:
            return HTTPStatus.UNAUTHORIZED, {"error": "who are you?"}
        if call["verb"] == "carry":
            if not call["line"]["mobile_gateway"]:
                return HTTPStatus.CONFLICT, {"error": "no next hop over mobile"}
            self._over[call["line"]["id"]] = call["over"]
        if call["verb"] in {"carry", "carried"}:
            return HTTPStatus.OK, {"over": self._over.get(call["line"]["id"], "fixed")}
        if call["verb"] == "reachable":
            return HTTPStatus.OK, {"reachable": True}
        if call["verb"] == "sessions":
            return HTTPStatus.OK, {"sessions": {"10.1.0.2": {"bfd": True}}}
        return HTTPStatus.NOT_IMPLEMENTED, {}


class FrrStage:
    """A real edge. Its kernel is the truth."""

    def __init__(self, edge: RealEdge) -> None:
        self.edge = edge
        self.platform = edge_platform(edge)
        self.line = LINE

    def truth(self, routed: Routed) -> Carrier | None:
        assert routed.ipv4 is not None
        assert routed.ipv6 is not None
        ways = {
            self.edge.kernel_route(str(network[1 % network.num_addresses])) for network in (routed.ipv4, routed.ipv6)
        }
        return {"fix0": Carrier.FIXED, "mob0": Carrier.MOBILE}.get(ways.pop()) if len(ways) == 1 else None


def edge_platform(edge: RealEdge, options: FrrOptions | None = None, **changes: Any) -> FrrEdge:
    """The product's platform for an edge, by key, its host key pinned."""
    where = target(edge, **{"pinned_keys": (edge.host_key,), "options": {}, "session_timeout": 600.0, **changes})
    return FrrEdge(sessions(credential(edge, "key")), where, SystemClock(), options)


@asynccontextmanager
async def stage(kind: str, folder: Path) -> AsyncIterator[Stage]:
    """``memory``, ``command``, ``http``, or a log-in shell of a real edge."""
    made: Stage
    if kind in {"memory", "command"}:
        made = MemoryStage() if kind == "memory" else CommandStage(folder)
        yield made
        await made.platform.close()
    elif kind == "http":
        async with HookServer() as server:
            made = HttpStage(server)
            yield made
            await made.platform.close()
    else:
        shell: LoginShell = "/usr/bin/vtysh" if kind == "frr-vtysh" else "/bin/bash"
        edge = RealEdge("gent-e1", shell)
        await asyncio.to_thread(edge.start)
        try:
            made = FrrStage(edge)
            yield made
            await made.platform.close()
        finally:
            await asyncio.to_thread(edge.stop)


def another(line: Routed, number: int) -> Routed:
    return replace(line, line_id=f"line-{number}")
