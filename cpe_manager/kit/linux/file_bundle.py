"""Several files in one text: what a Linux box's configuration is, and how it is put into files again.

A bundle is made of sections. Each begins with a heading, either of a file (``# file: /etc/hosts``) or of what vtysh
shows (``# vtysh: show running-config``); an empty line stands between two sections. A file in a bundle ends with one
newline, whatever it had.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from shlex import quote
from typing import Final

from cpe_manager.domain.errors import FetchIncomplete

FILE: Final = "# file: "
_HEADING: Final = re.compile(r"^# (?:file: (/\S.*)|vtysh: .+)$", re.MULTILINE)


def sections(text: str) -> dict[str, str]:
    """Section texts by path, or by the whole heading for what is no file. Text before the first heading has key ""."""
    found = list(_HEADING.finditer(text))
    starts = [match.start() for match in found]
    parts = {"": _body(text[: starts[0] if starts else len(text)])}
    for match, end in zip(found, [*starts[1:], len(text)], strict=False):
        parts[match[1] or match[0]] = _body(text[match.end() + 1 : end])
    return parts


def section(text: str, path: str) -> str | None:
    """One file of a bundle, without reading the others."""
    head = f"{FILE}{path}\n"
    start = 0 if text.startswith(head) else text.find(f"\n{head}") + 1
    if not text.startswith(head, start):
        return None
    start += len(head)
    found = _HEADING.search(text, start)
    return _body(text[start : found.start() if found else len(text)])


def _body(text: str) -> str:
    return text.rstrip("\n") + "\n" if text.strip("\n") else ""


def heading_of(path: str) -> str:
    return f"{FILE}{path}" if path.startswith("/") else path


def joined(parts: Iterable[tuple[str, str]]) -> str:
    """A bundle of sections, each with its path or heading."""
    return "\n".join(f"{heading_of(name)}\n{_body(text)}" for name, text in parts)


def counted(printed: str, digests: Mapping[str, str]) -> list[tuple[str, str]]:
    """Cut what a box printed into its sections, in the order of ``digests``, one more newline between two of them.

    ``digests`` has the SHA-256 of each section in hexadecimal as the box computed it, by path or heading. Raises
    ``FetchIncomplete`` when a section is missing, damaged, or there is more than the sections.
    """
    heads = [f"{heading_of(name)}\n" for name in digests]
    parts: list[tuple[str, str]] = []
    place = 0
    for number, (name, digest) in enumerate(digests.items()):
        if not printed.startswith(heads[number], place):
            raise FetchIncomplete(f"{name} is missing in what the box printed")
        start = place + len(heads[number])
        last = number + 1 == len(heads)
        place = len(printed) + 1 if last else printed.find(f"\n{heads[number + 1]}", start - 1) + 1
        text = printed[start : place - 1] if place > start else ""
        if hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest() != digest:
            raise FetchIncomplete(f"{name}: the checksum is not the one that the device computed")
        parts.append((name, text))
    return parts


def printed_line(path: str, text: str) -> str:
    """A shell command that writes a text into a file, in one line."""
    lines = text.removesuffix("\n").split("\n") if text else []
    words = " ".join(quote(line) for line in lines)
    return f"printf '%s\\n' {words} >{quote(path)}" if lines else f": >{quote(path)}"


class Files:
    """The files of a box on their way to another state; ``changed`` says which have got there."""

    def __init__(self, parts: Mapping[str, str]) -> None:
        self._before = dict(parts)
        self._now = dict(parts)

    def __contains__(self, path: str) -> bool:
        return path in self._now

    def paths(self, pattern: str) -> list[str]:
        """Those whose whole path matches, in order."""
        return sorted(path for path in self._now if re.fullmatch(pattern, path))

    def text(self, path: str) -> str:
        return self._now.get(path, "")

    def lines(self, path: str) -> list[str]:
        return self.text(path).removesuffix("\n").split("\n") if self.text(path) else []

    def write(self, path: str, text: str) -> None:
        self._now[path] = text

    def remove(self, path: str) -> None:
        self._now.pop(path, None)

    def swap(self, paths: Sequence[str], home: str, ours: Callable[[str], bool], lines: Sequence[str]) -> None:
        """Put ``lines`` where the first line of ours stands in ``paths``, and drop the other lines of ours. Where none
        stands, they go to the end of ``home``."""
        place: tuple[str, int] | None = None
        for path in paths:
            kept = []
            for line in self.lines(path):
                if not ours(line):
                    kept.append(line)
                elif place is None:
                    place = (path, len(kept))
            if len(kept) != len(self.lines(path)):
                self.write(path, "".join(f"{line}\n" for line in kept))
        if lines:
            path, index = place or (home, len(self.lines(home)))
            found = self.lines(path)
            found[index:index] = lines
            self.write(path, "".join(f"{line}\n" for line in found))

    def changed(self) -> list[str]:
        """Files that are new or hold something else now, sorted."""
        return sorted(path for path, text in self._now.items() if self._before.get(path) != text)

    def removed(self) -> list[str]:
        return sorted(self._before.keys() - self._now.keys())
