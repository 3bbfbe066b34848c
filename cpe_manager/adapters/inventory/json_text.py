"""A JSON list whose items remember their lines, found by decoding item by item."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from cpe_manager.domain.errors import InputError

_SPACE: Final = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class PlacedValue:
    value: Any
    line: int
    """Where it starts, from 1."""


def read_json_list(text: str, *, file: str, key: str) -> tuple[dict[str, Any], list[PlacedValue]]:
    """The items of a list, or of the list under ``key`` of an object, which is then returned without it.

    Raises ``InputError`` with file and line when it is not JSON, or neither of the two.
    """
    try:
        whole = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"not valid JSON: {error.msg}", file=file, line=error.lineno) from error
    except ValueError as error:
        raise InputError("holds a number of thousands of digits", file=file) from error
    except RecursionError as error:
        raise InputError("nested too deeply to be an inventory", file=file) from error
    if isinstance(whole, list):
        return {}, list(_items(text, 0))
    if not isinstance(whole, dict) or not isinstance(whole.get(key), list):
        raise InputError(f"is neither a list of devices nor an object with a list {key!r}", file=file, line=1)
    envelope = {name: value for name, value in whole.items() if name != key}
    return envelope, list(_items(text, _start_of(text, key)))


def _items(text: str, at: int) -> Iterator[PlacedValue]:
    """Items of the list that starts at or after ``at``; the text is known to be valid."""
    decoder = json.JSONDecoder()
    at = _skip(text, text.index("[", at) + 1)
    line, counted = 1, 0
    while text[at] != "]":
        line, counted = line + text.count("\n", counted, at), at
        value, end = decoder.raw_decode(text, at)
        yield PlacedValue(value, line)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _start_of(text: str, key: str) -> int:
    """Offset of the value of ``key`` in the object; the last one counts, as for ``json.loads``."""
    decoder = json.JSONDecoder()
    at, found = _skip(text, text.index("{") + 1), 0
    while text[at] != "}":
        name, end = decoder.raw_decode(text, at)
        at = _skip(text, _skip(text, end) + 1)
        found = at if name == key else found
        _, end = decoder.raw_decode(text, at)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
