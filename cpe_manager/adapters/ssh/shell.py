"""What a driver holds of a session: a terminal and commands, with deadlines and with our errors only."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Final, TypeVar

import asyncssh

from cpe_manager.adapters.ssh.command import CommandChannel
from cpe_manager.adapters.ssh.connection import Connection
from cpe_manager.adapters.ssh.errors import device_error
from cpe_manager.adapters.ssh.limits import SshLimits
from cpe_manager.adapters.ssh.terminal import PtyTerminal
from cpe_manager.domain.errors import DeviceTimeout, SessionDropped
from cpe_manager.ports.shell import Credential, ExecResult, PromptRules, Target

# Wide, and of no height: lines do not wrap, and a pager that goes by the terminal's height stays away.
_SIZE: Final = (511, 0)
_Session = TypeVar("_Session", bound=asyncssh.SSHClientSession[bytes])


class SshShell:
    """Implements ``ports.shell.Shell`` over one connection."""

    def __init__(self, connection: Connection, target: Target, credential: Credential, limits: SshLimits) -> None:
        self._connection = connection
        self._target = target
        self._credential = credential
        self.limits = limits
        self._shared: tuple[PromptRules, SshTerminal] | None = None

    @property
    def credential(self) -> Credential:
        return self._credential

    @property
    def options(self) -> Mapping[str, str]:
        return self._target.options

    @property
    def timeout(self) -> float:
        """Seconds for each command."""
        return self._target.command_timeout

    async def terminal(self, rules: PromptRules) -> SshTerminal:
        """The one that is open already when it is asked for again: many boxes grant a connection one shell alone."""
        if self._shared is None or self._shared[0] != rules:
            self._shared = rules, await self._open_terminal(rules)
        return self._shared[1]

    async def _open_terminal(self, rules: PromptRules) -> SshTerminal:
        timeout, limits = self.timeout, self.limits
        with self.ours():
            async with self.deadline("opening a terminal"):
                terminal = await self.open_channel(
                    lambda: PtyTerminal(rules, timeout, limits.settle, limits.output_bytes), None
                )
            await terminal.log_in()
        return SshTerminal(terminal, self)

    async def execute(self, command: str) -> ExecResult:
        with self.ours():
            async with self.deadline(f"{command!r}"):
                channel = await self.open_channel(lambda: CommandChannel(self.limits.output_bytes), command)
                return await channel.result()

    @asynccontextmanager
    async def deadline(self, what: str) -> AsyncIterator[None]:
        scope = asyncio.timeout(self._target.command_timeout)
        try:
            async with scope:
                yield
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise DeviceTimeout(
                f"{self._connection.place}: {what} took over {self._target.command_timeout:g} s"
            ) from error

    @contextmanager
    def ours(self) -> Iterator[None]:
        """Let nothing but ``DeviceError`` and cancellation out."""
        try:
            yield
        except Exception as error:
            ours = device_error(error, self._connection.place, logged_in=True)
            if ours is error:
                raise
            raise ours from error

    async def open_channel(self, factory: Callable[[], _Session], command: str | None) -> _Session:
        """Open a channel: a PTY shell, or a command without PTY."""
        ssh, pty = self._connection.ssh, command is None
        made: list[_Session] = []

        def make() -> _Session:
            made.append(factory())
            return made[0]

        try:
            await ssh.create_session(
                make,
                command,
                request_pty=pty,
                term_type="vt100" if pty else None,
                term_size=_SIZE if pty else None,
                encoding=None,
            )
        except asyncssh.ChannelOpenError as error:
            # asyncssh reports a connection that dies meanwhile as a refused request; those are worlds apart to us.
            if ssh.is_closed():
                raise SessionDropped(f"{self._connection.place}: lost while a channel was being opened") from error
            raise
        return made[0]


class SshTerminal:
    """Implements ``ports.shell.Terminal``: the terminal, with every error made ours."""

    def __init__(self, terminal: PtyTerminal, shell: SshShell) -> None:
        self._terminal = terminal
        self._shell = shell

    @property
    def hostname(self) -> str:
        return self._terminal.hostname

    async def run(self, command: str, *, evidence: re.Pattern[str] | None = None) -> str:
        with self._shell.ours():
            return await self._terminal.run(command, evidence=evidence)

    async def elevate(self, command: str, *, ask: re.Pattern[str], secret: str) -> None:
        with self._shell.ours():
            await self._terminal.elevate(command, ask=ask, secret=secret)
