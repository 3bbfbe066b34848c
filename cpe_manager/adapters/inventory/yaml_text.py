"""YAML as plain values that remember their lines. Built from the event stream: nothing is constructed by tag,
nesting and size are bounded, and an alias shares its anchor's value instead of copying it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import yaml

from cpe_manager.domain.errors import InputError

MAX_DEPTH: Final = 64
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_MERGE: Final = "<<"
# libyaml's composer recurses in C without a bound; its event parser does not recurse.
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Value = Any
"""``str`` as written (``00123`` and ``yes`` stay text), ``None``, ``list`` or ``YamlMap``."""


class YamlMap(dict[str, Value]):
    """A mapping that knows on which line (from 1) each key stands."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}

    def line_of(self, key: str) -> int:
        return self.lines.get(key, self.line)


def read_yaml(text: str, *, file: str) -> Value:
    """The one document of the text; None when it is empty. Raises ``InputError`` with file and line."""
    try:
        return _Builder(text, file).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = f"not valid YAML: {error.problem or error.context}"
        raise InputError(reason, file=file, line=mark.line + 1 if mark is not None else None) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InputError(f"not valid YAML: {error.reason}", file=file, line=line) from error
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise InputError("holds half of a character; save the file as UTF-8", file=file, line=line) from error


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


class _Builder:
    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.anchors: dict[str, Value] = {}
        self.events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)

    def document(self) -> Value:
        value, documents = None, 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._error("a second YAML document starts here; put each in a file of its own", event)
                value = self._value(next(self.events), 0)
        return value

    def _error(self, reason: str, event: Any) -> InputError:
        return InputError(reason, file=self.file, line=_line(event))

    def _value(self, event: Any, depth: int) -> Value:
        if depth > MAX_DEPTH:
            raise self._error(f"nested deeper than {MAX_DEPTH} levels", event)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                raise self._error(f"alias *{event.anchor} has no anchor before it", event)
            return self.anchors[event.anchor]
        if isinstance(event, yaml.ScalarEvent):
            value: Value = None if event.implicit[0] and event.value in _NULLS else event.value
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._list(depth)
        else:
            value = self._map(event, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = value
        return value

    def _list(self, depth: int) -> list[Value]:
        values: list[Value] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            values.append(self._value(event, depth + 1))
        return values

    def _map(self, start: Any, depth: int) -> YamlMap:
        result, merged = YamlMap(_line(start)), YamlMap(0)
        while not isinstance(key := next(self.events), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent):
                raise self._error("a key has to be plain text", key)
            if key.value in result:
                first = result.lines[key.value]
                raise self._error(f"{key.value!r} is on line {first} already; keep one of the two", key)
            value = self._value(next(self.events), depth + 1)
            if key.value == _MERGE and key.implicit[0]:
                self._merge(merged, value, key)
                continue
            result[key.value] = value
            result.lines[key.value] = _line(key)
        for name in merged.keys() - result.keys():
            result[name], result.lines[name] = merged[name], merged.lines[name]
        return result

    def _merge(self, merged: YamlMap, value: Value, key: Any) -> None:
        """``<<``: keys of other mappings, the first that has one wins."""
        for other in value if isinstance(value, list) else [value]:
            if not isinstance(other, YamlMap):
                raise self._error("<< takes a mapping or a list of mappings", key)
            for name in other.keys() - merged.keys():
                merged[name], merged.lines[name] = other[name], other.lines[name]
