"""An entry of the change catalogue as people read it: its terms, each parameter with its limits, and a line to type."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from cpe_manager.cli.render import fields, out, table, tame

if TYPE_CHECKING:
    from cpe_manager.api.schemas.changes import ChangeTypeView

Schema = Mapping[str, Any]
_WORDS: Final = {
    "string": "text", "integer": "whole number", "boolean": "true or false", "ipv4": "IPv4 address",
    "ipv6": "IPv6 address",
}  # fmt: skip
_LIMITS: Final = {
    "array": ("minItems", "maxItems", ""),
    "string": ("minLength", "maxLength", " letters"),
    "integer": ("minimum", "maximum", ""),
}


def describe_type(one: ChangeTypeView) -> None:
    fields(
        [
            ("type", one.type), ("title", one.title), ("what", one.parameters.get("description")),
            ("section", one.section), ("version", one.version), ("needs", ", ".join(one.components)),
            ("offered", "yes" if one.enabled else "not at present"),
            ("executed", "as soon as it is approved" if one.standard else "in the change window"),
            ("fee", "billable after the free days" if one.fee else "free of charge"),
        ]
    )  # fmt: skip
    out()
    rows = list(parameter_rows(one.parameters))
    table(("parameter", "kind", "needed", "what"), rows, none="it takes no parameters")
    out(f"\nSuch as: cpe-manager {tame(example_line(one.type, one.parameters))}")


def parameter_rows(schema: Schema, place: str = "") -> Iterator[tuple[str, str, str, str]]:
    """A row for each parameter, and below a list one for each field of its entries: ``ports[].inside``."""
    needed = schema.get("required", [])
    for name, told in schema.get("properties", {}).items():
        must = "" if name not in needed else "in each" if place else "yes"
        yield f"{place}{name}", _kind(told), must, _what(told)
        if "properties" in (entry := told.get("items", {})):
            yield from parameter_rows(entry, f"{place}{name}[].")


def _kind(told: Schema) -> str:
    if "enum" in told:
        return " | ".join(str(value) for value in told["enum"])
    kind = str(told.get("type", ""))
    words = told.get("title") or _WORDS.get(told.get("format", kind), kind)
    if kind == "array" and "properties" not in told.get("items", {}):
        words = f"list of {_kind(told.get('items', {}))}"
    elif kind == "array":
        words = "list"
    limits = _limits(told, *_LIMITS[kind]) if kind in _LIMITS else ""
    return f"{words}, {limits}" if limits else words


def _limits(told: Schema, least: str, most: str, unit: str) -> str:
    low, high = told.get(least), told.get(most)
    if high is None:
        return "" if low is None else f"at least {low}{unit}"
    return f"at most {high}{unit}" if low is None else f"{low} to {high}{unit}"


def _what(told: Schema) -> str:
    words = [str(told.get("description", ""))]
    if "default" in told:
        words.append(f"unless given: {_written(told['default'])}")
    if told.get("examples"):
        words.append(f"such as {_written(told['examples'][0])}")
    return "; ".join(word for word in words if word)


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def example_line(name: str, schema: Schema) -> str:
    """A command that asks for it, with the parameters that it cannot do without and one of the others."""
    words = [f"{key}={shlex.quote(_written(value))}" for key, value in example(schema).items()]
    return " ".join(["changes submit", name, "--site SITE", *words])


def example(schema: Schema, *, more: bool = False) -> dict[str, Any]:
    """Parameters made of the examples: the needed ones; one that is not, where there are none or ``more`` are wanted
    (an entry of a list says what it is about, and one thing of it)."""
    told, needed = schema.get("properties", {}), list(schema.get("required", []))
    chosen = [name for name in told if name in needed]
    if more or not chosen:
        chosen += [name for name in told if name not in needed and told[name].get("examples")][:1]
    return {name: _example(told[name]) for name in chosen}


def _example(told: Schema) -> Any:
    if told.get("examples"):
        return told["examples"][0]
    if "enum" in told:
        return told["enum"][0]
    return [example(told["items"], more=True)] if "properties" in told.get("items", {}) else None
