"""The formats that can be imported, by name; and telling them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Final

from cpe_manager.adapters.inventory.csv import REQUIRED, CsvSource, header_cells
from cpe_manager.adapters.inventory.netbox import NetBoxSource
from cpe_manager.adapters.inventory.nornir import NornirSource
from cpe_manager.adapters.inventory.router_db import RouterDbSource
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.import_rules import ImportErrors, Problem
from cpe_manager.domain.fleet.inventory import DeviceRecord, InventoryDocument
from cpe_manager.ports.inventory_source import InventorySource, SourceFile, SourceOptions

MAX_CHARACTERS: Final = 64 * 1024 * 1024
"""Of all files of one import together; a fleet of 100,000 devices stays below half of it."""

DEFAULT_GROUP: Final = "default_group"
"""Option of every format: the group of devices for which the file tells none."""


class InventoryFormats:
    """All formats; implements ``InventorySources``."""

    def __init__(self) -> None:
        sources: tuple[InventorySource, ...] = (CsvSource(), RouterDbSource(), NornirSource(), NetBoxSource())
        self._sources = {source.name: source for source in sources}

    def names(self) -> tuple[str, ...]:
        return tuple(self._sources)

    def get(self, name: str) -> InventorySource:
        if name not in self._sources:
            raise InputError(f"format {name!r} is unknown; known: {', '.join(self._sources)}")
        return self._sources[name]

    def detect(self, file: str, text: str) -> str:
        suffix, body = PurePath(file).suffix.lower(), text.removeprefix("\ufeff").lstrip()
        if suffix in {".yaml", ".yml"}:
            return "nornir"
        if suffix == ".json" or body.startswith(("{", "[")):
            return "netbox"
        if suffix == ".db":
            return "router_db"
        if suffix == ".csv" or set(REQUIRED) <= set(header_cells(body[:10_000])):
            return "csv"
        first = next((line for line in body.splitlines() if line.strip() and not line.startswith("#")), "")
        if ":" in first or ";" in first:
            return "router_db"
        raise InputError(f"cannot tell the format; name it: {', '.join(self._sources)}", file=file)

    def parse(self, name: str, files: Sequence[SourceFile], values: Mapping[str, str]) -> InventoryDocument:
        source = self.get(name)
        _check(source, files, values)
        own = {option: value for option, value in values.items() if option != DEFAULT_GROUP}
        if source.reads_together:
            first, *rest = files
            document = source.parse(first.text, file=first.name, options=SourceOptions(own, tuple(rest)))
        else:
            document = _joined(source, files, SourceOptions(own))
        return _with_group(document, values.get(DEFAULT_GROUP))


def _check(source: InventorySource, files: Sequence[SourceFile], values: Mapping[str, str]) -> None:
    if not files:
        raise InputError("there is no file to import")
    if sum(len(file.text) for file in files) > MAX_CHARACTERS:
        raise InputError(f"more than {MAX_CHARACTERS // 2**20} MB; split the inventory", file=files[0].name)
    allowed = sorted({*source.option_names, DEFAULT_GROUP})
    for option in values:
        if option not in allowed:
            raise InputError(f"format {source.name} has no option {option!r}; known: {', '.join(allowed)}")


def _joined(source: InventorySource, files: Sequence[SourceFile], options: SourceOptions) -> InventoryDocument:
    """Every file by itself, one after the other; the problems of all of them together."""
    documents: list[InventoryDocument] = []
    problems: list[Problem] = []
    for file in files:
        try:
            documents.append(source.parse(file.text, file=file.name, options=options))
        except ImportErrors as error:
            problems.extend(error.problems)
        except InputError as error:
            if error.file is None:  # a wrong option, which is wrong for every file
                raise
            problems.append(Problem(error.reason, error.file, error.line))
    if problems:
        raise ImportErrors(problems)
    return InventoryDocument(
        devices=tuple(device for document in documents for device in document.devices),
        groups=tuple(group for document in documents for group in document.groups),
        warnings=tuple(warning for document in documents for warning in document.warnings),
    )


def _with_group(document: InventoryDocument, group: str | None) -> InventoryDocument:
    if not group:
        return document
    return replace(document, devices=tuple(_in_group(device, group) for device in document.devices))


def _in_group(device: DeviceRecord, group: str) -> DeviceRecord:
    return device if device.group else replace(device, group=group)
