"""A world in which nothing can be reached: no box, no agent, no server. Nothing leaves the process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from cpe_manager.adapters.http_posts import read_url
from cpe_manager.domain.errors import ConnectFailed, DeviceTimeout
from cpe_manager.ports.posts import Posted
from cpe_manager.ports.shell import Target


class NoBoxes:
    """``ports.sessions.Sessions``, and the look at an unknown box."""

    @asynccontextmanager
    async def open(self, target: Target) -> AsyncIterator[Any]:
        raise ConnectFailed(f"{target.name}: no route to host")
        yield

    @asynccontextmanager
    async def meet(self, target: Target) -> AsyncIterator[Any]:
        raise ConnectFailed(f"{target.name}: no route to host")
        yield


class NoAgents:
    """``ports.snmp.SnmpReader``."""

    async def get(self, target: Any, names: Sequence[str]) -> Mapping[str, Any]:
        raise DeviceTimeout(f"{target.name}: no answer over SNMP")

    async def walk(self, target: Any, root: str, *, most: int = 2000) -> Mapping[str, Any]:
        raise DeviceTimeout(f"{target.name}: no answer over SNMP")

    def close(self) -> None: ...


class NoServers:
    """``ports.posts.Posts``."""

    def check(self, url: str) -> None:
        read_url(url)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, seconds: float, most: int = 0) -> Posted:
        read_url(url)
        raise ConnectFailed("the server: connection refused")

    async def close(self) -> None: ...
