"""Ports, and the mobile connection of a CPE: the part of the neutral model that fail-over moves (§3.8, §7.6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from cpe_manager.domain.model.requirements import is_domain, require, word

Protocol = Literal["tcp", "udp"]


@dataclass(frozen=True, order=True, slots=True)
class Ports:
    """One port or a range of them, both ends included."""

    first: int
    last: int

    def __post_init__(self) -> None:
        require(1 <= self.first <= self.last <= 65535, f"ports {self.first}-{self.last} are no range within 1-65535")

    @classmethod
    def one(cls, port: int) -> Ports:
        return cls(port, port)

    @property
    def count(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        return str(self.first) if self.count == 1 else f"{self.first}-{self.last}"


@dataclass(frozen=True, order=True, slots=True)
class Barred:
    """Destination ports, at the far end, that never go out over the mobile connection; they do not overlap."""

    protocol: Protocol
    ports: Ports


@dataclass(frozen=True, slots=True)
class Mobile:
    """The mobile-backup interface (§3.8). ``active``: its default route stands by (floating); off: no route at all.

    ``preferred``: its default route goes before the fixed line's, which stands by instead: traffic has been moved.
    ``barred``: what never goes out over it (§7.6: voice); empty is no restriction.
    """

    apn: str
    active: bool = True
    username: str = ""
    password: str = field(default="", repr=False)
    preferred: bool = False
    barred: tuple[Barred, ...] = ()

    def __post_init__(self) -> None:
        require(self.active or not self.preferred, "a mobile connection that is off cannot be preferred")
        object.__setattr__(self, "barred", tuple(sorted(set(self.barred))))
        _apart(self.barred)
        require(is_domain(self.apn), f"{self.apn!r} is no APN")
        require(bool(self.username) == bool(self.password), "an APN log-in has a name and a password")
        if self.username:
            word("APN user name", self.username)
            word("APN password", self.password)


def _apart(barred: tuple[Barred, ...]) -> None:
    for one, other in pairwise(barred):
        clear = one.protocol != other.protocol or one.ports.last < other.ports.first
        require(clear, f"{one.protocol} {one.ports} and {other.ports} overlap")
