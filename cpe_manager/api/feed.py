"""The event stream: server-sent events whose id is the event's, so that a client resumes where it was cut off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from cpe_manager.api.schemas.system import EventView
from cpe_manager.domain.errors import StoreError
from cpe_manager.domain.events import EVERYTHING, Event, EventFilter
from cpe_manager.ports.stores import EventStore

log = structlog.get_logger()

BATCH = 200


@dataclass(frozen=True, slots=True)
class FeedRhythm:
    """Seconds between looks for new events, and between signs of life on a quiet stream."""

    poll: float = 1.0
    heartbeat: float = 15.0


class EventFeed:
    """Follows the stored events: what another process wrote comes along too. One for the app, any number of readers."""

    def __init__(self, events: EventStore, rhythm: FeedRhythm) -> None:
        self._events, self._rhythm = events, rhythm
        self._closed = asyncio.Event()

    def close(self) -> None:
        """End every stream, so that a server that shuts down does not wait for its readers."""
        self._closed.set()

    async def start_id(self, last_event_id: int | None) -> int:
        """Where a stream begins: after the given event, or now."""
        return await self._events.last_id() if last_event_id is None else last_event_id

    async def frames(self, after: int, where: EventFilter = EVERYTHING) -> AsyncIterator[bytes]:
        """Until closed; the reader's going away cancels it. What ``where`` does not want is passed over."""
        loop = asyncio.get_running_loop()
        yield b"retry: 2000\n: connected\n\n"
        spoke = loop.time()
        while not self._closed.is_set():
            found = await self._look(after)
            now = loop.time()
            for event in found:
                after = event.id
                if where.wants(event):
                    yield frame(event)
                    spoke = now
            if now - spoke >= self._rhythm.heartbeat:
                yield b": alive\n\n"
                spoke = now
            if len(found) < BATCH:
                await self._pause()

    async def _look(self, after: int) -> list[Event]:
        try:
            return list(await self._events.after(after, limit=BATCH))
        except StoreError as error:
            # The stream goes on and misses nothing: the next look starts after the same event.
            log.warning("feed.store_refused", code=error.code, reason=str(error))
            return []

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._closed.wait(), self._rhythm.poll)
        except TimeoutError:
            return


def frame(event: Event) -> bytes:
    data = json.dumps(EventView.of(event).model_dump(mode="json"), ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.id}\nevent: {event.kind}\ndata: {data}\n\n".encode()
