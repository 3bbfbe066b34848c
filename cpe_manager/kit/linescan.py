"""Find the lines of a configuration that any of many patterns matches, without searching once per pattern.

Searching 8 KB with twenty patterns one after the other costs about a millisecond, most of it spent on trying ``^`` at
every character. Here all anchored patterns become one that begins with a newline, which the engine looks for at memory
speed, so that each line is tried once. The outcome is only a list of *candidate lines*; the caller then runs the single
patterns on those few. So two secrets in one line are both found, which a plain alternation would miss.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import lru_cache

Span = tuple[int, int]
LineFinder = Callable[[str], list[Span]]

_GLOBAL_FLAGS = re.compile(r"\A\(\?[aiLmsux]+\)")
_NAMED_GROUP = re.compile(r"(?<!\\)\(\?P<\w+>")
_REFERENCE = re.compile(r"\(\?P=|\(\?\(|\\[1-9]")
_SYNTAX = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()|]", re.DOTALL)
_MERGEABLE = re.MULTILINE | re.UNICODE | re.IGNORECASE | re.ASCII


@lru_cache(maxsize=256)
def line_finder(patterns: tuple[re.Pattern[str], ...]) -> LineFinder:
    """A function giving the (start, end) of every line of a text that one of ``patterns`` may match within.

    Spans are in order and do not overlap; ``end`` is where the line's newline stands, or the end of the text. A line
    that is missing from the answer matches nothing; a line in it nearly always matches something.
    """
    anchored, free = _merge(patterns)

    def find(text: str) -> list[Span]:
        spans: set[Span] = set()
        if anchored:
            framed = "\n" + text
            for scanner in anchored:
                spans.update(_anchored_lines(scanner, framed))
        for scanner in free:
            spans.update(_free_lines(scanner, text))
        return sorted(spans)

    return find


def matching_lines(text: str, patterns: tuple[re.Pattern[str], ...]) -> list[Span]:
    """Spans of the lines within which one of ``patterns`` matches, exactly."""
    return [
        (start, end)
        for start, end in line_finder(patterns)(text)
        if any(pattern.search(text, start, end) for pattern in patterns)
    ]


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
        start = text.rfind("\n", 0, match.start()) + 1
        newline = text.find("\n", match.start())
        if newline < 0:
            yield start, len(text)
            return
        yield start, newline
        match = scanner.search(text, newline + 1)


def _merge(patterns: tuple[re.Pattern[str], ...]) -> tuple[list[re.Pattern[str]], list[re.Pattern[str]]]:
    """Scanners for text framed by a newline, and scanners for plain text; one per set of flags."""
    anchored: defaultdict[int, list[str]] = defaultdict(list)
    free: defaultdict[int, list[str]] = defaultdict(list)
    alone: list[re.Pattern[str]] = []
    for pattern in patterns:
        source = _GLOBAL_FLAGS.sub("", pattern.pattern)
        if pattern.flags & ~_MERGEABLE or _REFERENCE.search(source):
            alone.append(pattern)
            continue
        source = _NAMED_GROUP.sub("(?:", source)
        if source.startswith("^") and not _branches(source):
            anchored[pattern.flags].append(source[1:])
        else:
            free[pattern.flags].append(f"(?:{source})")
    return (
        [re.compile(f"\n(?:{'|'.join(sources)})", flags) for flags, sources in anchored.items()],
        [re.compile("|".join(sources), flags) for flags, sources in free.items()] + alone,
    )


def _branches(source: str) -> bool:
    """Whether a pattern has ``|`` outside of every group, so that its ``^`` binds one branch only."""
    depth = 0
    for token in _SYNTAX.finditer(source):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if token[0] == "|" and depth == 0:
            return True
    return False
