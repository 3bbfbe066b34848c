"""JSON schema (draft 2020-12) of the parameters of a change, worked out from their dataclass."""

from __future__ import annotations

import types
from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from cpe_manager.domain.changes.reading import TOLD, Told
from cpe_manager.domain.model.cpe_config_data import BOUNDS, Bounds
from cpe_manager.domain.model.cpe_mobile import Ports

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]
_V4: Final = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
_SIMPLE: Final[Mapping[Any, Mapping[str, Any]]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    IPv4Address: {"type": "string", "format": "ipv4"},
    IPv4Interface: {
        "type": "string", "pattern": f"^{_V4}(?:/[0-9]{{1,2}})?$", "title": "IPv4 address with prefix length",
    },
    IPv4Network: {"type": "string", "pattern": f"^{_V4}(?:/[0-9]{{1,2}})?$", "title": "IPv4 network"},
    IPv6Address: {"type": "string", "format": "ipv6"},
    IPv6Network: {"type": "string", "pattern": "^[0-9A-Fa-f:]+(?:/[0-9]{1,3})?$", "title": "IPv6 network"},
    Ports: {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": 65535},
            {"type": "string", "pattern": "^[0-9]{1,5}(?:-[0-9]{1,5})?$"},
        ],
        "title": "port or range, 1 to 65535",
    },
}  # fmt: skip


def schema_of(kind: type, presets: Collection[str] | None = None) -> Schema:
    """``presets``: names that the service catalogue has; None: any name."""
    return {"$schema": DIALECT, **_object(kind, presets)}


def _object(kind: Any, presets: Collection[str] | None) -> Schema:
    hints = get_type_hints(kind)
    made: Schema = {"type": "object", "additionalProperties": False}
    made["properties"] = {field.name: _field(field, hints[field.name], presets) for field in fields(kind)}
    if required := [field.name for field in fields(kind) if needed(field)]:
        made["required"] = required
    return made


def needed(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _field(field: Field[Any], wanted: Any, presets: Collection[str] | None) -> Schema:
    made = _type(wanted, presets)
    told: Told | None = field.metadata.get(TOLD)
    bounds: Bounds | None = field.metadata.get(BOUNDS)
    if bounds is not None:
        least, most = _LIMITS[made["type"]] if made.get("type") in _LIMITS else ("", "")
        made |= {
            name: limit for name, limit in ((least, bounds.least), (most, bounds.most)) if name and limit is not None
        }
    if told is not None:
        made["description"] = told.words
        if told.example is not None:
            made["examples"] = [told.example]
        if told.secret:
            made["writeOnly"] = True
        if told.preset and presets is not None:
            made["enum"] = sorted(presets)
    if not needed(field) and isinstance(field.default, str | int | bool) and field.default not in ("", None):
        made["default"] = field.default
    return made


_LIMITS: Final = {
    "array": ("minItems", "maxItems"),
    "string": ("minLength", "maxLength"),
    "integer": ("minimum", "maximum"),
}


_WORDS: Final[Mapping[Any, str]] = {
    str: "text",
    int: "whole number",
    bool: "true or false",
    IPv4Address: "IPv4 address",
    IPv4Interface: "IPv4 address with prefix length",
    IPv4Network: "IPv4 network",
    IPv6Address: "IPv6 address",
    IPv6Network: "IPv6 network",
    Ports: "port or range",
}


def type_words(field: Field[Any], wanted: Any) -> tuple[str, Any]:
    """What a field holds, in words for people, with its bounds; and of a list of objects, the dataclass of these."""
    if get_origin(wanted) in (Union, types.UnionType):
        wanted = next(option for option in get_args(wanted) if option is not type(None))
    bounds: Bounds = field.metadata.get(BOUNDS) or Bounds()
    ends = [f"{end:,}" for end in (bounds.least, bounds.most) if end is not None]
    limits = " to ".join(ends) if len(ends) == 2 else f"at most {ends[0]}" if ends else ""
    if get_origin(wanted) is tuple:
        return f"list of {limits} entries", get_args(wanted)[0]
    if get_origin(wanted) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(wanted)), None
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return " or ".join(f"`{member.value}`" for member in wanted), None
    if limits and wanted is str:
        return f"text of {limits} letters", None
    return f"{_WORDS[wanted]}{f', {limits}' if limits else ''}", None


def _type(wanted: Any, presets: Collection[str] | None) -> Schema:
    if get_origin(wanted) in (Union, types.UnionType):
        wanted = next(option for option in get_args(wanted) if option is not type(None))
    if get_origin(wanted) is tuple:
        return {"type": "array", "items": _type(get_args(wanted)[0], presets)}
    if get_origin(wanted) is Literal:
        return {"type": "string", "enum": list(get_args(wanted))}
    if is_dataclass(wanted) and wanted not in _SIMPLE:
        return _object(wanted, presets)
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return {"type": "string", "enum": [member.value for member in wanted]}
    return dict(_SIMPLE[wanted])
