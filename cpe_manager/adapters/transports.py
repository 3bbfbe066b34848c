"""One way in for all sessions: which transport a device is reached by, and a warning wherever that one is insecure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import structlog

from cpe_manager.domain.inventory import Transport
from cpe_manager.ports.sessions import OpenedSession, Sessions
from cpe_manager.ports.shell import Target

_log = structlog.get_logger(__name__)


class Transports:
    """Implements ``ports.sessions.Sessions`` over others, by ``Target.transport``."""

    def __init__(self, by_transport: Mapping[Transport, Sessions]) -> None:
        self._by_transport = by_transport

    @asynccontextmanager
    async def open(self, target: Target) -> AsyncIterator[OpenedSession]:
        for why in target.insecure:
            _log.warning("session.insecure", device=target.name, host=target.host, port=target.port, why=why)
        async with self._by_transport[target.transport].open(target) as opened:
            yield opened
