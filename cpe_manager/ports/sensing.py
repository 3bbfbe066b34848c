"""Looking at lines from here: echoes, TCP connections, fast SNMP polls. Thousands of them at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cpe_manager.domain.errors import DeviceError
from cpe_manager.domain.failover.lines import Way

Answered = Callable[[float | None], None]
"""Called once with the seconds until the answer, or with None when none came in time. Must not wait, nor raise."""


class Echoes(Protocol):
    """ICMP and ICMPv6 echo over one socket for all."""

    async def ping(self, host: str, seconds: float, *, source: str = "") -> float | None:
        """Seconds until the answer; None when none came within ``seconds``. Raises ``ConnectFailed`` when this machine
        cannot send it at all (no permission, no route from here).

        ``source``: the address to send from, or the name of the interface to send over; empty: as the machine's routes
        have it."""
        ...

    def send(self, host: str, seconds: float, answered: Answered, *, source: str = "") -> bool:
        """The same without a task for each echo: ``answered`` is called from the event loop, never before this
        returns. ``host`` is an address, not a name. False when this machine has no room to send it at this moment,
        ``ConnectFailed`` as above; ``answered`` is not called then."""
        ...


@dataclass(frozen=True, slots=True)
class PortReading:
    """What an agent says of one way. ``up``: operational, and synchronised or registered where the box tells that;
    None: not told. ``signal`` dBm. Counters since the agent started: ``errors`` and ``frames`` that came in (32 bits,
    they wrap), ``octets`` in and out together, of counters that have ``octet_bits`` each. ``port``: ifIndex."""

    way: Way
    up: bool | None
    errors: int | None = None
    octets: int | None = None
    signal: float | None = None
    what: str = ""
    frames: int | None = None
    octet_bits: int = 64
    port: int = 0


@dataclass(frozen=True, slots=True)
class LineReading:
    """One poll. ``uptime``: seconds since the agent started."""

    ports: tuple[PortReading, ...]
    uptime: float | None = None


Read = Callable[[LineReading | DeviceError], None]
"""Must not wait."""


class LinePoller(Protocol):
    async def poll(self, line_id: str) -> LineReading:
        """Raises ``DeviceTimeout`` and the other errors of ``ports.snmp.SnmpReader``; ``CredentialMissing`` for a line
        whose box cannot be asked by SNMP."""
        ...

    def ask(self, line_id: str, told: Read) -> bool:
        """The same without a task: ``told`` is called once from the event loop, never before this returns. False where
        that cannot be had at this moment (what is asked for has to be learned first, or the agent is asked in another
        way): then ``poll`` does it. Raises ``ConnectFailed``; ``told`` is not called then."""
        ...

    def way_of(self, line_id: str, index: int, name: str) -> Way | None:
        """Which way an interface of the line's box belongs to, by ifIndex or, where that is 0, by ifName or ifDescr;
        None: to none of both, or it is not known yet. What was learned is asked; no device is."""
        ...


@dataclass(slots=True)
class SensingFigures:
    """Since the last report. ``echoes`` by way and outcome (``answered``, ``silent``, ``unsent``), ``polls`` and
    ``connections`` by outcome (``answered``, ``silent``, ``failed``, ``postponed``, ``skipped``). ``lag``: seconds by
    which the latest entry was late. ``stretch``: by how much polls are rarer than they should be. ``blind``: nothing
    answers any more, and silence is not believed."""

    lines: int
    echoes: Counter[tuple[str, str]]
    polls: Counter[str]
    connections: Counter[str]
    lag: float = 0.0
    stretch: float = 1.0
    blind: bool = False
