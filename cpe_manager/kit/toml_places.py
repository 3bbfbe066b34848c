"""Where in a TOML text each table and each key stands: what the standard library's reader does not tell.

For texts that `tomllib` has read: what it refuses is not looked at here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

_PART: Final = re.compile(r"""[ \t]*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))[ \t]*""")
_SKIPPED: Final = re.compile(r"(?:\s+|#[^\n]*)*")
_VALUE: Final = re.compile(
    r'''"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|#[^\n]*|[\[\]{}]|\n|[^"'#\[\]{}\n]+''',
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Places:
    """Lines, counted from 1, by path: ``("formulas", "pro", "end_users")``."""

    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict)

    def line(self, path: Sequence[str]) -> int | None:
        """Of the path, else of the nearest table around it: what stands in an inline table is on the line of that."""
        for length in range(len(path), 0, -1):
            if (found := self.lines.get(tuple(path[:length]))) is not None:
                return found
        return None


def places(text: str) -> Places:
    """Of an array of tables the first one's place is told."""
    found: dict[tuple[str, ...], int] = {}
    for path, line in _walk(text):
        for length in range(1, len(path) + 1):
            found.setdefault(path[:length], line)
    return Places(found)


def _walk(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    table: tuple[str, ...] = ()
    at = 0
    while True:
        at = _skipped(text, at)
        if at >= len(text):
            return
        line = text.count("\n", 0, at) + 1
        if text[at] == "[":
            table, at = _key(text, at + (2 if text.startswith("[[", at) else 1))
            at = _line_end(text, at)
            yield table, line
        else:
            key, after = _key(text, at)
            yield table + key, line
            at = _value_end(text, max(after, at + 1))


def _skipped(text: str, at: int) -> int:
    found = _SKIPPED.match(text, at)
    return found.end() if found else at


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _key(text: str, at: int) -> tuple[tuple[str, ...], int]:
    parts: list[str] = []
    while (found := _PART.match(text, at)) is not None:
        parts.append(next(one for one in found.groups() if one is not None))
        at = found.end()
        if not text.startswith(".", at):
            break
        at += 1
    return tuple(parts), at


def _value_end(text: str, at: int) -> int:
    """Behind the value that begins after ``at``: the end of a line on which nothing is open."""
    depth = 0
    while at < len(text):
        found = _VALUE.match(text, at)
        if found is None:
            return _line_end(text, at)
        word, at = found[0], found.end()
        if word in "[{":
            depth += 1
        elif word in "]}":
            depth -= 1
        elif word == "\n" and depth <= 0:
            return at
    return at
