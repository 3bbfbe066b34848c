"""Hashing passwords, which is dear on purpose and therefore never done on the event loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Verified:
    """``stale``: right, and hashed with other parameters than would be taken today."""

    right: bool
    stale: bool = False


class Passwords(Protocol):
    """Both raise ``Throttled`` when too many wait already."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, hashed: str | None, password: str) -> Verified:
        """None takes as long as any other, and is never right."""
        ...
