"""One way in for all sessions: which adapter reaches a device, and a warning wherever its transport is insecure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import structlog

from cpe_manager.domain.errors import TelnetRefused, UnknownFamily
from cpe_manager.domain.fleet.families import is_platform
from cpe_manager.domain.fleet.inventory import Transport
from cpe_manager.ports.sessions import OpenedSession, Sessions
from cpe_manager.ports.shell import Target

_log = structlog.get_logger(__name__)


class Transports:
    """Implements ``ports.sessions.Sessions`` over others: by ``Target.transport``, and one for the long tail."""

    def __init__(self, by_transport: Mapping[Transport, Sessions], long_tail: Sessions | None = None) -> None:
        self._by_transport, self._long_tail = by_transport, long_tail

    @asynccontextmanager
    async def open(self, target: Target) -> AsyncIterator[OpenedSession]:
        sessions = self._reaching(target)
        # Where Telnet is not allowed there is no connect to warn of: it is refused.
        for why in target.insecure if target.transport == "ssh" or target.telnet_allowed else ():
            _log.warning("session.insecure", device=target.name, host=target.host, port=target.port, why=why)
        async with sessions.open(target) as opened:
            yield opened

    def _reaching(self, target: Target) -> Sessions:
        if is_platform(target.family):
            if self._long_tail is None:
                raise UnknownFamily(f"{target.name}: nothing here reaches {target.family}")
            return self._long_tail
        if target.transport not in self._by_transport:
            raise TelnetRefused(f"{target.name}: nothing here speaks {target.transport}")
        return self._by_transport[target.transport]
