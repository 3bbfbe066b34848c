"""The neutral model's firewall, opened ports and management access as an nftables table of our own.

The table is ours wholly and written as one file: it replaces itself in one transaction when it is loaded, and no other
table of the box is touched. What is read here is what was written here, and what ``nft list table`` makes of it.

A packet from outside meets, in this order: what belongs to a known session; the operator's access to the box; the
access list; opened ports; the verdict for all the rest. Session timers are ``ct timeout`` objects.

What never goes out over the mobile connection (§7.6) stands in two chains of its own, before all that: a drop there is
the last word, also for a packet of a known session, and an accept none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Final, cast

from cpe_manager.domain.model.cpe_config import AccessRule, Action, Firewall, PortMapping, Timer
from cpe_manager.domain.model.cpe_mobile import Barred, Ports, Protocol
from cpe_manager.kit.attempts import attempt

TABLE: Final = "inet cpe"
_REJECT: Final = "reject with icmpx admin-prohibited"
_PACK: Final = re.compile(r"ip saddr != (\S+) masquerade")
_CHAIN: Final = re.compile(r"chain (\w+) \{")
_OUTSIDE: Final = re.compile(r"iifname != (?:\{([^}]*)\}|(\S+)) accept")
_MAPPING: Final = re.compile(
    r"iifname (?:\{[^}]*\}|\S+) (?:ip saddr (?P<source>\S+) )?(?P<protocol>tcp|udp) dport (?P<ports>[0-9-]+) "
    r"dnat ip to (?P<inside>[0-9.]+)"
    r"(?::(?P<port>[0-9]+)| ?: ?(?:tcp|udp) dport map \{ ?[0-9]+ : (?P<first>[0-9]+)\b.*)?"
)
_RULE: Final = re.compile(
    r"(?:ip saddr (?P<source>\S+) )?(?:ip daddr (?P<destination>\S+) )?"
    r"(?:ip protocol (?P<plain>icmp|tcp|udp) |meta l4proto (?P<meta>icmp|tcp|udp) )?"
    r"(?:(?P<protocol>tcp|udp) dport (?P<ports>[0-9-]+) )?(?P<action>accept|drop|reject\b.*)"
)
_DOOR: Final = re.compile(r"(?:ip saddr (?P<source>\S+) )?tcp dport (?P<port>[0-9]+) accept")
_BARRED: Final = re.compile(r'oifname "?(?P<name>[\w.@-]+)"? (?P<protocol>tcp|udp) dport (?P<ports>[0-9-]+) drop')
_TIMER: Final = re.compile(r"(?:established|replied) ?: ?([0-9]+)")


@dataclass(frozen=True, slots=True)
class Table:
    """``outside``: native names of all interfaces towards the internet. ``door``: the port of the box's SSH server,
    ``sources``: who may come to it, nobody in particular when empty. ``pack``: addresses that go out as they are."""

    outside: tuple[str, ...]
    firewall: Firewall = field(default_factory=Firewall)
    mappings: tuple[PortMapping, ...] = ()
    sources: tuple[IPv4Network, ...] = ()
    pack: IPv4Network | None = None
    door: int = 22
    snmp: bool = False
    barred: tuple[Barred, ...] = ()
    mobile: str = ""
    """What ``barred`` is kept off: the native name of an interface."""
    bare: bool = False
    """The table holds nothing but ``barred``: all else on the box is other people's."""

    def barred_on(self, mobile: str) -> tuple[Barred, ...]:
        return self.barred if mobile == self.mobile else ()


def write(table: Table) -> str:
    """The whole file, for ``nft -f``."""
    return "".join(f"{line}\n" for line in _file(table))


def _file(table: Table) -> Iterator[str]:
    yield from ("#!/usr/sbin/nft -f", "# Written by cpe-manager as a whole; what is changed here is overwritten.")
    yield from (f"table {TABLE}", f"delete table {TABLE}", f"table {TABLE} {{")
    yield from _chain("barred_forward", "filter hook forward priority filter - 10", list(_barred(table)))
    yield from _chain("barred_output", "filter hook output priority filter - 10", list(_barred(table)))
    if table.bare:
        yield "}"
        return
    outside = "{ " + ", ".join(f'"{name}"' for name in table.outside) + " }"
    verdict = _verdict(table.firewall.inbound)
    timers = table.firewall.timers
    for timer in timers:
        yield from _timeout(timer)
    if timers:
        # The one of a port comes before the one of its protocol, which is for the rest.
        order = sorted(timers, key=lambda timer: timer.port is None)
        yield from _chain("timers", "filter hook prerouting priority mangle", [_timer_rule(timer) for timer in order])
    known = [f"iifname != {outside} accept", "ct state established,related accept"]
    yield from _chain(
        "input",
        "filter hook input priority filter",
        [*known, "meta l4proto ipv6-icmp accept", "jump management", "jump inbound", verdict],
    )
    clamp = f"oifname {outside} tcp flags syn tcp option maxseg size set rt mtu"
    yield from _chain(
        "forward",
        "filter hook forward priority filter",
        [clamp, *known, "jump inbound", "ct status dnat accept", verdict],
    )
    yield from _chain("management", "", list(_management(table)))
    yield from _chain("inbound", "", [_rule(rule) for rule in table.firewall.rules])
    opened = [f"iifname {outside} {_mapping(mapping)}" for mapping in table.mappings]
    yield from _chain("prerouting", "nat hook prerouting priority dstnat", opened)
    own = f"ip saddr != {_net(table.pack)} " if table.pack else ""
    yield from _chain("postrouting", "nat hook postrouting priority srcnat", [f"oifname {outside} {own}masquerade"])
    yield "}"


def _chain(name: str, hook: str, rules: list[str]) -> Iterator[str]:
    yield f"\tchain {name} {{"
    if hook:
        yield f"\t\ttype {hook}; policy accept;"
    yield from (f"\t\t{rule}" for rule in rules)
    yield "\t}"


def _verdict(action: Action) -> str:
    return _REJECT if action == "reject" else action


def _net(network: IPv4Network) -> str:
    """As nft shows it: a host without a length."""
    return str(network.network_address) if network.prefixlen == 32 else str(network)


def _name(timer: Timer) -> str:
    # The protocol alone is a word of the language and no name.
    return f"{timer.protocol}_{timer.port or 'rest'}"


def _timeout(timer: Timer) -> Iterator[str]:
    states = ("established",) if timer.protocol == "tcp" else ("unreplied", "replied")
    policy = ", ".join(f"{state} : {timer.seconds}" for state in states)
    yield f"\tct timeout {_name(timer)} {{"
    yield from (f"\t\tprotocol {timer.protocol}", "\t\tl3proto ip", f"\t\tpolicy = {{ {policy} }}", "\t}")


def _timer_rule(timer: Timer) -> str:
    what = f"meta l4proto {timer.protocol}" if timer.port is None else f"{timer.protocol} dport {timer.port}"
    return f'meta nfproto ipv4 {what} ct timeout set "{_name(timer)}" return'


def _management(table: Table) -> Iterator[str]:
    for what in (f"tcp dport {table.door}", *(["udp dport 161"] if table.snmp else [])):
        yield from (f"ip saddr {_net(source)} {what} accept" for source in table.sources)
        yield f"{what} drop" if table.sources else f"{what} accept"


def _rule(rule: AccessRule) -> str:
    words = [f"ip saddr {_net(rule.source)}"] if rule.source else []
    words += [f"ip daddr {_net(rule.destination)}"] if rule.destination else []
    if rule.ports:
        words.append(f"{rule.protocol} dport {rule.ports}")
    elif rule.protocol != "ip":
        words.append(f"meta l4proto {rule.protocol}")
    return " ".join((*words, _verdict(rule.action)))


def _barred(table: Table) -> Iterator[str]:
    return (f'oifname "{table.mobile}" {one.protocol} dport {one.ports} drop' for one in table.barred)


def _mapping(mapping: PortMapping) -> str:
    source = f"ip saddr {_net(mapping.source)} " if mapping.source else ""
    head = f"{source}{mapping.protocol} dport {mapping.ports} dnat ip to {mapping.inside}"
    if mapping.inside_port == mapping.ports.first:
        return head
    if mapping.ports.count == 1:
        return f"{head}:{mapping.inside_port}"
    # `dnat to ADDRESS:FIRST-LAST` takes any port of the range; a map keeps each at its place.
    moved = (f"{mapping.ports.first + n} : {mapping.inside_port + n}" for n in range(mapping.ports.count))
    return f"{head}:{mapping.protocol} dport map {{ {', '.join(moved)} }}"


def read(text: str) -> Table | None:
    """The model in a file of ours; None when the table is not in it. What is not understood says nothing."""
    chains = _chains(text)
    matched = [match for line in chains.get("barred_forward", ()) if (match := _BARRED.fullmatch(line))]
    mobile = matched[0]["name"] if matched else ""
    kept_off = (attempt(_read_barred, match) for match in matched if match["name"] == mobile)
    barred = tuple(sorted(one for one in kept_off if one))
    if "input" not in chains or "forward" not in chains:
        bare = "barred_forward" in chains
        return Table((), Firewall("accept"), barred=barred, mobile=mobile, bare=True) if bare else None
    found = next((match for line in chains["input"] if (match := _OUTSIDE.fullmatch(line))), None)
    outside = re.findall(r"[\w.@-]+", found[1] or found[2]) if found else []
    doors = [match for line in chains.get("management", ()) if (match := _DOOR.fullmatch(line))]
    sources = [attempt(IPv4Network, door["source"]) for door in doors if door["source"]]
    rules = (attempt(_read_rule, line) for line in chains.get("inbound", ()))
    mappings = (attempt(_read_mapping, line) for line in chains.get("prerouting", ()))
    pack = next((match for line in chains.get("postrouting", ()) if (match := _PACK.search(line))), None)
    timers = {timer for timer in _read_timers(text) if timer}
    inbound = _action(chains["forward"][-1]) if chains["forward"] else "accept"
    return Table(
        tuple(outside),
        Firewall(inbound, tuple(rule for rule in rules if rule), tuple(timers)),
        tuple(mapping for mapping in mappings if mapping),
        tuple(sorted(source for source in sources if source)),
        attempt(IPv4Network, pack[1]) if pack else None,
        int(doors[0]["port"]) if doors else 22,
        any("udp dport 161 " in line for line in chains.get("management", ())),
        barred,
        mobile,
    )


def _chains(text: str) -> dict[str, list[str]]:
    """Rules of each chain, in order, without the line that says where it hooks in."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for raw in text.splitlines():
        line = raw.strip()
        if head := _CHAIN.fullmatch(line):
            current = found.setdefault(head[1], [])
        elif line == "}":
            current = []
        elif line and not line.startswith(("type ", "#")):
            current.append(line)
    return found


def _action(verdict: str) -> Action:
    word = verdict.partition(" ")[0]
    return cast("Action", word) if word in ("accept", "drop", "reject") else "accept"


def _ports(text: str) -> Ports:
    first, _, last = text.partition("-")
    return Ports(int(first), int(last or first))


def _read_rule(line: str) -> AccessRule:
    found = _RULE.fullmatch(line)
    if found is None:
        raise ValueError("no rule of the model")
    protocol = found["protocol"] or found["plain"] or found["meta"] or "ip"
    return AccessRule(
        _action(found["action"]),
        cast("Protocol", protocol),
        IPv4Network(found["source"]) if found["source"] else None,
        IPv4Network(found["destination"]) if found["destination"] else None,
        _ports(found["ports"]) if found["ports"] else None,
    )


def _read_mapping(line: str) -> PortMapping:
    found = _MAPPING.fullmatch(line)
    if found is None:
        raise ValueError("no mapping of the model")
    ports = _ports(found["ports"])
    if found["port"] and ports.count > 1:
        raise ValueError("many ports onto one")
    inside = int(found["port"] or found["first"] or ports.first)
    source = IPv4Network(found["source"]) if found["source"] else None
    return PortMapping(cast("Protocol", found["protocol"]), ports, IPv4Address(found["inside"]), inside, source)


def _read_barred(found: re.Match[str]) -> Barred:
    return Barred(cast("Protocol", found["protocol"]), _ports(found["ports"]))


def _read_timers(text: str) -> Iterator[Timer | None]:
    for head, body in re.findall(r"^\s*ct timeout (\w+) \{([^}]*\}[^}]*)\}", text, re.MULTILINE):
        protocol, _, port = head.partition("_")
        found = _TIMER.search(body)
        if found and protocol in ("tcp", "udp"):
            yield attempt(Timer, protocol, int(found[1]), int(port) if port.isdecimal() else None)
