"""The syntax of router commands: patterns, and a reading of typed words that fills in what was cut short.

A pattern is words and kinds: ``ip route <ip> <mask> (<ip>|<if>|dhcp) [<1-255>]``. Words may be typed cut short;
``(a|b)`` is a choice, ``[x]`` may be missing. Kinds: ``<ip>``, ``<mask>``, ``<wild>``, ``<ip6>``, ``<ip6p>`` (with
length), ``<mac>``, ``<hex>`` (dotted), ``<if>`` (interface, name and number apart or not), ``<a-b>`` (a number),
``<tcp>`` and ``<udp>`` (ports, some of which have names), ``<name>`` (a word that begins with a letter), ``<word>``,
``<line>`` (all that follows, blanks and all), ``<secret>`` (a type or none, and a line), ``<key>`` (a type or none, and
a word).
"""

from __future__ import annotations

import enum
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

_BOTH = {
    "discard": 9,
    "domain": 53,
    "echo": 7,
    "pim-auto-rp": 496,
    "sunrpc": 111,
    "tacacs": 49,
    "talk": 517,
    "time": 37,
}
_NAMES: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {
        "tcp": {
            number: name
            for name, number in {
                **_BOTH, "bgp": 179, "chargen": 19, "cmd": 514, "daytime": 13, "exec": 512, "finger": 79, "ftp": 21,
                "ftp-data": 20, "gopher": 70, "hostname": 101, "ident": 113, "irc": 194, "klogin": 543, "kshell": 544,
                "login": 513, "lpd": 515, "nntp": 119, "pop2": 109, "pop3": 110, "smtp": 25, "telnet": 23,
                "uucp": 540, "whois": 43, "www": 80,
            }.items()
        },
        "udp": {
            number: name
            for name, number in {
                **_BOTH, "biff": 512, "bootpc": 68, "bootps": 67, "dnsix": 195, "isakmp": 500, "mobile-ip": 434,
                "nameserver": 42, "netbios-dgm": 138, "netbios-ns": 137, "netbios-ss": 139, "non500-isakmp": 4500,
                "ntp": 123, "rip": 520, "snmp": 161, "snmptrap": 162, "syslog": 514, "tftp": 69, "who": 513,
                "xdmcp": 177,
            }.items()
        },
    }
)  # fmt: skip
INTERFACES = (
    "GigabitEthernet", "FastEthernet", "Ethernet", "TenGigabitEthernet", "Loopback", "Vlan", "Dialer", "Cellular",
    "Dot11Radio", "Tunnel", "Null", "Serial", "ATM", "BVI", "Port-channel", "Virtual-Template", "Async",
)  # fmt: skip


class Found(enum.Enum):
    """How a typed line compares with the patterns."""

    WHOLE = enum.auto()
    UNKNOWN = enum.auto()
    INCOMPLETE = enum.auto()


@dataclass(frozen=True, slots=True)
class Reading:
    """text: the line in full. number: which pattern it is. place: the index of the first word that fits nothing."""

    found: Found
    text: str = ""
    number: int = -1
    place: int = 0


@dataclass(frozen=True, slots=True)
class _Typed:
    """Typed words, and the raw line with the place where each begins."""

    words: tuple[str, ...]
    starts: tuple[int, ...]
    raw: str
    furthest: list[int]
    """The index of the furthest word that was looked at."""

    def at(self, index: int) -> str | None:
        """The word at a place, None behind the last one."""
        self.furthest[0] = max(self.furthest[0], index)
        return self.words[index] if index < len(self.words) else None

    def rest(self, index: int) -> str:
        return self.raw[self.starts[index] :].rstrip()


_Way = tuple[int, str, int]  # words used up, text in full, number of words that were typed in full
_Step = Callable[[_Typed, int], Iterator[_Way]]


def typed(line: str) -> _Typed:
    places = list(re.finditer(r"\S+", line))
    return _Typed(tuple(p.group() for p in places), tuple(p.start() for p in places), line, [0])


def full_interface(name: str) -> str | None:
    """`gi0/1` is GigabitEthernet0/1; None for what is no interface."""
    found = re.fullmatch(r"([A-Za-z][A-Za-z0-9-]*?)([0-9][0-9/.:]*)", name)
    if found is None:
        return None
    kind = next((k for k in INTERFACES if k.lower().startswith(found[1].lower())), None)
    return None if kind is None else kind + found[2]


class _Pattern:
    """One pattern made ready. ``head``: the words that it begins with."""

    def __init__(self, source: str) -> None:
        tokens = re.findall(r"<[^>]+>|[()\[\]|]|[^\s()\[\]|<>]+", source)
        self._steps, rest = _sequence(tokens)
        assert not rest, source
        self.head: tuple[str, ...] = ()
        for token in tokens:
            if not re.fullmatch(r"[a-zA-Z0-9-]+", token):
                break
            self.head += (token,)

    def ways(self, words: _Typed, *, part: bool) -> Iterator[tuple[str, int]]:
        """The ways in which all words fit. ``part``: the words may be the beginning of the pattern only."""
        yield from _all(self._steps, words, 0, part=part)


def _all(steps: list[_Step], words: _Typed, start: int, *, part: bool) -> Iterator[tuple[str, int]]:
    at_end = words.at(start) is None
    if at_end and (part or not steps):
        yield "", 0
    if not steps:
        return
    for used, text, exact in steps[0](words, start):
        for rest, more in _all(steps[1:], words, used, part=part) if used > start or not (at_end and part) else ():
            yield f"{text} {rest}".strip(), exact + more


def _sequence(tokens: list[str]) -> tuple[list[_Step], list[str]]:
    steps: list[_Step] = []
    while tokens and tokens[0] not in (")", "]", "|"):
        token, tokens = tokens[0], tokens[1:]
        if token in ("(", "["):
            options = []
            closing = ")" if token == "(" else "]"
            while True:
                option, tokens = _sequence(tokens)
                options.append(option)
                mark, tokens = tokens[0], tokens[1:]
                if mark == closing:
                    break
            steps.append(_choice([*options, []] if token == "[" else options))
        else:
            steps.append(_kind(token[1:-1]) if token.startswith("<") else _keyword(token))
    return steps, tokens


def _choice(options: list[list[_Step]]) -> _Step:
    def step(words: _Typed, start: int) -> Iterator[_Way]:
        for option in options:
            yield from _run(option, words, start)

    return step


def _run(steps: list[_Step], words: _Typed, start: int) -> Iterator[_Way]:
    if not steps:
        yield start, "", 0
        return
    for used, text, exact in steps[0](words, start):
        for end, rest, more in _run(steps[1:], words, used):
            yield end, f"{text} {rest}".strip(), exact + more


def _keyword(word: str) -> _Step:
    low = word.lower()

    def step(words: _Typed, start: int) -> Iterator[_Way]:
        given = words.at(start)
        if given is not None and low.startswith(given.lower()):
            yield start + 1, word, int(given.lower() == low)

    return step


def _kind(name: str) -> _Step:
    if name == "if":
        return _interface
    if name == "line":
        return _line
    if name in ("secret", "key"):
        return lambda words, start: _secret(words, start, whole=name == "secret")
    check = _CHECKS.get(name) or _number(name)

    def step(words: _Typed, start: int) -> Iterator[_Way]:
        given = words.at(start)
        if given is not None and (text := check(given)) is not None:
            yield start + 1, text, 0

    return step


def _interface(words: _Typed, start: int) -> Iterator[_Way]:
    words.at(start)
    for count in (1, 2):
        if start + count <= len(words.words):
            name = full_interface("".join(words.words[start : start + count]))
            if name is not None:
                yield start + count, name, 0
                return


def _line(words: _Typed, start: int) -> Iterator[_Way]:
    if words.at(start) is not None:
        yield len(words.words), words.rest(start), 0


def _secret(words: _Typed, start: int, *, whole: bool) -> Iterator[_Way]:
    """A secret is told in its full form: with its type, 0 for one in clear."""
    if words.at(start) is None:
        return
    kind, place = "0", start
    if words.words[start] in ("0", "6", "7") and start + 1 < len(words.words):
        kind, place = words.words[start], start + 1
    text = words.rest(place) if whole else words.words[place]
    if kind == "7" and not re.fullmatch(r"\d\d(?:[0-9A-Fa-f]{2})+", text):
        return
    yield len(words.words) if whole else place + 1, f"{kind} {text}", 0


def _number(bounds: str) -> Callable[[str], str | None]:
    low, _, high = bounds.partition("-")
    assert (low + high).isdecimal(), bounds
    return lambda word: str(int(word)) if word.isdecimal() and int(low) <= int(word) <= int(high) else None


def _ip(word: str) -> str | None:
    return word if re.fullmatch(r"\d+\.\d+\.\d+\.\d+", word) and _valid(ipaddress.IPv4Address, word) else None


def _mask(word: str) -> str | None:
    bits = int(ipaddress.IPv4Address(word)) if _ip(word) else 1
    inverse = bits ^ 0xFFFF_FFFF
    return None if not _ip(word) or inverse & (inverse + 1) else word


def _valid(kind: Callable[[str], object], word: str) -> bool:
    try:
        kind(word)
    except ValueError:
        return False
    return True


def _ip6(word: str) -> str | None:
    return str(ipaddress.IPv6Address(word)).upper() if _valid(ipaddress.IPv6Address, word) else None


def _ip6p(word: str) -> str | None:
    return str(ipaddress.IPv6Interface(word)).upper() if "/" in word and _valid(ipaddress.IPv6Interface, word) else None


def _ports(protocol: str) -> Callable[[str], str | None]:
    names = _NAMES[protocol]

    def check(word: str) -> str | None:
        if word.lower() in names.values():
            return word.lower()
        return names.get(int(word), str(int(word))) if word.isdecimal() and int(word) <= 65535 else None

    return check


def _matching(pattern: str) -> Callable[[str], str | None]:
    form = re.compile(pattern)
    return lambda word: word if form.fullmatch(word) else None


_CHECKS: Mapping[str, Callable[[str], str | None]] = MappingProxyType(
    {
        "ip": _ip,
        "mask": _mask,
        "wild": _ip,
        "ip6": _ip6,
        "ip6p": _ip6p,
        "mac": lambda word: word.lower() if re.fullmatch(r"[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}", word) else None,
        "hex": lambda word: word.lower() if re.fullmatch(r"(?:[0-9A-Fa-f]{4}\.)*[0-9A-Fa-f]{2,4}", word) else None,
        "tcp": _ports("tcp"),
        "udp": _ports("udp"),
        "name": _matching(r"[A-Za-z][\w.-]*"),
        "word": _matching(r"\S+"),
    }
)


class Patterns:
    """A list of patterns, in the order in which a configuration prints what they are."""

    def __init__(self, sources: tuple[str, ...]) -> None:
        self._patterns = tuple(_Pattern(source) for source in sources)
        self._ranks: dict[tuple[str, ...], int] = {}
        for number, pattern in enumerate(self._patterns):
            self._ranks.setdefault(pattern.head, number)

    def read(self, line: str, *, part: bool = False) -> Reading:
        """What a typed line is. ``part``: it may stop before the pattern does, as behind ``no``."""
        return _read(self, line, part=part)

    def rank(self, text: str) -> int:
        """Where a line stands among others, by the words that it begins with."""
        words = tuple(text.removeprefix("no ").split()[:5])
        return next((self._ranks[words[:n]] for n in range(len(words), 0, -1) if words[:n] in self._ranks), -1)

    def head_of(self, number: int) -> tuple[str, ...]:
        return self._patterns[number].head

    def candidates(self, first: str) -> Iterator[tuple[int, _Pattern]]:
        """Patterns whose first word this may be; a word typed in full is that word and no other's beginning."""
        word = first.lower()
        exact = any(pattern.head[:1] == (word,) for pattern in self._patterns)
        for number, pattern in enumerate(self._patterns):
            head = pattern.head[:1]
            if not head or head == (word,) or (not exact and head[0].startswith(word)):
                yield number, pattern


@lru_cache(maxsize=4096)
def _read(patterns: Patterns, line: str, *, part: bool) -> Reading:
    words = typed(line)
    best: tuple[int, int, str] | None = None
    for number, pattern in patterns.candidates(words.words[0]):
        for text, exact in pattern.ways(words, part=part):
            if best is None or exact > best[0]:
                best = exact, number, text
    if best is not None:
        return Reading(Found.WHOLE, best[2], best[1])
    place = words.furthest[0]
    return Reading(Found.INCOMPLETE if place >= len(words.words) else Found.UNKNOWN, place=place)
