"""Argon2id (RFC 9106) over argon2-cffi, in threads: one hash takes tens of milliseconds and as many megabytes."""

from __future__ import annotations

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from cpe_manager.domain.errors import SettingsError, Throttled
from cpe_manager.ports.passwords import Verified

T = TypeVar("T")
MOST_WAITING: Final = 32
"""Beyond that the answer would take seconds, and memory is held for it."""


_LEAST_PER_LANE: Final = 8
"""KiB (RFC 9106, §3.1)."""
_MOST_LANES: Final = 2**24 - 1
_MOST: Final = 2**32 - 1
"""Of lanes, and of passes and KiB (the same)."""


@dataclass(frozen=True, slots=True)
class Cost:
    """As RFC 9106 recommends where memory is not plenty (§4, second choice). ``memory``: KiB for each hash."""

    time: int = 3
    memory: int = 65536
    parallelism: int = 4


def _of_no_password(cost: Cost) -> str:
    """A hash that is as much work to verify as any, and fits nothing. Drawn, as making one is that work, too, and every
    process would do it when it starts."""
    salt, digest = (b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, 32))
    return f"$argon2id$v=19$m={cost.memory},t={cost.time},p={cost.parallelism}${salt}${digest}"


class Argon2Passwords:
    """Implements ``ports.passwords.Passwords``. ``at_once``: hashes that are made at a time."""

    def __init__(self, cost: Cost | None = None, *, at_once: int = 2) -> None:
        cost = cost or Cost()
        if cost.memory < _LEAST_PER_LANE * cost.parallelism:
            least = _LEAST_PER_LANE * cost.parallelism
            raise SettingsError(f"Argon2 takes at least {least} KiB for a parallelism of {cost.parallelism}")
        if cost.parallelism > _MOST_LANES or max(cost.time, cost.memory) > _MOST:
            raise SettingsError(f"Argon2 takes at most {_MOST_LANES} lanes, and {_MOST} passes and KiB")
        self._hasher = PasswordHasher(cost.time, cost.memory, cost.parallelism)
        self._nobodys = _of_no_password(cost)
        # The library lets go of the interpreter's lock while it works.
        self._threads = ThreadPoolExecutor(at_once, "argon2")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        return await self._away(lambda: self._hasher.hash(password))

    async def verify(self, hashed: str | None, password: str) -> Verified:
        right = await self._away(lambda: self._fits(hashed or self._nobodys, password))
        if hashed is None or not right:
            return Verified(right=False)
        return Verified(right=True, stale=self._hasher.check_needs_rehash(hashed))

    def _fits(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _away(self, work: Callable[[], T]) -> T:
        if self._waiting >= MOST_WAITING:
            raise Throttled("too many people log in at once", seconds=2)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1
