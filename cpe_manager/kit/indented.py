"""Configurations made of blocks by indentation, as IOS and its relatives print them, taken apart for reading."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

_BANNER: Final = re.compile(r"(banner (?<![^\n]banner )\S+ (\^C|\S)(?:(?!\2).)*)\n(?s:.*?)(?:\2.*|\Z)")
"""A banner of several lines: its first line, and the mark that its text ends with, too. That it is at the left margin
is asked once the word is found: the engine looks for words at memory speed."""
_BLOCK: Final = re.compile(r"^([^ !\n].*)((?:\n .*)*)|^( .*(?:\n .*)*)", re.MULTILINE)
"""(head, the lines below it), or lines below none."""


class Block(NamedTuple):
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
    found: list[tuple[str, str]] = []
    for head, body, more in _BLOCK.findall(_BANNER.sub(r"\1", text)):
        if head:
            found.append((head, body))
        elif found:
            # A comment stood between: what is indented below it goes on with the block.
            found[-1] = (found[-1][0], f"{found[-1][1]}\n{more}")
    return tuple([Block(head, _lines(body)) for head, body in found])


def _lines(body: str) -> tuple[str, ...]:
    """Lines that each have a line break and a blank before them, without the indentation of the first one."""
    _, *lines = body.split("\n ")
    if lines and lines[0].startswith(" "):
        # One blank as a rule; some blocks have three.
        margin = _indentation(lines[0])
        lines = [line[min(margin, _indentation(line)) :] for line in lines]
    return tuple(lines)


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def named(found: Iterable[Block], start: str) -> tuple[Block, ...]:
    """The blocks whose heads begin with ``start``."""
    return tuple(block for block in found if block.head.startswith(start))
