"""Abbreviated commands as routers take them: each word may be cut short as long as it stays unique."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass


class Verdict(enum.Enum):
    """What a line is, compared with a list of commands."""

    FOUND = enum.auto()
    UNKNOWN = enum.auto()
    AMBIGUOUS = enum.auto()
    INCOMPLETE = enum.auto()


@dataclass(frozen=True, slots=True)
class Match:
    """command is the full spelling; rest what follows it; wrong_word the index of the first word that fits nothing."""

    verdict: Verdict
    command: str = ""
    rest: tuple[str, ...] = ()
    wrong_word: int = 0


def match(line: str, commands: Iterable[str]) -> Match:
    """Find the command that a typed line abbreviates. A command that ends in ` ...` takes any words after it."""
    typed = line.split()
    candidates = [command.split() for command in commands]
    for index, word in enumerate(typed):
        fitting = _fit(candidates, index, word)
        if not fitting:
            finished = [words for words in candidates if words[index:] == ["..."]]
            if finished:
                return Match(Verdict.FOUND, " ".join(finished[0][:-1]), tuple(typed[index:]))
            return Match(Verdict.UNKNOWN, wrong_word=index)
        if len({words[index] for words in fitting}) > 1:
            return Match(Verdict.AMBIGUOUS, wrong_word=index)
        candidates = fitting
    for words in candidates:
        if len(words) == len(typed) or words[len(typed) :] == ["..."]:
            return Match(Verdict.FOUND, " ".join(words[: len(typed)]))
    return Match(Verdict.INCOMPLETE)


def _fit(candidates: list[list[str]], index: int, word: str) -> list[list[str]]:
    reaching = [words for words in candidates if len(words) > index and words[index] != "..."]
    exact = [words for words in reaching if words[index] == word.lower()]
    return exact or [words for words in reaching if words[index].startswith(word.lower())]


def column_of(line: str, word: int) -> int:
    """The column where a word of a line begins."""
    position = 0
    for index, text in enumerate(line.split()):
        position = line.index(text, position)
        if index == word:
            return position
        position += len(text)
    return len(line)
