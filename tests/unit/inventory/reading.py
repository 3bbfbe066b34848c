"""Short ways to read a text in a format."""

from __future__ import annotations

from textwrap import dedent

import pytest

from cpe_manager.adapters.inventory.formats import InventoryFormats
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.import_rules import ImportErrors
from cpe_manager.domain.fleet.inventory import InventoryDocument
from cpe_manager.ports.inventory_source import SourceFile


def read(format_name: str, text: str, *, file: str = "in", **options: str) -> InventoryDocument:
    return InventoryFormats().parse(format_name, [SourceFile(file, dedent(text))], options)


def problems(format_name: str, text: str, **options: str) -> list[str]:
    """Each problem as ``line: reason``."""
    with pytest.raises(InputError) as caught:
        read(format_name, text, **options)
    error = caught.value
    if isinstance(error, ImportErrors):
        assert all(one.file == "in" for one in error.problems)
        return [f"{one.line}: {one.reason}" for one in error.problems]
    return [f"{error.line}: {error.reason}"]
