"""Configurations in ``set`` lines: a path of words, and perhaps a value in single quotes behind it.

The tree that they make is changed in place, and what turns one tree into another is said in ``set`` and ``delete``.
What a node means is no business of this; here is only what the form says: a quoted word is a value, anything else a
node, and a node without anything below it is a line of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from typing import Any, Final, TypeVar

from cpe_manager.domain.errors import InputError

T = TypeVar("T")
Tree = dict[str, "Tree"]
"""What stands below a node, by word. Values keep their quotes."""
Path = tuple[str, ...]
Several = Callable[[Path], bool]
"""Whether the leaf at a path holds more than one value."""
_LINE: Final = re.compile(r"set (?P<path>[^'\n]*[^'\s])(?: (?P<value>'[^'\n]*'))?[ \t]*")
_SECTION: Final = re.compile(r"set (?P<path>[^'\s]+ [^'\s]+ [^'\s]+) ")
_DEPTH: Final = 3
"""Words of a section's path."""
_NO_LINE: Final = "\n"
"""What no line begins with."""
_UNSPEAKABLE: Final = re.compile("['\"\\\\]|[^\x20-\x7e]")


def quoted(value: str) -> str:
    """A value as a line has it. Raises ``InputError`` for what such a line cannot hold, without showing it."""
    if found := _UNSPEAKABLE.search(value):
        raise InputError(f"a value with the character {found.group()!r} cannot be written in a set line")
    return f"'{value}'"


def unquoted(word: str) -> str:
    return word[1:-1] if word.startswith("'") else word


class SetLines:
    """A configuration as a tree. Paths are given as words; ``"a b c"`` stands for its words.

    A section, that is everything below the same three words, is taken apart when somebody asks for it: most of a long
    configuration is in sections that the model has nothing of. Its three words are in the tree from the beginning.
    """

    def __init__(self, text: str) -> None:
        """Lines of another form are passed over: they stay in the text."""
        self._tree: Tree = {}
        self._unread: dict[Path, list[str]] = {}
        self.remembered: dict[object, Any] = {}
        start, section = _NO_LINE, list[str]()
        for line in text.split("\n"):
            # The lines of a section follow one another as a rule.
            if not line.startswith(start):
                start, section = self._section_of(line)
            section.append(line)

    def _section_of(self, line: str) -> tuple[str, list[str]]:
        """What the lines of a line's section begin with, and the list of them. A line in none is taken in at once."""
        if _LINE.fullmatch(line) is None:
            return _NO_LINE, []
        found = _SECTION.match(line)
        if found is None:
            self._take(line)
            return _NO_LINE, []
        path = tuple(found["path"].split(" "))
        self._node(path)
        return found[0], self._unread.setdefault(path, [])

    def _take(self, line: str) -> None:
        if found := _LINE.fullmatch(line):
            node = self._node(found["path"].split())
            if found["value"]:
                node.setdefault(found["value"], {})

    def _node(self, path: Iterable[str]) -> Tree:
        """The node at a path, made when there is none."""
        node = self._tree
        for word in path:
            node = node.setdefault(word, {})
        return node

    def _read(self, section: Path) -> None:
        for line in self._unread.pop(section, ()):
            self._take(line)

    def _read_all(self) -> None:
        for section in list(self._unread):
            self._read(section)

    def _before_change(self) -> None:
        self._read_all()
        self.remembered.clear()

    @property
    def tree(self) -> Tree:
        """All of it."""
        self._read_all()
        return self._tree

    def below(self, path: str | Path) -> Tree:
        """The node at a path; an empty one, not part of the tree, when there is none.

        What stands right in it is there. What stands deeper may not be read yet, unless the path leads into a section.
        """
        words = words_of(path)
        self._read(words[:_DEPTH])
        node = self._tree
        for word in words:
            if word not in node:
                return {}
            node = node[word]
        return node

    def has(self, path: str | Path) -> bool:
        *above, last = words_of(path)
        return last in self.below(tuple(above))

    def names(self, path: str | Path) -> list[str]:
        """The nodes right below a path, no values."""
        return [word for word in self.below(path) if not word.startswith("'")]

    def values(self, path: str | Path) -> list[str]:
        return [unquoted(word) for word in self.below(path) if word.startswith("'")]

    def value(self, path: str | Path, default: str = "") -> str:
        return next(iter(self.values(path)), default)

    def leaves(self, path: str | Path) -> dict[str, list[str]]:
        """Everything below a path: the rest of each line's path to its values, in the order of the text."""
        words, found = words_of(path), dict[str, list[str]]()
        if len(words) < _DEPTH:
            self._read_all()
        for line in _lines(self.below(words), ()):
            value = line[-1].startswith("'") if line else False
            rest = found.setdefault(" ".join(line[:-1] if value else line), [])
            rest += [unquoted(line[-1])] if value else []
        return found

    def mark(self, path: str | Path) -> None:
        """Have a node there, with or without anything below it."""
        self._before_change()
        self._node(words_of(path))

    def put(self, path: str | Path, *values: str) -> None:
        """Give a leaf exactly these values; none takes the leaf away."""
        wanted = [quoted(value) for value in values]
        if [word for word in self.below(path) if word.startswith("'")] == wanted:
            return
        if not wanted:
            self.drop(path)
            return
        self.mark(path)
        node = self.below(path)
        node.clear()
        node.update((word, {}) for word in wanted)

    def drop(self, path: str | Path, *, keep: int = 0) -> None:
        """Take a node away, and what is left empty above it; the first ``keep`` words of the path stay."""
        words = words_of(path)
        self._before_change()
        if not words or not self.has(words):
            return
        del self.below(words[:-1])[words[-1]]
        above = words[:-1]
        if len(above) > keep and not self.below(above):
            self.drop(above, keep=keep)

    def move(self, path: Path, to: Path) -> None:
        """Have everything below a path below another one, whose last word alone is different."""
        moved = self.below(path)
        self.drop(path, keep=len(path) - 2)
        self._node(to[:-1])[to[-1]] = moved

    def replace(self, matches: Callable[[Path], Path]) -> None:
        """Put another line in the place of each one for which ``matches`` gives another."""
        self._before_change()
        fresh = SetLines("")
        for line in _lines(self.tree, ()):
            fresh.mark(matches(line))
        self._tree = fresh.tree

    def lines(self) -> list[Path]:
        return list(_lines(self.tree, ()))


def remembered(find: Callable[[SetLines], T]) -> Callable[[SetLines], T]:
    """``find`` for a question that is asked often: its answer stays until the configuration is changed."""

    @wraps(find)
    def recalled(box: SetLines) -> T:
        if find not in box.remembered:
            box.remembered[find] = find(box)
        answer: T = box.remembered[find]
        return answer

    return recalled


def copied(tree: Tree) -> Tree:
    return {word: copied(below) for word, below in tree.items()}


def words_of(path: str | Path) -> Path:
    return tuple(path.split()) if isinstance(path, str) else path


def _lines(node: Tree, head: Path) -> Iterator[Path]:
    for word, below in node.items():
        if below:
            yield from _lines(below, (*head, word))
        else:
            yield (*head, word)


def commands(old: Tree, new: Tree, several: Several) -> tuple[str, ...]:
    """What turns ``old`` into ``new``: whatever goes is deleted as high up as nothing else stands below.

    ``several`` says which leaves hold more than one value; of any other ``set`` replaces the value.
    """
    return tuple(" ".join(words) for words in _changes(old, new, (), several))


def _changes(old: Tree, new: Tree, path: Path, several: Several) -> Iterator[Sequence[str]]:
    before, after = ([word for word in node if word.startswith("'")] for node in (old, new))
    if before != after:
        yield from _value_changes(before, after, path, several)
    for word in old:
        if word not in new and word not in before:
            yield ("delete", *path, word)
    for word, below in new.items():
        if word.startswith("'"):
            continue
        if word not in old:
            yield from (("set", *path, word, *line) for line in (list(_lines(below, ())) or [()]))
        else:
            yield from _changes(old[word], below, (*path, word), several)


def _value_changes(before: list[str], after: list[str], path: Path, several: Several) -> Iterator[Sequence[str]]:
    kept = [value for value in before if value in after]
    if before and not after:
        yield ("delete", *path)
    elif not before or not several(path):
        yield from (("set", *path, value) for value in after)
    elif kept == after[: len(kept)]:
        yield from (("delete", *path, value) for value in before if value not in after)
        yield from (("set", *path, value) for value in after[len(kept) :])
    else:
        yield ("delete", *path)
        yield from (("set", *path, value) for value in after)
