"""What comes in from the internet to a RouterOS box, and who manages it, in the neutral model.

The list of access rules is a chain of its own, to which both ``input`` and ``forward`` jump for what comes in from the
internet: so rules of other people stay where they are, and ours can be counted. What happens to the rest is one rule in
``forward``, right behind the jump; ports that were opened by address translation stay open.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Final

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import (
    AccessRule,
    Action,
    Firewall,
    Management,
    PortMapping,
    Timer,
)
from cpe_manager.domain.model.cpe_mobile import Ports
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.routeros.language import OURS, Box, Edit, Item, duration, seconds

_FILTER: Final = "ip firewall filter"
_NAT: Final = "ip firewall nat"
_TRACKING: Final = "ip firewall connection tracking"
_CHAIN: Final = f"{OURS}in"
_JUMP: Final = f"{OURS}in"
_REST: Final = f"{OURS}inbound"
_MARK: Final = f"{OURS}timer"
_OUTSIDE: Final = {"in-interface-list": "WAN"}
_VERDICTS: Final[tuple[Action, ...]] = ("accept", "drop", "reject")
_PROTOCOLS: Final = ("ip", "icmp", "tcp", "udp")
_TIMERS: Final = {"tcp": ("tcp-established-timeout", 86_400), "udp": ("udp-timeout", 30)}
_STREAM: Final = ("udp-stream-timeout", 180)
_COMMON: Final = frozenset({"chain", "action", "comment", "disabled", "log", "log-prefix", "reject-with"})
_RULE_WORDS: Final = _COMMON | {"protocol", "src-address", "dst-address", "dst-port"}
_MAPPING_WORDS: Final = _COMMON | {
    *("protocol", "dst-port", "to-addresses", "to-ports", "src-address", "in-interface", "in-interface-list"),
    *("dst-address", "dst-address-type"),
}
_REST_WORDS: Final = _COMMON | {"in-interface-list", "connection-nat-state", "connection-state"}


def _network(text: str) -> IPv4Network | None:
    """None for an empty text; raises ``ValueError`` for what is no network."""
    return IPv4Network(text, strict=False) if text else None


def _ports(text: str) -> Ports | None:
    """None for an empty text; raises for a list of several."""
    first, dash, last = text.partition("-")
    return Ports(int(first), int(last if dash else first)) if text else None


def _bare(network: IPv4Network | None) -> str | None:
    return None if network is None else str(network).removesuffix("/32")


def _rule(item: Item) -> AccessRule | None:
    action, protocol = item.text("action", "accept"), item.text("protocol", "ip")
    if action not in _VERDICTS or protocol not in _PROTOCOLS or item.values.keys() - _RULE_WORDS:
        return None
    try:
        source, destination = (_network(item.text(name)) for name in ("src-address", "dst-address"))
        ports = _ports(item.text("dst-port"))
    except (ValueError, InputError):
        return None
    return attempt(AccessRule, action, protocol, source, destination, ports)


def _rules(box: Box) -> list[tuple[Item, AccessRule | None]]:
    return [(item, _rule(item) if item.active else None) for item in box.all(_FILTER, chain=_CHAIN)]


def _rest_of_others(box: Box) -> Action:
    """What the rules that are not ours do to new connections from the internet: the first verdict for all of them."""
    for item in box.all(_FILTER, chain="forward"):
        if not item.active or item.text("comment") == _REST or item.values.keys() - _REST_WORDS:
            continue
        states = item.words("connection-state")
        outside = item.text("in-interface-list") in ("WAN", "!LAN", "")
        everything = outside and (not states or "new" in states)
        for verdict in _VERDICTS:
            if everything and item.text("action", "accept") == verdict:
                return verdict
    return "accept"


def read_firewall(box: Box) -> Firewall:
    ours = box.first(_FILTER, chain="forward", comment=_REST)
    inbound: Action = _rest_of_others(box)
    if ours is not None and ours.active:
        inbound = next((verdict for verdict in _VERDICTS if verdict == ours.text("action", "accept")), inbound)
    rules = tuple(rule for _, rule in _rules(box) if rule is not None)
    return Firewall(inbound, rules, _read_timers(box))


def _read_timers(box: Box) -> tuple[Timer, ...]:
    """A timer that was set to the system's own value is not in an export: then a rule that does nothing says so."""
    found: list[Timer] = []
    tracking = box.one(_TRACKING)
    for protocol, (name, default) in _TIMERS.items():
        count = seconds(tracking.text(name))
        if count is None and box.first(_FILTER, chain=_MARK, comment=f"{_MARK}-{protocol}") is not None:
            count = default
        timer = attempt(Timer, protocol, count) if count is not None else None
        found += [timer] if timer is not None else []
    return tuple(found)


def write_firewall(edit: Edit, wanted: Firewall) -> None:
    found = read_firewall(edit.box)
    if (found.inbound, found.rules) != (wanted.inbound, wanted.rules):
        _write_rules(edit, wanted.rules)
        _write_rest(edit, wanted.inbound)
    if found.timers != wanted.timers:
        _write_timers(edit, {timer.protocol: timer.seconds for timer in wanted.timers})


def _write_rules(edit: Edit, wanted: tuple[AccessRule, ...]) -> None:
    """The rules up to the first difference stay, all others are made anew behind them."""
    present = _rules(edit.box)
    same = 0
    while same < min(len(present), len(wanted)) and present[same][1] == wanted[same]:
        same += 1
    for item, _ in reversed(present[same:]):
        edit.drop(item)
    for rule in wanted[same:]:
        edit.add(
            _FILTER,
            {
                "action": rule.action,
                "chain": _CHAIN,
                "dst-address": _bare(rule.destination),
                "dst-port": None if rule.ports is None else str(rule.ports),
                "protocol": None if rule.protocol == "ip" else rule.protocol,
                "src-address": _bare(rule.source),
            },
        )
    for chain in ("input", "forward"):
        jump = edit.box.first(_FILTER, chain=chain, comment=_JUMP)
        if wanted and jump is None:
            values = {"action": "jump", "chain": chain, "comment": _JUMP, "jump-target": _CHAIN, **_OUTSIDE}
            edit.add(_FILTER, values, before=_first_verdict(edit.box, chain))
        elif not wanted:
            edit.drop(jump)


def _write_rest(edit: Edit, wanted: Action) -> None:
    ours = edit.box.first(_FILTER, chain="forward", comment=_REST)
    if _rest_of_others(edit.box) == wanted:
        edit.drop(ours)
    elif ours is not None:
        edit.put(ours, action=wanted)
    else:
        values = {"action": wanted, "chain": "forward", "comment": _REST, "connection-nat-state": "!dstnat"}
        edit.add(_FILTER, {**values, **_OUTSIDE}, before=_first_verdict(edit.box, "forward"))


def _first_verdict(box: Box, chain: str) -> Item | None:
    """The first rule of a chain that ends the way of all that comes in from the internet: ours go before it, and behind
    whatever lets replies through and throws away what belongs to nothing."""
    for item in box.all(_FILTER, chain=chain):
        states = item.words("connection-state")
        if item.text("comment") == _REST or (
            item.active
            and item.text("action", "accept") in ("accept", "drop", "reject")
            and item.text("in-interface-list") in ("WAN", "!LAN", "")
            and not item.values.keys() - _REST_WORDS
            and (not states or "new" in states)
        ):
            return item
    return None


def _write_timers(edit: Edit, wanted: dict[str, int]) -> None:
    tracking = edit.box.one(_TRACKING)
    found: dict[str, int] = {timer.protocol: timer.seconds for timer in _read_timers(edit.box)}
    for protocol, (name, default) in _TIMERS.items():
        count = wanted.get(protocol)
        if found.get(protocol) == count:
            continue
        values: dict[str, str | None] = {name: duration(default if count is None else count)}
        if protocol == "udp":
            values[_STREAM[0]] = duration(_STREAM[1] if count is None else count)
        edit.put_all(tracking, values)
        # What is at its default is not in the next export.
        if count in (None, default):
            tracking.values.pop(name, None)
        mark = edit.box.first(_FILTER, chain=_MARK, comment=f"{_MARK}-{protocol}")
        if count == default and mark is None:
            values = {"action": "passthrough", "chain": _MARK, "comment": f"{_MARK}-{protocol}", "disabled": "yes"}
            edit.add(_FILTER, values)
        elif count != default:
            edit.drop(mark)


def _mappings(box: Box) -> list[tuple[tuple[PortMapping, ...], list[Item]]]:
    """The port mappings that rules make, with the rules. Rules of ours that share a comment with a range in it are one
    mapping, since the kernel keeps no order when it translates a range of ports to another one."""
    found: list[tuple[tuple[PortMapping, ...], list[Item]]] = []
    groups: dict[str, list[tuple[PortMapping, Item]]] = {}
    for item in box.all(_NAT, chain="dstnat", action="dst-nat"):
        made = _mapping(item)
        comment = item.text("comment")
        if not made:
            continue
        if comment.startswith(f"{OURS}{item.text('protocol')}-") and comment.count("-") == 3:
            groups.setdefault(comment, []).append((made[0], item))
        else:
            found.append((made, [item]))
    for parts in groups.values():
        whole = _whole([mapping for mapping, _ in parts])
        if whole is not None:
            found.append(((whole,), [item for _, item in parts]))
        else:
            found += [((mapping,), [item]) for mapping, item in parts]
    return found


def _whole(parts: list[PortMapping]) -> PortMapping | None:
    """One mapping of a range out of those of its single ports; None when they do not follow one another."""
    parts = sorted(parts, key=lambda mapping: mapping.ports.first)
    first = parts[0]
    for offset, part in enumerate(parts):
        expected = (first.ports.first + offset, first.inside_port + offset, first.inside, first.source, 1)
        if (part.ports.first, part.inside_port, part.inside, part.source, part.ports.count) != expected:
            return None
    ports = Ports(first.ports.first, parts[-1].ports.first)
    return attempt(PortMapping, first.protocol, ports, first.inside, first.inside_port, first.source)


def _mapping(item: Item) -> tuple[PortMapping, ...]:
    """Empty for a rule that the model cannot say: one for some destinations only, or to several hosts."""
    protocol = item.text("protocol")
    if protocol not in ("tcp", "udp") or not item.active or item.values.keys() - _MAPPING_WORDS:
        return ()
    if item.text("dst-address-type", "local") != "local" or item.text("in-interface").startswith("!"):
        return ()
    inside, inside_ports = attempt(IPv4Address, item.text("to-addresses")), item.text("to-ports")
    listed = item.words("dst-port")
    if inside is None or not listed or (inside_ports and len(listed) > 1):
        return ()
    made = []
    for part in listed:
        try:
            outside, moved = _ports(part), _ports(inside_ports)
            source = _network(item.text("src-address"))
        except (ValueError, InputError):
            return ()
        if outside is None or (moved is not None and moved.count != outside.count):
            return ()
        first = outside.first if moved is None else moved.first
        if moved is not None and moved.count > 1 and moved.first != outside.first:
            return ()
        mapping = attempt(PortMapping, protocol, outside, inside, first, source)
        made += [mapping] if mapping is not None else []
    return tuple(made)


def read_mappings(box: Box) -> tuple[PortMapping, ...]:
    """Of two rules that open the same port the first counts, as in the firewall."""
    kept: list[PortMapping] = []
    for made, _ in _mappings(box):
        for mapping in made:
            if not any(_meet(mapping, other) for other in kept):
                kept.append(mapping)
    return tuple(sorted(kept, key=lambda mapping: (mapping.protocol, mapping.ports.first)))


def _meet(one: PortMapping, other: PortMapping) -> bool:
    overlap = one.ports.first <= other.ports.last and other.ports.first <= one.ports.last
    return one.protocol == other.protocol and overlap


def write_mappings(edit: Edit, wanted: tuple[PortMapping, ...]) -> None:
    if read_mappings(edit.box) == wanted:
        return
    missing = list(wanted)
    for made, items in _mappings(edit.box):
        if all(mapping in missing for mapping in made):
            missing = [mapping for mapping in missing if mapping not in made]
        elif len(items) > 1:
            edit.drop_all(_NAT, items[0].text("comment"))
        else:
            edit.drop(items[0])
    for mapping in missing:
        moved = mapping.ports.count > 1 and mapping.inside_port != mapping.ports.first
        label = f"{OURS}{mapping.protocol}-{mapping.ports.first}" + (f"-{mapping.ports.last}" if moved else "")
        for offset in range(mapping.ports.count) if moved else (0,):
            ports = Ports.one(mapping.ports.first + offset) if moved else mapping.ports
            inside = mapping.inside_port + offset
            edit.add(
                _NAT,
                {
                    "action": "dst-nat",
                    "chain": "dstnat",
                    "comment": label,
                    "dst-port": str(ports),
                    **_OUTSIDE,
                    "protocol": mapping.protocol,
                    "src-address": _bare(mapping.source),
                    "to-addresses": str(mapping.inside),
                    "to-ports": str(Ports(inside, inside + ports.count - 1)),
                },
            )


def _service(box: Box, name: str) -> Item:
    return box.own("ip service", name, name=name)


def _sources(item: Item) -> tuple[IPv4Network, ...]:
    found = [attempt(IPv4Network, word, strict=False) for word in item.words("address") if ":" not in word]
    networks = tuple(network for network in found if network is not None)
    return () if any(network.prefixlen == 0 for network in networks) else networks


def read_management(box: Box) -> Management:
    """Who may reach SSH manages the box. Telnet is open on a box that does not say otherwise."""
    ssh, telnet = _service(box, "ssh"), _service(box, "telnet")
    return Management(_sources(ssh), ssh.active, telnet.active)


def write_management(edit: Edit, wanted: Management) -> None:
    found = read_management(edit.box)
    address = ",".join(str(network) for network in wanted.sources)
    for name, was, shall in (("ssh", found.ssh, wanted.ssh), ("telnet", found.telnet, wanted.telnet)):
        item = _service(edit.box, name)
        values: dict[str, str | None] = {}
        if was != shall:
            values["disabled"] = "no" if shall else "yes"
        if found.sources != wanted.sources or (shall and not was and _sources(item) != wanted.sources):
            values["address"] = address
        edit.put_all(item, values)
