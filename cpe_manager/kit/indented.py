"""Configurations made of blocks by indentation, as IOS and its relatives print them, taken apart for reading."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_BANNER: Final = re.compile(r"banner \S+ (\^C|\S)")


@dataclass(frozen=True, slots=True)
class Block:
    """A line at the left margin and what is indented below it.

    ``lines`` are without the indentation of the first of them; what stands deeper keeps the rest of its own. Blanks
    within a line are as the device printed them: some secrets hold several.
    """

    head: str
    lines: tuple[str, ...] = ()

    def value(self, start: str) -> str | None:
        """What follows ``start`` in the first line that begins with it; None when there is none."""
        for line in self.lines:
            if line.startswith(start):
                return line[len(start) :]
        return None

    def values(self, start: str) -> tuple[str, ...]:
        return tuple(line[len(start) :] for line in self.lines if line.startswith(start))


def blocks(text: str) -> tuple[Block, ...]:
    """The blocks of a whole configuration, in order. Comment lines (``!``) and the bodies of banners are left out."""
    found: list[tuple[str, list[str]]] = []
    delimiter, margin = "", 0
    for line in text.split("\n"):
        if delimiter:
            delimiter = "" if delimiter in line else delimiter
        elif line.startswith(" "):
            indentation = len(line) - len(line.lstrip(" "))
            if found:
                # One blank as a rule; some blocks have three.
                margin = margin or indentation
                found[-1][1].append(line[min(margin, indentation) :])
        elif line and not line.startswith("!"):
            found.append((line, []))
            margin = 0
            delimiter = _opened(line)
    return tuple(Block(head, tuple(lines)) for head, lines in found)


def _opened(line: str) -> str:
    """What ends the text of the banner that this line begins; empty when it begins none, or ends it too."""
    found = _BANNER.match(line)
    if found is None or line.count(found[1], found.start(1)) > 1:
        return ""
    return found[1]


def named(found: Iterable[Block], start: str) -> tuple[Block, ...]:
    """The blocks whose heads begin with ``start``."""
    return tuple(block for block in found if block.head.startswith(start))
