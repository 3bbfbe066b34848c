"""Sessions over Telnet: refused unless a group allows it, logged in by dialogue, a terminal and nothing else.

Nothing proves whose device answers, and everything can be read on the way, the log-in first (RFC 854 knows no secrets).
It is for boxes that have nothing better, in the operator's own management network (port 23, §5.2.2.1).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from cpe_manager.adapters.prompted import PromptedTerminal
from cpe_manager.adapters.telnet.login import LogIn
from cpe_manager.adapters.telnet.stream import Stream, connect
from cpe_manager.domain.errors import (
    AuthFailed,
    CommandRefused,
    ConnectFailed,
    DeviceError,
    DeviceTimeout,
    SessionDropped,
    TelnetRefused,
)
from cpe_manager.ports.sessions import Credentials, OpenedSession
from cpe_manager.ports.shell import Credential, ExecResult, PromptRules, Target


@dataclass(frozen=True, slots=True)
class TelnetLimits:
    """output_bytes: a reply longer than this is an error. settle: a prompt without its echo or evidence is believed
    when nothing follows it for so many seconds. log_in_settle: the same for the first prompt, behind a greeting.
    close: how long an orderly end may take."""

    output_bytes: int = 16 * 1024 * 1024
    settle: float = 1.0
    log_in_settle: float = 0.4
    close: float = 1.0


class TelnetSessions:
    """Implements ``ports.sessions.Sessions``."""

    def __init__(self, credentials: Credentials, limits: TelnetLimits | None = None) -> None:
        self._credentials = credentials
        self._limits = limits or TelnetLimits()
        # It tells every byte of every connection, the passwords among them.
        logging.getLogger("telnetlib3").setLevel(logging.CRITICAL + 1)

    @asynccontextmanager
    async def open(self, target: Target) -> AsyncIterator[OpenedSession]:
        if target.transport != "telnet" or not target.telnet_allowed:
            raise TelnetRefused(
                f"{target.name}: no group of the device allows Telnet (setting allow_telnet); nothing was sent"
            )
        credential = self._credentials.get(target.credential_ref)
        scope = asyncio.timeout(target.session_timeout)
        try:
            async with scope:
                stream, seen = await self._log_in(target, credential)
                try:
                    yield OpenedSession(TelnetShell(stream, seen, target, credential, self._limits), "")
                finally:
                    await stream.close(self._limits.close)
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise DeviceTimeout(f"{target.host}:{target.port}: session over {target.session_timeout:g} s") from error

    async def _log_in(self, target: Target, credential: Credential) -> tuple[Stream, bytes]:
        """The stream, and what came behind the last answer."""
        place = f"{target.host}:{target.port}"
        try:
            async with asyncio.timeout(target.connect_timeout):
                stream = await connect(target.host, target.port)
                try:
                    dialogue = _Dialogue(stream, LogIn(credential), self._limits.log_in_settle)
                    return stream, await dialogue.seen()
                except BaseException:
                    stream.cut()
                    raise
        except TimeoutError as error:
            raise DeviceTimeout(f"{place}: no session within {target.connect_timeout:g} s") from error
        except DeviceError as error:
            raise error if str(error).startswith(place) else type(error)(f"{place}: {error}") from error


class _Dialogue:
    """The log-in on a stream: answers until a prompt stands still."""

    def __init__(self, stream: Stream, log_in: LogIn, settle: float) -> None:
        self._stream, self._log_in, self._settle = stream, log_in, settle
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[bytes] = self._loop.create_future()
        self._quiet: asyncio.TimerHandle | None = None

    async def seen(self) -> bytes:
        self._stream.listen(self)
        try:
            return await self._done
        finally:
            self._stop_quiet()

    def received(self, data: bytes) -> None:
        self._stop_quiet()
        if self._done.done():
            return
        try:
            answer = self._log_in.feed(data)
        except AuthFailed as error:
            self._done.set_exception(error)
            return
        if answer is not None:
            self._stream.line(answer)
        elif self._log_in.at_prompt:
            self._quiet = self._loop.call_later(self._settle, self._finish)

    def lost(self, error: Exception | None) -> None:
        self._stop_quiet()
        if self._done.done():
            return
        if self._log_in.secret_given:
            # A device that hangs up on a password has refused it: trying again could lock the account.
            self._done.set_exception(AuthFailed("the device hung up after the password"))
        else:
            self._done.set_exception(ConnectFailed(f"closed before the log-in{f': {error}' if error else ''}"))

    def _finish(self) -> None:
        if not self._done.done():
            self._done.set_result(self._log_in.seen)

    def _stop_quiet(self) -> None:
        if self._quiet is not None:
            self._quiet.cancel()
            self._quiet = None


class _Terminal(PromptedTerminal):
    """The terminal over a stream; a family's line end becomes Telnet's."""

    def __init__(self, stream: Stream, rules: PromptRules, timeout: float, limits: TelnetLimits) -> None:
        super().__init__(rules, timeout, limits.settle, limits.output_bytes)
        self._stream = stream

    def _write(self, data: bytes) -> None:
        if data.endswith((b"\n", b"\r")):
            self._stream.line(data[:-1].decode())
        else:
            self._stream.write(data)

    def _cut(self) -> None:
        self._stream.cut()


class TelnetShell:
    """Implements ``ports.shell.Shell``, and ``Terminal`` once it was asked for."""

    def __init__(
        self, stream: Stream, seen: bytes, target: Target, credential: Credential, limits: TelnetLimits
    ) -> None:
        self._stream, self._seen, self._target, self._credential = stream, seen, target, credential
        self._limits = limits

    @property
    def credential(self) -> Credential:
        return self._credential

    @property
    def options(self) -> Mapping[str, str]:
        return self._target.options

    async def terminal(self, rules: PromptRules) -> TelnetTerminal:
        terminal = _Terminal(self._stream, rules, self._target.command_timeout, self._limits)
        terminal.received(self._seen)
        self._stream.listen(terminal)
        with self.ours():
            await terminal.log_in()
        return TelnetTerminal(terminal, self)

    async def execute(self, command: str) -> ExecResult:
        raise CommandRefused(f"{self._stream.place}: {command!r} needs a channel of its own; Telnet has none")

    @contextmanager
    def ours(self) -> Iterator[None]:
        """Every error names the place."""
        try:
            yield
        except DeviceError:
            raise
        except (OSError, EOFError) as error:
            raise SessionDropped(f"{self._stream.place}: {error}") from error


class TelnetTerminal:
    """Implements ``ports.shell.Terminal``."""

    def __init__(self, terminal: _Terminal, shell: TelnetShell) -> None:
        self._terminal, self._shell = terminal, shell

    @property
    def hostname(self) -> str:
        return self._terminal.hostname

    async def run(self, command: str, *, evidence: re.Pattern[str] | None = None) -> str:
        with self._shell.ours():
            return await self._terminal.run(command, evidence=evidence)

    async def elevate(self, command: str, *, ask: re.Pattern[str], secret: str) -> None:
        with self._shell.ours():
            await self._terminal.elevate(command, ask=ask, secret=secret)
