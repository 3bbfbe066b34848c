"""Measuring the mobile coverage of a site, over the mobile way itself (§3.8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from cpe_manager.domain.failover.coverage import CoverageReading
from cpe_manager.domain.failover.lines import Line
from cpe_manager.ports.shell import Shell


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer by the box itself. ``url``: http or https, taken whole or written to; ``port``: native name of the
    interface that it is bound to; ``seconds``: after which it is broken off, what has passed by then counts."""

    url: str
    port: str
    upload: bool = False
    seconds: float = 10.0


@runtime_checkable
class Transferring(Protocol):
    """A driver whose box can measure a transfer over one of its interfaces, whatever its routes prefer."""

    async def transfer(self, shell: Shell, test: Transfer) -> float:
        """Megabits per second. Writes nothing on the box. Raises ``CommandRefused`` with the reason when the box cannot
        measure or the transfer failed, and the session's errors."""
        ...


class CoverageMeter(Protocol):
    async def measure(self, line: Line) -> CoverageReading:
        """Takes up to a minute; what the box does not tell or cannot do is None, with the reason. The fixed line goes
        on carrying the traffic. Raises ``InputError`` when nothing is set that could be measured against, ``Conflict``
        for a box that was never visited, and a ``DeviceError`` when no session comes about."""
        ...
