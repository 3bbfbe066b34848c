"""Idempotency keys that requests came with, each with what it was used for."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class RequestKeyStore(Protocol):
    """Every method is one transaction; all raise ``StoreError``."""

    async def claim(self, name: str, digest: str, at: datetime, since: datetime) -> str | None:
        """Write down that ``name`` was used for ``digest``. The digest that it was used for already, if any, and then
        nothing is written. What was used before ``since`` is forgotten."""
        ...

    async def forget(self, name: str, digest: str) -> None:
        """As if it had never been used for that."""
        ...
