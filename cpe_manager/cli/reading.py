"""What commands read from files and from ``NAME=VALUE`` options."""

from __future__ import annotations

import csv
import io
import json
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cpe_manager.domain.errors import InputError

NAME_COLUMNS: Final = ("device", "name", "hostname")
"""What the column of a table is called that names the device; else it is the first one."""


def text_of(path: Path) -> str:
    """A file's text; ``-`` is standard input."""
    return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")


def data_of(path: Path) -> dict[str, Any]:
    """Names and values from a JSON or TOML file. Raises ``InputError``."""
    text = text_of(path)
    try:
        found = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except ValueError as error:
        raise InputError(str(error), file=str(path)) from error
    if not isinstance(found, dict):
        raise InputError("no set of names and values", file=str(path))
    return found


def put(into: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    """Each value is JSON where it reads as such (numbers, lists, true, null), else text."""
    for name, text in values.items():
        *path, last = name.split(".")
        place = into
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise InputError(f"--set {name}: {part} is no set of names and values")
        try:
            place[last] = json.loads(text)
        except ValueError:
            place[last] = text
    return into


def table_of(path: Path) -> dict[str, dict[str, Any]]:
    """Columns by device, from CSV with a head line or from JSON: ``{device: {column: value}}``, or a list of rows.

    Raises ``InputError`` with the line for a device without a name, or one that is there twice.
    """
    return {name: values for _, name, values in rows_with_lines(path)}


Row = tuple[int, str, dict[str, Any]]


def rows_with_lines(path: Path, names: Sequence[str] = NAME_COLUMNS, *, strict: bool = True) -> list[Row]:
    """As ``table_of``, in order, with the line of the file (of JSON: the place in the list). ``names``: what the column
    that names what a row is about is called. Not ``strict``: rows without a name, or of the same one, are for whoever
    judges rows one by one."""
    text = text_of(path).removeprefix("\ufeff")
    if text.lstrip().startswith(("{", "[")):
        try:
            found = json.loads(text)
        except ValueError as error:
            raise InputError(str(error), file=str(path)) from error
        if isinstance(found, dict):
            return [(number, name, values) for number, (name, values) in enumerate(found.items(), 1)]
        rows = list(enumerate(found, 1))
    else:
        head = next((line for line in text.splitlines() if line.strip()), "")
        delimiter = max(",;\t", key=head.count)  # spreadsheets of many countries write semicolons
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        rows = [(reader.line_num, row) for row in reader]
    table: list[Row] = []
    known: set[str] = set()
    for line, row in rows:
        if not isinstance(row, dict) or not row or None in row or None in row.values():
            raise InputError("this row has other columns than the head line", file=str(path), line=line)
        column = next((name for name in names if name in row), next(iter(row)))
        name = str(row[column]).strip()
        if strict and (not name or name in known):
            raise InputError(f"{name!r} stands here twice" if name else "no device is named", file=str(path), line=line)
        known.add(name)
        table.append((line, name, {key: value for key, value in row.items() if key != column}))
    return table
