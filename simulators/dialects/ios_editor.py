"""Configuration mode of the virtual IOS router: typed lines that change a configuration, by the rules of its syntax."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from simulators.dialects import ios_checks
from simulators.dialects.ios_config import encrypted, stored
from simulators.dialects.ios_lines import DEFAULTS, MODES, REMEMBERED, TIGHT, Mode
from simulators.dialects.ios_syntax import Found, Reading, typed
from simulators.dialects.tree import Node, parse, render

_ENCRYPTION = "service password-encryption"
_KINDS = (
    "Loopback", "Tunnel", "ATM", "Ethernet", "GigabitEthernet", "FastEthernet", "TenGigabitEthernet", "Serial",
    "Dot11Radio", "Cellular", "Vlan", "Dialer", "BVI", "Virtual-Template",
)  # fmt: skip
_NUMBERED = re.compile(r"(\d+)(?: +(.*))?")
_ROUTE = re.compile(r"ip route (\d\S+) (\d\S+) \S+(?: \d+\.\S+)?(?: (\d+)(?= |\Z))?")
_BANNER = re.compile(r"banner (\S+) (\S+)")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a line was not taken: the text that the box prints, or the word (by its index) that is wrong."""

    text: str = ""
    place: int = -1
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class _Level:
    node: Node
    mode: str


class IosEditor:
    """One visit to configuration mode. `text()` is the configuration after what has been typed so far.

    `asks`: whether somebody is there to answer; if not, the box takes every question for answered with yes.
    """

    def __init__(self, body: str, *, asks: bool = False) -> None:
        self._root = parse(body)
        self._root.children[:] = [node for node in self._root.children if node.text != "!"]
        self._path: list[_Level] = []
        self._asks = asks
        self._banner: tuple[Node, str] | None = None

    @property
    def suffix(self) -> str:
        """The prompt's mode, `config` or `config-if`."""
        return self._mode(len(self._path))[0]

    @property
    def in_block(self) -> bool:
        return bool(self._path)

    @property
    def in_banner(self) -> bool:
        """Whether lines are taken word for word, up to the banner's delimiter."""
        return self._banner is not None

    def text(self) -> str:
        return laid_out(self._root)

    def reload(self, body: str) -> None:
        """Go on with another configuration, in the blocks of the same names as far as they exist."""
        path = [(level.node.text, level.mode) for level in self._path]
        self._root = parse(body)
        self._root.children[:] = [node for node in self._root.children if node.text != "!"]
        self._path = []
        block = self._root
        for text, mode in path:
            found = next((node for node in block.children if node.text == text), None)
            if found is None:
                return
            self._path.append(_Level(found, mode))
            block = found

    def leave(self) -> None:
        """Go up one level; at the top level stay there. A certificate is shown with the word that ended it."""
        if self._path and self._path[-1].mode == "config-pubkey":
            self._path[-1].node.children.append(Node("quit"))
        del self._path[-1:]

    def enter(self, line: str, *, sure: bool = False) -> Refusal | str | None:
        """Take one line, in the innermost mode that knows it, else at the top level.

        A refusal; or the question that the box asks first, whose answer comes as the same line with `sure`; or None.
        """
        if self._banner is not None:
            self._banner_line(line)
            return None
        bare, negated, default = _verb(line)
        if not bare.split():
            return Refusal(incomplete=True)
        if self._path and self._path[-1].mode.endswith("nacl") and (found := _NUMBERED.fullmatch(bare)):
            return self._numbered(int(found[1]), found[2] or "", negated=negated)
        best: tuple[Reading, int] | None = None
        for depth in range(len(self._path), -1, -1):
            reading = self._mode(depth)[1].patterns.read(bare, part=negated)
            if reading.found is Found.WHOLE:
                return self._take(depth, reading, bare, negated=negated, default=default, sure=sure)
            best = best or (reading, depth)
        assert best is not None
        skipped = len(typed(line).words) - len(typed(bare).words)
        return Refusal(place=best[0].place + skipped, incomplete=best[0].found is Found.INCOMPLETE)

    def _numbered(self, number: int, entry: str, *, negated: bool) -> Refusal | None:
        """An entry by its sequence number; they are ten apart, in the order of the list."""
        level = self._path[-1]
        entries, place = level.node.children, (number - 1) // 10
        taken = number % 10 == 0 and place < len(entries)
        if negated:
            if taken:
                del entries[place]
            return None
        if not entry:
            return Refusal(incomplete=True)
        reading = MODES[level.mode].patterns.read(entry)
        if reading.found is not Found.WHOLE:
            return Refusal(place=reading.place + 1, incomplete=reading.found is Found.INCOMPLETE)
        text = stored(reading.text, encrypt=False)
        if any(node.text == text for node in entries):
            return None
        if taken:
            return Refusal(f"% Duplicate sequence number {number}\n")
        entries.insert(place, Node(text))
        return None

    def _mode(self, depth: int) -> tuple[str, Mode]:
        name = self._path[depth - 1].mode if depth else "config"
        return name, MODES[name]

    def _take(
        self, depth: int, reading: Reading, bare: str, *, negated: bool, default: bool, sure: bool
    ) -> Refusal | str | None:
        del self._path[depth:]
        mode = self._mode(depth)[1]
        block = self._path[-1].node if self._path else self._root
        text = stored(reading.text, encrypt=self._encrypts)
        if negated:
            return self._remove(block, mode, reading, text, sure=sure)
        if default:
            return self._reset(block, mode, reading, text)
        if mode.opens[reading.number]:
            return self._open(block, mode, reading, text)
        if problem := ios_checks.refusal(self._root, block, text):
            return Refusal(problem)
        if _BANNER.match(text):
            self._start_banner(block, mode, text, bare)
            return None
        self._put(block, mode, reading.number, text)
        if text == _ENCRYPTION:
            encrypted(self._root)
        return None

    @property
    def _encrypts(self) -> bool:
        return any(node.text == _ENCRYPTION for node in self._root.children)

    def _open(self, block: Node, mode: Mode, reading: Reading, text: str) -> Refusal | None:
        found = next((node for node in block.children if node.text == text), None)
        if found is None:
            if problem := ios_checks.refusal(self._root, block, text):
                return Refusal(problem)
            found = Node(text)
            _insert(block, mode, found)
        self._path.append(_Level(found, mode.opens[reading.number]))
        return None

    def _put(self, block: Node, mode: Mode, number: int, text: str) -> None:
        if text.startswith("ntp clock-period "):
            return  # The box measures it itself.
        if text in DEFAULTS:
            _drop(block, _same_key(mode, number, text, block))
            return
        same = _same_key(mode, number, text, block)
        if same and _ROUTE.match(text):
            _drop(block, same)
            _insert(block, mode, Node(text))
        elif same:
            same[0].text = text
            _drop(block, same[1:])
        elif not any(node.text == text for node in block.children):
            _drop(block, [node for node in block.children if node.text == f"no {text}"])
            _insert(block, mode, Node(text))

    def _remove(self, block: Node, mode: Mode, reading: Reading, text: str, *, sure: bool) -> Refusal | str | None:
        words = text.split()
        key = mode.keys[reading.number]
        hits = [node for node in block.children if node.text == text]
        hits = hits or [node for node in block.children if node.words[: len(words)] == words]
        if not hits and key and not ios_checks.exact(text):
            # What follows the key is not compared: the box has one such line at most.
            hits = _same_key(mode, reading.number, text, block)
        if problem := ios_checks.removal(block, text, [node.text for node in hits]):
            return Refusal(problem)
        question = ios_checks.question([node.text for node in hits])
        if question and self._asks and not sure:
            return question
        _drop(block, hits)
        if REMEMBERED.match(text):
            _drop(block, [node for node in block.children if node.text == f"no {text}"])
            _insert(block, mode, Node(f"no {text}"))
        return None

    def _reset(self, block: Node, mode: Mode, reading: Reading, text: str) -> Refusal | str | None:
        """`default`: an interface loses its lines, any other line goes."""
        if not text.startswith("interface "):
            return self._remove(block, mode, reading, text, sure=True)
        for node in block.children:
            node.children = [] if node.text == text else node.children
        return None

    def _start_banner(self, block: Node, mode: Mode, text: str, bare: str) -> None:
        """The text goes to the next delimiter: on this line, or on one that comes."""
        found = _BANNER.match(text)
        assert found is not None
        given = bare.split(None, 2)[2]
        delimiter = "^C" if given.startswith("^C") else given[0]
        inside, closed, _ = given[len(delimiter) :].partition(delimiter)
        _drop(block, [node for node in block.children if node.text.startswith(f"banner {found[1]} ")])
        node = Node(f"banner {found[1]} ^C", body=[] if closed or not inside else [inside])
        _insert(block, mode, node)
        if closed:
            node.text += f"{inside}^C"
        else:
            self._banner = node, delimiter

    def _banner_line(self, line: str) -> None:
        assert self._banner is not None
        node, delimiter = self._banner
        if delimiter in line:
            node.body.append(line.partition(delimiter)[0] + "^C")
            self._banner = None
        else:
            node.body.append(line)


def _verb(line: str) -> tuple[str, bool, bool]:
    """The line without its verb, and whether that was `no` or `default`."""
    first, _, rest = line.strip().partition(" ")
    if first.lower() in ("no", "default"):
        return rest.strip(), first.lower() == "no", first.lower() == "default"
    return line.strip(), False, False


def _same_key(mode: Mode, number: int, text: str, block: Node) -> list[Node]:
    """The lines that this one replaces."""
    key = mode.keys[number]
    words = text.split()
    if not key or len(words) < key:
        return []
    found = [node for node in block.children if node.text.removeprefix("no ").split()[:key] == words[:key]]
    if text.startswith("ip address "):
        return [node for node in found if not node.text.endswith(" secondary")]
    if text.startswith("ip access-group "):
        return [node for node in found if node.words[-1] == words[-1]]
    return found


def _drop(block: Node, nodes: list[Node]) -> None:
    gone = {id(node) for node in nodes}
    block.children[:] = [node for node in block.children if id(node) not in gone]


def _insert(block: Node, mode: Mode, node: Node) -> None:
    """Where the box prints it: behind what stands before it in its own order, and behind its like."""
    if mode.ordered:
        block.children.append(node)
        return
    order = _order(mode, node)
    place = 0
    for index, other in enumerate(block.children):
        if _order(mode, other) <= order:
            place = index + 1
    block.children.insert(place, node)


def _order(mode: Mode, node: Node) -> tuple[int, int, list[int]]:
    """Where a line stands: by its kind; interfaces by theirs and their number, routes by what they lead to and how far
    away they are."""
    rank = mode.patterns.rank(node.text)
    if route := _ROUTE.match(node.text):
        network, mask = (int(ipaddress.IPv4Address(word)) for word in route.groups()[:2])
        return rank, 0, [network, mask, int(route[3] or 1)]
    if not node.text.startswith("interface "):
        return rank, 0, []
    found = re.match(r"interface ([A-Za-z-]+[0-9]*[A-Za-z]+)", node.text)
    kind = found[1] if found else ""
    number = node.text.removeprefix(f"interface {kind}")
    return (
        rank,
        _KINDS.index(kind) if kind in _KINDS else len(_KINDS),
        [int(part) for part in re.findall(r"\d+", number)],
    )


def laid_out(root: Node) -> str:
    """The configuration as the box prints it, with separators around blocks and between sections."""
    out = Node("")
    before: Node | None = None
    for node in root.children:
        if before is not None and _apart(before, node):
            out.children.append(Node("!"))
        out.children.append(node)
        before = node
    out.children.append(Node("!"))
    return render(out)


def _apart(before: Node, node: Node) -> bool:
    """Whether a separator stands between two lines: around blocks, and where another kind of line begins."""
    if any(before.text.startswith(kind) and node.text.startswith(kind) for kind in TIGHT):
        return False
    first, second = (line.text.removeprefix("no ").split()[0] for line in (before, node))
    return bool(before.children or node.children) or first != second


def normalised(body: str) -> str:
    """A configuration as the box would print it: in its order, its access lists in its spelling."""
    root = parse(body)
    root.children[:] = [node for node in root.children if node.text != "!"]
    _arrange(root, MODES["config"])
    return laid_out(root)


def _arrange(block: Node, mode: Mode) -> None:
    if not mode.ordered:
        block.children.sort(key=lambda node: _order(mode, node))
    for node in block.children:
        opens = mode.opens[mode.patterns.rank(node.text)] if node.children else ""
        if opens:
            _arrange(node, MODES[opens])
        if opens.endswith("nacl"):
            for entry in node.children:
                entry.text = stored(MODES[opens].patterns.read(entry.text).text, encrypt=False)
