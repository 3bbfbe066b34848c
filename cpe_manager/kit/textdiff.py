"""What changed between two texts, as people read it."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import unified_diff

NO_NEWLINE = "\n\\ No newline at end of file"


@dataclass(frozen=True, slots=True)
class TextDiff:
    """``text`` is a unified diff, empty when nothing differs; ``added`` and ``removed`` count lines."""

    text: str
    added: int = 0
    removed: int = 0

    @property
    def equal(self) -> bool:
        return not self.text


def unified(old: str, new: str, *, names: tuple[str, str] = ("old", "new"), context: int = 3) -> TextDiff:
    """The unified diff of two texts, headed by ``names``, with ``context`` unchanged lines around each change."""
    if old == new:
        return TextDiff("")
    before, after = (_one_line(name) for name in names)
    lines = list(unified_diff(_lines(old), _lines(new), before, after, n=context, lineterm=""))
    body = lines[2:]
    added = sum(line.startswith("+") for line in body)
    removed = sum(line.startswith("-") for line in body)
    return TextDiff("\n".join(lines) + "\n", added, removed)


def _lines(text: str) -> list[str]:
    # Not str.splitlines: that one also cuts at form feeds and other characters that banners hold.
    if not text:
        return []
    *lines, rest = text.split("\n")
    return [*lines, rest + NO_NEWLINE] if rest else lines


def _one_line(name: str) -> str:
    return " ".join(name.split())
