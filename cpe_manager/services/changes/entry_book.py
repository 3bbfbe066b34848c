"""The entries of the change catalogue as the services read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cpe_manager.domain.changes.catalogue import CHANGE_TYPES, masked_parameters, read
from cpe_manager.domain.changes.entries import ChangeType


class EntryBook:
    """``parts.Entries`` over every entry that there is."""

    def type(self, name: str) -> ChangeType[Any] | None:
        return CHANGE_TYPES.get(name)

    def read(self, name: str, parameters: Mapping[str, Any]) -> Any:
        return read(name, parameters)

    def masked(self, wanted: Any) -> Mapping[str, Any]:
        return masked_parameters(wanted)
