"""One command on its own exec channel."""

from __future__ import annotations

import asyncio
from typing import Final

import asyncssh

from cpe_manager.domain.errors import FetchIncomplete
from cpe_manager.kit.terminal_text import decode
from cpe_manager.ports.shell import ExecResult

_STDERR: Final = asyncssh.EXTENDED_DATA_STDERR


class CommandChannel(asyncssh.SSHClientSession[bytes]):
    """Collects what a command prints until its channel closes. Callbacks: streams cost twice the CPU."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._out: list[bytes] = []
        self._errors: list[bytes] = []
        self._size = 0
        self._closed = asyncio.get_running_loop().create_future()
        self._failure: Exception | None = None

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self._channel = chan

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._size += len(data)
        if self._size > self._limit:
            self._failure = FetchIncomplete(f"the reply is longer than {self._limit} bytes")
            self._channel.abort()
            self._wake()
            return
        (self._errors if datatype == _STDERR else self._out).append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._failure = self._failure or exc
        self._wake()

    def _wake(self) -> None:
        if not self._closed.done():
            self._closed.set_result(None)

    async def result(self) -> ExecResult:
        """Wait for the channel's end; raises what ended it out of turn."""
        await self._closed
        if self._failure is not None:
            raise self._failure
        status = self._channel.get_exit_status()
        return ExecResult(decode(b"".join(self._out)), decode(b"".join(self._errors)), status)
