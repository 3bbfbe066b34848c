"""Tables for people, plain columns for pipes, JSON for programs; times in local time with their age."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import typer

from cpe_manager.domain.backup.drills import Verdict

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console
    from rich.table import Table as RichTable

    from cpe_manager.api.schemas.drills import RestorableView

MINUTE, HOUR, DAY = 60, 3600, 86400
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def out(text: str = "") -> None:
    typer.echo(text)


def err(text: str) -> None:
    typer.echo(text, err=True)


def show_json(value: BaseModel | Mapping[str, Any]) -> None:
    data = dict(value) if isinstance(value, Mapping) else value.model_dump(mode="json")
    out(json.dumps(data, indent=2, ensure_ascii=False))


def show_json_items(items: Iterable[BaseModel]) -> None:
    out(json.dumps({"items": [item.model_dump(mode="json") for item in items]}, indent=2, ensure_ascii=False))


def show_json_line(value: BaseModel) -> None:
    out(json.dumps(value.model_dump(mode="json"), ensure_ascii=False))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "", none: str = "") -> None:
    """Boxed on a terminal; elsewhere aligned columns that are never cut, so that grep finds everything.

    ``none`` is said on standard error when there are no rows.
    """
    given = list(rows)
    if sys.stdout.isatty():
        if given:
            _boxed(columns, given, title)
    else:
        _aligned(columns, [[_cell(value) for value in row] for row in given], title)
    if none and not given:
        err(none)


def _aligned(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    if title:
        out(title)
    lines = [[column.upper() for column in columns], *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        out("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _boxed(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str) -> None:
    """Times lose their date, then cells are folded, where the terminal is too narrow; nothing is ever cut off."""
    from rich.console import Console

    console = Console()
    console.print(boxed(columns, rows, title, console))


def boxed(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str, console: Console) -> RichTable:
    """What ``table`` prints on a terminal."""
    made = _made(columns, [[_cell(value) for value in row] for row in rows], title)
    if console.measure(made, options=console.options.update(width=WIDEST)).maximum > console.width:
        made = _made(columns, [[_short(value) for value in row] for row in rows], title)
    return made


WIDEST = 10_000


def _made(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> RichTable:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    # What a row is about stays in one piece, to be copied; the rest may fold.
    made = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for index, column in enumerate(columns):
        made.add_column(column, overflow="fold", no_wrap=index == 0)
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return made


def _short(value: Any) -> str:
    """A time as its distance alone."""
    return _distance((datetime.now(UTC) - value).total_seconds()) if isinstance(value, datetime) else _cell(value)


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, datetime):
        return when(value)
    return tame(" ".join(str(value).split("\n")))


def tame(text: str) -> str:
    """Without control characters but tab and newline: a device's words must not steer the terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


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
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S} ({_distance(seconds)})"


def _distance(seconds: float) -> str:
    return f"{span(seconds)} ago" if seconds >= 0 else f"in {span(-seconds)}"


def proof(drill: RestorableView | None, now: datetime | None = None) -> str:
    """Whether a version is proven to restore: ``proven 3 h ago``, ``unproven``."""
    if drill is None:
        return "unproven"
    if drill.verdict is Verdict.NOT_POSSIBLE:
        return "cannot be drilled"
    return f"{drill.verdict} {_distance(((now or datetime.now(UTC)) - drill.at).total_seconds())}"


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
    text = tame(text)
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in text.splitlines():
        out(typer.style(line, fg=colours.get(line[:1]), bold=line.startswith(("+++", "---"))))
