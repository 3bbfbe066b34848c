"""From one whole IOS configuration to another, line by line, as `configure replace` does it on the router itself.

What it takes is in no order that a text could tell: a router refuses what another line still uses, prints lines in an
order of its own, and takes lines back by itself when the one that they hang on goes. So this is made to be done again:
read, compare, type; whoever types it goes on behind a line that was refused, reads, and compares again.

Within one pass: what guards our own way in (lists on lines and interfaces) is taken off before its entries change and
put back when they are whole; routes go after the new ones are there; the archive, which a rollback may need, and the
name go last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import Final

from cpe_manager.kit.ios.box import interface_of
from cpe_manager.kit.ios.lines import Line, lines_of
from cpe_manager.kit.redaction import REMOVED


@dataclass(frozen=True, slots=True)
class Unit:
    """Lines to be typed below these heads, outermost first; none for lines of the top level.

    A line may have line ends in it: a banner, a certificate. When a head is refused, nothing of its unit may be typed.
    """

    heads: tuple[str, ...]
    lines: tuple[str, ...]


# The router's own, whatever is typed.
_FIXED: Final = re.compile(
    r"(?:version|boot-start-marker|boot-end-marker|ntp clock-period|license udi|Building|Current)\b"
)
_BLOCK: Final = re.compile(
    r"(?:interface|line|router|controller|ip dhcp pool|ip access-list|ipv6 access-list|route-map|class-map|policy-map"
    r"|dot11 ssid|archive|redundancy|control-plane|object-group|crypto (?:pki (?:trustpoint|certificate)|isakmp policy)"
    r"|ip sla \d|event manager|vlan|track|key chain|tacacs server|radius server|aaa group|parser view)(?: |\Z)"
)
_BUILT_IN: Final = re.compile(
    r"(?:interface (?!(?:Loopback|Vlan|Dialer|Tunnel|BVI|Port-channel|Virtual-Template)\d)[^.]+\Z"
    r"|controller |control-plane|redundancy|line (?:con|aux) |line vty 0 )"
)
_SORTED: Final = re.compile(r"(?:interface|line|controller|ip route|ipv6 route) ")
"""What a router prints in an order of its own."""
_GUARDS: Final = re.compile(
    r"(?:ip access-group (?P<a>\S+) (?:in|out)|access-class (?P<b>\S+) (?:in|out).*|ipv6 traffic-filter (?P<c>\S+) \S+)"
)
_LIST: Final = re.compile(r"ip(?:v6)? access-list (?:standard |extended )?(?P<name>\S+)")
_NUMBERED: Final = re.compile(r"access-list (?P<name>\d+) ")
_ROUTE: Final = re.compile(r"ip(?:v6)? route ")
_ADDRESS: Final = re.compile(r"ip address (\d\S+ \S+)( secondary)?")
# Of these there is one: the next one takes the place of the last.
_SINGLE: Final = re.compile(
    r"(?:hostname|description|ip mtu|mtu|encapsulation|speed|duplex|bandwidth|ip tcp adjust-mss|ppp authentication"
    r"|ppp chap (?:hostname|password)|ppp pap sent-username|dialer pool|dialer idle-timeout|exec-timeout|password"
    r"|transport (?:input|output|preferred)|network|default-router|dns-server|domain-name|lease|hardware-address|host"
    r"|client-identifier|channel|wpa-psk ascii|maximum|path|ip domain name|snmp-server (?:location|contact|chassis-id"
    r"|trap-source)|clock (?:timezone|summer-time)|enable (?:secret|password)|username \S+|ip ssh version|ntp source"
    r"|ip address|ip unnumbered|load-interval|pulse-time|dialer-group|service timestamps \S+)(?= |\Z)"
)
# The order of what stands below these is meant.
_IN_ORDER: Final = re.compile(
    r"(?:class-map|policy-map|class|route-map|event manager|ip sla|object-group|crypto|ipv6 access-list)(?: |\Z)"
)
# Once it runs it is not changed: taken away, and made anew.
_WHOLE: Final = re.compile(r"ip sla \d")


def replacing(current: str, text: str, *, strict: bool) -> tuple[Unit, ...]:
    """What turns ``current`` into ``text``; empty when both say the same in the same order.

    ``strict``: lines that stand in another order than wanted are taken out and typed again. A first pass is better off
    without: most routers put their lines into order by themselves.
    """
    return tuple(_Change(lines_of(current), lines_of(text), strict=strict).units())


class _Change:
    def __init__(self, old: Line, new: Line, *, strict: bool) -> None:
        self._strict = strict
        self.old, self.new = _known(old), _known(new)
        self._lists = _changed_lists(self.old, self.new)
        self._before: list[Unit] = []
        self._gone: list[Unit] = []
        self._fresh: list[Unit] = []
        self._guards: list[Unit] = []

    def units(self) -> Iterator[Unit]:
        gone, fresh = self._sides(self.old.children, self.new.children, lambda line: _kind(line, 0))
        overwritten = {_single(line) for line in fresh} - {""}
        routes = [line for line in gone if _ROUTE.match(line.text) and not _same_route(line, fresh)]
        last = [line for line in gone if line.text == "archive"]
        for line in reversed(gone):
            if line not in routes and line not in last and not _NUMBERED.match(line.text):
                self._remove(line, overwritten)
        written: set[str] = set()
        for line in self.new.children:
            if found := _NUMBERED.match(line.text):
                if found["name"] in self._lists and found["name"] not in written:
                    written.add(found["name"])
                    self._numbered(found["name"])
            elif line in fresh:
                self._create(line, (), gone)
            elif (was := self.old.child(line.text)) is not None:
                self._below(was, line, (line.text,))
        for lost in self._lists - written:
            if any(line.text.startswith(f"access-list {lost} ") for line in self.old.children):
                self._gone.append(Unit((), (f"no access-list {lost}",)))
        self._make_room()
        self._gone.sort(key=_rank)
        yield from (*self._before, *self._gone, *self._fresh, *self._guards)
        yield from (Unit((), (f"no {line.text}",)) for line in (*routes, *last))
        name = next((line for line in self.new.children if line.text.startswith("hostname ")), None)
        if name is not None and name in fresh:
            yield Unit((), (name.text,))

    def _sides(self, old: list[Line], new: list[Line], kind_of: Callable[[Line], str]) -> tuple[list[Line], list[Line]]:
        """Lines that go and lines that come, as far as a line's own words tell."""
        before, after = {line.text: line for line in old}, {line.text: line for line in new}
        gone = [line for line in old if line.text not in after or _anew(line, after[line.text])]
        fresh = [line for line in new if line.text not in before or _anew(before[line.text], line)]
        if self._strict:
            for moved in _moved(old, new, kind_of):
                gone += [before[moved]] if before[moved] not in gone else []
                fresh += [after[moved]] if after[moved] not in fresh else []
        return gone, fresh

    def _remove(self, line: Line, overwritten: set[str]) -> None:
        """A line of the top level that goes, with all below it."""
        if _single(line) in overwritten or line.text.startswith("hostname "):
            return
        if _BUILT_IN.match(line.text):
            self._below(line, Line(line.text), (line.text,))
        elif line.text.startswith("banner "):
            self._gone.append(Unit((), (f"no {line.text}",)))
        else:
            self._gone.append(Unit((), (_undone(line.text),)))

    def _create(self, line: Line, heads: tuple[str, ...], gone: Iterable[Line]) -> None:
        if not heads and line.text.startswith("hostname "):
            return
        if not heads and (old := _same_route(line, gone)) is not None:
            self._fresh.append(Unit((), (f"no {old.text}", line.text)))
        elif line.children or _BLOCK.match(line.text):
            self._below(Line(line.text), line, (*heads, line.text), create=True)
        else:
            self._fresh.append(Unit(heads, (line.typed(),)))

    def _below(self, old: Line, new: Line, heads: tuple[str, ...], *, create: bool = False) -> None:
        """What changes within a block that is there, or about to be."""
        if _LIST.fullmatch(new.text):
            self._entries(old, new, heads, create=create)
            return
        ordered = any(_IN_ORDER.match(head) for head in heads)
        gone, fresh = self._sides(old.children, new.children, lambda line: "" if ordered else _kind(line, len(heads)))
        overwritten = {_single(line) for line in fresh} - {""}
        removed = [line for line in reversed(gone) if not self._replaced(line, fresh, overwritten)]
        removed.sort(key=lambda line: not line.text.endswith(" secondary"))
        self._put(self._gone, heads, (_undone(line.text) for line in removed if not self._is_guard(line)))
        self._put(self._before, heads, (f"no {line.text}" for line in removed if self._is_guard(line)))
        kept_guards = [
            line for line in new.children if self._is_guard(line) and line not in fresh and self._loose(line)
        ]
        self._put(self._before, heads, (f"no {line.text}" for line in kept_guards))
        guards = [line for line in new.children if self._is_guard(line) and (line in fresh or self._loose(line))]
        lines: list[str] = []
        for line in new.children:
            if line in guards:
                continue
            if line.children or (line not in fresh and (was := old.child(line.text)) is not None and was.children):
                self._put(self._fresh, heads, lines, always=create)
                lines, create = [], False
                was = None if line in fresh else old.child(line.text)
                self._below(was or Line(line.text), line, (*heads, line.text), create=was is None)
            elif line in fresh:
                lines.append(line.typed())
        self._put(self._fresh, heads, lines, always=create)
        self._put(self._guards, heads, (line.text for line in guards))

    def _replaced(self, line: Line, fresh: list[Line], overwritten: set[str]) -> bool:
        """Whether a line that comes does away with this one by itself."""
        if _single(line) in overwritten and not line.text.endswith(" secondary"):
            return True
        bare = line.text.removeprefix("no ")
        if bare != line.text:
            return any(f"{other.text} ".startswith(f"{bare} ") for other in fresh)
        return any(f"no {bare} ".startswith(f"{other.text} ") for other in fresh if other.text.startswith("no "))

    def _entries(self, old: Line, new: Line, heads: tuple[str, ...], *, create: bool) -> None:
        """An access list: what stands behind the first difference is taken out and typed again."""
        before, after = [line.text for line in old.children], [line.text for line in new.children]
        same = next(
            (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
        )
        lines = [*(f"no {entry}" for entry in before[same:]), *after[same:]]
        self._put(self._fresh, heads, lines, always=create)

    def _numbered(self, name: str) -> None:
        head = f"access-list {name} "
        had = any(line.text.startswith(head) for line in self.old.children)
        entries = tuple(line.text for line in self.new.children if line.text.startswith(head))
        self._fresh.append(Unit((), (*([f"no access-list {name}"] if had else []), *entries)))

    def _is_guard(self, line: Line) -> bool:
        return _GUARDS.fullmatch(line.text) is not None

    def _loose(self, line: Line) -> bool:
        found = _GUARDS.fullmatch(line.text)
        return found is not None and bool({found["a"], found["b"], found["c"]} & self._lists)

    def _put(self, where: list[Unit], heads: tuple[str, ...], lines: Iterable[str], *, always: bool = False) -> None:
        if (found := tuple(lines)) or always:
            where.append(Unit(heads, found))

    def _make_room(self) -> None:
        """No two interfaces may share a network, not even on the way: who is in somebody's way loses its address."""
        new = {block.text: address for block, address in _addresses(self.new)}
        for block, address in _addresses(self.old):
            wanted = [
                other for name, other in new.items() if name != block.text and other.network.overlaps(address.network)
            ]
            if wanted and new.get(block.text) != address and self.new.child(block.text) is not None:
                self._before.append(Unit((block.text,), ("no ip address",)))


def _rank(unit: Unit) -> int:
    """Lines of the top level go first, since they use what is in blocks; then lines of blocks, then blocks."""
    if unit.heads:
        return 1
    return 2 if _BLOCK.match(unit.lines[0].partition(" ")[2]) else 0


def _known(root: Line) -> Line:
    return Line("", [line for line in root.children if not _FIXED.match(line.text)])


def _anew(old: Line, new: Line) -> bool:
    """Whether a line of the same words is another one all the same."""
    return old.body != new.body or (_WHOLE.match(new.text) is not None and _texts(old) != _texts(new))


def _texts(line: Line) -> list[str]:
    return [text for below in line.children for text in (below.text, *_texts(below))]


def _kind(line: Line, depth: int) -> str:
    """Lines of one kind stand in the order in which they were typed."""
    if depth == 0 and (_SORTED.match(line.text) or _NUMBERED.match(line.text)):
        return line.text
    if line.text.startswith("ip nat inside source static "):
        return "ip nat inside source static"
    return " ".join(
        line.text.removeprefix("no ").split()[: 3 if line.text.startswith(("ip access-list", "ip nat")) else 2]
    )


def _moved(old: list[Line], new: list[Line], kind_of: Callable[[Line], str]) -> list[str]:
    """Lines on both sides that would stand in the wrong place once new ones are typed behind them."""
    kinds: dict[str, tuple[list[str], list[str]]] = {}
    after = {line.text for line in new}
    for line in old:
        if line.text in after:
            kinds.setdefault(kind_of(line), ([], []))[0].append(line.text)
    for line in new:
        kinds.setdefault(kind_of(line), ([], []))[1].append(line.text)
    found = []
    for kept, wanted in kinds.values():
        same = next((n for n, (a, b) in enumerate(zip(kept, wanted, strict=False)) if a != b), len(kept))
        found += kept[same:]
    return found


def _single(line: Line) -> str:
    if line.text.endswith(" secondary"):
        return ""
    found = _SINGLE.match(line.text.removeprefix("no "))
    return found.group() if found else ""


def _undone(text: str) -> str:
    """What takes a line back; of one that begins with ``no``, what is so unless something is said."""
    return f"default {text[3:]}" if text.startswith("no ") else f"no {text}"


def _same_route(line: Line, others: Iterable[Line]) -> Line | None:
    """A route that goes where this one goes, by another distance: there can be only one of them."""
    if not _ROUTE.match(line.text):
        return None
    count = 5 if line.text.startswith("ip route") else 4
    return next((o for o in others if o.words[:count] == line.words[:count] and o.text != line.text), None)


def _changed_lists(old: Line, new: Line) -> set[str]:
    one, other = _entries_of(old), _entries_of(new)
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def _entries_of(root: Line) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in root.children:
        if named := _LIST.fullmatch(line.text):
            found[named["name"]] = [entry.text for entry in line.children]
        elif numbered := _NUMBERED.match(line.text):
            found.setdefault(numbered["name"], []).append(line.text)
    return found


def _addresses(root: Line) -> Iterator[tuple[Line, IPv4Interface]]:
    for block in root.children:
        if block.text.startswith("interface "):
            for line in block.children:
                found = _ADDRESS.fullmatch(line.text)
                if found and (address := interface_of(found[1])) is not None:
                    yield block, address


_HIDDEN: Final = re.compile(rf"(?:(\d) )?{REMOVED}")


def with_own_secrets(text: str, stripped: str, raw: str, unknown: Callable[[str], str]) -> str:
    """A stored text with the device's own log-in secrets where they were taken out (§5.2.1.3).

    ``raw`` is what the device runs, ``stripped`` the same without its log-in secrets, line for line. A line that the
    device has already keeps its mark: it is not typed. Of an account, a mode or a terminal line that the device has in
    other words its secret is taken; for what it does not have at all ``unknown`` gives one, by the name of the account
    or nothing.
    """
    if REMOVED not in text:
        return text
    own: dict[tuple[str, str], str] = {}
    there: set[tuple[str, str]] = set()
    for (head, hidden), (_, shown) in zip(_in_blocks(stripped), _in_blocks(raw), strict=True):
        there.add((head, hidden))
        if (mark := _HIDDEN.search(hidden)) is not None:
            own[head, _owner(hidden)] = shown[mark.start() : len(shown) - (len(hidden) - mark.end())]
    found: list[str] = []
    for head, line in _in_blocks(text):
        mark = _HIDDEN.search(line)
        if mark is None or (head, line) in there:
            found.append(line)
            continue
        words = line.split()
        name = words[1] if words[0] == "username" else "enable" if words[0] == "enable" else ""
        secret = own.get((head, _owner(line))) or f"{'0 ' if mark[1] else ''}{unknown(name)}"
        found.append(line[: mark.start()] + secret + line[mark.end() :])
    return "\n".join(found)


def _owner(line: str) -> str:
    return " ".join(line.split()[: 2 if line.startswith(("username ", "enable ")) else 1])


def _in_blocks(text: str) -> Iterator[tuple[str, str]]:
    """Each line with the head of its block."""
    head = ""
    for line in text.split("\n"):
        head = line if line[:1] not in (" ", "") else head
        yield ("" if line == head else head), line
