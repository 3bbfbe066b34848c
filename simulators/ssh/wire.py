"""Sends bytes at the pace that faults ask for; without a fault it is one write."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Protocol

from simulators.faults.active import ActiveFaults
from simulators.faults.kinds import Slow, SplitReads

Pieces = Sequence[bytes | float | Callable[[], Awaitable[None]]]


class Way(Protocol):
    """Where bytes go: an SSH channel, or a Telnet connection."""

    def is_closing(self) -> bool: ...

    def write(self, data: bytes, /) -> None: ...

    def write_stderr(self, data: bytes, /) -> None: ...


class Wire:
    """One channel's way out. Pieces are bytes to send, floats to wait, in seconds, and what is waited for."""

    def __init__(self, channel: Way, faults: ActiveFaults, rng: random.Random) -> None:
        self._channel = channel
        self._slow = faults.take(Slow)
        self._split = faults.take(SplitReads)
        self._rng = rng
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        return self._task is not None

    def send(self, pieces: Pieces, then: Callable[[], None]) -> None:
        """Send all pieces and call `then`, at once where nothing slows the wire down."""
        if self._slow is None and self._split is None and all(isinstance(piece, bytes) for piece in pieces):
            self._write(b"".join(piece for piece in pieces if isinstance(piece, bytes)))
            then()
            return
        self._task = asyncio.get_running_loop().create_task(self._pace(pieces, then), name="cpe-sim-wire")

    def write_error(self, data: bytes) -> None:
        """Send to the client's standard error, at once."""
        if data and not self._channel.is_closing():
            self._channel.write_stderr(data)

    def stop(self) -> None:
        """Give up what has not been sent."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _write(self, data: bytes) -> None:
        if data and not self._channel.is_closing():
            self._channel.write(data)

    async def _pace(self, pieces: Pieces, then: Callable[[], None]) -> None:
        for piece in pieces:
            if isinstance(piece, float):
                await asyncio.sleep(piece)
                continue
            if not isinstance(piece, bytes):
                await piece()
                continue
            for chunk in self._chunks(piece):
                self._write(chunk)
                await asyncio.sleep(self._slow.delay if self._slow else 0)
        self._task = None
        then()

    def _chunks(self, data: bytes) -> Iterator[bytes]:
        position = 0
        while position < len(data):
            size = len(data)
            if self._slow is not None:
                size = max(1, self._slow.chunk)
            if self._split is not None:
                size = self._rng.randint(1, max(1, self._split.most))
            yield data[position : position + size]
            position += size
