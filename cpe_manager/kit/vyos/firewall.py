"""What a VyOS configuration lets in from the internet: the filter, opened ports, session timers, and management."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Final, Literal

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import AccessRule, Action, Firewall, PortMapping, Timer
from cpe_manager.domain.model.cpe_mobile import Ports
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.vyos.management import FORWARD, INPUT, network, ports, rules, ssh_rules, write_ssh_rule, written
from cpe_manager.kit.vyos.mobile import last_bar
from cpe_manager.kit.vyos.roles import lan_of, lowest_free, wan_of
from cpe_manager.kit.vyos.set_lines import Path, SetLines

_OURS: Final = "WAN-IN"
_SIDES: Final = ("source address", "destination address", "destination port")
_ACTIONS: Final[dict[str, Action]] = {"accept": "accept", "drop": "drop", "reject": "reject"}
_MAPPING: Final = frozenset(
    (
        *("description", "destination port", "inbound-interface name", "inbound-interface group", "log", "protocol"),
        *("source address", "translation address", "translation port"),
    )
)
_TIMEOUTS: Final = ("system", "conntrack", "timeout")
_LEAVES: Final[dict[str, tuple[str, ...]]] = {"tcp": ("established",), "udp": ("stream", "other")}
_STREAMS: Final[dict[str, tuple[str, ...]]] = {"tcp": ("established",), "udp": ("replied", "unreplied")}


@dataclass(frozen=True, slots=True)
class _Chain:
    """Where the rules for what comes in stand. inline: in the chain that all forwarded packets go through."""

    path: Path
    inline: bool = False


def _comes_from(box: SetLines, rule: Path, outside: str) -> bool:
    """Whether a rule looks at what comes in on an interface."""
    name = box.value((*rule, "inbound-interface", "name"))
    group = box.value((*rule, "inbound-interface", "group"))
    return name == outside or outside in box.values(("firewall", "group", "interface-group", group, "interface"))


def _chain(box: SetLines) -> _Chain | None:
    """The rules for what comes in from the internet, None when nothing is filtered."""
    outside = wan_of(box)
    for _, rule in rules(box, FORWARD):
        if box.value((*rule, "action")) == "jump" and _comes_from(box, rule, outside):
            return _Chain(("firewall", "ipv4", "name", box.value((*rule, "jump-target"))))
    if name := _zoned(box, outside):
        return _Chain(("firewall", "ipv4", "name", name))
    inline = any(_comes_from(box, rule, outside) for _, rule in rules(box, FORWARD))
    return _Chain(FORWARD, inline=True) if inline or box.value((*FORWARD, "default-action")) == "drop" else None


def _zoned(box: SetLines, outside: str) -> str:
    """The rules between the zone of the internet and that of the LAN."""
    zones = {zone: box.values(("firewall", "zone", zone, "interface")) for zone in box.names("firewall zone")}
    there = [zone for zone, names in zones.items() if outside in names]
    here = [zone for zone, names in zones.items() if lan_of(box) in names]
    pairs = (("firewall", "zone", to, "from", source, "firewall", "name") for to in here for source in there)
    return next((name for pair in pairs if (name := box.value(pair))), "")


def _default(box: SetLines, chain: _Chain) -> Action:
    action = box.value((*chain.path, "default-action"), "accept" if chain.inline else "drop")
    if action not in _ACTIONS:
        action = box.value((*FORWARD, "default-action"), "accept")
    return _ACTIONS.get(action, "accept")


def _as_rule(box: SetLines, path: Path, outside: str) -> AccessRule | None:
    """A rule of the chain as the model has it; None for what says more than the model can."""
    leaves = box.leaves(path)
    known = {"action", "protocol", "description", "log", "inbound-interface name", *_SIDES}
    action = _ACTIONS.get(box.value((*path, "action")))
    protocol = box.value((*path, "protocol"), "all")
    if action is None or set(leaves) - known or protocol not in ("all", "icmp", "tcp", "udp"):
        return None
    if leaves.get("inbound-interface name", [outside]) != [outside]:
        return None
    source, destination, port = (leaves.get(side, [""])[0] for side in _SIDES)
    found = network(source) if source else None, network(destination) if destination else None
    span = ports(port) if port else None
    if (source and found[0] is None) or (destination and found[1] is None) or (port and span is None):
        return None
    kind: Literal["ip", "icmp", "tcp", "udp"] = "ip" if protocol == "all" else protocol  # type: ignore[assignment]
    return attempt(AccessRule, action, kind, *found, span)


def _access(box: SetLines, chain: _Chain) -> list[tuple[int, AccessRule]]:
    outside = wan_of(box)
    found = ((number, _as_rule(box, path, outside)) for number, path in rules(box, chain.path))
    known = [(number, rule) for number, rule in found if rule is not None]
    if chain.inline:
        return [(n, rule) for n, rule in known if _comes_from(box, (*chain.path, "rule", str(n)), outside)]
    return known


def read_firewall(box: SetLines) -> Firewall:
    chain = _chain(box)
    if chain is None:
        return Firewall("accept", (), _timers(box))
    access = tuple(rule for _, rule in _access(box, chain))
    return Firewall(_default(box, chain), access, _timers(box))


def write_firewall(box: SetLines, wanted: Firewall) -> None:
    _write_timers(box, wanted)
    now = read_firewall(box)
    if (now.inbound, now.rules) == (wanted.inbound, wanted.rules):
        return
    chain = _chain(box) or _made_chain(box)
    if _default(box, chain) != wanted.inbound:
        if chain.inline and wanted.inbound == "reject":
            raise InputError("what all packets go through cannot reject what no rule names")
        box.put((*chain.path, "default-action"), wanted.inbound)
    _write_rules(box, chain, wanted.rules)


def _made_chain(box: SetLines) -> _Chain:
    """A chain of its own for what comes in, with answers to what the inside asked and opened ports let through."""
    outside = wan_of(box)
    if not outside:
        raise InputError("a filter needs an interface to the internet")
    path = ("firewall", "ipv4", "name", _OURS)
    box.put((*path, "default-action"), "accept")
    _let_answers_in(box, (*path, "rule", "10"))
    box.put((*path, "rule", "9000", "action"), "accept")
    box.put((*path, "rule", "9000", "connection-status", "nat"), "destination")
    for hook in (FORWARD, INPUT):
        if not any("state" in box.names(rule) for _, rule in rules(box, hook)):
            _let_answers_in(box, (*hook, "rule", lowest_free(box.names((*hook, "rule")), 10)))
        if hook is INPUT and box.has("service ssh") and not ssh_rules(box, "accept"):
            write_ssh_rule(box, "accept", 20)
        rule = (*hook, "rule", lowest_free(box.names((*hook, "rule")), 100))
        box.put((*rule, "action"), "jump")
        box.put((*rule, "inbound-interface", "name"), outside)
        box.put((*rule, "jump-target"), _OURS)
    return _Chain(path)


def _let_answers_in(box: SetLines, rule: Path) -> None:
    box.put((*rule, "action"), "accept")
    box.put((*rule, "state"), "established", "related")


def _write_rules(box: SetLines, chain: _Chain, wanted: tuple[AccessRule, ...]) -> None:
    """The wanted rules in their order, behind whatever lets answers in and before what else is there."""
    there = _access(box, chain)
    kept = 0
    while kept < min(len(there), len(wanted)) and there[kept][1] == wanted[kept]:
        kept += 1
    for number, _ in there[kept:]:
        box.drop((*chain.path, "rule", str(number)), keep=len(chain.path))
    numbers = _room(box, chain, [number for number, _ in there[:kept]], len(wanted) - kept)
    if not numbers and kept < len(wanted):
        # No room between two numbers: all of them move.
        for number, _ in there[:kept]:
            box.drop((*chain.path, "rule", str(number)), keep=len(chain.path))
        kept, numbers = 0, _room(box, chain, [], len(wanted))
        if not numbers:
            raise InputError(f"no rule numbers are left in {' '.join(chain.path)}")
    for number, rule in zip(numbers, wanted[kept:], strict=True):
        _write_rule(box, (*chain.path, "rule", str(number)), rule, wan_of(box) if chain.inline else "")


def _room(box: SetLines, chain: _Chain, kept: list[int], count: int) -> list[int]:
    """Free numbers for rules behind those that are kept; none when there is not enough room."""
    states = [number for number, path in rules(box, chain.path) if "state" in box.names(path)]
    low = max([last_bar(box) if chain.inline else 0, *kept, *states[:1]])
    others = [number for number in map(int, box.names((*chain.path, "rule"))) if number > low]
    step = min(10, (min(others, default=1_000_000) - low - 1) // max(count, 1))
    return [low + step * (index + 1) for index in range(count)] if step else []


def _write_rule(box: SetLines, path: Path, rule: AccessRule, outside: str) -> None:
    box.put((*path, "action"), rule.action)
    if outside:
        box.put((*path, "inbound-interface", "name"), outside)
    if rule.protocol != "ip":
        box.put((*path, "protocol"), rule.protocol)
    for side, one in (("source", rule.source), ("destination", rule.destination)):
        if one is not None:
            box.put((*path, side, "address"), written(one))
    if rule.ports is not None:
        box.put((*path, "destination", "port"), str(rule.ports))


def _timers(box: SetLines) -> tuple[Timer, ...]:
    """Where two rules are for the same port, the first one counts."""
    found: dict[tuple[str, int | None], Timer] = {}
    for timer in _placed_timers(box).values():
        found.setdefault((timer.protocol, timer.port), timer)
    return tuple(found.values())


def _placed_timers(box: SetLines) -> dict[str, Timer]:
    """By where they stand: ``tcp``, ``udp``, or the number of a custom rule."""
    found: dict[str, Timer | None] = {}
    for protocol, leaf in (("tcp", "established"), ("udp", "stream")):
        found[protocol] = _timer(protocol, box.value((*_TIMEOUTS, protocol, leaf)), "")
    for number, rule in rules(box, (*_TIMEOUTS, "custom", "ipv4")):
        leaves = box.leaves(rule)
        port = leaves.pop("destination port", [""])[0]
        leaves.pop("description", None)
        for protocol, parts in _STREAMS.items():
            if port and set(leaves) <= {f"protocol {protocol} {part}" for part in parts}:
                found[str(number)] = _timer(protocol, leaves.get(f"protocol {protocol} {parts[0]}", [""])[0], port)
    return {where: timer for where, timer in found.items() if timer is not None}


def _timer(protocol: str, seconds: str, port: str) -> Timer | None:
    if not seconds.isdecimal() or (port and not port.isdecimal()):
        return None
    return attempt(Timer, "tcp" if protocol == "tcp" else "udp", int(seconds), int(port) if port else None)


def _write_timers(box: SetLines, wanted: Firewall) -> None:
    if Firewall(timers=_timers(box)).timers == wanted.timers:
        return
    there = _placed_timers(box)
    custom = (*_TIMEOUTS, "custom", "ipv4", "rule")
    for where, timer in there.items():
        if timer in wanted.timers:
            continue
        if timer.port is not None:
            box.drop((*custom, where))
        elif not any(one.protocol == timer.protocol and one.port is None for one in wanted.timers):
            for leaf in _LEAVES[where]:
                box.drop((*_TIMEOUTS, where, leaf))
    for timer in wanted.timers:
        if timer in there.values():
            continue
        path: Path = (*_TIMEOUTS, timer.protocol)
        leaves: tuple[str, ...] = _LEAVES[timer.protocol]
        if timer.port is not None:
            rule = (*custom, lowest_free(box.names(custom), 10))
            box.put((*rule, "destination", "port"), str(timer.port))
            path, leaves = (*rule, "protocol", timer.protocol), _STREAMS[timer.protocol]
        for leaf in leaves:
            box.put((*path, leaf), str(timer.seconds))


@dataclass(slots=True)
class _Opened:
    """Rules, by number, and the mappings that they are together."""

    numbers: list[str]
    mappings: list[PortMapping]


def _opened(box: SetLines) -> list[_Opened]:
    """A rule for both protocols or for several ports is several mappings. Rules with the same description, whose ports
    follow one another outside and inside, are one."""
    outside, found = wan_of(box), list[_Opened]()
    runs: dict[tuple[str, ...], _Opened] = {}
    for number, rule in rules(box, ("nat", "destination")):
        leaves = box.leaves(rule)
        anywhere = box.value((*rule, "inbound-interface", "name"), "any") == "any" and not any(
            leaf.endswith("interface group") for leaf in leaves
        )
        if set(leaves) - _MAPPING or not (anywhere or _comes_from(box, rule, outside)):
            continue
        made = _as_mappings({leaf: values[0] for leaf, values in leaves.items() if values})
        about = leaves.get("description", [""])[0]
        if len(made) == 1 and about:
            one = made[0]
            key = (about, one.protocol, str(one.inside), str(one.source))
            if key in runs and (longer := _joined(runs[key].mappings[0], one)) is not None:
                runs[key].numbers.append(str(number))
                runs[key].mappings = [longer]
                continue
            runs[key] = _Opened([str(number)], made)
            found.append(runs[key])
        elif made:
            found.append(_Opened([str(number)], made))
    return found


def _joined(one: PortMapping, other: PortMapping) -> PortMapping | None:
    """The mapping that two are, when the second goes on where the first ends."""
    follows = other.ports.first == one.ports.last + 1 and other.inside_port == one.inside_port + one.ports.count
    return replace(one, ports=Ports(one.ports.first, other.ports.last)) if follows else None


def _clash(one: PortMapping, other: PortMapping) -> bool:
    first, last = max(one.ports.first, other.ports.first), min(one.ports.last, other.ports.last)
    return one.protocol == other.protocol and first <= last


def _as_mappings(rule: dict[str, str]) -> list[PortMapping]:
    inside, source = attempt(IPv4Address, rule.get("translation address", "")), rule.get("source address", "")
    restricted = network(source) if source else None
    protocols: tuple[Literal["tcp", "udp"], ...] = ("tcp", "udp")
    wanted = rule.get("protocol", "")
    if inside is None or (source and restricted is None):
        return []
    found: list[PortMapping] = []
    for protocol in protocols:
        if wanted not in (protocol, "tcp_udp"):
            continue
        for part in rule.get("destination port", "").split(","):
            span, target = ports(part), ports(rule.get("translation port", part))
            if span is None or target is None or target.count != span.count:
                continue
            made = attempt(PortMapping, protocol, span, inside, target.first, restricted)
            found += [made] if made else []
    return found


def read_mappings(box: SetLines) -> tuple[PortMapping, ...]:
    """Where two rules take the same port, the first one has it."""
    found: list[PortMapping] = []
    for one in (one for opened in _opened(box) for one in opened.mappings):
        if not any(_clash(one, other) for other in found):
            found.append(one)
    return tuple(found)


def write_mappings(box: SetLines, wanted: tuple[PortMapping, ...]) -> None:
    now = read_mappings(box)
    if len(now) == len(wanted) and all(one in wanted for one in now):
        return
    kept: list[PortMapping] = []
    for opened in _opened(box):
        if all(one in wanted for one in opened.mappings):
            kept += opened.mappings
            continue
        for number in opened.numbers:
            box.drop(("nat", "destination", "rule", number))
    for mapping in wanted:
        if mapping not in kept:
            _write_mapping(box, mapping)


def _write_mapping(box: SetLines, mapping: PortMapping) -> None:
    outside = wan_of(box)
    if not outside:
        raise InputError("an opened port needs an interface to the internet")
    taken = set(box.names("nat destination rule"))
    number = lowest_free(taken, 10)
    if mapping.ports.count == 1 or mapping.inside_port == mapping.ports.first:
        _write_opened(box, number, outside, mapping)
        return
    # A range that is moved: the box would take any port of the other range, so each port has a rule of its own.
    about = f"{mapping.protocol} {mapping.ports} to {mapping.inside_port}"
    for offset in range(mapping.ports.count):
        one = Ports.one(mapping.ports.first + offset)
        _write_opened(
            box, number, outside, replace(mapping, ports=one, inside_port=mapping.inside_port + offset), about
        )
        number = lowest_free(taken, int(number) + 1, 1)


def _write_opened(box: SetLines, number: str, outside: str, mapping: PortMapping, about: str = "") -> None:
    rule = ("nat", "destination", "rule", number)
    if about:
        box.put((*rule, "description"), about)
    box.put((*rule, "destination", "port"), str(mapping.ports))
    box.put((*rule, "inbound-interface", "name"), outside)
    box.put((*rule, "protocol"), mapping.protocol)
    if mapping.source is not None:
        box.put((*rule, "source", "address"), written(mapping.source))
    box.put((*rule, "translation", "address"), str(mapping.inside))
    if mapping.ports.count == 1:
        box.put((*rule, "translation", "port"), str(mapping.inside_port))
