"""Reading a socket for thousands: as soon as something has come, but while much comes only every few milliseconds.

A turn of the event loop costs as much as reading a datagram does. So who has just been read is left alone for a moment,
and what has come meanwhile is read all at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

PAUSE: Final = 0.004
"""Seconds."""
FEW: Final = 2
"""So few datagrams within a pause are no crowd: they are read as they come again."""


class Readable:
    """``read`` takes all that is there off the socket and says how many datagrams that were. It runs from the loop that
    this is made in; `close` comes before the socket is closed."""

    def __init__(self, descriptor: int, read: Callable[[], int]) -> None:
        self._loop = asyncio.get_running_loop()
        self._descriptor, self._read = descriptor, read
        self._timer: asyncio.TimerHandle | None = None
        self._listening = False
        self._listen()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._listening:
            self._loop.remove_reader(self._descriptor)
            self._listening = False

    def _listen(self) -> None:
        self._timer, self._listening = None, True
        self._loop.add_reader(self._descriptor, self._came)

    def _came(self) -> None:
        self._loop.remove_reader(self._descriptor)
        self._listening = False
        self._timer = self._loop.call_later(PAUSE, self._again)
        self._read()

    def _again(self) -> None:
        if self._read() < FEW:
            self._listen()
        else:
            self._timer = self._loop.call_later(PAUSE, self._again)
