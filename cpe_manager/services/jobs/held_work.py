"""Work on a row of the store that one process at a time may do: held, renewed while it lasts, let go of at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

import structlog

from cpe_manager.domain.errors import StoreError
from cpe_manager.ports.clock import Clock

log = structlog.get_logger()

HOLD_SECONDS: Final = 30.0
H = TypeVar("H")


class Holding(Protocol[H]):
    """What a store of such rows has."""

    async def hold(self, row_id: str, /, *, owner: str, now: datetime, ttl: float) -> H | None: ...

    async def renew(self, hold: H, /, *, now: datetime, ttl: float) -> bool: ...

    async def release(self, hold: H, /) -> None: ...


class HeldWork:
    """``what``: what a row is, in a word, for the log."""

    def __init__(self, what: str, owner: str, clock: Clock) -> None:
        self._what, self._owner, self._clock = what, owner, clock

    async def go(self, store: Holding[H], row_id: str, walk: Callable[[H], Coroutine[Any, Any, None]]) -> None:
        """``walk``, while the row is held. Ends at once when somebody else is at it; a walk whose hold is lost is
        broken off. What the store refuses is told, and left to whoever comes next."""
        now, what = self._clock.now, self._what
        hold = await store.hold(row_id, owner=self._owner, now=now(), ttl=HOLD_SECONDS)
        if hold is None:
            return
        walking = asyncio.create_task(walk(hold), name=f"{what} {row_id}")
        try:
            while not (await asyncio.wait({walking}, timeout=HOLD_SECONDS / 3))[0]:
                if not await store.renew(hold, now=now(), ttl=HOLD_SECONDS):
                    log.warning(f"{what}.lost", **{f"{what}_id": row_id})
                    return
            walking.result()
        except StoreError as error:
            log.error(f"{what}.hindered", **{f"{what}_id": row_id}, code=error.code, reason=str(error))
        finally:
            if not walking.done():
                walking.cancel()
                await asyncio.gather(walking, return_exceptions=True)
            await store.release(hold)
