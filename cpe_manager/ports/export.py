"""Giving the redacted views to the outside as files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """One device's redacted view."""

    group: str | None
    name: str
    text: str


class Exporter(Protocol):
    def export(self, files: Iterable[ExportedFile]) -> Mapping[str, Any]:
        """Make the target hold exactly these files. Blocking; JSON-ready summary back."""
        ...
