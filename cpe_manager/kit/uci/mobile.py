"""Which of two ways traffic takes first on a box with UCI, and what stays off the mobile one; both families share it.

netifd gives every default route the metric of its interface, and the kernel takes the lowest. Where mwan3 decides
(OpenWrt's package, RutOS' failover), the lowest metric among the members of a policy does. To prefer the other way both
change places: the fixed line's metrics move by the distance between the two, so that the way back leads to what was.

What is barred are rules of the firewall towards a zone of its own. A zone is the one thing of UCI that finds a modem's
device by the interface's name. The zone covers the mobile interface beside the zone of the internet, stands behind it,
and so decides nothing else. The firewall lets packets of known sessions pass before any rule is looked at: a call that
began over the fixed line is not cut. And the rules look at what is forwarded, not at what the box itself sends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, cast

from cpe_manager.domain.model.cpe_mobile import Barred, Mobile, Ports, Protocol
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.uci.language import OURS, Edit, Section, Uci

_ZONE: Final = f"{OURS}barred"
_RULE: Final = f"{OURS}barred_"
_APART: Final = 200
"""Between two that were level."""


def decides(box: Uci) -> bool:
    """Whether mwan3 decides on the way out. While it watches nobody, the metrics of the routes do."""
    return any(section.on("enabled") for section in box.all("mwan3", "interface"))


def preferred(box: Uci, mobile: Section) -> bool:
    """Whether the mobile interface goes before the fixed line."""
    members = _members(box, mobile)
    return _first(*members, 1) if members else _first(*_interfaces(box, mobile), 0)


def arrange(edit: Edit, mobile: Section, wanted: bool) -> None:
    """Have the mobile interface go first, or stand by, wherever that is decided."""
    _move(edit, *_interfaces(edit.box, mobile), 0, wanted, others=_beside(edit.box, mobile))
    if members := _members(edit.box, mobile):
        _move(edit, *members, 1, wanted)


def policies(box: Uci) -> list[Section]:
    """Those that a rule leads traffic to, in the rules' order; all of them where no rule names any."""
    used = [rule.text("use_policy") for rule in box.all("mwan3", "rule")]
    found = box.all("mwan3", "policy")
    named = [policy for name in dict.fromkeys(used) for policy in found if policy.name == name]
    return named or found


def _members(box: Uci, mobile: Section) -> tuple[list[Section], list[Section]] | None:
    """mwan3's members for the fixed line and for the mobile one; None where it does not decide between them."""
    if not decides(box):
        return None
    fixed: list[Section] = []
    over: list[Section] = []
    for policy in policies(box):
        found = [m for word in policy.words("use_member") if (m := box.named("mwan3", word, "member"))]
        of_line = [member for member in found if member.text("interface") == "wan"]
        of_mobile = [member for member in found if member.text("interface") == mobile.name]
        if of_line and of_mobile:
            fixed += [member for member in of_line if member not in fixed]
            over += [member for member in of_mobile if member not in over]
    return (fixed, over) if fixed else None


def _interfaces(box: Uci, mobile: Section) -> tuple[list[Section], list[Section]]:
    """Interfaces of the fixed line that bring a default route, and the mobile one."""
    line = box.named("network", "wan", "interface")
    with_gateway = [section for section in _beside(box, mobile) if section.text("gateway")]
    return [*([line] if line else []), *with_gateway], [mobile]


def _beside(box: Uci, mobile: Section | None) -> list[Section]:
    """What stands on the fixed line beside ``wan``: a fixed address over PPPoE, IPv6."""
    line = box.named("network", "wan", "interface")
    device = (line.text("device") or line.text("ifname")) if line else ""
    there = {"@wan", device} - {""}
    others = (s for s in box.all("network", "interface") if s is not line and s is not mobile)
    return [section for section in others if section.text("device", section.text("ifname")) in there]


def fixed_names(box: Uci) -> frozenset[str]:
    """The logical interfaces on the fixed line."""
    return frozenset(("wan", *(section.name for section in _beside(box, None))))


def _metric(section: Section, default: int) -> int:
    text = section.text("metric")
    return int(text) if text.isdecimal() else default


def _lowest(sections: Sequence[Section], default: int) -> int:
    return min((_metric(section, default) for section in sections), default=default)


def _first(fixed: Sequence[Section], mobile: Sequence[Section], default: int) -> bool:
    return bool(fixed) and _lowest(mobile, default) < _lowest(fixed, default)


def _move(
    edit: Edit, fixed: Sequence[Section], mobile: Sequence[Section], default: int, wanted: bool,
    others: Sequence[Section] = (),
) -> None:  # fmt: skip
    if not fixed or _first(fixed, mobile, default) == wanted:
        return
    line, over = _lowest(fixed, default), _lowest(mobile, default)
    # Negative on the way back.
    step = over - line or _APART

    def put(section: Section, by: int) -> None:
        value = max(default, _metric(section, default) + by)
        edit.put(section, "metric", str(value) if value else None)

    for section in (*fixed, *(other for other in others if all(other is not one for one in fixed))):
        put(section, step)
    for section in mobile if over != line else ():
        put(section, -step)


def read_barred(box: Uci, mobile: Section) -> tuple[Barred, ...]:
    zone = box.named("firewall", _ZONE, "zone")
    if zone is None or mobile.name not in zone.words("network"):
        return ()
    found = (attempt(_barred, section) for section in _rules(box))
    return tuple(sorted(one for one in found if one))


def _rules(box: Uci) -> list[Section]:
    return [s for s in box.all("firewall", "rule") if re.fullmatch(rf"{_RULE}[0-9]+(?:_[0-9]+)?", s.name)]


def _barred(section: Section) -> Barred:
    if section.text("dest") != _ZONE or section.text("target") != "DROP" or not section.on("enabled", True):
        raise ValueError("no rule that keeps anything off")
    first, _, last = section.text("dest_port").partition("-")
    return Barred(cast("Protocol", section.text("proto")), Ports(int(first), int(last or first)))


def write_barred(edit: Edit, mobile: Section | None, wanted: tuple[Barred, ...]) -> None:
    present = {made: section for section in _rules(edit.box) if (made := attempt(_barred, section))}
    zone = edit.box.named("firewall", _ZONE, "zone")
    for section in _rules(edit.box):
        if section not in (present[one] for one in wanted if one in present):
            edit.drop(section)
    if not wanted or mobile is None:
        if zone is not None:
            edit.drop(zone)
        return
    if zone is None:
        internet = next((s for s in edit.box.all("firewall", "zone") if s.text("name") == "wan"), None)
        policy = {word: internet.text(word) if internet else "REJECT" for word in ("input", "output", "forward")}
        edit.add("firewall", "zone", _ZONE, name=_ZONE, network=[mobile.name], **policy)
    elif zone.words("network") != [mobile.name]:
        edit.put(zone, "network", [mobile.name])
    for one in wanted:
        if one not in present:
            edit.add(
                "firewall", "rule", f"{_RULE}1", src="*", dest=_ZONE, proto=one.protocol, dest_port=str(one.ports),
                target="DROP",
            )  # fmt: skip


def whole(box: Uci, section: Section, active: bool, log_in: tuple[str, str]) -> Mobile | None:
    """The model of a mobile interface; None without an access point."""
    first = active and preferred(box, section)
    return attempt(Mobile, section.text("apn"), active, *log_in, first, read_barred(box, section))


def write(edit: Edit, wanted: Mobile | None, section_of: Callable[[Uci], Section | None]) -> None:
    """Which way goes first, and what is barred, once the interface itself is written."""
    section = section_of(edit.box)
    if section is not None:
        arrange(edit, section, wanted is not None and wanted.preferred)
    write_barred(edit, section, wanted.barred if wanted else ())
