"""Many requests from one table: CSV with a header, a request a row, and a result for each row.

Columns ``site``, ``device``, ``type``, ``requested_for`` (ISO 8601 with a time zone), ``note`` and ``key`` are the
request's; ``parameters`` is a JSON object; every other column is one parameter, with dots and numbers for what lies
within (``ports.0.port``). An empty cell says nothing. What is wrong with a row is that row's result: the others are
submitted.
"""

from __future__ import annotations

import csv
import io
import json
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from cpe_manager.domain.access.access import Permission, Principal, require
from cpe_manager.domain.changes.requests import ChangeRequest
from cpe_manager.domain.errors import CpeManagerError, InputError, StoreError
from cpe_manager.services.changes.parts import Entries
from cpe_manager.services.changes.requests import LONGEST_KEY, ChangeRequests, NewChange

MOST_ROWS: Final = 5_000
MOST_COLUMNS: Final = 100
_OWN: Final = frozenset({"site", "device", "type", "requested_for", "note", "key", "parameters"})
_TRUTHS: Final = {"true": True, "yes": True, "false": False, "no": False}


@dataclass(frozen=True, slots=True)
class BulkRow:
    """What became of one row. ``line``: of the file, from 1. ``change`` None: it was not submitted, and why; ``field``:
    of its parameters, where one of them is at fault."""

    line: int
    site: str
    device: str
    type: str
    change: ChangeRequest | None = None
    code: str = ""
    reason: str = ""
    field: str | None = None


@dataclass(frozen=True, slots=True)
class BulkResult:
    """``bulk_id`` finds the requests again, see ``ChangeFilter``."""

    bulk_id: str
    rows: Sequence[BulkRow]

    @property
    def submitted(self) -> int:
        return sum(row.change is not None for row in self.rows)


@dataclass(frozen=True, slots=True)
class _Bulk:
    id: str
    key: str | None
    dry_run: bool
    by: Principal


class BulkChanges:
    def __init__(self, requests: ChangeRequests, entries: Entries) -> None:
        self._requests, self._entries = requests, entries

    async def submit(
        self, text: str, bulk_id: str, *, by: Principal, key: str | None = None, dry_run: bool = False
    ) -> BulkResult:
        """A result for each row, in their order. With a ``key`` the same table again gives the same requests.
        ``dry_run``: nothing is submitted, and ``BulkRow.change`` is what would be.

        Raises ``Forbidden``, ``InputError`` for a table without a usable header or with too many rows, and
        ``StoreError``: then ask again with the same key.
        """
        bulk = _bulk(bulk_id, key, dry_run, by)
        found = []
        for line, row in _rows(text):
            result = BulkRow(line, row.get("site", ""), row.get("device", ""), row.get("type", ""))
            found.append(await self._one(result, partial(self._new, row), bulk))
        return BulkResult(bulk.id, found)

    async def submit_rows(
        self,
        rows: Sequence[tuple[int, NewChange]],
        bulk_id: str,
        *,
        by: Principal,
        key: str | None = None,
        dry_run: bool = False,
    ) -> BulkResult:
        """The same for rows that were read already, each with its line. Raises as ``submit`` does."""
        bulk = _bulk(bulk_id, key, dry_run, by)
        found = []
        for line, new in rows:
            result = BulkRow(line, new.site or "", new.device or "", new.type)
            found.append(await self._one(result, partial(_same, new), bulk))
        return BulkResult(bulk.id, found)

    async def _one(self, result: BulkRow, read: Callable[[], NewChange], bulk: _Bulk) -> BulkRow:
        try:
            new = read()
            own = new.key or (None if bulk.key is None else f"bulk:{bulk.key}:{result.line}")
            new = replace(new, key=own, bulk_id=bulk.id)
            take = self._requests.check if bulk.dry_run else self._requests.submit
            return replace(result, change=await take(new, by=bulk.by))
        except StoreError:
            raise
        except CpeManagerError as error:
            field: str | None = getattr(error, "field", None)
            return replace(result, code=error.code, reason=str(error), field=field)

    def _new(self, row: Mapping[str, str]) -> NewChange:
        kind = self._entries.type(row.get("type", ""))
        parameters = _parameters(row, object if kind is None else kind.parameters)
        return NewChange(
            type=row.get("type", ""),
            parameters=parameters,
            site=row.get("site"),
            device=row.get("device"),
            requested_for=_time(row.get("requested_for")),
            note=row.get("note", ""),
            key=row.get("key"),
        )


def _same(new: NewChange) -> NewChange:
    return new


def _bulk(bulk_id: str, key: str | None, dry_run: bool, by: Principal) -> _Bulk:
    require(by, Permission.SUBMIT_CHANGES)
    if key is not None and not 0 < len(key) <= LONGEST_KEY // 2:
        raise InputError(f"key: at most {LONGEST_KEY // 2} characters")
    return _Bulk(bulk_id, key, dry_run, by)


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Line and what is said in it. Raises ``InputError``."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _require_header(header)
        count = 0
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            count += 1
            if count > MOST_ROWS:
                raise InputError(f"more than {MOST_ROWS} rows: split the table")
            if len(cells) > len(header):
                raise InputError("more cells than the header has names", line=reader.line_num)
            said = zip(header, (cell.strip() for cell in cells), strict=False)
            yield reader.line_num, {name: cell for name, cell in said if cell}
    except csv.Error as error:
        raise InputError(f"this is no CSV: {error}", line=reader.line_num) from error


def _require_header(header: Sequence[str]) -> None:
    if "type" not in header or not {"site", "device"} & set(header):
        raise InputError("the header needs a column type, and site or device", line=1)
    if len(header) > MOST_COLUMNS or "" in header:
        raise InputError("a column of the header has no name, or there are too many", line=1)
    if twice := {name for name in header if header.count(name) > 1}:
        raise InputError(f"the header names {', '.join(sorted(twice))} twice", line=1)


def _parameters(row: Mapping[str, str], kind: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "parameters" in row:
        try:
            found = json.loads(row["parameters"])
        except (ValueError, RecursionError):
            raise InputError("parameters: that is no JSON") from None
        if not isinstance(found, dict):
            raise InputError("parameters: a JSON object is needed")
    for name, cell in row.items():
        if name not in _OWN:
            _put(found, name, name.split("."), _value(cell, _hint(kind, name.split("."))))
    return found


def _put(into: Any, name: str, path: Sequence[str], value: Any) -> None:
    for step, following in zip(path, [*path[1:], None], strict=True):
        key: Any = int(step) if isinstance(into, list) and step.isdecimal() else step
        if isinstance(into, list) and key == len(into):
            into.append(None)
        if not isinstance(into, dict) and not (isinstance(into, list) and isinstance(key, int) and key < len(into)):
            raise InputError(f"{name}: does not fit what the other columns say")
        if following is None:
            into[key] = value
            return
        present = into.get(key) if isinstance(into, dict) else into[key]
        if present is None:
            into[key] = present = [] if following.isdecimal() else {}
        into = present


def _value(cell: str, hint: Any) -> Any:
    """A cell by what is meant there. What does not fit stays as it is: whoever reads the parameters says so."""
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if bool in options:
        return _TRUTHS.get(cell.lower(), cell)
    if int in options and cell.lstrip("-").isdecimal() and cell.isascii():
        return int(cell)
    if cell[0] in "[{" and str not in options:
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    return cell


def _hint(kind: Any, path: Sequence[str]) -> Any:
    """What is meant at a place of the parameters; None where nothing is known."""
    for step in path:
        options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
        kind = next((each for each in options if each is not type(None)), None)
        if get_origin(kind) is tuple and step.isdecimal():
            kind = get_args(kind)[0]
        elif is_dataclass(kind) and isinstance(kind, type):
            kind = get_type_hints(kind).get(step)
        else:
            return None
    return kind


def _time(cell: str | None) -> datetime | None:
    if cell is None:
        return None
    try:
        return datetime.fromisoformat(cell)
    except ValueError:
        raise InputError("requested_for: give it as 2026-03-02T08:00+01:00") from None
