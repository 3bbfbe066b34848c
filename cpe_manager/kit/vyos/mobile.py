"""The mobile connection of a VyOS configuration: which default route goes before which, and what stays off it (§3.8).

Of several default routes the one of the shortest distance counts, whoever wrote the numbers: a static route's is 1
unless it says another, that of what DHCP or PPPoE gives is 210. A distance of these two is not changed where it can be
helped: the box would ask or dial anew, just when the connection is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_mobile import Barred, Mobile, Protocol
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.barring import PROTOCOLS, apart, listed, words_of
from cpe_manager.kit.vyos import wan as vyos_wan
from cpe_manager.kit.vyos.management import FORWARD, rules
from cpe_manager.kit.vyos.roles import DEFAULT_ROUTE, is_on, masqueraded, mobile_of, path_of, wan_of
from cpe_manager.kit.vyos.set_lines import Path, SetLines

GIVEN: Final = 210
"""The distance of what DHCP or PPPoE gives."""
LEARNT: Final = 20
"""The distance of external BGP: that of a fixed line whose default route the text does not have."""
# Above all these: the route stands by.
STANDBY: Final = 240
_FIRST: Final = 1
_LONGEST: Final = 254
_DEFAULT: Final[Path] = tuple(DEFAULT_ROUTE.split())
_FAR: Final = "default-route-distance"
_BAR: Final = frozenset((*("action", "protocol", "destination port", "description", "log", "outbound-interface name"),))
_PASSING: Final = frozenset({"action", "description", "log", "state"})
_SPOKEN: Final[dict[str, tuple[Protocol, ...]]] = {"tcp": ("tcp",), "udp": ("udp",), "tcp_udp": PROTOCOLS}
_ABOUT: Final = "stays off the mobile connection"


@dataclass(frozen=True, slots=True)
class _Way:
    """A default route. leaf: where its distance stands; None where it can have none. given: by the other side."""

    distance: int
    leaf: Path | None
    given: bool = False


def _number(box: SetLines, leaf: Path, default: int) -> int:
    word = box.value(leaf)
    return int(word) if word.isdecimal() else default


def _static(box: SetLines, kind: str, target: str) -> _Way:
    leaf = (*_DEFAULT, kind, target, "distance")
    return _Way(_number(box, leaf, _FIRST), leaf)


def _from_outside(box: SetLines, name: str) -> list[_Way]:
    """What the other side gives on an interface."""
    path = path_of(name)
    if name.startswith("pppoe"):
        options = path
    elif "dhcp" in box.values((*path, "address")):
        options = (*path, "dhcp-options")
    else:
        return []
    if box.has((*options, "no-default-route")):
        return []
    return [_Way(_number(box, (*options, _FAR), GIVEN), (*options, _FAR), given=True)]


def _fixed(box: SetLines) -> list[_Way]:
    outside, mobile = wan_of(box), mobile_of(box)
    inside = vyos_wan.read_lan(box)
    found = _from_outside(box, outside) if outside else []
    for hop in box.names((*_DEFAULT, "next-hop")):
        path, address = (*_DEFAULT, "next-hop", hop), attempt(IPv4Address, hop)
        within = address is not None and inside is not None and address in inside.address.network
        if not within and not box.has((*path, "disable")) and box.value((*path, "interface")) != mobile:
            found.append(_static(box, "next-hop", hop))
    for name in box.names((*_DEFAULT, "interface")):
        if name != mobile and not box.has((*_DEFAULT, "interface", name, "disable")):
            found.append(_static(box, "interface", name))
    if (name := box.value((*_DEFAULT, "dhcp-interface"))) and name != mobile:
        found.append(_Way(_FIRST, None))
    return found


def _mobile(box: SetLines, name: str) -> list[_Way]:
    there = box.has(by_interface(name)) and not box.has((*by_interface(name), "disable"))
    return [*_from_outside(box, name), *([_static(box, "interface", name)] if there else [])]


def _lead(box: SetLines, name: str) -> int:
    """By how much the mobile route goes before the fixed line's; none or less: it does not."""
    fixed = min((way.distance for way in _fixed(box)), default=LEARNT)
    return fixed - min((way.distance for way in _mobile(box, name)), default=255)


def by_interface(name: str) -> Path:
    """A static default route over the mobile interface, the other way to have one."""
    return (*_DEFAULT, "interface", name)


def read_mobile(box: SetLines) -> Mobile | None:
    name = mobile_of(box)
    if not name:
        return None
    path = path_of(name)
    active = is_on(box, name) and bool(_mobile(box, name))
    login = [box.value((*path, "authentication", part)) for part in ("username", "password")]
    barred = apart(one for _, several in _bars(box, name) for one in several)
    preferred = active and _lead(box, name) > 0
    return attempt(Mobile, box.value((*path, "apn")), active, *login, preferred, barred)


def write_mobile(box: SetLines, wanted: Mobile | None, *, was_preferred: bool) -> None:
    """``was_preferred``: before the internet side was written, which may have changed whose route goes first."""
    now = read_mobile(box)
    first = wanted is not None and wanted.preferred
    if now == wanted and (first or not was_preferred):
        return
    name = mobile_of(box) or "wwan0"
    if now is not None and not first and (was_preferred or now.preferred):
        _lead_with_fixed(box, name)
    if wanted is None:
        _write_barred(box, name, ())
        _take_away(box, name)
        return
    if now is None or _basics(now) != _basics(wanted):
        _write_connection(box, name, wanted, active=now is not None and now.active)
    _write_barred(box, name, wanted.barred)
    if wanted.preferred and _lead(box, name) <= 0:
        _lead_with_mobile(box, name)


def _basics(mobile: Mobile) -> tuple[str, bool, str, str]:
    return mobile.apn, mobile.active, mobile.username, mobile.password


def _take_away(box: SetLines, name: str) -> None:
    """An interface without an APN is refused by the box: it goes, and the NAT that names it."""
    box.drop(by_interface(name))
    box.drop(path_of(name))
    for number in box.names("nat source rule"):
        if box.value(f"nat source rule {number} outbound-interface name") == name:
            box.drop(f"nat source rule {number}")


def _write_connection(box: SetLines, name: str, wanted: Mobile, *, active: bool) -> None:
    path = path_of(name)
    options = (*path, "dhcp-options")
    box.put((*path, "apn"), wanted.apn)
    box.put((*path, "authentication", "username"), *([wanted.username] if wanted.username else []))
    box.put((*path, "authentication", "password"), *([wanted.password] if wanted.password else []))
    if not wanted.active:
        box.drop(by_interface(name))
        box.mark((*options, "no-default-route"))
    elif not active:
        box.drop((*path, "disable"))
        if not box.has(by_interface(name)):
            box.put((*path, "address"), *dict.fromkeys([*box.values((*path, "address")), "dhcp"]))
            box.drop((*options, "no-default-route"), keep=3)
    if _number(box, (*options, _FAR), GIVEN) < STANDBY:
        box.put((*options, _FAR), str(STANDBY))
    inside = vyos_wan.read_lan(box)
    if inside is not None and name not in masqueraded(box):
        vyos_wan.hide_behind(box, name, inside)


def _lead_with_mobile(box: SetLines, name: str) -> None:
    """A static route over the mobile interface comes to the front, where what it has to go before leaves room. Routes
    that leave none step back by as much as a route that stands by is away, so that the way back is known."""
    mobile = min((way.distance for way in _mobile(box, name)), default=STANDBY)
    near = [way for way in _fixed(box) if way.distance <= mobile]
    if not near or any(way.given for way in near) or any(way.distance + mobile > _LONGEST for way in near):
        box.put((*by_interface(name), "distance"), str(_FIRST))
        mobile = _FIRST
    step = mobile if mobile > _FIRST else STANDBY
    for way in _fixed(box):
        if way.distance > mobile:
            continue
        if way.leaf is None:
            raise InputError("the default route by `dhcp-interface` has no distance: none can go before it")
        box.put(way.leaf, str(min(way.distance + step, _LONGEST)))


def _lead_with_fixed(box: SetLines, name: str) -> None:
    """What ``_lead_with_mobile`` did is undone; whatever numbers somebody else chose, the fixed line leads then."""
    leaf = (*by_interface(name), "distance")
    if box.has(by_interface(name)) and _number(box, leaf, _FIRST) == _FIRST:
        if _from_outside(box, name):
            box.drop(by_interface(name))
        else:
            box.put(leaf, str(STANDBY))
    mobile = min((way.distance for way in _mobile(box, name)), default=STANDBY)
    for way in _fixed(box):
        if way.distance > mobile:
            _put_back(box, way, way.distance - mobile)
    if _lead(box, name) >= 0:
        for way in _fixed(box):
            _put_back(box, way, _FIRST)
    for way in _mobile(box, name) if _lead(box, name) >= 0 else ():
        if way.leaf is not None:
            box.put(way.leaf, str(STANDBY))


def _put_back(box: SetLines, way: _Way, distance: int) -> None:
    """A distance that is the usual one is not said."""
    if way.leaf is None:
        return
    if way.given or distance == _FIRST:
        box.drop(way.leaf, keep=len(way.leaf) - 1)
    else:
        box.put(way.leaf, str(distance))


def _bars(box: SetLines, name: str) -> list[tuple[int, tuple[Barred, ...]]]:
    """The rules, by number, that keep ports off the way out, whoever sends to whomever. Behind a rule that lets running
    sessions pass there are none: a call would come along."""
    found: list[tuple[int, tuple[Barred, ...]]] = []
    for number, rule in rules(box, FORWARD):
        leaves = box.leaves(rule)
        action = box.value((*rule, "action"))
        if action in ("accept", "offload") and not set(leaves) - _PASSING:
            break
        protocols = _SPOKEN.get(box.value((*rule, "protocol")), ())
        if (
            action in ("drop", "reject")
            and not set(leaves) - _BAR
            and box.value((*rule, "outbound-interface", "name")) == name
        ):
            several = listed(protocols, box.value((*rule, "destination", "port")))
            found += [(number, several)] if several else []
    return found


def last_bar(box: SetLines) -> int:
    """The number of the last rule that keeps something off the mobile connection; 0: there is none."""
    name = mobile_of(box)
    return max((number for number, _ in _bars(box, name)), default=0) if name else 0


def _write_barred(box: SetLines, name: str, wanted: tuple[Barred, ...]) -> None:
    present = _bars(box, name)
    if apart(one for _, several in present for one in several) == wanted:
        return
    for number, _ in present:
        box.drop((*FORWARD, "rule", str(number)))
    several = [(protocol, words_of(wanted, protocol)) for protocol in PROTOCOLS]
    needed = [(protocol, words) for protocol, words in several if words]
    taken = set(box.names((*FORWARD, "rule")))
    first = next(
        (
            number
            for number, rule in rules(box, FORWARD)
            if box.value((*rule, "action")) in ("accept", "offload") and not set(box.leaves(rule)) - _PASSING
        ),
        1_000_000,
    )
    numbers = [str(number) for number in range(1, min(first, 1000)) if str(number) not in taken][: len(needed)]
    if len(numbers) < len(needed):
        raise InputError(f"no rule number is left in {' '.join(FORWARD)} before rule {first}, which lets sessions pass")
    for free, (protocol, words) in zip(numbers, needed, strict=True):
        rule = (*FORWARD, "rule", free)
        box.put((*rule, "action"), "drop")
        box.put((*rule, "description"), _ABOUT)
        box.put((*rule, "destination", "port"), ",".join(words))
        box.put((*rule, "outbound-interface", "name"), name)
        box.put((*rule, "protocol"), protocol)
