"""The far end of `scp`: the old protocol of rcp, which routers speak and which needs no SFTP."""

from __future__ import annotations

import re
import shlex

import asyncssh

from simulators.personas.base import Filing
from simulators.state import DeviceState

_FINE = b"\0"
_OFF = "Administratively disabled."
_HEADER = re.compile(rb"C[0-7]{4} (\d+) [^\n]*")


class Scp:
    """One transfer of one file, to the box (`scp -t`) or from it (`scp -f`)."""

    def __init__(
        self, command: str, persona: Filing, state: DeviceState, channel: asyncssh.SSHServerChannel[bytes]
    ) -> None:
        words = shlex.split(command)
        self._sink = any(word.startswith("-") and "t" in word for word in words[1:])
        self._path = words[-1]
        self._persona, self._state, self._channel = persona, state, channel
        self._buffer = bytearray()
        self._left = -1
        self._outgoing: list[bytes] = []

    def start(self) -> None:
        on = self._persona.takes_files(self._state)
        if not self._sink:
            self._offer() if on else self._refuse()
        elif on:
            self._channel.write(_FINE)
        else:
            self._fail(_OFF)

    def receive(self, data: bytes) -> None:
        self._buffer += data
        while self._buffer and not self._channel.is_closing():
            if not self._sink:
                self._next()
            elif not self._take():
                return

    def end_of_input(self) -> None:
        if not self._channel.is_closing():
            self._channel.exit(0)

    def _offer(self) -> None:
        content = self._persona.get_file(self._state, self._path)
        if content is None:
            self._refuse(f"{self._path}: No such file or directory")
            return
        data = content.encode("utf-8", "surrogateescape")
        name = re.split(r"[:/]", self._path)[-1]
        self._outgoing = [f"C0644 {len(data)} {name}\n".encode(), data + _FINE]

    def _refuse(self, reason: str = _OFF) -> None:
        """Said when the client says that it is ready: it does not listen before."""
        self._outgoing = [f"\1{reason}\n".encode()]

    def _next(self) -> None:
        """The client has said that it is ready, or that it is not."""
        answer = self._buffer.pop(0)
        if answer or not self._outgoing:
            self._channel.exit(1 if answer else 0)
        else:
            self._channel.write(self._outgoing.pop(0))

    def _take(self) -> bool:
        """Take a line or the content; False when more has to come first."""
        if self._left >= 0:
            if len(self._buffer) <= self._left:
                return False
            content = bytes(self._buffer[: self._left])
            del self._buffer[: self._left + 1]
            self._left = -1
            problem = self._persona.put_file(self._state, self._path, content.decode("utf-8", "surrogateescape"))
            self._channel.write(f"\1{problem}\n".encode() if problem else _FINE)
            return True
        end = self._buffer.find(b"\n")
        if end < 0:
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        if line.startswith(b"T"):
            self._channel.write(_FINE)
        elif header := _HEADER.fullmatch(line):
            self._left = int(header.group(1))
            self._channel.write(_FINE)
        else:
            self._fail("protocol error")
        return True

    def _fail(self, reason: str) -> None:
        self._channel.write(f"\1{reason}\n".encode())
        self._channel.exit(1)
