"""The mobile connection of a RouterOS box: which default route goes before which, and what stays off it (§3.8).

Of several default routes the one of the shortest distance counts, whoever wrote the numbers. Here the fixed line's
route is the one that moves: another distance of the modem's makes it attach anew, just when it is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cpe_manager.domain.model.cpe_mobile import Barred, Mobile, Protocol
from cpe_manager.kit.addresses import ipv4
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.barring import PROTOCOLS, apart, listed, words_of
from cpe_manager.kit.routeros import lan as inside
from cpe_manager.kit.routeros import wan as line
from cpe_manager.kit.routeros.language import OURS, Box, Edit, Item

_APN: Final = "interface lte apn"
_LTE: Final = "interface lte"
_DHCP: Final = "ip dhcp-client"
_ROUTE: Final = "ip route"
_FILTER: Final = "ip firewall filter"
_ANYWHERE: Final = "0.0.0.0/0"
# Above what any WAN has: the route stands by.
_STANDBY: Final = 200
_LONGEST: Final = 254
LEARNT: Final = 20
"""The distance of external BGP: that of a fixed line whose default route the text does not have."""
# What an APN is called where nobody named one.
_APN_DEFAULT: Final = "internet"
_BARRED: Final = f"{OURS}barred"
_FAR: Final = "default-route-distance"
_COMMON: Final = frozenset({"chain", "action", "comment", "disabled", "log", "log-prefix", "reject-with"})
_BAR_WORDS: Final = _COMMON | {"protocol", "dst-port", "out-interface"}
_PASSING_WORDS: Final = _COMMON | {"connection-state", "hw-offload"}
_RANGES: Final = 7
"""A rule takes fifteen ports, and a range counts for two."""


@dataclass(frozen=True, slots=True)
class _Way:
    """A default route: the item that makes it, and the property that its distance is."""

    item: Item
    name: str
    usual: int

    @property
    def distance(self) -> int:
        word = self.item.text(self.name)
        return int(word) if word.isdecimal() else self.usual


def _lte(box: Box) -> Item | None:
    return box.first(_LTE)


def _name(modem: Item) -> str:
    return modem.text("name") or modem.text("default-name", "lte1")


def _apn(box: Box, modem: Item) -> Item | None:
    """The profile that a modem uses; None for the system's own as long as nobody named an APN in it."""
    name = next(iter(modem.words("apn-profiles")), "default")
    item = box.first(_APN, name=name) or (box.first(_APN, default="yes") if name == "default" else None)
    return None if item is not None and item.handle and "apn" not in item.values else item


def _fixed(box: Box) -> list[_Way]:
    found = [_Way(one, _FAR, 1) for one in line.clients(box) if line.is_on(one) and one.on("add-default-route")]
    asking = [one for one in box.all(_DHCP) if one.active and one.text("add-default-route", "yes") != "no"]
    found += [_Way(client, _FAR, 1) for client in asking if line.is_line(box, client)]
    static = list(_static(box))
    mobile, lan = (set(line.modems(box)), inside.read_lan(box)) if static else (set(), None)
    for route, gateways in static:
        hop = ipv4(gateways[0].partition("%")[0])
        within = hop is not None and lan is not None and hop in lan.address.network
        if not within and not mobile.intersection(_over(gateways)):
            found.append(_Way(route, "distance", 1))
    return found


def _static(box: Box) -> Iterator[tuple[Item, list[str]]]:
    """Default routes of the main table, with their gateways."""
    for route in box.all(_ROUTE):
        if route.text("dst-address", _ANYWHERE) != _ANYWHERE:
            continue
        plain = route.text("routing-table", "main") == "main" and not route.on("blackhole")
        gateways = route.words("gateway")
        if route.active and plain and gateways:
            yield route, gateways


def _over(gateways: list[str]) -> set[str]:
    """The interfaces that gateways name."""
    return {gateway.rpartition("%")[2] for gateway in gateways}


def _mobile(box: Box, modem: Item, profile: Item) -> list[_Way]:
    found = [_Way(profile, _FAR, 2)] if profile.on("add-default-route", default=True) else []
    return found + [_Way(route, "distance", 1) for route, gws in _static(box) if _name(modem) in _over(gws)]


def _lead(box: Box, modem: Item, profile: Item) -> int:
    """By how much the mobile route goes before the fixed line's; none or less: it does not."""
    fixed = min((way.distance for way in _fixed(box)), default=LEARNT)
    return fixed - min((way.distance for way in _mobile(box, modem, profile)), default=255)


def read_mobile(box: Box) -> Mobile | None:
    modem = _lte(box)
    profile = _apn(box, modem) if modem is not None else None
    if modem is None or profile is None:
        return None
    active = modem.active and profile.on("add-default-route", default=True)
    spoken = profile.text("authentication", "none") != "none"
    log_in = (profile.text("user"), profile.text("password")) if spoken else ("", "")
    apn, first = profile.text("apn", _APN_DEFAULT), active and _lead(box, modem, profile) > 0
    barred = apart(one for _, several in _bars(box, _name(modem)) for one in several)
    return attempt(Mobile, apn, active, *log_in, first, barred) or attempt(Mobile, apn, active, "", "", first, barred)


def write_mobile(edit: Edit, wanted: Mobile | None, *, was_preferred: bool) -> None:
    """``was_preferred``: before the internet side was written, which may have changed whose route goes first."""
    box, now = edit.box, read_mobile(edit.box)
    first = wanted is not None and wanted.preferred
    if now == wanted and (first or not was_preferred):
        return
    modem = _lte(box) or box.own(_LTE, "default-name=lte1", default_name="lte1", name="lte1")
    profile = _apn(box, modem)
    if profile is not None and not first and (was_preferred or (now is not None and now.preferred)):
        _lead_with_fixed(edit, modem, profile)
    if wanted is None:
        _write_barred(edit, _name(modem), ())
        _take_away(edit, modem, profile)
        return
    profile = _write_connection(edit, modem, profile, wanted)
    _write_barred(edit, _name(modem), wanted.barred)
    if first and _lead(box, modem, profile) <= 0:
        _lead_with_mobile(edit, modem, profile)


def _take_away(edit: Edit, modem: Item, profile: Item | None) -> None:
    """The modem stays: what is in the box is no matter of configuration. Without an APN of its own it is idle."""
    edit.put(modem, apn_profiles="default", disabled="yes")
    if profile is not None and profile.handle:
        edit.put(profile, apn=_APN_DEFAULT)
        profile.values.pop("apn")
    else:
        edit.drop(profile)
    modem.values.pop("apn-profiles", None)


def _write_connection(edit: Edit, modem: Item, profile: Item | None, wanted: Mobile) -> Item:
    if profile is None or profile.handle:
        taken = edit.box.first(_APN, name=f"{OURS}mobile")
        values = {"apn": wanted.apn, _FAR: str(_STANDBY), "name": f"{OURS}mobile"}
        profile = taken or edit.add(_APN, values)
        edit.put(modem, apn_profiles=f"{OURS}mobile")
        line.add_outside(edit, _name(modem))
    values_of: dict[str, str | None] = {}
    if profile.text("apn", _APN_DEFAULT) != wanted.apn:
        values_of["apn"] = wanted.apn
    had = profile.text("authentication", "none") != "none"
    if had != bool(wanted.username):
        values_of["authentication"] = "chap" if wanted.username else "none"
    if wanted.username or had:
        values_of |= {"user": wanted.username, "password": wanted.password}
    if wanted.active != profile.on("add-default-route", default=True):
        values_of["add-default-route"] = "yes" if wanted.active else "no"
    edit.put_all(profile, values_of)
    if wanted.active and not modem.active:
        edit.put(modem, disabled="no")
    return profile


def _lead_with_mobile(edit: Edit, modem: Item, profile: Item) -> None:
    """The fixed line's routes step back behind the mobile one by as much as they are away, so that the way back is
    known. Where the text has none of them, the mobile one comes to the front."""
    ways, fixed = _mobile(edit.box, modem, profile), _fixed(edit.box)
    mobile = min((way.distance for way in ways), default=_STANDBY)
    if mobile >= _LONGEST or not fixed:
        mobile = _STANDBY if fixed else 1
        _put(edit, ways, mobile)
    for way in fixed:
        if way.distance <= mobile:
            _put(edit, [way], min(way.distance + mobile, _LONGEST))


def _lead_with_fixed(edit: Edit, modem: Item, profile: Item) -> None:
    """What ``_lead_with_mobile`` did is undone; whatever numbers somebody else chose, the fixed line leads then."""
    mobile = min((way.distance for way in _mobile(edit.box, modem, profile)), default=_STANDBY)
    for way in _fixed(edit.box):
        if way.distance > mobile:
            _put(edit, [way], way.distance - mobile)
    if _lead(edit.box, modem, profile) >= 0:
        _put(edit, _mobile(edit.box, modem, profile), _STANDBY)
    if _lead(edit.box, modem, profile) >= 0:
        _put(edit, _fixed(edit.box), 1)


def _put(edit: Edit, ways: list[_Way], distance: int) -> None:
    for way in ways:
        if way.distance != distance:
            edit.put_all(way.item, {way.name: str(distance)})


def _bars(box: Box, name: str) -> list[tuple[Item, tuple[Barred, ...]]]:
    """The rules that keep ports off the way out, whoever sends to whomever. Behind a rule that lets running sessions
    pass there are none: a call would come along."""
    found: list[tuple[Item, tuple[Barred, ...]]] = []
    for item in box.all(_FILTER, chain="forward"):
        if not item.active:
            continue
        action, states = item.text("action", "accept"), item.words("connection-state")
        if action in ("accept", "fasttrack-connection"):
            if not item.values.keys() - _PASSING_WORDS and (not states or "established" in states):
                break
        elif action in ("drop", "reject") and item.text("out-interface") == name:
            protocols = [protocol for protocol in PROTOCOLS if protocol == item.text("protocol")]
            several = () if item.values.keys() - _BAR_WORDS else listed(protocols, item.text("dst-port"))
            found += [(item, several)] if several else []
    return found


def _write_barred(edit: Edit, name: str, wanted: tuple[Barred, ...]) -> None:
    """At the head of the chain. What takes the fast track sees no filter any more, so what is barred is kept off that:
    else a call that began on the fixed line would come along."""
    present = _bars(edit.box, name)
    if apart(one for _, several in present for one in several) == wanted:
        return
    edit.drop_all(_FILTER, _BARRED)
    for item, _ in present:
        if item.text("comment") != _BARRED:
            edit.drop(item)
    before = edit.box.first(_FILTER, chain="forward")
    fast = edit.box.first(_FILTER, chain="forward", action="fasttrack-connection") is not None
    common = {"chain": "forward", "comment": _BARRED}
    for protocol, ports in _chunks(wanted):
        values = {"action": "drop", **common, "dst-port": ports, "out-interface": name, "protocol": protocol}
        edit.add(_FILTER, values, before=before)
    for protocol, ports in _chunks(wanted) if fast else ():
        for side in ("dst-port", "src-port"):
            values = {"action": "accept", **common, "connection-state": "established,related", "protocol": protocol}
            edit.add(_FILTER, {**values, side: ports}, before=before)


def _chunks(barred: tuple[Barred, ...]) -> Iterator[tuple[Protocol, str]]:
    """As many ports as one rule takes, by protocol."""
    for protocol in PROTOCOLS:
        words = words_of(barred, protocol)
        for start in range(0, len(words), _RANGES):
            yield protocol, ",".join(words[start : start + _RANGES])
