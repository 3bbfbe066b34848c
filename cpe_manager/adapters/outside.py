"""Tries ports as somebody on the internet would: from this machine, or by a command that runs elsewhere.

A command is given address, port and seconds as its last three arguments, and prints one JSON object:
``{"seen": "open" | "refused" | "silent" | "unreachable", "reason": "...", "vantage": "..."}``.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shlex
import socket
from contextlib import suppress
from typing import Final, get_args

from cpe_manager.domain.errors import InputError
from cpe_manager.ports.activations import PortSeen, Seen

_AWAY: Final = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})
"""What a connection fails with when a router on the way says that there is nobody."""
_GRACE: Final = 10.0
"""Seconds beyond its own that a command gets to come to an end."""
_MOST: Final = 64 * 1024
_SEEN: Final = get_args(Seen)


class TcpProber:
    """``ports.activations.OutsideProber`` from where this process is."""

    def __init__(self) -> None:
        self._here = socket.gethostname()

    async def tcp(self, host: str, port: int, seconds: float) -> PortSeen:
        try:
            async with asyncio.timeout(seconds):
                _, writer = await asyncio.open_connection(host, port)
        except TimeoutError:
            return PortSeen("silent", f"no answer within {seconds:g} s", self._here)
        except OSError as error:
            return self._failed(error)
        writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(seconds):
                await writer.wait_closed()
        return PortSeen("open", vantage=self._here)

    def _failed(self, error: OSError) -> PortSeen:
        number = error.errno or 0
        told = os.strerror(number).lower() if number > 0 else str(error.strerror or error)
        if number in (errno.ECONNREFUSED, errno.ECONNRESET):
            return PortSeen("refused", told, self._here)
        if number in _AWAY:
            return PortSeen("unreachable", told, self._here)
        return PortSeen("silent", told, self._here)


class CommandProber:
    """``ports.activations.OutsideProber`` by a command line, for a daemon that is not on the internet's side."""

    def __init__(self, command: str) -> None:
        """Raises ``InputError`` for what is no command line."""
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise InputError(f"{command!r} is no command line: {error}") from error
        if not self._command:
            raise InputError("the command that tries ports is empty")

    async def tcp(self, host: str, port: int, seconds: float) -> PortSeen:
        told = await self._answer(host, str(port), f"{seconds:g}", within=seconds + _GRACE)
        try:
            data = json.loads(told)
        except ValueError:
            raise InputError(f"{self._command[0]} did not answer in JSON") from None
        seen: Seen | None = data.get("seen") if isinstance(data, dict) else None
        if seen is None or seen not in _SEEN:
            raise InputError(f"{self._command[0]} says none of {', '.join(_SEEN)}")
        return PortSeen(seen, str(data.get("reason", ""))[:200], str(data.get("vantage", self._command[0]))[:100])

    async def _answer(self, *given: str, within: float) -> bytes:
        pipe = asyncio.subprocess.PIPE
        try:
            child = await asyncio.create_subprocess_exec(
                *self._command, *given, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
            )
        except OSError as error:
            raise InputError(f"{self._command[0]} cannot be run: {error.strerror or error}") from error
        try:
            async with asyncio.timeout(within):
                told, _ = await child.communicate()
        except TimeoutError:
            raise InputError(f"{self._command[0]} did not come to an end") from None
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode != 0:
            raise InputError(f"{self._command[0]} ended with status {child.returncode}")
        return told[:_MOST]
