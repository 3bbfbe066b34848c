"""The interactive shell on a PTY channel."""

from __future__ import annotations

import asyncssh

from cpe_manager.adapters.prompted import PromptedTerminal


class PtyTerminal(PromptedTerminal, asyncssh.SSHClientSession[bytes]):
    """A terminal that is asyncssh's callback object of the channel it speaks over."""

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self._channel = chan

    def data_received(self, data: bytes, datatype: int | None) -> None:  # noqa: ARG002
        self.received(data)

    def eof_received(self) -> bool:
        self.lost(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost(exc)

    def _write(self, data: bytes) -> None:
        self._channel.write(data)

    def _cut(self) -> None:
        self._channel.abort()
