"""Looking at lines from here: echoes, TCP connections, fast SNMP polls. Thousands of them at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from cpe_manager.domain.lines import Way


class Echoes(Protocol):
    """ICMP and ICMPv6 echo over one socket for all."""

    async def ping(self, host: str, seconds: float) -> float | None:
        """Seconds until the answer; None when none came within ``seconds``. Raises ``ConnectFailed`` when this machine
        cannot send it at all (no permission, no route from here)."""
        ...


@dataclass(frozen=True, slots=True)
class PortReading:
    """What an agent says of one way. ``up``: operational, and synchronised or registered where the box tells that;
    None: not told. ``signal`` dBm."""

    way: Way
    up: bool | None
    errors: int | None = None
    octets: int | None = None
    signal: float | None = None
    what: str = ""


@dataclass(frozen=True, slots=True)
class LineReading:
    """One poll. ``uptime``: seconds since the agent started."""

    ports: tuple[PortReading, ...]
    uptime: float | None = None


class LinePoller(Protocol):
    async def poll(self, line_id: str) -> LineReading:
        """Raises ``DeviceTimeout`` and the other errors of ``ports.snmp.SnmpReader``."""
        ...


class Watchable(Protocol):
    """Who takes evidence in. Never waits, never raises."""

    def counts(self) -> Mapping[str, int]: ...
