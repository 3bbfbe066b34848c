"""Tables for people, plain columns for pipes, JSON for programs; times in local time with their age."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel

MINUTE, HOUR, DAY = 60, 3600, 86400


def out(text: str = "") -> None:
    typer.echo(text)


def err(text: str) -> None:
    typer.echo(text, err=True)


def show_json(value: BaseModel) -> None:
    out(json.dumps(value.model_dump(mode="json"), indent=2, ensure_ascii=False))


def show_json_items(items: Iterable[BaseModel]) -> None:
    out(json.dumps({"items": [item.model_dump(mode="json") for item in items]}, indent=2, ensure_ascii=False))


def show_json_line(value: BaseModel) -> None:
    out(json.dumps(value.model_dump(mode="json"), ensure_ascii=False))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> None:
    """Boxed and folded on a terminal; elsewhere aligned columns that are never cut, so that grep finds everything."""
    texts = [[_cell(value) for value in row] for row in rows]
    if sys.stdout.isatty():
        _boxed(columns, texts, title)
        return
    if title:
        out(title)
    lines = [[column.upper() for column in columns], *texts]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        out("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _boxed(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(*columns, title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    Console().print(made)


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, datetime):
        return when(value)
    return " ".join(str(value).split("\n"))


def fields(pairs: Iterable[tuple[str, Any]]) -> None:
    """Name and value, one a line."""
    shown = [(name, _cell(value)) for name, value in pairs]
    width = max(len(name) for name, _ in shown)
    for name, value in shown:
        out(f"{name.ljust(width)}  {value}")


def when(at: datetime | None, now: datetime | None = None) -> str:
    """``2026-01-15 12:00:03 (3 h ago)`` in local time; ``never`` for None."""
    if at is None:
        return "never"
    seconds = ((now or datetime.now(UTC)) - at).total_seconds()
    distance = f"{span(seconds)} ago" if seconds >= 0 else f"in {span(-seconds)}"
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S} ({distance})"


def span(seconds: float) -> str:
    """A duration in its largest sensible unit: ``12 s``, ``3 min``, ``5 h``, ``4 d``."""
    for unit, size, until in (("s", 1, MINUTE), ("min", MINUTE, HOUR), ("h", HOUR, 2 * DAY)):
        if seconds < until:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds // DAY)} d"


def coloured_diff(text: str) -> None:
    """Green and red on a terminal, untouched elsewhere, so that it can be applied as a patch."""
    if not sys.stdout.isatty():
        out(text.removesuffix("\n"))
        return
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in text.splitlines():
        out(typer.style(line, fg=colours.get(line[:1]), bold=line.startswith(("+++", "---"))))
