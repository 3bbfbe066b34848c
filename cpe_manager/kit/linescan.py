"""Find the lines of a configuration that any of many patterns matches, without searching once per pattern.

Searching 8 KB with forty patterns one after the other costs some milliseconds, most of it spent on trying ``^`` or
``\\b`` at every character. Here

- patterns that begin with ``^`` and a word become one pattern that begins with a newline, which the engine looks for
  at memory speed, so that each line is tried once;
- patterns that need one of a few literal texts wherever they match (``://``, ``password=`` or ``secret=``) wait until
  one of them is found, which is fast, too. That goes for patterns whose first word begins most lines (``set .* key``),
  as well: what they look for behind it is rarer.

The outcome is a list of *candidate lines*; the single patterns then run on those few. So two secrets in one line are
both found, which a plain alternation would miss.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from cpe_manager.kit.regex_source import has_branches, merged_source, required_literals, shortest_of

Span = tuple[int, int]

_MERGEABLE = re.MULTILINE | re.UNICODE | re.IGNORECASE | re.ASCII
_HEAD_FIRST = re.compile(r"\^[\w-][\w -]{4}")
"""A pattern that begins with so much text is tried at few lines only."""
_MANY = 8
"""Literals beyond which going through the text for each of them costs more than a look at the start of each line."""
_SHORTEST = 3
"""Characters of a literal that is worth looking for."""

_END = 5
"""Characters by which literals must end alike to be looked for together: few lines have so many by accident."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A pattern with what is known of it. ``anchored``: it can match at the start of a line only; ``literals``: one of
    them is in every match."""

    pattern: re.Pattern[str]
    source: str | None
    anchored: bool
    literals: tuple[str, ...]

    def may_match(self, text: str) -> bool:
        """False only where no match can lie in ``text``."""
        for literal in self.literals:
            if literal in text:
                return True
        return not self.literals


class LineScanner:
    """Patterns that each match within one line, made ready to be looked for together."""

    def __init__(self, patterns: tuple[re.Pattern[str], ...]) -> None:
        self._patterns = tuple(_known(pattern) for pattern in patterns)
        anchored: defaultdict[int, list[str]] = defaultdict(list)
        free: defaultdict[int, list[str]] = defaultdict(list)
        self._free: list[re.Pattern[str]] = []
        literals: set[str] = set()
        for known in self._patterns:
            flags = known.pattern.flags
            if known.source is None:
                self._free.append(known.pattern)
            elif known.anchored and (_HEAD_FIRST.match(known.source) or not 0 < len(known.literals) <= _MANY):
                anchored[flags].append(known.source[1:])
            elif known.literals:
                literals.update(known.literals)
            else:
                free[flags].append(f"(?:{known.source})")
        self._literals = tuple(sorted(_with_shared_ends(frozenset(literals))))
        self._anchored = [re.compile(f"\n(?:{'|'.join(some)})", flags) for flags, some in anchored.items()]
        self._free += [re.compile("|".join(some), flags) for flags, some in free.items()]

    def candidates(self, text: str) -> list[Span]:
        """(start, end) of each line that one of the patterns may match within, in order.

        ``end`` is where the line's newline stands, or the end of the text. A line that is missing matches nothing.
        """
        spans: set[Span] = set()
        if self._anchored:
            framed = "\n" + text
            for scanner in self._anchored:
                spans.update(_anchored_lines(scanner, framed))
        for scanner in self._free:
            spans.update(_free_lines(scanner, text))
        for literal in self._literals:
            if literal in text:
                spans.update(_lines_with(literal, text))
        return sorted(spans)

    def matches(self, text: str, start: int, end: int) -> Iterator[tuple[int, re.Match[str]]]:
        """(number of the pattern, match) for every match within one line."""
        return _matches(enumerate(self._patterns), text, (start, end))

    def found(self, text: str) -> Iterator[tuple[int, re.Match[str]]]:
        """``matches`` of every candidate line, line by line."""
        lines = self.candidates(text)
        # Most patterns need a literal that none of these few lines holds: asked once, not for each line.
        together = "\n".join([text[start:end] for start, end in lines])
        likely = [(number, known) for number, known in enumerate(self._patterns) if known.may_match(together)]
        for line in lines:
            yield from _matches(likely, text, line)


@lru_cache(maxsize=256)
def line_scanner(patterns: tuple[re.Pattern[str], ...]) -> LineScanner:
    """The scanner of a set of patterns; they seldom are more sets than families."""
    return LineScanner(patterns)


def matching_lines(text: str, patterns: tuple[re.Pattern[str], ...]) -> list[Span]:
    """Spans of the lines within which one of ``patterns`` matches."""
    scanner = line_scanner(patterns)
    return [span for span in scanner.candidates(text) if any(scanner.matches(text, *span))]


@lru_cache(maxsize=2048)
def _known(pattern: re.Pattern[str]) -> _Pattern:
    source = None if pattern.flags & ~_MERGEABLE else merged_source(pattern.pattern)
    if source is None:
        return _Pattern(pattern, None, anchored=False, literals=())
    literals = frozenset[str]() if pattern.flags & re.IGNORECASE else required_literals(source)
    long_enough = all(len(literal) >= _SHORTEST for literal in literals)
    anchored = source.startswith("^") and not has_branches(source)
    return _Pattern(pattern, source, anchored, tuple(sorted(literals)) if long_enough else ())


def _matches(patterns: Iterable[tuple[int, _Pattern]], text: str, line: Span) -> Iterator[tuple[int, re.Match[str]]]:
    start, end = line
    own = text[start:end]
    for number, known in patterns:
        if not known.may_match(own):
            continue
        if not known.anchored:
            for match in known.pattern.finditer(text, start, end):
                yield number, match
        elif found := known.pattern.match(text, start, end):
            yield number, found


def _with_shared_ends(literals: frozenset[str]) -> frozenset[str]:
    """Texts one of which is wherever one of the literals is: where several literals end alike (``auth-key=`` and
    ``psk-key=``), what all of these end with, so that a configuration is gone through once for all of them."""
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for literal in shortest_of(literals):
        alike[literal[-_END:]].append(literal)
    return shortest_of(frozenset(map(_shared_end, alike.values())))


def _shared_end(texts: list[str]) -> str:
    ends = (texts[0][start:] for start in range(len(texts[0])))
    return next(end for end in ends if all(text.endswith(end) for text in texts))


def _anchored_lines(scanner: re.Pattern[str], framed: str) -> Iterator[Span]:
    # In the framed text the newline before a line stands at the index where that line starts in the unframed text.
    match = scanner.search(framed)
    while match:
        start = match.start()
        newline = framed.find("\n", start + 1)
        if newline < 0:
            yield start, len(framed) - 1
            return
        yield start, newline - 1
        match = scanner.search(framed, newline)


def _free_lines(scanner: re.Pattern[str], text: str) -> Iterator[Span]:
    # Going on from the next line, not from the end of the match, keeps a match over two lines from hiding the second.
    match = scanner.search(text)
    while match:
        start, end = line_around(text, match.start())
        yield start, end
        match = scanner.search(text, end + 1) if end < len(text) else None


def _lines_with(literal: str, text: str) -> Iterator[Span]:
    found = text.find(literal)
    while found >= 0:
        start, end = line_around(text, found)
        yield start, end
        found = text.find(literal, end)


def line_around(text: str, index: int) -> Span:
    """The line that ``index`` lies in; a newline belongs to the line that it ends."""
    end = text.find("\n", index)
    return text.rfind("\n", 0, index) + 1, len(text) if end < 0 else end
