"""Nornir's SimpleInventory: ``hosts.yaml`` with ``groups.yaml`` and ``defaults.yaml``.

A host may have several groups there and one here: the first one becomes its group, and what further groups add is
written onto the device. ``defaults.yaml`` becomes a group above all others. User names and passwords are not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from cpe_manager.adapters.inventory.families import family_of
from cpe_manager.adapters.inventory.nornir_tree import DATA, Node, Tree, read_nodes
from cpe_manager.adapters.inventory.rows import Place, RowReader
from cpe_manager.adapters.inventory.yaml_text import YamlMap, read_yaml
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet import import_rules as rules
from cpe_manager.domain.fleet.import_rules import PlacedGroup, Problems
from cpe_manager.domain.fleet.inventory import DeviceRecord, Group, InventoryDocument
from cpe_manager.ports.inventory_source import SourceFile, SourceOptions

ROLES: Final = ("hosts", "groups", "defaults")


@dataclass(slots=True)
class _Reading:
    tree: Tree
    top: str | None
    """Name of the group that stands for the defaults, when there is one."""
    problems: Problems
    warnings: list[str]


class NornirSource:
    """Files are told apart by name. Option ``defaults_group`` names the group that ``defaults.yaml`` becomes."""

    name = "nornir"
    option_names = frozenset({"defaults_group"})
    reads_together = True

    def parse(self, text: str, *, file: str, options: SourceOptions) -> InventoryDocument:
        files = _roles((SourceFile(file, text), *options.extra))
        problems, warnings = Problems(), list[str]()
        hosts = read_nodes(_mapping(files["hosts"]), files["hosts"].name, problems, warnings)
        groups = read_nodes(_mapping(files.get("groups")), _name(files.get("groups")), problems, warnings)
        defaults = _defaults(files.get("defaults"), options.values, problems, warnings)
        tree = Tree(groups, defaults)
        tree.check((*hosts.values(), *groups.values()), problems)
        problems.raise_if_any()
        top = defaults.name if defaults and defaults.hands_down else None
        if top in groups:
            reason = f"group {top!r} has the name that the defaults get; set option defaults_group to another one"
            raise InputError(reason, file=groups[str(top)].file, line=groups[str(top)].line)
        reading = _Reading(tree, top, problems, warnings)
        ours = [_group(reading, node) for node in groups.values()]
        if top is not None and defaults is not None:
            ours.insert(0, _group(reading, defaults))
        rows = RowReader(problems)
        devices = [_device(reading, host, rows) for host in hosts.values()]
        problems.raise_if_any()
        return InventoryDocument(tuple(d for d in devices if d is not None), tuple(ours), tuple(warnings))


def _roles(files: Iterable[SourceFile]) -> dict[str, SourceFile]:
    """Which file is which, by its name; a file that is alone is the hosts."""
    given = list(files)
    found: dict[str, SourceFile] = {}
    for file in given:
        stem = PurePath(file.name).stem.lower()
        role = next((role for role in ROLES if role in stem), "hosts" if len(given) == 1 else None)
        if role is None:
            raise InputError("cannot tell what this is; name the files hosts, groups and defaults", file=file.name)
        if role in found:
            raise InputError(f"a second {role} file besides {found[role].name}; give one", file=file.name)
        found[role] = file
    if "hosts" not in found:
        raise InputError("there is no hosts file; give it together with the others", file=given[0].name)
    return found


def _name(file: SourceFile | None) -> str:
    return file.name if file else ""


def _mapping(file: SourceFile | None) -> YamlMap:
    value = read_yaml(file.text.removeprefix("\ufeff"), file=file.name) if file else None
    if value is not None and not isinstance(value, YamlMap):
        raise InputError("is not a mapping of names; see the inventory chapter of Nornir", file=_name(file), line=1)
    return value if isinstance(value, YamlMap) else YamlMap(1)


def _defaults(
    file: SourceFile | None, values: Mapping[str, str], problems: Problems, warnings: list[str]
) -> Node | None:
    if file is None:
        return None
    name = values.get("defaults_group", "defaults")
    wrapped = YamlMap(1)
    wrapped[name] = _mapping(file)
    return read_nodes(wrapped, file.name, problems, warnings)[name]


def _group(reading: _Reading, node: Node) -> Group:
    parent = node.groups[0] if node.groups else reading.top
    if node.name == reading.top:
        parent = None
    values = reading.tree.own_values(node)
    _warn_extra(reading, node, "group")
    port = None
    if "port" in values:
        what = f"group {node.name!r}: port"
        port = reading.problems.attempt(rules.port, values["port"], what=what, file=node.file, line=node.line)
    return PlacedGroup(
        name=node.name,
        parent=parent,
        family=family_of(values["platform"]) if "platform" in values else None,
        credential=values.get("credential"),
        port=port,
        settings=reading.tree.own_settings(node),
        file=node.file,
        line=node.line,
    )


def _device(reading: _Reading, host: Node, rows: RowReader) -> DeviceRecord | None:
    values = reading.tree.own_values(host)
    _warn_extra(reading, host, "host")
    fields: dict[str, object] = {
        "name": host.name,
        "address": values.get("hostname") or reading.tree.inherited(host, "hostname"),
        "port": values.get("port"),
        "family": family_of(values.get("platform", "")),
        "group": host.groups[0] if host.groups else reading.top,
    }
    fields |= {key: value for key in DATA if (value := reading.tree.effective(host, key)) is not None}
    fields["credential"] = values.get("credential")
    return rows.read(fields, Place(host.file, host.line), reading.tree.own_settings(host))


def _warn_extra(reading: _Reading, node: Node, what: str) -> None:
    if len(node.groups) > 1:
        rest = ", ".join(node.groups[1:])
        reading.warnings.append(
            f"{node.file}:{node.line}: {what} {node.name!r} has several groups; {node.groups[0]!r} is kept, "
            f"and what {rest} adds is written onto the {what} itself"
        )
