"""Ports that stay off a mobile connection, as lists of rules name them: several at once, and one within another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from cpe_manager.domain.model.cpe_mobile import Barred, Ports, Protocol
from cpe_manager.kit.attempts import attempt

PROTOCOLS: Final[tuple[Protocol, ...]] = ("tcp", "udp")


def apart(found: Iterable[Barred]) -> tuple[Barred, ...]:
    """The same ports in ranges that do not overlap. Ranges that only touch stay two: somebody wrote them so."""
    made: list[Barred] = []
    for one in sorted(set(found)):
        last = made[-1] if made else None
        if last is not None and last.protocol == one.protocol and one.ports.first <= last.ports.last:
            made[-1] = Barred(last.protocol, Ports(last.ports.first, max(last.ports.last, one.ports.last)))
        else:
            made.append(one)
    return tuple(made)


def listed(protocols: Iterable[Protocol], words: str) -> tuple[Barred, ...]:
    """What ``5060-5061,10000-20000`` names for these protocols; empty when any part of it is no port or range."""
    found: list[Barred] = []
    for word in words.split(","):
        first, _, last = word.strip().partition("-")
        numbers = [int(end) for end in (first, last or first) if end.isdecimal()]
        ports = attempt(Ports, *numbers) if len(numbers) == 2 else None
        if ports is None:
            return ()
        found += [Barred(protocol, ports) for protocol in protocols]
    return tuple(found)


def words_of(barred: Iterable[Barred], protocol: Protocol) -> tuple[str, ...]:
    """The ports of one protocol, a word each, in order."""
    return tuple(str(one.ports) for one in barred if one.protocol == protocol)
