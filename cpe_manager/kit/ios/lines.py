"""An IOS configuration as nested lines, nothing left out: what a whole text is compared and typed by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_BANNER: Final = re.compile(r"(banner \S+) (\^C|\S)(.*)")
_CHAIN: Final = "crypto pki certificate chain "
# What may end a banner that is typed; one of these is in no banner that people write.
_DELIMITERS: Final = "~|@`%&=+_ZQXWK"


@dataclass(slots=True)
class Line:
    """A line without its indentation, and the lines below it.

    ``body`` is what belongs to it word for word: the text of a banner, the hexadecimal lines of a certificate.
    """

    text: str
    children: list[Line] = field(default_factory=list)
    body: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        return self.text.split()

    def child(self, text: str) -> Line | None:
        return next((line for line in self.children if line.text == text), None)

    def typed(self) -> str:
        """The line as it is entered, with line ends in it where it has a body.

        A banner gets a delimiter that is not in it: the ``^C`` of a display is one character on the router, and two
        when they are typed.
        """
        if not self.body:
            return self.text
        if self.text.startswith("banner "):
            mark = next((mark for mark in _DELIMITERS if not any(mark in line for line in self.body)), "\x03")
            return f"{self.text} {mark}" + "\n".join(self.body) + mark
        return "\n".join((self.text, *self.body))


def lines_of(text: str) -> Line:
    """A nameless root with all lines of a configuration; comments and everything from ``end`` on are left out."""
    root = Line("")
    stack: list[tuple[int, Line]] = [(-1, root)]
    rest = iter(text.split("\n"))
    for raw in rest:
        text_of = raw.strip()
        if not text_of or text_of.startswith("!"):
            continue
        depth = len(raw) - len(raw.lstrip(" \t"))
        if text_of == "end" and depth == 0:
            break
        banner = _BANNER.match(raw)
        if banner is not None:
            root.children.append(Line(banner[1], body=_banner(banner[2], banner[3], rest)))
            stack = [(-1, root)]
            continue
        while stack[-1][0] >= depth:
            stack.pop()
        line = Line(text_of)
        stack[-1][1].children.append(line)
        stack.append((depth, line))
    for block in root.children:
        if block.text.startswith(_CHAIN):
            for certificate in block.children:
                certificate.body, certificate.children = _certificate(certificate), []
    return root


def _banner(mark: str, first: str, rest: Iterator[str]) -> tuple[str, ...]:
    """The lines of a banner, from behind the delimiter that opens it to before the one that closes it."""
    found = [first]
    while mark not in found[-1]:
        following = next(rest, None)
        if following is None:
            return tuple(found)
        found.append(following)
    found[-1] = found[-1].partition(mark)[0]
    return tuple(found)


def _certificate(line: Line) -> tuple[str, ...]:
    """The lines below a certificate, however deep each stands; they end with ``quit``."""
    return tuple(text for below in line.children for text in (below.text, *_certificate(below)))
