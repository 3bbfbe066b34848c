"""Reading inventory files of other programs: what a format is to the services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cpe_manager.domain.fleet.inventory import InventoryDocument


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as it was handed in; ``name`` is for messages and detection, nothing is opened by it."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """``values`` are the format's own options by name. ``extra`` are files that are read together with the first."""

    values: Mapping[str, str] = field(default_factory=dict)
    extra: tuple[SourceFile, ...] = ()


class InventorySource(Protocol):
    """One format.

    In the records that it yields, None says nothing about a field, and what is stored stays. An empty text, port 0
    or a setting of None says "none": the stored value is taken away and the group's applies again.
    """

    @property
    def name(self) -> str: ...

    @property
    def option_names(self) -> frozenset[str]:
        """Options that ``parse`` understands."""
        ...

    @property
    def reads_together(self) -> bool:
        """True when several files make one inventory (given as ``extra``); else each file is parsed by itself."""
        ...

    def parse(self, text: str, *, file: str, options: SourceOptions) -> InventoryDocument:
        """Raises ``ImportErrors`` with every problem of the file, each with its line."""
        ...


class InventorySources(Protocol):
    """The formats that exist, by name."""

    def get(self, name: str) -> InventorySource:
        """Raises ``InputError`` with the names that exist."""
        ...

    def names(self) -> tuple[str, ...]: ...

    def detect(self, file: str, text: str) -> str:
        """The format's name, told from a file's name and text. Raises ``InputError`` when nothing fits."""
        ...

    def parse(self, name: str, files: Sequence[SourceFile], values: Mapping[str, str]) -> InventoryDocument:
        """One document of all files. Raises ``InputError`` (too big, unknown option) or ``ImportErrors``."""
        ...
