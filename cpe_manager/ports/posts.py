"""Telling somebody else's server something over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Posted:
    """What a server answered. ``body``: as much of it as was asked for. ``retry_after``: seconds, where it said so."""

    status: int
    body: bytes = b""
    retry_after: float | None = None

    @property
    def taken(self) -> bool:
        return 200 <= self.status < 300


class Posts(Protocol):
    def check(self, url: str) -> None:
        """Raises ``InputError`` for what cannot be posted to, whoever would listen there."""
        ...

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, seconds: float, most: int = 0) -> Posted:
        """Send a body once; follow no redirect. ``seconds``: for all of it. ``most``: bytes of the answer that are
        wanted; what is beyond them is not read.

        Raises ``ConnectFailed`` when nothing was sent (refused, no address, an address that is not allowed, a
        certificate that does not hold), ``DeviceTimeout`` and ``SessionDropped`` when nobody knows whether it arrived,
        ``ProtocolError`` for an answer that is not HTTP, ``InputError`` for a URL that cannot be used at all.
        """
        ...

    async def close(self) -> None: ...
