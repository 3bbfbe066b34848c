"""Sessions of the long tail, and the shell that a driver of it is given."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, NoReturn, TypeVar

from cpe_manager.adapters.netmiko.link import Link, LinkLimits
from cpe_manager.adapters.netmiko.platforms import platform_names
from cpe_manager.adapters.netmiko.threads import ThreadCounts, Threads, Worker
from cpe_manager.domain.errors import CommandRefused, DeviceTimeout, TelnetRefused, UnknownFamily
from cpe_manager.domain.fleet.families import PLATFORM_PREFIX, unknown_platform
from cpe_manager.ports.sessions import Credentials, OpenedSession
from cpe_manager.ports.shell import Credential, ExecResult, PromptRules, Target, Terminal

T = TypeVar("T")
_PLATFORMS: Final = frozenset(platform_names())


@dataclass(frozen=True, slots=True)
class NetmikoLimits:
    """threads: sessions at once in this process. wait: seconds that a session waits for one of them. close: how long
    an orderly end may take."""

    threads: int = 16
    wait: float = 600.0
    close: float = 2.0
    link: LinkLimits = field(default_factory=LinkLimits)


class NetmikoSessions:
    """Implements ``ports.sessions.Sessions`` for families of the long tail. One per process: it holds the threads."""

    def __init__(self, credentials: Credentials, limits: NetmikoLimits | None = None) -> None:
        self._credentials = credentials
        self._limits = limits or NetmikoLimits()
        self._threads = Threads(self._limits.threads)
        # They tell every byte of every connection; what matters of them comes out as our errors.
        for name in ("netmiko", "paramiko"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)

    @property
    def counts(self) -> ThreadCounts:
        return self._threads.counts

    @asynccontextmanager
    async def open(self, target: Target) -> AsyncIterator[OpenedSession]:
        link = self._link(target)
        worker = await self._threads.start(target.name, self._limits.wait)
        worker.serve(last=link.close, cut=link.cut)
        scope = asyncio.timeout(target.session_timeout)
        try:
            async with scope:
                # Two deadlines in one: until the log-in is through, and then for what makes the session ready.
                await _within(worker, link, link.open, target.connect_timeout + target.command_timeout, "log-in")
                yield OpenedSession(NetmikoShell(link, worker, target, self._credential(target)), link.host_key)
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise DeviceTimeout(f"{link.place}: session over {target.session_timeout:g} s") from error
        finally:
            await worker.finish(self._limits.close)

    def _link(self, target: Target) -> Link:
        name = target.family.removeprefix(PLATFORM_PREFIX)
        if name not in _PLATFORMS:
            raise UnknownFamily(unknown_platform(target.family, _PLATFORMS))
        if target.transport != "ssh":
            raise TelnetRefused(f"{target.name}: families of netmiko are reached over SSH alone")
        return Link(target, name, self._credential(target), self._limits.link)

    def _credential(self, target: Target) -> Credential:
        return self._credentials.get(target.credential_ref)


async def _within(worker: Worker, link: Link, call: Callable[[], T], timeout: float, what: str) -> T:
    try:
        return await worker.run(call, timeout)
    except TimeoutError as error:
        raise DeviceTimeout(f"{link.place}: {what} took over {timeout:g} s") from error


class NetmikoShell:
    """Implements ``ports.long_tail.PlatformShell``: each verb is one call in the session's thread, with a deadline."""

    def __init__(self, link: Link, worker: Worker, target: Target, credential: Credential) -> None:
        self._link, self._worker, self._target, self._credential = link, worker, target, credential

    @property
    def credential(self) -> Credential:
        return self._credential

    @property
    def options(self) -> Mapping[str, str]:
        return self._target.options

    @property
    def hostname(self) -> str:
        return self._link.hostname

    @property
    def unix(self) -> bool:
        return self._link.unix

    @property
    def commits(self) -> bool:
        return self._link.commits

    @property
    def saves(self) -> bool:
        return self._link.saves

    async def show(self, command: str, *, evidence: re.Pattern[str] | None, errors: re.Pattern[str]) -> str:
        return await self._do(repr(command), lambda: self._link.show(command, evidence, errors))

    async def begin(self) -> str:
        return await self._do("the configuration mode", self._link.begin)

    async def enter(self, line: str) -> str:
        # No command in the message: it may hold a secret.
        return await self._do("a configuration line", lambda: self._link.enter(line))

    async def commit(self) -> str:
        return await self._do("commit", self._link.commit)

    async def end(self) -> str:
        return await self._do("leaving the configuration mode", self._link.end)

    async def save(self) -> str:
        if not self.saves:
            raise CommandRefused(f"{self._link.place}: netmiko knows no command that saves on {self._target.family}")
        return await self._do("saving", self._link.save)

    async def terminal(self, rules: PromptRules) -> Terminal:  # noqa: ARG002 - the port's
        self._no_other_way()

    async def execute(self, command: str) -> ExecResult:  # noqa: ARG002 - the port's
        self._no_other_way()

    def _no_other_way(self) -> NoReturn:
        raise CommandRefused(f"{self._link.place}: a session of netmiko is spoken to by its own verbs alone")

    async def _do(self, what: str, call: Callable[[], T]) -> T:
        return await _within(self._worker, self._link, call, self._target.command_timeout + _GRACE, what)


_GRACE: Final = 0.5
"""Seconds by which the deadline outside is later than the one inside, so that its finer words are heard first."""
