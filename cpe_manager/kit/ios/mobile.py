"""Changes of an IOS configuration: the mobile connection, which default route goes first, and what stays off it."""

from __future__ import annotations

from typing import Final

from cpe_manager.domain.model.cpe_mobile import Barred
from cpe_manager.kit.access_list import plain, same
from cpe_manager.kit.ios.box import short
from cpe_manager.kit.ios.edit import Edit
from cpe_manager.kit.ios.ways import (
    DEFAULT,
    HALVES,
    Way,
    Ways,
    at_distance,
    bars_of,
    floating_of,
    halves_of,
    outward_of,
    profile_of,
    ways_of,
)

# Above the distance of any route of the fixed line but the one that DHCP gives.
FLOATING: Final = 250
_LONGEST: Final = 254
_FIRST: Final = 1
_OUTWARD: Final = "MOBILE-OUT"
_ALL: Final = "permit ip any any"


def write_mobile(edit: Edit) -> None:
    """A default route goes before what replaces it comes: at no moment do two of one way stand side by side, and while
    that of one way is away, that of the other carries."""
    box, old, new = edit.box, edit.old.mobile, edit.new.mobile
    if box.cellular is None:
        return
    if old is not None and old.preferred and not (new is not None and new.preferred):
        _lead(edit)
    if old != new:
        _write_profile(edit)
        floating = floating_of(box)
        if new is not None and new.active:
            edit.within(box.cellular.head, ["no shutdown"] if "shutdown" in box.cellular.lines else [])
            edit.add(*([] if floating else [f"{DEFAULT}{short(box.cellular)} {FLOATING}"]))
        else:
            for way in _ways(edit).mobile:
                edit.remove(DEFAULT + way.words)
        _write_barred(edit, new.barred if new else ())
    if new is not None and new.preferred and _ways(edit).lead <= 0:
        _stand_by(edit)


def _write_profile(edit: Edit) -> None:
    old, new = edit.old.mobile, edit.new.mobile
    head, profile = profile_of(edit.box)
    if new is None:
        edit.within(head, [f"no {profile[0]}"] if profile else [])
    elif old is None or (old.apn, old.username, old.password) != (new.apn, new.username, new.password):
        login = f"chap username {new.username} password 0 {new.password}" if new.username else "none"
        number, rest = (profile["number"], profile["rest"]) if profile else ("1", "")
        edit.within(head, [f"profile id {number} apn {new.apn} authentication {login}{rest}"])


def _ways(edit: Edit) -> Ways:
    """The default routes as they are once the commands so far have run."""
    kept = [words for words in edit.box.defaults if DEFAULT + words not in edit.gone_lines]
    fresh = [command.removeprefix(DEFAULT) for command in edit.commands if command.startswith(DEFAULT)]
    wan = edit.new.wan
    found = ways_of(
        edit.box,
        dict.fromkeys([*kept, *fresh]),
        given=wan is not None and wan.mode == "dhcp",
        dials=wan is not None and wan.mode == "pppoe",
    )
    return Ways(found.fixed, found.mobile, found.halved and not edit.gone_lines.issuperset(halves_of(edit.box)))


def _move(edit: Edit, way: Way, distance: int) -> None:
    edit.remove(DEFAULT + way.words)
    edit.add(DEFAULT + at_distance(way.words, distance))


def _stand_by(edit: Edit) -> None:
    """The fixed line's routes step back behind the mobile one by as much as they are away, so that the way back is
    known. Where there is no room for that the mobile route comes to the front; where nothing can be moved (PPP's own
    route), two halves of it go before every default route."""
    ways = _ways(edit)
    mobile = min((way.distance for way in ways.mobile), default=FLOATING)
    near = [way for way in ways.fixed if way.distance <= mobile]
    if near and all(way.words and way.distance + mobile <= _LONGEST for way in near):
        for way in near:
            _move(edit, way, way.distance + mobile)
    elif ways.nearest > _FIRST and ways.mobile:
        _move(edit, min(ways.mobile, key=_distance), _FIRST)
    elif edit.box.cellular is not None:
        edit.add(*(half + short(edit.box.cellular) for half in HALVES))


def _lead(edit: Edit) -> None:
    """What ``_stand_by`` did is undone; whatever distances somebody else has chosen, the fixed line goes first then."""
    for line in halves_of(edit.box):
        edit.remove(line)
    ways = _ways(edit)
    mobile = min(ways.mobile, key=_distance, default=Way("", FLOATING))
    if mobile.words and mobile.distance == _FIRST:
        _move(edit, mobile, FLOATING)
    else:
        for way in ways.fixed:
            if way.words and way.distance > mobile.distance:
                _move(edit, way, way.distance - mobile.distance)
    ways, goal = _ways(edit), edit.goal
    if ways.lead < 0 or not ways.mobile:
        return
    lines = [way for way in ways.fixed if way.words]
    for way in lines:
        _move(edit, way, _FIRST)
    if not lines and goal:
        edit.add(DEFAULT + goal)
    if _ways(edit).lead >= 0:
        _move(edit, min(_ways(edit).mobile, key=_distance), FLOATING)


def _distance(way: Way) -> int:
    return way.distance


def _write_barred(edit: Edit, wanted: tuple[Barred, ...]) -> None:
    """A changed list is written beside the old one and takes its place with one command. A packet filter, and so a call
    that is under way on the fixed line does not come along."""
    name, entries = outward_of(edit.box)
    present = bars_of(entries)
    old = edit.old.mobile
    if (old.barred if old else ()) == wanted or edit.box.cellular is None:
        return
    bars = [f"deny {one.protocol} any any {_ports(one)}" for one in wanted]
    rest = [plain(line) for line in entries if line not in present and same(line) not in bars]
    if not wanted and rest in ([], [_ALL]):
        edit.within(edit.box.cellular.head, [f"no ip access-group {name} out"] if name else [])
    else:
        fresh = edit.free_name(_OUTWARD)
        edit.within(f"ip access-list extended {fresh}", [*bars, *(rest or [_ALL])])
        edit.within(edit.box.cellular.head, [f"ip access-group {fresh} out"])
        edit.gone_lines.add(f"ip access-group {name} out")
    if name:
        edit.loosen("extended", name)


def _ports(one: Barred) -> str:
    return f"eq {one.ports.first}" if one.ports.count == 1 else f"range {one.ports.first} {one.ports.last}"
