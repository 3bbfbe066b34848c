"""Default routes of a Linux router under FRR: what each leads to, which goes first, and how that is changed (§3.8).

FRR compares distances. A static route has its own, 1 when none is written; what BGP learned from another AS has 20; a
route that somebody else put into the kernel (a DHCP client, pppd) has the highest byte of its metric. The kernel itself
compares metrics, and FRR writes 20: so such a client needs a metric of its own, or nothing ever goes before it.

One next hop has one distance: written again with another one, a static route is changed where it stands, in one step
(FRR 7.5.2 and 8.0.1 on; between 7.4 and those a second route appeared). Traffic has a default route at every moment.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_mobile import Mobile
from cpe_manager.kit.attempts import attempt

Network = IPv4Network | IPv6Network
IPV4, IPV6 = "ip route 0.0.0.0/0 ", "ipv6 route ::/0 "
CLIENT_METRIC: Final = 100 << 24
"""What a DHCP client and pppd write their default route with: distance 100 for FRR, and behind FRR's in the kernel."""
STANDBY: Final = 200
"""Of a mobile connection that stands by, when nothing is written yet."""
PREFERRED: Final = 5
"""Of a mobile connection that has to go before what is learned."""
BGP: Final = 20
_STEP: Final = 10
_MOST: Final = 254
"""255 is never used."""
_NOWHERE: Final = frozenset({"Null0", "blackhole", "reject"})
_OPTIONS: Final = frozenset({"tag", "table", "label", "nexthop-vrf", "segments", "color", "source", "profile"})
"""Words of a static route that have a value behind them."""
_FLAGS: Final = frozenset({"onlink", "bfd", "multi-hop"})


@dataclass(frozen=True, slots=True)
class Default:
    """A static default route. ``via``: gateway, interface, or both, as they stand."""

    line: str
    via: str
    gateway: IPv4Address | IPv6Address | None
    interface: str
    distance: int

    def at(self, distance: int) -> str:
        """The line with another distance."""
        if distance == self.distance:
            return self.line
        words = self.line.split()
        rest = [word for place, word in enumerate(words) if not _is_distance(words, place)]
        return " ".join((*rest, *([str(distance)] if distance > 1 else [])))


def _is_distance(words: list[str], place: int) -> bool:
    return place > 3 and words[place].isdecimal() and words[place - 1] not in _OPTIONS


def defaults(top: Iterable[str], start: str = IPV4) -> list[Default]:
    """Static default routes among FRR's lines, but for those that lead nowhere; ``start``: ``IPV4`` or ``IPV6``."""
    return [made for line in top if line.startswith(start) and (made := _default(line)) is not None]


def _default(line: str) -> Default | None:
    words = line.split()
    via = words[3]
    if via in _NOWHERE:
        return None
    gateway = attempt(IPv4Address, via) or attempt(IPv6Address, via)
    interface = "" if gateway else via
    if gateway and len(words) > 4 and not words[4].isdecimal() and words[4] not in _OPTIONS | _FLAGS:
        interface = words[4]
        via = f"{via} {interface}"
    told = next((int(word) for place, word in enumerate(words) if _is_distance(words, place)), 1)
    return Default(line, via, gateway, interface, told)


@dataclass(frozen=True, slots=True)
class Ways:
    """The default routes of a box by what they lead over. ``fixed`` and ``mobile``: static ones; ``learned``: the
    distance of the fixed line's that come from somebody else, None when there is none."""

    fixed: tuple[Default, ...]
    mobile: tuple[Default, ...]
    learned: int | None = None

    @classmethod
    def read(cls, found: Iterable[Default], mobile: str, networks: Collection[Network], learned: int | None) -> Ways:
        """``mobile``: the modem's interface; ``networks``: those that are on it."""

        def leads(one: Default) -> bool:
            if one.interface:
                return one.interface == mobile
            return any(one.gateway in network for network in networks)

        ways = [(one, leads(one)) for one in found]
        return cls(tuple(one for one, over in ways if not over), tuple(one for one, over in ways if over), learned)

    @property
    def lowest(self) -> int:
        """Of the fixed line's static routes; 1 when there is none."""
        return min((one.distance for one in self.fixed), default=1)

    @property
    def standing(self) -> int:
        """Of the mobile connection's; what it gets when there is none."""
        return min((one.distance for one in self.mobile), default=STANDBY)

    @property
    def preferred(self) -> bool:
        return bool(self.mobile) and self.goes_first(self.lowest if self.fixed else None, self.standing, self.learned)

    @staticmethod
    def goes_first(fixed: int | None, mobile: int, learned: int | None) -> bool:
        """Whether a mobile distance wins. Where nothing is known of the fixed line's, it may be learned by BGP."""
        others = [distance for distance in (fixed, learned) if distance is not None]
        return mobile < min(others, default=BGP)

    def distances(self, mobile: Mobile | None, *, static: bool, learned: int | None) -> tuple[int, int]:
        """The lowest distance of the fixed line's static routes, and the mobile one, as a configuration has them.
        ``static``: it has any on the fixed line; ``learned``: as it is in that configuration. What stands is kept
        where it says the same. Raises ``InputError`` where nothing can go before what is learned."""
        if mobile is None or not mobile.active:
            return (1 if self.preferred and self.fixed else self.lowest), self.standing
        if self.goes_first(self.lowest if static else None, self.standing, learned) == mobile.preferred:
            return self.lowest, self.standing
        if not mobile.preferred:
            behind = max(self.lowest if static and not self.preferred else 1, learned or 0, 0 if static else BGP)
            return (
                1 if self.preferred else self.lowest,
                self.standing if self.standing > behind else max(STANDBY, min(behind + _STEP, _MOST)),
            )
        if learned is not None and learned <= PREFERRED:
            raise InputError(f"the fixed line's default route comes with distance {learned}: nothing goes before it")
        below = learned if learned is not None else _MOST - _STEP if static else BGP
        own = self.standing if self.standing < below else PREFERRED
        return (self.lowest if self.lowest > own else own + _STEP), own

    def moved(self, one: Default, lowest: int) -> str:
        """A fixed line's route when the lowest of them is to have another distance: their order stays."""
        return one.at(max(1, min(one.distance - self.lowest + lowest, _MOST)))


def target(line: str) -> str:
    """What names a static route, whatever its distance: prefix and next hop."""
    found = re.match(r"ip(?:v6)? route (\S+) (.*)", line)
    if found is None:
        return line
    made = _default(line) if line.startswith((IPV4, IPV6)) else None
    return f"{found[1]} {made.via}" if made else line


def changes(before: Iterable[str], after: Iterable[str]) -> tuple[list[str], list[str]]:
    """Lines that go (without `no`) and lines that come; a default route that only gets another distance does not go."""
    old, new = list(before), list(dict.fromkeys(after))
    stay = {target(line) for line in new}
    return (
        [line for line in old if line not in new and target(line) not in stay],
        [line for line in new if line not in old],
    )


def back(lines: Iterable[str], top: Iterable[str]) -> list[str] | None:
    """The lines that undo static routes, given FRR's lines of before; None when ``lines`` hold anything else."""
    places = {target(line): line for line in top}
    made: list[str] = []
    for line in lines:
        bare = line.removeprefix("no ")
        if not re.match(r"ip(?:v6)? route ", bare):
            return None
        made.insert(0, places.get(target(bare), f"no {bare}"))
    return made
