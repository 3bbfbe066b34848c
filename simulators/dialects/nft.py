"""nft's own reading of a rules file, as far as a CPE's rules go: what it takes, and what it says of the rest."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field


class NftError(ValueError):
    """The text is no rules file; `str` is the place and the reason, as nft prints them."""


_NET = r"[0-9.]+(?:/\d+)?|[0-9a-f:]+:[0-9a-f:]*(?:/\d+)?"
_PORT = r"\d+(?:-\d+)?"
_NAME = r'"[^"\n]*"|[\w.-]+'


def _one_or_set(what: str) -> str:
    return rf"(?:!= )?(?:(?:{what})|\{{ (?:{what})(?:, (?:{what}))* \}}|@\w+)"


_PARTS = tuple(
    re.compile(rf"(?:{source})(?= |$)")
    for source in (
        rf"[io]if(?:name)? {_one_or_set(_NAME)}",
        rf"ip6? [sd]addr {_one_or_set(_NET)}",
        rf"(?:tcp|udp) [sd]port {_one_or_set(_PORT)}",
        r"(?:ip protocol|meta l4proto|meta nfproto) (?:!= )?(?:icmp|ipv6-icmp|tcp|udp|ipv4|ipv6)",
        r"icmp(?:v6)? type [\w-]+",
        r"ct state (?:!= )?(?:new|established|related|invalid)(?:,(?:new|established|related|invalid))*",
        r"ct status (?:dnat|snat)",
        r'ct timeout set "(?P<timeout>\w+)"',
        r"tcp flags syn",
        r"tcp option maxseg size set (?:rt mtu|\d+)",
        r'counter|log(?: prefix "[^"\n]*")?|limit rate \d+/(?:second|minute)',
        r"accept|drop|return|continue|masquerade",
        r"(?:jump|goto) (?P<chain>\w+)",
        r"reject(?: with (?:icmpx? [\w-]+|tcp reset))?",
        rf"[ds]nat (?:ip )?to [0-9.]+(?::{_PORT}| ?: ?(?:tcp|udp) dport map \{{ \d+ : \d+(?:, \d+ : \d+)* \}})?",
    )
)
_HOOK = re.compile(
    r"type (?:filter|nat|route) hook (?:prerouting|input|forward|output|postrouting) "
    r"priority (?:-?\d+|raw|mangle|dstnat|filter|security|srcnat)(?: [+-] \d+)?;(?: policy (?:accept|drop);)?"
)
_TIMEOUT_LINES = (
    re.compile(r"protocol (?:tcp|udp);?"),
    re.compile(r"l3proto (?:ip|ip6);?"),
    re.compile(r"policy = \{ \w+ : \d+(?:, \w+ : \d+)* \};?"),
)


_KEYWORDS = frozenset(
    (
        "accept",
        "chain",
        "counter",
        "ct",
        "drop",
        "icmp",
        "ip",
        "log",
        "limit",
        "mark",
        "meta",
        "reject",
        "set",
        "tcp",
        "udp",
    )
)
"""Words of the language, which are no names."""


@dataclass
class _Table:
    """Names that a table has, and those that its rules speak of, with their lines."""

    chains: set[str] = field(default_factory=set)
    timeouts: set[str] = field(default_factory=set)
    spoken: list[tuple[int, str, str]] = field(default_factory=list)


def check(text: str, path: str) -> None:
    """Raises NftError at the first line that nft would not take."""
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    rest = iter((number, line) for number, line in lines if line and not line.startswith("#"))
    known: set[str] = set()
    for number, line in rest:
        if found := re.fullmatch(r"table (?:(ip|ip6|inet|bridge|netdev) )?(\w+)( \{)?", line):
            known.add(f"{found[1] or 'ip'} {found[2]}")
            if found[3]:
                _table(rest, path)
        elif found := re.fullmatch(r"(?:delete|flush) table (?:(\w+) )?(\w+)", line):
            if f"{found[1] or 'ip'} {found[2]}" not in known:
                raise _at(path, number, "Could not process rule: No such file or directory")
        elif not re.fullmatch(r'flush ruleset|include "[^"]+"|define \w+ = .+', line):
            raise _at(path, number, f"syntax error, unexpected {line.split()[0]}")


def _at(path: str, number: int, reason: str) -> NftError:
    return NftError(f"{path}:{number}:1-1: Error: {reason}")


def _table(rest: Iterator[tuple[int, str]], path: str) -> None:
    table = _Table()
    for number, line in rest:
        if line == "}":
            _resolve(table, path)
            return
        found = re.fullmatch(r"(?:chain|ct timeout) (\w+) \{", line)
        if found and found[1] in _KEYWORDS:
            raise _at(path, number, f"syntax error, unexpected {found[1]}, expecting string")
        if found and line.startswith("chain "):
            table.chains.add(found[1])
            _chain(rest, path, table)
        elif found:
            table.timeouts.add(found[1])
            _timeout(rest, path)
        else:
            raise _at(path, number, f"syntax error, unexpected {line.split()[0]}")
    raise _at(path, 0, "syntax error, unexpected end of file")


def _resolve(table: _Table, path: str) -> None:
    for number, kind, name in table.spoken:
        if name not in (table.chains if kind == "chain" else table.timeouts):
            raise _at(path, number, f"Could not process rule: No such file or directory ({name})")


def _timeout(rest: Iterator[tuple[int, str]], path: str) -> None:
    for number, line in rest:
        if line == "}":
            return
        if not any(pattern.fullmatch(line) for pattern in _TIMEOUT_LINES):
            raise _at(path, number, "syntax error, unexpected string")


def _chain(rest: Iterator[tuple[int, str]], path: str, table: _Table) -> None:
    for number, line in rest:
        if line == "}":
            return
        if not _HOOK.fullmatch(line):
            _rule(number, line, path, table)


def _rule(number: int, line: str, path: str, table: _Table) -> None:
    place = 0
    while place < len(line):
        found = next((match for part in _PARTS if (match := part.match(line, place))), None)
        if found is None:
            raise _at(path, number, f"syntax error, unexpected {line[place:].split(maxsplit=1)[0]}")
        for kind, name in found.groupdict().items():
            if name:
                table.spoken.append((number, kind, name))
        _values(number, found[0], path)
        place = found.end() + 1


def _values(number: int, part: str, path: str) -> None:
    """Addresses and ports that do not exist are refused, and so are sets whose members overlap."""
    if re.match(r"ip6? [sd]addr", part):
        try:
            nets = [ipaddress.ip_network(word, strict=False) for word in re.findall(_NET, part.split("addr", 1)[1])]
        except ValueError:
            raise _at(path, number, "Could not parse IPv4 address") from None
        if any(one is not two and one.version == two.version and one.overlaps(two) for one in nets for two in nets):
            raise _at(path, number, "conflicting intervals specified")
    elif "port" in part:
        ports = [int(word) for word in re.findall(r"(?<![.\d])\d+(?![.\d])", part)]
        if any(port > 65535 for port in ports):
            raise _at(path, number, "Value 65536 exceeds valid range 0-65535")
        first, _, last = part.split("port ", 1)[1].partition("-")
        if last and first.isdecimal() and last.isdecimal() and int(first) >= int(last):
            raise _at(path, number, "Range negative size")
