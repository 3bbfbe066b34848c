"""The sensing's rhythm, and what it counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from cpe_manager.domain.failover.lines import Carrier, Evidence, FailoverState, LineRecord
from cpe_manager.ports.sensing import SensingFigures

_MOVING: Final = frozenset({FailoverState.SWITCHING, FailoverState.MOBILE, FailoverState.RETURNING})
Sink = Callable[[Evidence], None]
"""Who takes evidence in. Never waits, never raises."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds, unless said otherwise."""

    turn: float = 0.005
    """The shortest time between two looks at the agenda: what falls within is done together."""
    longest_turn: float = 0.02
    at_once: int = 400
    """Entries of one turn; then the loop serves others."""
    mobile_idle: float = 5.0
    """Between echoes over the mobile way of a line that is well: each costs volume (84 octets either way)."""
    edge_every: float = 0.15
    edge_retry: float = 2.0
    edge_silent: float = 60.0
    """Until a platform without sessions is asked again whether it has some now."""
    tcp_every: float = 30.0
    tcp_silent: float = 1.0
    """The same while echoes over the fixed line are not answered."""
    tcp_timeout: float = 3.0
    most_tcp: int = 200
    most_polls: int = 500
    poll_again: float = 0.2
    """When all that may run do."""
    errors_again: float = 10.0
    """At the latest, until a line is polled again whose last poll told of so many errors that it stays degraded."""
    unasked: float = 60.0
    """Until a line without SNMP access is asked for one again."""
    hurry: float = 10.0
    hurry_every: float = 0.2
    """A suspect line is probed so fast for so long."""
    blind_from: int = 8
    """Addresses, from which on the silence of all is our own blindness."""
    late: float = 0.3
    """So late an entry says that this process cannot keep up."""
    pressed: float = 0.2
    """So late an entry says that it soon cannot: what can wait should."""
    slower: float = 2.0
    """How much rarer polls may become, as a factor: beyond that it saves next to nothing, and losses that only a poll
    tells of would be seen too late. Most often it is others on the machine that are to blame."""
    slowest: float = 8.0
    """The same of polls that take a task each, while too many of them wait for their turn."""
    report: float = 1.0
    fixed_source: str = ""
    mobile_source: str = ""
    """Where echoes go out: an address or an interface of this machine; empty: as its routes have it."""


def is_moved(record: LineRecord) -> bool:
    """Whether a line's traffic goes over mobile, or is about to: then that way is asked as often as the fixed one."""
    return record.carrier is Carrier.MOBILE or record.state in _MOVING


class SensingObserver(Protocol):
    """Counts; the metrics implement it."""

    def sensed(self, figures: SensingFigures) -> None: ...
