"""Configuration mode: typed lines that change a configuration tree."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass

from simulators.dialects.tree import Node, parse, position_for, remove_line, render, set_line


@dataclass(frozen=True, slots=True)
class Mode:
    """A sub-mode: the headers that open it, the prompt's suffix, and the first words that it takes.

    nested: opened within another block only. close: the line that is written after the block, if the family does so.
    """

    header: re.Pattern[str]
    suffix: str
    keywords: frozenset[str]
    nested: bool = False
    close: str = ""


@dataclass(frozen=True, slots=True)
class Grammar:
    """What a family's configuration mode takes.

    globals_: first words at the top level. shadowed: lines that leave a sub-mode though their first word is known
    there. unique: each pattern's matched text is a key, so that a line replaces one with an equal key. remembered_no:
    commands whose `no` form is itself a line; silent: those of them whose plain form is none. normalise: turns a typed
    line into its stored form.
    """

    globals_: frozenset[str]
    modes: tuple[Mode, ...]
    shadowed: re.Pattern[str]
    unique: tuple[re.Pattern[str], ...]
    remembered_no: re.Pattern[str]
    normalise: Callable[[str], str]
    silent: re.Pattern[str] | None = None

    def key_of(self, text: str) -> str | None:
        bare = text.removeprefix("no ") if self.remembered_no.match(text.removeprefix("no ")) else text
        for pattern in self.unique:
            found = pattern.match(bare)
            if found:
                return found.group(0).lower()
        return None

    def mode_of(self, header: str, inside: bool) -> Mode | None:
        """The mode that a header opens, within a block or at the top level."""
        return next((mode for mode in self.modes if mode.nested == inside and mode.header.match(header)), None)


class Outcome(enum.Enum):
    """What became of a typed line. ABSENT: there was nothing to remove."""

    DONE = enum.auto()
    UNKNOWN = enum.auto()
    INCOMPLETE = enum.auto()
    ABSENT = enum.auto()


@dataclass(frozen=True, slots=True)
class _Level:
    node: Node
    mode: Mode


class Editor:
    """One visit to configuration mode. `text()` is the configuration after what has been typed so far."""

    def __init__(self, body: str, grammar: Grammar) -> None:
        self._root = parse(body)
        self._grammar = grammar
        self._path: list[_Level] = []

    @property
    def suffix(self) -> str:
        """The prompt's mode, `config` or `config-if`."""
        return self._path[-1].mode.suffix if self._path else "config"

    @property
    def in_block(self) -> bool:
        return bool(self._path)

    def text(self) -> str:
        return render(self._root)

    def leave(self) -> None:
        """Go up one level; at the top level stay there."""
        del self._path[-1:]

    def enter(self, typed: str) -> Outcome:
        """Take one line, in the innermost block that knows it, else at the top level."""
        line = self._grammar.normalise(" ".join(typed.split()))
        words = line.split()
        negated = words[0] == "no"
        bare = " ".join(words[1:] if negated else words)
        if not bare:
            return Outcome.INCOMPLETE
        depth = self._depth_for(bare)
        if depth is None:
            return Outcome.UNKNOWN
        del self._path[depth:]
        block = self._path[-1].node if self._path else self._root
        mode = self._grammar.mode_of(bare, inside=bool(self._path))
        if mode is None or negated:
            return self._apply(block, bare, negated)
        found = next((node for node in block.children if node.text == bare), None)
        self._path.append(_Level(found or self._new_block(block, bare, mode), mode))
        return Outcome.DONE

    def _depth_for(self, line: str) -> int | None:
        """How many levels of the path stay when this line is taken; None if none of them knows it."""
        word = line.split(maxsplit=1)[0]
        if not (self._path and self._grammar.shadowed.match(line)):
            for depth in range(len(self._path), 0, -1):
                if word in self._path[depth - 1].mode.keywords:
                    return depth
        return 0 if word in self._grammar.globals_ else None

    def _new_block(self, parent: Node, header: str, mode: Mode) -> Node:
        """Append a block after the last one of its kind, set apart by separators and closed as the family does."""
        block = Node(header)
        added = [block, *([Node(mode.close)] if mode.close else [])]
        position = self._position_after_kind(parent, header)
        if parent is self._root:
            if position and parent.children[position - 1].text != "!":
                added.insert(0, Node("!"))
            if parent.children[position : position + 1] and parent.children[position].text != "!":
                added.append(Node("!"))
        parent.children[position:position] = added
        return block

    def _position_after_kind(self, parent: Node, header: str) -> int:
        position = position_for(parent, header)
        closers = {mode.close for mode in self._grammar.modes if mode.close}
        while parent.children[position : position + 1] and parent.children[position].text in closers:
            position += 1
        return position

    def _apply(self, block: Node, line: str, negated: bool) -> Outcome:
        if not negated and len(line.split()) == 1 and line not in _SINGLE_WORDS:
            return Outcome.INCOMPLETE
        if not negated and self._grammar.silent and self._grammar.silent.match(line):
            remove_line(block, f"no {line}")
        elif self._grammar.remembered_no.match(line):
            set_line(block, f"no {line}" if negated else line, self._grammar.key_of)
        elif not negated:
            set_line(block, line, self._grammar.key_of)
        elif remove_line(block, line):
            self._tidy(block)
        else:
            return Outcome.ABSENT
        return Outcome.DONE

    def _tidy(self, block: Node) -> None:
        """Drop the closers and separators that a removed block leaves behind."""
        closers = {mode.close for mode in self._grammar.modes if mode.close}
        kept: list[Node] = []
        for node in block.children:
            before = kept[-1] if kept else None
            lonely = before is None or before.text == "!"
            if not (lonely and (node.text == "!" or node.text in closers)):
                kept.append(node)
        block.children[:] = kept


_SINGLE_WORDS = frozenset({"shutdown", "login", "agentx", "bfd", "link-detect"})
