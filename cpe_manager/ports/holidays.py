"""Days on which a country does not work."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Protocol


class Holidays(Protocol):
    def between(self, country: str, first: date, last: date) -> Mapping[date, str]:
        """Public holidays with their names, both days included. ``country``: two letters (ISO 3166-1), ``BE``; empty:
        none anywhere. Raises ``InputError`` for a country that is not known."""
        ...
