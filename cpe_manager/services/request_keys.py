"""Idempotency keys: that one is not used for two things.

What a key starts once is the services' own matter, where it is written in one transaction with what it names. Here it
is about what a caller means by it: the same key with another request is a mistake, and is told.
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Final, Protocol

from cpe_manager.domain.errors import Conflict
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.request_keys import RequestKeyStore

KEPT: Final = timedelta(days=7)


class Keyed(Protocol):
    """Of the vault."""

    def keyed(self, data: bytes) -> str:
        """A digest that nobody without the key ring can try values on: what was asked for may hold secrets."""
        ...


class RequestKeys:
    def __init__(self, store: RequestKeyStore, vault: Keyed, clock: Clock) -> None:
        self._store, self._vault, self._clock = store, vault, clock

    async def use(self, key: str, by: str, path: str, body: bytes) -> Used:
        """Raises ``Conflict`` when the key was used for another request to this path by this caller, within 7 days."""
        name = hashlib.sha256(json.dumps([by, path, key]).encode()).hexdigest()
        digest = self._vault.keyed(_plain(body))
        now = self._clock.now()
        known = await self._store.claim(name, digest, now, now - KEPT)
        if known not in (None, digest):
            raise Conflict("the Idempotency-Key was used for another request; use a new one for what is new")
        return Used(self._store, name, digest, fresh=known is None)


class Used:
    """A key that is used at this moment. ``fresh``: for the first time."""

    def __init__(self, store: RequestKeyStore, name: str, digest: str, *, fresh: bool) -> None:
        self._store, self._name, self._digest, self.fresh = store, name, digest, fresh

    async def forget(self) -> None:
        """Nothing came of it: the same key may be used for the request as it should have been."""
        await self._store.forget(self._name, self._digest)


def _plain(body: bytes) -> bytes:
    """Alike for what means the same: a client may write its JSON in another order the second time."""
    try:
        return json.dumps(json.loads(body), sort_keys=True).encode()
    except (ValueError, RecursionError):
        return body
