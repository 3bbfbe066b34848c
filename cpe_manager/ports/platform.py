"""The operator's side of fail-over: the edge that routes a customer's fixed addresses (§1 platform, §3.8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from cpe_manager.domain.failover.lines import Carrier


@dataclass(frozen=True, slots=True)
class Routed:
    """What a platform has to know to move a line's addresses. ``line_id`` names it in logs and hooks."""

    line_id: str
    site: str
    ipv4: IPv4Network | None
    ipv6: IPv6Network | None
    fixed_gateway: str
    mobile_gateway: str


@dataclass(frozen=True, slots=True)
class EdgeSession:
    """The edge's sessions with one neighbour (by address). None: there is none of that kind."""

    bfd: bool | None = None
    bgp: bool | None = None


class Platform(Protocol):
    """One edge, or whatever an operator puts in its place. All verbs are right to do twice. They raise ``DeviceError``
    (``device_state`` ``unknown`` when nobody knows whether the addresses have moved) and have the deadline of 10 s."""

    async def carry(self, routed: Routed, over: Carrier) -> None:
        """Have the fixed addresses reached over ``over`` from now on. Checked by reading back before it returns."""
        ...

    async def carried(self, routed: Routed) -> Carrier | None:
        """Over what the fixed addresses are reached now; None: over neither, or not told."""
        ...

    async def reachable(self, routed: Routed) -> bool | None:
        """Whether the fixed address answers from outside; None: this platform cannot tell."""
        ...

    async def sessions(self) -> Mapping[str, EdgeSession] | None:
        """The edge's BFD and BGP sessions by neighbour address; None: this platform has none to tell of."""
        ...

    async def warm(self) -> None:
        """Get ready so that ``carry`` need not connect first; called now and then."""
        ...

    async def close(self) -> None: ...


class Platforms(Protocol):
    def get(self, name: str) -> Platform:
        """Raises ``InputError`` for a name that the platform file does not have."""
        ...

    def names(self) -> tuple[str, ...]: ...
