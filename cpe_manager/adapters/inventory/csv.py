"""Our own CSV: a header row that names the columns, then a row for each device."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Final

from cpe_manager.adapters.inventory.families import family_of
from cpe_manager.adapters.inventory.rows import COLUMNS, SETTING_PREFIX, Place, RowReader
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.import_rules import Problems
from cpe_manager.domain.fleet.inventory import DeviceRecord, InventoryDocument
from cpe_manager.ports.inventory_source import SourceOptions

DELIMITERS: Final = (",", ";", "\t")
REQUIRED: Final = ("name", "address")


class CsvSource:
    """``name,address`` are required; every other column of ``COLUMNS`` and ``settings.<name>`` may be there."""

    name = "csv"
    option_names: frozenset[str] = frozenset()
    reads_together = False

    def parse(self, text: str, *, file: str, options: SourceOptions) -> InventoryDocument:  # noqa: ARG002 - the port's
        problems = Problems()
        rows = _rows(text.removeprefix("\ufeff"), file)
        head_line, header = next(rows, (1, []))
        columns = _columns(header, Place(file, head_line), problems)
        problems.raise_if_any()
        reader = RowReader(problems)
        records = [_record(columns, cells, Place(file, line), reader) for line, cells in rows]
        problems.raise_if_any()
        return InventoryDocument(devices=tuple(record for record in records if record is not None))


def header_cells(text: str) -> list[str]:
    """Column names of the first row that is not blank, lower-case; for telling formats apart."""
    first = next((line for line in text.removeprefix("\ufeff").splitlines() if line.strip()), "")
    cells = next(csv.reader([first], delimiter=_delimiter(first)), [])
    return [cell.strip().lower() for cell in cells]


def _delimiter(head: str) -> str:
    """Told from the header alone, whose names hold no delimiter; data may hold any."""
    return max(DELIMITERS, key=head.count)


def _rows(text: str, file: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, with the line on which each starts (a quoted cell may span lines)."""
    head = next((line for line in text.splitlines() if line.strip()), "")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(head), strict=True)
    start = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"not valid CSV from here on ({error}); check the quotes", file=file, line=start) from error


def _columns(header: Sequence[str], place: Place, problems: Problems) -> list[str]:
    columns = [cell.strip().lower() for cell in header]
    if not columns:
        problems.add("the file is empty; write a header row that names the columns", file=place.file, line=place.line)
        return columns
    for column in dict.fromkeys(columns):
        if columns.count(column) > 1:
            problems.add(f"column {column!r} is there twice; keep one", file=place.file, line=place.line)
        if column not in COLUMNS and not column.startswith(SETTING_PREFIX):
            known = ", ".join((*COLUMNS, f"{SETTING_PREFIX}<name>"))
            problems.add(f"column {column!r} is unknown; known: {known}", file=place.file, line=place.line)
    for column in REQUIRED:
        if column not in columns:
            problems.add(f"column {column!r} is missing; add it to the header", file=place.file, line=place.line)
    return columns


def _record(columns: Sequence[str], cells: Sequence[str], place: Place, reader: RowReader) -> DeviceRecord | None:
    if len(cells) != len(columns):
        reader.problems.add(
            f"the row has {len(cells)} cells and the header {len(columns)}; make them agree, "
            "and quote cells that hold the delimiter",
            file=place.file,
            line=place.line,
        )
        return None
    fields = dict(zip(columns, cells, strict=True))
    settings = {name.removeprefix(SETTING_PREFIX): fields.pop(name).strip() for name in columns if "." in name}
    if fields.get("family"):
        fields["family"] = family_of(fields["family"])
    return reader.read(fields, place, settings)
