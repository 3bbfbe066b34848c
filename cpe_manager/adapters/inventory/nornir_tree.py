"""Hosts and groups as Nornir resolves them: a value of the node, of its groups depth first, of the defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cpe_manager.adapters.inventory.yaml_text import YamlMap
from cpe_manager.domain.fleet.import_rules import Problems

SECRETS: Final = ("username", "password")
KNOWN: Final = frozenset({"hostname", "port", "platform", "groups", "data", "connection_options", *SECRETS})
SINGLE: Final = ("hostname", "port", "platform")
DATA: Final = ("site", "line", "line_kind", "access_node", "serial", "model", "state", "credential")
"""Keys of ``data`` that mean something to us, besides ``settings``; the rest is somebody else's."""

INHERITED: Final = ("port", "platform", "credential")
"""Values that our groups hand down too."""


@dataclass(frozen=True, slots=True)
class Node:
    """A host, a group or the defaults. ``values`` joins the attributes with what we know of ``data``."""

    name: str
    file: str
    line: int
    groups: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def hands_down(self) -> bool:
        """Whether a group of ours has anything to hold of it."""
        return bool(self.settings) or any(key in self.values for key in INHERITED)


def read_nodes(source: YamlMap, file: str, problems: Problems, warnings: list[str]) -> dict[str, Node]:
    """Every entry of a file as a node; what is wrong is noted, secrets are left where they are."""
    nodes: dict[str, Node] = {}
    for name, body in source.items():
        line = source.line_of(name)
        if body is not None and not isinstance(body, YamlMap):
            problems.add(f"{name!r} is not a mapping; indent its attributes below it", file=file, line=line)
            continue
        nodes[name] = _node(name, body if body is not None else YamlMap(line), (file, line), problems)
        warnings.extend(_warnings(nodes[name], body or {}))
    return nodes


def _node(name: str, body: YamlMap, place: tuple[str, int], problems: Problems) -> Node:
    file, line = place

    def note(reason: str, key: str) -> None:
        problems.add(f"{name!r}: {reason}", file=file, line=body.line_of(key))

    for key in body.keys() - KNOWN:
        note(f"{key!r} is no attribute of Nornir; put it below data", key)
    data: Any = body.get("data") or {}
    groups: Any = body.get("groups")
    if not isinstance(data, dict):
        note("data is not a mapping", "data")
        data = {}
    if groups is not None and not (isinstance(groups, list) and all(isinstance(group, str) for group in groups)):
        note("groups is not a list of names", "groups")
        groups = None
    values = _texts(data, DATA, lambda key: note(f"data.{key} is not plain text", "data"))
    values |= _texts(body, SINGLE, lambda key: note(f"{key} is not plain text", key))
    settings = _settings(data.get("settings"), lambda what: note(f"data.{what}", "data"))
    return Node(name, file, line, tuple(groups or ()), values, settings)


def _texts(source: Mapping[str, Any], keys: Iterable[str], note: Callable[[str], None]) -> dict[str, str]:
    """The keys that are filled; what is not text is noted."""
    filled = {key: source[key] for key in keys if source.get(key)}
    for key, value in filled.items():
        if not isinstance(value, str):
            note(key)
    return {key: value for key, value in filled.items() if isinstance(value, str)}


def _settings(value: Any, note: Callable[[str], None]) -> dict[str, str]:
    """``options: {a: b}`` becomes ``options.a: b``, the form in which settings are stored."""
    if value is None:
        return {}
    if not isinstance(value, YamlMap):
        note("settings is not a mapping")
        return {}
    flat = {key: inner for key, inner in value.items() if key != "options"}
    options = value.get("options")
    if isinstance(options, YamlMap):
        flat |= {f"options.{key}": inner for key, inner in options.items()}
    elif options is not None:
        note("settings.options is not a mapping")
    return _texts(flat, flat, lambda key: note(f"settings.{key} is not plain text"))


def _warnings(node: Node, body: Mapping[str, Any]) -> Iterator[str]:
    place = f"{node.file}:{node.line}: {node.name!r}"
    present = [key for key in SECRETS if key in body or key in (body.get("data") or {})]
    if present:
        credential = node.values.get("credential")
        advice = (
            f"credential {credential!r} is used instead"
            if credential
            else f"make a credential such as {node.name!r} in the credentials file, and name it in data.credential"
        )
        yield f"{place}: {' and '.join(present)} not imported; {advice}"
    if body.get("connection_options"):
        yield f"{place}: connection_options are not imported"


class Tree:
    """Looks values up as Nornir does, and as our single chain of groups does, to find where the two differ."""

    def __init__(self, groups: Mapping[str, Node], defaults: Node | None) -> None:
        self._groups, self._defaults = groups, defaults

    def check(self, nodes: Iterable[Node], problems: Problems) -> None:
        """Note groups that do not exist and groups that contain themselves; nothing else works before that."""
        for node in nodes:
            for group in node.groups:
                if group not in self._groups:
                    reason = f"{node.name!r}: group {group!r} is not in the groups file; add it there"
                    problems.add(reason, file=node.file, line=node.line)
        for node in self._groups.values():
            if any(above is node for above in self._groups_above(node)):
                reason = f"group {node.name!r} inherits from itself; take one of its groups away"
                problems.add(reason, file=node.file, line=node.line)

    def _groups_above(self, node: Node) -> Iterator[Node]:
        """Every group above a node once, depth first."""
        seen: set[str] = set()
        waiting = list(reversed(node.groups))
        while waiting:
            name = waiting.pop()
            if name in self._groups and name not in seen:
                seen.add(name)
                yield self._groups[name]
                waiting.extend(reversed(self._groups[name].groups))

    def _theirs(self, node: Node) -> Iterator[Node]:
        """Where Nornir looks after the node itself."""
        yield from self._groups_above(node)
        if self._defaults is not None and node is not self._defaults:
            yield self._defaults

    def _ours(self, node: Node) -> Iterator[Node]:
        """Where our chain looks: only the first group of each counts."""
        above = node
        while above.groups:
            above = self._groups[above.groups[0]]
            yield above
        if self._defaults is not None and node is not self._defaults:
            yield self._defaults

    def inherited(self, node: Node, key: str) -> str | None:
        return next((above.values[key] for above in self._theirs(node) if key in above.values), None)

    def effective(self, node: Node, key: str) -> str | None:
        return node.values.get(key) or self.inherited(node, key)

    def own_values(self, node: Node) -> dict[str, str]:
        """The node's own values, with those that it would inherit there and not, or differently, here."""
        own = dict(node.values)
        for key in INHERITED:
            there = self.inherited(node, key)
            here = next((above.values[key] for above in self._ours(node) if key in above.values), None)
            if key not in own and there is not None and there != here:
                own[key] = there
        return own

    def own_settings(self, node: Node) -> dict[str, str]:
        """The same for settings, which are joined key by key."""
        there, here = self._joined(self._theirs(node)), self._joined(self._ours(node))
        return {key: value for key, value in there.items() if here.get(key) != value} | dict(node.settings)

    def _joined(self, chain: Iterator[Node]) -> dict[str, str]:
        joined: dict[str, str] = {}
        for node in chain:
            for key, value in node.settings.items():
                joined.setdefault(key, value)
        return joined
