"""Access lists in the language that IOS made common: entries, and an inbound filter made of parts.

A filter that this module wrote is one list in four parts, told apart by remarks: what the operator needs, the rules of
the managed firewall (§3.7), the ports that are opened by a mapping (§3.4), and a last entry for everything else. The
marks are what makes an entry a rule or a consequence of something else. A list without marks was written by somebody
else: there every entry that can be understood is a rule, and its last one for everything says what happens to the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from types import MappingProxyType
from typing import Final

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import AccessRule, Action
from cpe_manager.domain.model.cpe_mobile import Ports, Protocol

_BOTH: Final = {
    "discard": 9, "domain": 53, "echo": 7, "pim-auto-rp": 496, "sunrpc": 111, "tacacs": 49, "talk": 517, "time": 37,
}  # fmt: skip
_TCP: Final = {
    "bgp": 179, "chargen": 19, "cmd": 514, "daytime": 13, "exec": 512, "finger": 79, "ftp": 21, "ftp-data": 20,
    "gopher": 70, "hostname": 101, "ident": 113, "irc": 194, "klogin": 543, "kshell": 544, "login": 513, "lpd": 515,
    "msrpc": 135, "nntp": 119, "onep-plain": 15001, "onep-tls": 15002, "pop2": 109, "pop3": 110, "smtp": 25,
    "syslog": 514, "telnet": 23, "uucp": 540, "whois": 43, "www": 80,
}  # fmt: skip
_UDP: Final = {
    "biff": 512, "bootpc": 68, "bootps": 67, "dnsix": 195, "isakmp": 500, "mobile-ip": 434, "nameserver": 42,
    "netbios-dgm": 138, "netbios-ns": 137, "netbios-ss": 139, "non500-isakmp": 4500, "ntp": 123, "rip": 520,
    "ripv6": 521, "snmp": 161, "snmptrap": 162, "syslog": 514, "tftp": 69, "who": 513, "xdmcp": 177,
}  # fmt: skip
_PORTS: Final[Mapping[str, Mapping[str, int]]] = MappingProxyType({"tcp": _BOTH | _TCP, "udp": _BOTH | _UDP})

OPERATOR: Final = "operator access"
RULES: Final = "firewall rules"
OPENED: Final = "opened ports"
ELSE: Final = "everything else"
_MARKS: Final = {f"remark {mark}": mark for mark in (OPERATOR, RULES, OPENED, ELSE)}
_ALL: Final = "permit ip any any"
_NUMBER: Final = re.compile(r"[0-9]+ +(?=permit|deny|remark|evaluate)")


def plain(line: str) -> str:
    """An entry with single blanks and without the sequence number that newer releases print."""
    return " ".join(_NUMBER.sub("", line, count=1).split())


def wildcard(network: IPv4Network | None) -> str:
    """A network as an entry names it; None is any."""
    if network is None:
        return "any"
    if network.prefixlen == 32:
        return f"host {network.network_address}"
    return f"{network.network_address} {network.hostmask}"


def line_of(rule: AccessRule) -> str:
    """The entry of a rule. Whether what is denied is told so is not the list's to say: ``reject`` has no entry."""
    words = ["permit" if rule.action == "accept" else "deny", rule.protocol]
    words += [wildcard(rule.source), wildcard(rule.destination)]
    if rule.ports is not None:
        one = rule.ports.count == 1
        words.append(f"eq {rule.ports.first}" if one else f"range {rule.ports.first} {rule.ports.last}")
    return " ".join(words)


def rule_of(line: str) -> AccessRule | None:
    """The rule that an entry is; None for one that says what a rule cannot."""
    words = plain(line).removesuffix(" log").split()
    if len(words) < 4 or words[0] not in ("permit", "deny") or words[1] not in ("ip", "icmp", "tcp", "udp"):
        return None
    action: Action = "accept" if words[0] == "permit" else "drop"
    try:
        source, rest = _place(words[2:])
        destination, rest = _place(rest)
        ports = _ports(words[1], rest) if rest else None
        return AccessRule(action, words[1], source, destination, ports)  # type: ignore[arg-type]
    except (ValueError, KeyError, IndexError, InputError):
        return None


def same(line: str) -> str:
    """A line in one spelling, so that two that mean the same are equal: ports by number."""
    rule = rule_of(line)
    return line_of(rule) if rule is not None and not line.endswith(" log") else _numbered(plain(line))


def _numbered(line: str) -> str:
    words = line.split()
    names = _PORTS.get(words[1], {}) if len(words) > 1 else {}
    return " ".join(str(names.get(word, word)) if words[i - 1] == "eq" else word for i, word in enumerate(words))


def _place(words: list[str]) -> tuple[IPv4Network | None, list[str]]:
    if words[0] == "any":
        return None, words[1:]
    if words[0] == "host":
        return IPv4Network(IPv4Address(words[1])), words[2:]
    return masked(words[0], words[1]), words[2:]


def masked(address: str, hostmask: str) -> IPv4Network | None:
    """The network of an address and a wildcard mask; None for all of them. Raises ``ValueError``."""
    bits = int(IPv4Address(hostmask))
    if bits & (bits + 1):
        raise ValueError(f"{hostmask} has holes")
    length = 32 - bits.bit_length()
    return IPv4Network((int(IPv4Address(address)) & ~bits & 0xFFFF_FFFF, length)) if length else None


def _ports(protocol: str, words: list[str]) -> Ports:
    names = _PORTS[protocol]
    numbers = [names[word] if word in names else int(word) for word in words[1:]]
    match words[0], numbers:
        case "eq", [port]:
            return Ports.one(port)
        case "range", [first, last]:
            return Ports(first, last)
        case "gt", [port]:
            return Ports(port + 1, 65535)
        case "lt", [port]:
            return Ports(1, port - 1)
    raise ValueError("no ports of a rule")


def sources(lines: Iterable[str]) -> tuple[IPv4Network, ...] | None:
    """The networks that a standard list permits; empty: any. None for a list that says something else."""
    found: list[IPv4Network] = []
    for line in map(plain, lines):
        words = line.removesuffix(" log").split()
        if words[0] == "remark" or words == ["deny", "any"]:
            continue
        try:
            if words[0] != "permit":
                return None
            alone = len(words) == 2 and words[1] != "any"
            network, rest = _place(["host", words[1]] if alone else words[1:])
        except (AddressValueError, ValueError, IndexError):
            return None
        if rest:
            return None
        if network is None:
            return ()
        found.append(network)
    return tuple(found)


def standard(network: IPv4Network) -> str:
    """The entry of a standard list that permits a network."""
    return f"permit {network.network_address}" + ("" if network.prefixlen == 32 else f" {network.hostmask}")


@dataclass(frozen=True, slots=True)
class Filter:
    """What an inbound list says. ``rules`` holds, in order, what is understood, and the entries that are not, word by
    word. ``marked``: the list is in parts, as this module writes it. ``logged``: the rules whose hits the box logs."""

    operator: tuple[str, ...] = ()
    rules: tuple[AccessRule | str, ...] = ()
    opened: tuple[str, ...] = ()
    accept: bool = False
    marked: bool = False
    logged: frozenset[AccessRule] = frozenset()

    @property
    def understood(self) -> tuple[AccessRule, ...]:
        return tuple(rule for rule in self.rules if isinstance(rule, AccessRule))

    def opened_for(self, protocol: Protocol, port: int) -> IPv4Network | None:
        """The only network that may use an opened port; None when it is open to all."""
        for rule in filter(None, map(rule_of, self.opened)):
            if (rule.action, rule.protocol, rule.ports, rule.destination) == (
                "accept",
                protocol,
                Ports.one(port),
                None,
            ):
                return rule.source
        return None


def read(lines: Sequence[str]) -> Filter:
    parts: dict[str, list[str]] = {mark: [] for mark in (OPERATOR, RULES, OPENED, ELSE)}
    seen: set[str] = set()
    part = RULES
    for line in map(plain, lines):
        if line in _MARKS:
            part = _MARKS[line]
            seen.add(part)
        else:
            parts[part].append(line)
    ruled = parts[RULES]
    if seen:
        accept = ELSE in seen and any(_ALL in entries for entries in parts.values())
    else:
        last = ruled[-1].removesuffix(" log") if ruled else ""
        accept = last == _ALL
        ruled = ruled[:-1] if last in (_ALL, "deny ip any any") else ruled
    rules = tuple(rule_of(line) or line for line in ruled)
    logged = frozenset(rule for line in ruled if line.endswith(" log") and (rule := rule_of(line)))
    return Filter(tuple(parts[OPERATOR]), rules, tuple(parts[OPENED]), accept, bool(seen), logged)


def written(wanted: Filter) -> list[str]:
    """The lines of a list. No entry may stand in it twice: a box drops the second one in silence, so that of two equal
    entries only the one that carries the model is written.

    Raises ``InputError`` where two that do are equal.
    """
    ruled = [line_of(rule) if isinstance(rule, AccessRule) else rule for rule in wanted.rules]
    taken = {same(line) for line in ruled}
    if len(taken) < len(ruled):
        raise InputError("one firewall rule occurs twice")
    for line in wanted.opened:
        rule = rule_of(line)
        if same(line) in taken and rule is not None and rule.source is not None:
            raise InputError(f"a firewall rule and a mapping for one source need the same entry: {line}")
    opened = [line for line in wanted.opened if same(line) not in taken]
    taken |= {same(line) for line in opened}
    operator = [line for line in wanted.operator if same(line) not in taken]
    noted = {line_of(rule) for rule in wanted.logged}
    shown = [f"{line} log" if line in noted else line for line in ruled]
    parts = [(OPERATOR, operator), (RULES, shown), (OPENED, opened)]
    lines = [line for mark, entries in parts for line in (f"remark {mark}", *entries)]
    return [*lines, f"remark {ELSE}", *([] if _ALL in taken else [_ALL])] if wanted.accept else lines


def with_rules(current: Filter, rules: Sequence[AccessRule], known: Iterable[str]) -> tuple[AccessRule | str, ...]:
    """New rules among the entries of ``current`` that nobody understood: each of these stays behind the rule that it
    followed, or at the head. Those in ``known`` are written elsewhere."""
    apart = {same(line) for line in known}
    behind: dict[AccessRule | None, list[str]] = {}
    anchor: AccessRule | None = None
    for rule in current.rules:
        if isinstance(rule, AccessRule):
            anchor = rule if rule in rules else anchor
        elif same(rule) not in apart:
            behind.setdefault(anchor, []).append(rule)
    found: list[AccessRule | str] = [*behind.get(None, ())]
    for rule in rules:
        found += [rule, *behind.get(rule, ())]
    return tuple(found)
