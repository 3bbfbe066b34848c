"""The sealing keys as the services see them: names and dates, never key material."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class KeyInfo:
    key_id: str
    created_at: datetime
    active: bool


class KeyStore(Protocol):
    def infos(self) -> Sequence[KeyInfo]:
        """As they stand in the key file now, oldest first."""
        ...

    def rotate(self, now: datetime) -> str:
        """Add a new key, make it the active one, write the file; returns its id."""
        ...

    def retire(self, key_id: str) -> None:
        """Take a key that is not active out of the file."""
        ...
