"""What a rendered template has to be before it may become an order for a device.

A template engine that fails must never end in a device's command line: not as a marker that nothing replaced, not as
a Python value, not as the text of an error. The engine is told to refuse all that (``ports.templates``); here it is
looked at once more, whichever engine made the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cpe_manager.domain.errors import InputError

MOST_LINES: Final = 2000
LONGEST_LINE: Final = 4096
COMMENT: Final = ("!", "#")
"""A line that begins with one of these, after blanks, is a comment in every family's language and is left out."""
_MARKERS: Final = ("{{", "}}", "{%", "%}", "{#", "#}")
_LEFT_OVER: Final = re.compile(
    r"Traceback \(most recent call last\)|\b(?:Undefined|Template\w*)Error\b|\bjinja2\.|\bis undefined\b|"
    r"<(?:generator|function|bound method|built-in|module|class)\b|\bobject at 0x[0-9a-f]|"
    r"\b(?:Key|Name|Type|Value|Attribute)Error:|\bhas no (?:attribute|element)\b"
)
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_WHOLE_VALUE: Final = re.compile(r"(?<![\w.-])(?:None|Undefined|NaN)(?![\w.-])")
"""How Python says that there is nothing. Written so, with a capital, no family's language knows these words."""


def lines_of(text: str) -> tuple[str, ...]:
    """The commands in a rendered text: without blank lines, comments and blanks at the end of a line.

    Raises ``InputError`` with the line of the rendered text for what must not reach a device.
    """
    found = tuple(_lines(text))
    if not found:
        raise InputError("nothing is left to do: every line is blank or a comment")
    if len(found) > MOST_LINES:
        raise InputError(f"{len(found)} lines; {MOST_LINES} are the most")
    return found


def _lines(text: str) -> Iterator[str]:
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        # A left-over in a comment tells as much of a template that went wrong as one in a command.
        reason = unfit(line)
        if reason is not None:
            raise InputError(f"rendered line {number} {reason}")
        if line.strip() and not line.lstrip().startswith(COMMENT):
            yield line.rstrip()


def unfit(text: str) -> str | None:
    """Why a text cannot be meant for a device, in words that do not repeat it; None when it can."""
    marker = next((marker for marker in _MARKERS if marker in text), None)
    if marker is not None:
        return f"still holds the template's marker {marker}"
    if (match := _LEFT_OVER.search(text)) is not None:
        return f"holds the text of an error ({match[0]})"
    if (match := _WHOLE_VALUE.search(text)) is not None:
        return f"holds {match[0]}, which is no value"
    if _CONTROL.search(text):
        return "holds a control character"
    return f"is longer than {LONGEST_LINE} characters" if len(text) > LONGEST_LINE else None


def change_of(text: str) -> Mapping[str, Any]:
    """The neutral change in a rendered text: one JSON object. Raises ``InputError``."""
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise InputError(f"rendered line {error.lineno} is no JSON: {error.msg}") from error
    except RecursionError as error:
        raise InputError("the rendered JSON is nested too deeply") from error
    if not isinstance(found, dict) or not found:
        raise InputError("a change is one JSON object with at least one name")
    for place, value in _texts(found, ""):
        if (reason := unfit(value)) is not None:
            raise InputError(f"{place} {reason}")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InputError("a name stands twice in the rendered JSON")
    return found


def _texts(data: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(data, str):
        yield place, data
    elif isinstance(data, dict):
        for name, value in data.items():
            yield f"{place}.{name}".strip("."), name
            yield from _texts(value, f"{place}.{name}".strip("."))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _texts(value, f"{place}[{index}]")
