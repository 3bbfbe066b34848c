"""What can be told from a regular expression's source, as far as merging patterns needs it. When in doubt: nothing."""

from __future__ import annotations

import re
from typing import Final

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


def required_literal(source: str) -> str:
    """The longest text that is in every match, of what stands outside of groups; empty when there is none."""
    if has_branches(source) or _UNREAD.search(source):
        return ""
    runs, depth = [""], 0
    for token in _TOKEN.finditer(source):
        depth += _depth(token)
        character = "" if depth or token[0] == ")" else _character(token)
        if character:
            runs[-1] += character
            continue
        if token["repeat"] and depth == 0 and not token[0].startswith("+"):
            # What was repeated may not be there at all; a group or set before it has ended the run already.
            runs[-1] = runs[-1][:-1]
        runs.append("")
    return max(runs, key=len)


def _depth(token: re.Match[str]) -> int:
    return {"(": 1, ")": -1}.get(token[0], 0)


def _character(token: re.Match[str]) -> str:
    """The one character that a token stands for; empty for anything else."""
    if token["escape"]:
        return "" if token[0][1].isalnum() else token[0][1]
    return token[0] if token["other"] and token[0] not in _NEVER_LITERAL else ""
