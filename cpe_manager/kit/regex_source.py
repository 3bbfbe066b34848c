"""What can be told from a regular expression's source, as far as merging patterns needs it. When in doubt: nothing."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_GLOBAL_FLAGS: Final = re.compile(r"\A\(\?[aiLmsux]+\)")
_NAMED_GROUP: Final = re.compile(r"(?<!\\)\(\?P<\w+>")
_REFERENCE: Final = re.compile(r"\(\?P=|\(\?\(|\\[1-9]")
_UNREAD: Final = re.compile(r"\\[xuUN0]|\(\?#")
"""Characters by number and comments: legal, and not worth being read."""
_TOKEN: Final = re.compile(
    r"(?P<escape>\\.)|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])|(?P<repeat>[*+?]\??|\{\d*,?\d*\}\??)|(?P<other>.)", re.DOTALL
)
_NEVER_LITERAL: Final = frozenset(".^$|()[]{}\n")


def merged_source(source: str) -> str | None:
    """The source in a form that can stand among others in one pattern; None when it must stay alone."""
    source = _GLOBAL_FLAGS.sub("", source)
    return None if _REFERENCE.search(source) else _NAMED_GROUP.sub("(?:", source)


def has_branches(source: str) -> bool:
    """Whether there is a ``|`` outside of every group, so that a leading ``^`` binds one branch only."""
    depth = 0
    for token in _TOKEN.finditer(source):
        depth += _depth(token)
        if token[0] == "|" and depth == 0:
            return True
    return False


def required_literals(source: str) -> frozenset[str]:
    """Texts one of which is in every match, such as lines seldom hold by accident. Empty when none can be told.

    ``(?:pass|secret)word=`` gives ``password=`` and ``secretword=``, so a line without either needs no closer look.
    """
    if _UNREAD.search(source):
        return frozenset()
    try:
        return shortest_of(_Reader(source).alternatives().needed)
    except _Unread:
        return frozenset()


def shortest_of(texts: frozenset[str]) -> frozenset[str]:
    """The texts without those that hold another one: whoever looks for the rest finds them, too."""
    return frozenset(text for text in texts if not any(other in text for other in texts if other != text))


_MOST: Final = 64
"""Texts of one set; what multiplies beyond that is given up."""
_LONG: Final = 4
"""Characters from which on a text is telling; more of them do not make it more so."""
_OPENER: Final = re.compile(r"\((?P<kind>\?(?:[:>=!]|<[=!]|P<\w+>))?")
_SET: Final = re.compile(r"\[(?:(?P<letters>[^\^\]\\-]{1,4})|(?P<first>[0-9])-(?P<last>[0-9]))\]")
_ZERO_WIDTH: Final = frozenset({"\\b", "\\B", "\\A", "\\Z", "^", "$"})


class _Unread(Exception):
    """A form that is not read here."""


class _Known(NamedTuple):
    """What is known of a part: every text that it matches, if that can be told, and texts one of which it needs."""

    whole: frozenset[str] | None
    needed: frozenset[str]


_ANYTHING: Final = _Known(None, frozenset())
_NOTHING: Final = _Known(frozenset({""}), frozenset())


class _Reader:
    """Reads a source from left to right."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0

    def alternatives(self) -> _Known:
        found = [self._sequence()]
        while self._source.startswith("|", self._at):
            self._at += 1
            found.append(self._sequence())
        whole: frozenset[str] | None = frozenset()
        for one in found:
            whole = None if whole is None or one.whole is None else whole | one.whole
        needed = frozenset().union(*(one.needed for one in found)) if all(one.needed for one in found) else frozenset()
        few = len(needed) <= _MOST
        return _Known(whole if whole is not None and len(whole) <= _MOST else None, needed if few else frozenset())

    def _sequence(self) -> _Known:
        run, from_start, best = frozenset({""}), True, frozenset[str]()
        while self._at < len(self._source) and self._source[self._at] not in "|)":
            item = self._item()
            least, most = self._repeats()
            if (least, most) == (False, 1) and item.whole is not None:
                item, least = _Known(item.whole | {""}, frozenset()), True
            if least and item.whole is not None:
                joined = _product(run, item.whole)
                if joined is None:
                    best, from_start = _better(best, run), False
                run = item.whole if joined is None else joined
            if not least or item.whole is None or most != 1:
                best, run, from_start = _better(best, run), frozenset({""}), False
                best = _better(best, item.needed) if least else best
        best = _better(best, run)
        return _Known(run if from_start else None, best if _shortest(best) else frozenset())

    def _item(self) -> _Known:
        """One character, set or group."""
        if opened := _OPENER.match(self._source, self._at):
            return self._group(opened)
        token = _TOKEN.match(self._source, self._at)
        if token is None or token["repeat"]:
            raise _Unread
        self._at = token.end()
        if token[0] in _ZERO_WIDTH:
            return _NOTHING
        if few := _SET.fullmatch(token[0]):
            return _exactly(*(few["letters"] or (str(n) for n in range(int(few["first"]), int(few["last"]) + 1))))
        character = _character(token)
        return _exactly(character) if character else _ANYTHING

    def _group(self, opened: re.Match[str]) -> _Known:
        self._at = opened.end()
        if self._source.startswith("?", self._at):
            raise _Unread
        inner = self.alternatives()
        if not self._source.startswith(")", self._at):
            raise _Unread
        self._at += 1
        return _NOTHING if (opened["kind"] or "")[-1:] in ("=", "!") else inner

    def _repeats(self) -> tuple[bool, int]:
        """(whether what was read occurs at least once, how often at most; 2 stands for anything above 1)."""
        least, most = True, 1
        while (token := _TOKEN.match(self._source, self._at)) and token["repeat"]:
            # A mark behind `+` makes that lazy or possessive, and is read together with it or changes nothing.
            least &= token[0][0] == "+" or re.match(r"\{0*[1-9]", token[0]) is not None
            most = most if token[0] in ("?", "??") else 2
            self._at = token.end()
        return least, most


def _exactly(*texts: str) -> _Known:
    return _Known(frozenset(texts), frozenset(texts))


def _product(heads: frozenset[str], tails: frozenset[str]) -> frozenset[str] | None:
    """Every head with every tail; None when there are too many."""
    return frozenset(h + t for h in heads for t in tails) if len(heads) * len(tails) <= _MOST else None


def _better(earlier: frozenset[str], later: frozenset[str]) -> frozenset[str]:
    """The set that fewer lines hold by accident: patterns say what is special to them last (``option ... psk '``)."""
    return later if min(_shortest(later), _LONG) >= min(_shortest(earlier), _LONG) else earlier


def _shortest(texts: frozenset[str]) -> int:
    return min((len(text) for text in texts), default=0)


def _depth(token: re.Match[str]) -> int:
    return {"(": 1, ")": -1}.get(token[0], 0)


def _character(token: re.Match[str]) -> str:
    """The one character that a token stands for; empty for anything else."""
    if token["escape"]:
        return "" if token[0][1].isalnum() else token[0][1]
    return token[0] if token["other"] and token[0] not in _NEVER_LITERAL else ""
