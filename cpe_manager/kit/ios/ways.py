"""The mobile connection of an IOS configuration: which default route goes before which, and what stays off it (§3.8).

Of several default routes the one of the shortest administrative distance counts. That is what is read: whoever wrote
the numbers, and however large they are, a mobile route of a shorter distance than the fixed line's goes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cpe_manager.domain.model.cpe_mobile import Barred, Mobile, Ports
from cpe_manager.kit.access_list import plain, rule_of
from cpe_manager.kit.addresses import ipv4
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.barring import apart
from cpe_manager.kit.indented import Block
from cpe_manager.kit.ios.box import Box, address_of, secret_of, short

DEFAULT: Final = "ip route 0.0.0.0 0.0.0.0 "
HALVES: Final = ("ip route 0.0.0.0 128.0.0.0 ", "ip route 128.0.0.0 128.0.0.0 ")
"""Two routes that are a default route together, and that go before one of any distance."""
APN: Final = re.compile(
    r"profile id (?P<number>\d+) apn (?P<apn>\S+)(?: authentication (?:none|\S+ username (?P<user>\S+) password "
    r"(?P<password>(?:\d )?\S+)))?(?P<rest> .*|)"
)
LEARNT: Final = 20
"""The distance of external BGP: that of a fixed line whose default route the text does not have."""
_GIVEN: Final = 254
"""The distance of the default route that DHCP gives."""
_GIVEN_WORDS: Final = "ip dhcp client default-router distance "
_OVER_PPP: Final = "ppp ipcp route default"
_WITH_WORD: Final = frozenset({"name", "track", "tag"})
_NO_LINE: Final = re.compile(r"(?:Null|Loopback|Tunnel|Cellular)\d")


@dataclass(frozen=True, slots=True)
class Way:
    """A default route. ``words``: what follows `ip route 0.0.0.0 0.0.0.0`; empty for one that no line of its own
    makes, whose distance nobody sets while the line is in use."""

    words: str
    distance: int


@dataclass(frozen=True, slots=True)
class Ways:
    """The default routes of both ways, and whether the mobile one has the two halves as well."""

    fixed: tuple[Way, ...]
    mobile: tuple[Way, ...]
    halved: bool = False

    @property
    def nearest(self) -> int:
        """The shortest distance of the fixed line."""
        return min((way.distance for way in self.fixed), default=LEARNT)

    @property
    def lead(self) -> int:
        """By how much the mobile route goes before the fixed line's; none or less: it does not."""
        if self.halved:
            return 255
        return self.nearest - min((way.distance for way in self.mobile), default=255)


def _place(tokens: Sequence[str]) -> tuple[int, int]:
    """Where a distance belongs among the words of a route, and where it stands; -1 where none does."""
    behind = 2 if len(tokens) > 1 and not tokens[0][:1].isdigit() and "." in tokens[1] else 1
    index = behind
    while index < len(tokens):
        if tokens[index].isdecimal():
            return behind, index
        index += 2 if tokens[index] in _WITH_WORD else 1
    return behind, -1


def distance_of(words: str) -> int:
    tokens = words.split()
    _, index = _place(tokens)
    return int(tokens[index]) if index >= 0 else 1


def at_distance(words: str, distance: int) -> str:
    """The same route at another distance; its name, its tracked object and its tag stay with it."""
    tokens = words.split()
    behind, index = _place(tokens)
    if index >= 0:
        del tokens[index]
    if distance != 1:
        tokens.insert(behind, str(distance))
    return " ".join(tokens)


def ways_of(box: Box, lines: Iterable[str], *, given: bool, dials: bool) -> Ways:
    """``lines``: the words of the routes. ``given``, ``dials``: whether the fixed line uses DHCP, or PPPoE."""
    name, inside = short(box.cellular) if box.cellular else "", address_of(box.lan)
    fixed, mobile = list[Way](), list[Way]()
    for words in lines:
        target = words.partition(" ")[0]
        if target == name:
            mobile.append(Way(words, distance_of(words)))
        elif _NO_LINE.match(target) is None:
            hop = ipv4(target)
            if hop is None or inside is None or hop not in inside.network:
                fixed.append(Way(words, distance_of(words)))
    if given and box.line is not None and "no ip dhcp client request router" not in box.line.lines:
        far = box.line.value(_GIVEN_WORDS) or next(iter(box.top.values("ip dhcp-client default-router distance ")), "")
        fixed.append(Way("", int(far) if far.isdecimal() else _GIVEN))
    if dials and box.dialer is not None and _OVER_PPP in box.dialer.lines:
        fixed.append(Way("", 1))
    return Ways(tuple(fixed), tuple(mobile), bool(halves_of(box)))


def halves_of(box: Box) -> list[str]:
    """The lines of the two halves over the mobile interface; empty unless both are there."""
    name = short(box.cellular) if box.cellular else " "
    starts = [half.removeprefix("ip route ") + name for half in HALVES]
    found = [f"ip route {words}" for words in box.routes if f"{words} ".startswith((f"{starts[0]} ", f"{starts[1]} "))]
    return found if len({line[:19] for line in found}) == len(HALVES) else []


def takes_dhcp(box: Box) -> bool:
    return box.line is not None and any(line.startswith("ip address dhcp") for line in box.line.lines)


def profile_of(box: Box) -> tuple[str, re.Match[str] | None]:
    """The head of the modem's controller and its first profile. A profile that an older release keeps in the modem
    (`cellular 0 lte profile create`) is no part of the configuration."""
    if box.cellular is None:
        return "", None
    head = "controller Cellular " + short(box.cellular).removeprefix("Cellular")
    block = box.block(head) or Block(head)
    return head, next((found for line in block.lines if (found := APN.fullmatch(line))), None)


def floating_of(box: Box) -> str | None:
    name = short(box.cellular) if box.cellular else ""
    return next((w for w in box.defaults if w.partition(" ")[0] == name), None)


def read_mobile(box: Box) -> Mobile | None:
    _, profile = profile_of(box)
    if profile is None or box.cellular is None:
        return None
    active = floating_of(box) is not None and "shutdown" not in box.cellular.lines
    user, password = profile["user"] or "", secret_of(profile["password"] or "")
    first = active and ways_of(box, box.defaults, given=takes_dhcp(box) and not box.dials, dials=box.dials).lead > 0
    barred = apart(bars_of(outward_of(box)[1]).values())
    return attempt(Mobile, profile["apn"], active, user if password else "", password, first, barred)


def outward_of(box: Box) -> tuple[str | None, tuple[str, ...]]:
    """The name of the list on the way out over the mobile interface, and its entries."""
    words = box.cellular.values("ip access-group ") if box.cellular else ()
    name = next((w.partition(" ")[0] for w in words if w.endswith(" out")), None)
    return name, (box.access_list("extended", name) or ()) if name else ()


def bars_of(entries: Iterable[str]) -> dict[str, Barred]:
    """The entries that keep ports off the way out, whoever sends to whomever, and before anything lets them pass."""
    found: dict[str, Barred] = {}
    passed: set[str] = set()
    for line in entries:
        words = plain(line).removesuffix(" log").split()
        if words[:1] == ["permit"] and words[2:4] == ["any", "any"] and words[4:5] in ([], ["reflect"]):
            passed |= {"tcp", "udp"} if words[1] == "ip" else {words[1]}
        rule = rule_of(line) if words[:1] == ["deny"] else None
        if rule is None or rule.source or rule.destination or rule.ports is None or rule.protocol in passed:
            continue
        if rule.protocol in ("tcp", "udp"):
            found[line] = Barred(rule.protocol, Ports(rule.ports.first, rule.ports.last))
    return found
