"""From named text fields to a record: the part that every format shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cpe_manager.domain.fleet import import_rules as rules
from cpe_manager.domain.fleet.import_rules import Problems
from cpe_manager.domain.fleet.inventory import DeviceRecord, LifeState, LineKind

COLUMNS: Final = (
    "site", "name", "address", "port", "family", "group", "credential",
    "line", "line_kind", "access_node", "serial", "model", "state", "transport", "legacy_crypto",
)  # fmt: skip
"""Names of a device's fields, as CSV columns and as names in options."""

SETTING_COLUMNS: Final = ("transport", "legacy_crypto")
"""Columns that are settings of the device, and may be written without the prefix."""

SETTING_PREFIX: Final = "settings."
_NO: Final = frozenset({"", "no", "false", "0", "off"})


@dataclass(frozen=True, slots=True)
class Place:
    file: str
    line: int


class RowReader:
    """Turns fields into records and notes what is wrong with them.

    A field that is missing says nothing; one that is there and empty (``""`` or None) says "none".
    """

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self._lines: dict[str, int] = {}

    def read(
        self, fields: Mapping[str, object], place: Place, settings: Mapping[str, object] | None = None
    ) -> DeviceRecord | None:
        """The record, or None after its problems were noted. ``fields`` are named as in ``COLUMNS``."""
        before = len(self.problems.found)
        text = {name: self._text(name, value, place) for name, value in fields.items()}
        name, address = text.get("name") or "", text.get("address") or ""
        if not name:
            self._note("name is missing; give the device one", place)
        elif not address:
            self._note(f"device {name!r}: address is missing; give an IP address or a host name", place)
        self._once(name, place)
        own: dict[str, object] = {column: text[column] for column in SETTING_COLUMNS if column in text}
        record = DeviceRecord(
            name=name,
            address=address,
            file=place.file,
            line=place.line,
            site=text.get("site") or "",
            port=self._port(text, place),
            line_ref=text.get("line"),
            line_kind=self._line_kind(text, place),
            state=self._state(text, place),
            settings={**(settings or {}), **own},
            **{key: text.get(key) for key in ("family", "group", "credential", "access_node", "serial", "model")},
        )
        return record if len(self.problems.found) == before else None

    def _note(self, reason: str, place: Place) -> None:
        self.problems.add(reason, file=place.file, line=place.line)

    def _once(self, name: str, place: Place) -> None:
        if name in self._lines:
            self._note(f"device {name!r} is on line {self._lines[name]} already; keep one of the two", place)
        elif name:
            self._lines[name] = place.line

    def _text(self, name: str, value: object, place: Place) -> str:
        if value is None:
            return ""
        if isinstance(value, str | int | float):
            return str(value).strip()
        self._note(f"{name} is not a single value; write plain text", place)
        return ""

    def _port(self, text: Mapping[str, str], place: Place) -> int | None:
        if not text.get("port"):
            return 0 if "port" in text else None
        return self.problems.attempt(rules.port, text["port"], what="port", file=place.file, line=place.line)

    def _line_kind(self, text: Mapping[str, str], place: Place) -> LineKind | None:
        value = text.get("line_kind", "").lower()
        if not value:
            return None
        if value not in set(LineKind):
            self._note(f"line_kind {value!r} is unknown; use copper or fibre", place)
            return None
        return LineKind(value)

    def _state(self, text: Mapping[str, str], place: Place) -> LifeState:
        value = text.get("state", "").lower() or LifeState.ACTIVE
        if value not in {LifeState.ACTIVE, LifeState.SUSPENDED}:
            self._note(f"state {value!r} cannot be imported; use active or suspended", place)
            return LifeState.ACTIVE
        return LifeState(value)


def is_on(values: Mapping[str, str], option: str) -> bool:
    """Whether a yes/no option is set."""
    return values.get(option, "").strip().lower() not in _NO
