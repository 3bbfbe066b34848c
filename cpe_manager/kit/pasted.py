"""Lines that were meant for people and not for a device: what is left of a template, and what a device once answered.

Pasted among commands they do harm: a box takes the beginning of some of them for a command, and nobody meant any.
"""

from __future__ import annotations

import re
from typing import Final

_TEMPLATE: Final = re.compile(r"\{\{-?\s*[\w.\[\]'\"|()\s]+-?\}\}|\{%-?\s*\w.*?%\}|\{#.*?#\}|<no value>")
_ANSWERS: Final = (
    (re.compile(r"\s*% ?(?:Invalid|Incomplete|Ambiguous|Unknown|Unrecognized|Error|Bad|Rollback)\b"),
     "an answer of IOS"),
    (re.compile(r"\s*\^\s*"), "the mark under a mistake"),
    (re.compile(r"\s*(?:Rollback aborted|Building configuration\.\.\.|Current configuration ?:)"), "an answer of IOS"),
    (re.compile(r"\s*(?:bad command name |expected (?:end of command|command name)|syntax error \(line )"),
     "an answer of RouterOS"),
    (re.compile(r"\s*(?:Invalid command: |Configuration path: .*(?:not valid|requires a value)"
                r"|(?:Set|Delete|Commit) failed\b)"), "an answer of VyOS"),
    (re.compile(r"\s*(?:uci: |-?v?(?:ba|a)?sh: |/bin/\w*sh: )\S.*"), "an answer of a Unix shell"),
    (re.compile(r"\s*Traceback \(most recent call last\)"), "what a program died of"),
    (re.compile(r"\s*--+ ?[Mm]ore ?--+\s*"), "a pager"),
    (re.compile(r"[A-Za-z0-9][\w.-]{0,62}(?:\(config[\w-]*\))[#>].*"), "a prompt"),
)  # fmt: skip


def foreign_to_devices(line: str) -> str:
    """What a line is that no device should be given; empty for what may be a command.

    Only what is beyond doubt counts: nothing that stands *within* a command, but for what a template left.
    """
    if _TEMPLATE.search(line):
        return "what a template left"
    return next((what for pattern, what in _ANSWERS if pattern.match(line) and _whole(pattern, line)), "")


def _whole(pattern: re.Pattern[str], line: str) -> bool:
    """A lone caret is a mark, a line that begins with one may be anything."""
    return "\\^" not in pattern.pattern or pattern.fullmatch(line) is not None


def left_by_template(value: object) -> bool:
    """Whether any text in plain data, as a change of the neutral model is, still has a template's marks."""
    if isinstance(value, str):
        return _TEMPLATE.search(value) is not None
    if isinstance(value, dict):
        return any(left_by_template(one) for pair in value.items() for one in pair)
    return isinstance(value, list | tuple) and any(map(left_by_template, value))
