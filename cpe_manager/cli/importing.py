"""Reading inventory files for the daemon, and showing what an import does."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cpe_manager.cli.render import err, out, table
from cpe_manager.domain.errors import InputError

if TYPE_CHECKING:
    from cpe_manager.api.schemas.devices import ImportView, PlannedDevice


MOST_SHOWN = 50


def read_files(files: Sequence[Path]) -> list[dict[str, str]]:
    """Name and text of each. Raises ``InputError`` with the file, and for text that is not UTF-8 its line."""
    return [{"name": str(file), "text": _read(file)} for file in files]


def _read(file: Path) -> str:
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read it: {error.strerror}", file=str(file)) from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError("is not UTF-8 text", file=str(file), line=line) from error


def show_import(report: ImportView, *, backup: bool) -> None:
    """Tables of what changes, cut short on a terminal, then one line."""
    for warning in report.warnings:
        err(f"warning: {warning}")
    if report.added:
        columns = ("name", "site", "address", "family", "group")
        rows = [(d.name, d.site, d.address, d.family, d.group) for d in report.added]
        _shortened(columns, rows, "added")
    for title, devices in _heaps(report):
        if devices:
            _shortened(("name", "field", "before", "after"), [row for one in devices for row in _changes(one)], title)
    out(_conclusion(report))
    if backup and not report.dry_run and (report.added or report.resumed or report.replaced):
        err("their first backups start now: cpe-manager jobs list")


def _shortened(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str) -> None:
    """A screen and a half for a person; everything for a pipe."""
    shown = rows[:MOST_SHOWN] if sys.stdout.isatty() else rows
    table(columns, shown, title=title)
    if len(shown) < len(rows):
        out(f"... and {len(rows) - len(shown)} more (all of them with --json, or through a pipe)")


def _heaps(report: ImportView) -> tuple[tuple[str, list[PlannedDevice]], ...]:
    return (
        ("changed", report.changed),
        ("suspended", report.suspended),
        ("resumed", report.resumed),
        ("replaced", report.replaced),
    )


def _changes(device: PlannedDevice) -> list[tuple[Any, ...]]:
    return [(device.name, one.field, one.before, one.after) for one in device.changes] or [(device.name, "", "", "")]


def _conclusion(report: ImportView) -> str:
    heaps = [("added", report.added), *_heaps(report)]
    words = [f"{len(devices)} {title}" for title, devices in heaps if devices]
    if report.groups:
        words.append(f"{len(report.groups)} groups written")
    words.append(f"{report.unchanged} unchanged")
    lead = "Dry run, nothing was changed; would be" if report.dry_run else f"Imported ({report.format})"
    return f"{lead}: {', '.join(words)}"
