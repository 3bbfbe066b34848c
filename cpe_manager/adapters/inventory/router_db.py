"""``router.db``: the line-based lists of Oxidized (its csv source) and of RANCID."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Final

from cpe_manager.adapters.inventory.families import family_of
from cpe_manager.adapters.inventory.rows import COLUMNS, Place, RowReader
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.import_rules import Problems
from cpe_manager.domain.fleet.inventory import InventoryDocument, LifeState
from cpe_manager.ports.inventory_source import SourceOptions

OXIDIZED_MAP: Final = "name:0,model:1,group:2"
RANCID_COLUMNS: Final = {"name": 0, "family": 1, "state": 2}
RANCID_STATES: Final = {"up": LifeState.ACTIVE, "down": LifeState.SUSPENDED}
SECRET_COLUMNS: Final = frozenset({"username", "password", "enable"})
ALIASES: Final = {"ip": "address", "host": "address", "type": "family", "model": "family", "hardware": "model"}
"""Names in a map. ``model`` is Oxidized's word for what we call the family; ``hardware`` is our ``model``."""

Lines = Sequence[tuple[int, list[str]]]


class RouterDbSource:
    """Options: ``style`` (oxidized or rancid; else told from the lines), ``delimiter`` (: or ;), ``map``."""

    name = "router_db"
    option_names = frozenset({"style", "delimiter", "map"})
    reads_together = False

    def parse(self, text: str, *, file: str, options: SourceOptions) -> InventoryDocument:
        lines = _lines(text)
        delimiter = _delimiter(lines, options.values)
        rows = [(number, [cell.strip() for cell in line.split(delimiter)]) for number, line in lines]
        rancid = _is_rancid(rows, options.values)
        columns = RANCID_COLUMNS if rancid else _columns(options.values.get("map", OXIDIZED_MAP))
        problems = Problems()
        if delimiter == ":":
            _refuse_ipv6(rows, file, problems)
            problems.raise_if_any()
        reader, warnings, records = RowReader(problems), list[str](), []
        for number, cells in rows:
            place = Place(file, number)
            fields = _fields(cells, columns, place, problems)
            if rancid:
                _set_state(fields, place, warnings)
            records.append(reader.read(fields, place))
        problems.raise_if_any()
        return InventoryDocument(tuple(r for r in records if r is not None), warnings=tuple(warnings))


def _lines(text: str) -> list[tuple[int, str]]:
    stripped = ((number, line.strip()) for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1))
    return [(number, line) for number, line in stripped if line and not line.startswith("#")]


def _delimiter(lines: Sequence[tuple[int, str]], values: Mapping[str, str]) -> str:
    given = values.get("delimiter")
    if given is None:
        # A comment may hold either character: what stands before the first ';' of the first line tells.
        head, semicolon, _ = (lines[0][1] if lines else "").partition(";")
        return ";" if semicolon and (":" not in head or _is_ipv6(head.strip())) else ":"
    if given not in {":", ";"}:
        raise InputError(f"option delimiter={given!r} is not supported; use : or ;")
    return given


def _is_rancid(rows: Lines, values: Mapping[str, str]) -> bool:
    style = values.get("style")
    if style not in {None, "oxidized", "rancid"}:
        raise InputError(f"option style={style!r} is unknown; use oxidized or rancid")
    if style is not None or "map" in values:
        return style == "rancid"
    return bool(rows) and all(len(cells) > 2 and cells[2].lower() in RANCID_STATES for _, cells in rows)


def _columns(spec: str) -> dict[str, int]:
    """``name:0,address:1`` as column numbers by field; a name alone serves as address, as in Oxidized."""
    columns: dict[str, int] = {}
    for part in spec.split(","):
        key, _, number = (piece.strip().lower() for piece in part.partition(":"))
        if key in SECRET_COLUMNS:
            raise InputError(f"option map: {key} is never read from a file; make a credential and name it instead")
        field = ALIASES.get(key, key)
        if field not in COLUMNS or not (number.isascii() and number.isdigit()):
            known = ", ".join((*COLUMNS, "hardware"))
            raise InputError(f"option map: {part.strip()!r} is not FIELD:COLUMN (from 0); fields: {known}")
        if field in columns:
            raise InputError(f"option map: {field} is there twice")
        columns[field] = int(number)
    if "name" not in columns:
        raise InputError("option map: name is missing; say which column holds it")
    return columns


def _refuse_ipv6(rows: Lines, file: str, problems: Problems) -> None:
    for number, cells in rows:
        if ("" in cells or len(cells) > 7) and _holds_ipv6(cells):
            problems.add(
                "an IPv6 address cannot stand between colons; separate all fields of the file with ';'",
                file=file,
                line=number,
            )


def _holds_ipv6(cells: Sequence[str]) -> bool:
    runs = (":".join(cells[i:j]) for i in range(len(cells)) for j in range(i + 3, len(cells) + 1))
    return any(_is_ipv6(run) for run in runs)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _fields(cells: Sequence[str], columns: Mapping[str, int], place: Place, problems: Problems) -> dict[str, object]:
    fields: dict[str, object] = {field: cells[at] for field, at in columns.items() if at < len(cells)}
    if "family" in columns and "family" not in fields:
        want = columns["family"] + 1
        reason = f"the line has {len(cells)} fields and the model or type is expected in field {want}; check delimiter"
        problems.add(reason, file=place.file, line=place.line)
    if fields.get("family"):
        fields["family"] = family_of(str(fields["family"]))
    if "address" not in columns:
        fields["address"] = fields.get("name", "")
    return fields


def _set_state(fields: dict[str, object], place: Place, warnings: list[str]) -> None:
    """RANCID collects from routers that are ``up`` and from no others."""
    state = str(fields.get("state", "")).lower()
    if state not in RANCID_STATES:
        warnings.append(f"{place.file}:{place.line}: state {state!r} is neither up nor down and is read as suspended")
    fields["state"] = RANCID_STATES.get(state, LifeState.SUSPENDED)
