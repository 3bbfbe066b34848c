"""Trying from here whether something answers."""

from __future__ import annotations

from typing import Protocol


class Reach(Protocol):
    async def tcp(self, host: str, port: int, seconds: float) -> str:
        """Open a connection and close it again. Empty when it came about, else why not, in a line."""
        ...
