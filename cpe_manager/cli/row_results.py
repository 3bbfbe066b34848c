"""What became of the rows of a table that was brought in: each has its own result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from cpe_manager.cli.reading import Row
from cpe_manager.cli.render import out, show_json_items, table
from cpe_manager.domain.errors import InputError

AT_ONCE: Final = 500
"""Rows of one request."""


class RowResult(Protocol):
    @property
    def number(self) -> int: ...

    @property
    def result(self) -> str: ...

    @property
    def reason(self) -> str: ...


R = TypeVar("R", bound=RowResult)


def bring_in(rows: Sequence[Row], name: str, send: Callable[[list[dict[str, Any]]], Sequence[R]]) -> list[R]:
    """``name``: of the field that says what a row is about; ``send`` takes some of the rows at a time."""
    found: list[R] = []
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        found += send([{"number": number, name: about, "values": values} for number, about, values in part])
    return found


def tell(found: Sequence[Any], name: str, file: Path, *, dry_run: bool, as_json: bool) -> None:
    """Raises ``InputError`` when a row was refused, after everything was told."""
    refused = [one for one in found if one.result == "refused"]
    if as_json:
        show_json_items(found)
    else:
        if refused:
            table(("line", name, "reason"), [(one.number, getattr(one, name), one.reason) for one in refused])
        counts = {what: sum(one.result == what for one in found) for what in ("new", "changed", "unchanged", "refused")}
        words = ", ".join(f"{number} {what}" for what, number in counts.items() if number) or "no rows"
        out(f"{'Dry run, nothing was changed; would be: ' if dry_run else ''}{words}")
    if refused:
        raise InputError(f"{len(refused)} of {len(found)} rows were refused", file=str(file))
