"""Which lines of a configuration carry no part of the neutral model: what a restore by meaning leaves behind.

A line is outside the model when the text means the same without it. That is found out by leaving lines out and reading
again, whole stretches first. Of two lines that say the same, each is outside then: more is listed than is lost, never
less.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cpe_manager.domain.errors import CpeManagerError
from cpe_manager.domain.model.cpe_config import CpeConfig

MOST_READINGS: Final = 3000
"""Readings that are spent on one text. What has not been told apart by then is taken to be outside the model."""
_STRETCH: Final = 32
_NOTHING: Final = re.compile(r"\s*(?:[!#].*|end|exit(?:-\S+)?|quit|Building configuration\.\.\.)?\s*")
"""Blank lines, comments and what only closes something."""
Parse = Callable[[str], CpeConfig]


@dataclass(frozen=True, slots=True)
class Group:
    """Lines that stand together: ``place`` says where."""

    place: str
    lines: tuple[str, ...]


def outside_model(text: str, parse: Parse) -> tuple[int, ...]:
    """Numbers (from 0) of the lines without which the text means the same, in order; comments are left out."""
    lines = text.split("\n")
    meant = parse(text)
    left = MOST_READINGS
    found: set[int] = set()

    def same_without(chosen: Sequence[int]) -> bool:
        nonlocal left
        left -= 1
        gone = set(chosen)
        kept = "\n".join(line for number, line in enumerate(lines) if number not in gone)
        try:
            return parse(kept) == meant
        except CpeManagerError:
            return False

    def look(chosen: Sequence[int]) -> None:
        if left <= 0 or same_without(chosen):
            found.update(chosen)
        elif len(chosen) > 1:
            middle = len(chosen) // 2
            look(chosen[:middle])
            look(chosen[middle:])

    telling = [number for number, line in enumerate(lines) if not _NOTHING.fullmatch(line)]
    for start in range(0, len(telling), _STRETCH):
        look(telling[start : start + _STRETCH])
    return tuple(sorted(found))


def grouped(text: str, numbers: Sequence[int], dialect: str) -> tuple[Group, ...]:
    """The numbered lines of ``text`` by where they stand, in order."""
    wanted, groups = set(numbers), dict[str, list[str]]()
    for number, (place, line) in enumerate(_placed(text, dialect)):
        if number in wanted:
            groups.setdefault(place, []).append(line.strip())
    return tuple(Group(place, tuple(lines)) for place, lines in groups.items())


def _placed(text: str, dialect: str) -> Iterator[tuple[str, str]]:
    """Each line with the place that it stands at, by the form of the text."""
    package = block = ""
    for line in text.split("\n"):
        words = line.split()
        if dialect == "set":
            block = " ".join(words[1:3])
        elif dialect == "path":
            block = re.split(r" (?:add|set)\b", line.lstrip("/"), maxsplit=1)[0] or block
        elif dialect == "uci":
            package = words[1] if words[:1] == ["package"] else package
            block = f"{package} {' '.join(words[1:3])}" if words[:1] == ["config"] else block
        elif line.startswith("# file: "):
            package = block = words[-1]
        elif line and not line[:1].isspace() and not package:
            block = " ".join(words[:3])
        yield block, line
