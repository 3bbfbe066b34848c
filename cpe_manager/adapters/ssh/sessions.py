"""The factory of sessions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncssh

from cpe_manager.adapters.ssh.algorithms import LEGACY
from cpe_manager.adapters.ssh.client import HandshakeClient
from cpe_manager.adapters.ssh.connection import Connection, base_options, close, connect
from cpe_manager.adapters.ssh.errors import device_error
from cpe_manager.adapters.ssh.greeting import GreetedShell
from cpe_manager.adapters.ssh.limits import HandshakePacer, SshLimits
from cpe_manager.adapters.ssh.shell import SshShell
from cpe_manager.domain.errors import DeviceTimeout
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.detection import Greeting, Met
from cpe_manager.ports.sessions import Credentials, OpenedSession
from cpe_manager.ports.shell import Credential, Target

_LISTEN: Final = 10.0
"""Seconds in which an unknown box has to come to a prompt."""


class SshSessions:
    """Implements ``ports.sessions.Sessions`` and ``ports.detection.Greeter``.

    One per process: it holds the pace of handshakes.
    """

    def __init__(self, credentials: Credentials, clock: Clock, limits: SshLimits | None = None) -> None:
        self._credentials = credentials
        self._limits = limits or SshLimits()
        self._pacer = HandshakePacer(clock, self._limits.handshakes_per_second)
        self._base = base_options()
        self._legacy: asyncssh.SSHClientConnectionOptions | None = None
        self._keys: dict[str, tuple[str, asyncssh.SSHKey]] = {}
        # asyncssh tells every step of every connection; what matters of them comes out as our errors.
        logging.getLogger("asyncssh").setLevel(logging.CRITICAL)

    @asynccontextmanager
    async def open(self, target: Target) -> AsyncIterator[OpenedSession]:
        async with self._connected(target) as (connection, credential, _):
            ours = connection.ssh.get_extra_info("sockname")
            shell = SshShell(connection, target, credential, self._limits)
            yield OpenedSession(shell, connection.host_key, ours[0] if ours else "")

    @asynccontextmanager
    async def meet(self, target: Target) -> AsyncIterator[Met]:
        """``ports.detection.Greeter``."""
        async with self._connected(target) as (connection, credential, client):
            shell = GreetedShell(connection, target, credential, self._limits)
            printed, prompt = await shell.greet(min(_LISTEN, target.command_timeout))
            version = str(connection.ssh.get_extra_info("server_version") or "")
            banner = f"{client.banner}\n{printed}".replace("\r\n", "\n").strip("\n")
            yield Met(shell, connection.host_key, Greeting(version, banner, prompt))

    @asynccontextmanager
    async def _connected(self, target: Target) -> AsyncIterator[tuple[Connection, Credential, HandshakeClient]]:
        credential = self._credentials.get(target.credential_ref)
        client = HandshakeClient(target.pinned_keys, credential, self._key(target.credential_ref, credential))
        await self._pacer.turn()
        scope = asyncio.timeout(target.session_timeout)
        try:
            async with scope:
                connection = await connect(target, credential.username, client, self._options(target))
                try:
                    yield connection, credential, client
                finally:
                    await close(connection, self._limits.close)
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise DeviceTimeout(f"{target.host}:{target.port}: session over {target.session_timeout:g} s") from error

    def _options(self, target: Target) -> asyncssh.SSHClientConnectionOptions:
        if not target.legacy_crypto:
            return self._base
        if self._legacy is None:
            self._legacy = base_options(LEGACY)
        return self._legacy

    def _key(self, reference: str, credential: Credential) -> asyncssh.SSHKey | None:
        """The private key, parsed once for as long as its text stays the same. Raises ``CredentialMissing``."""
        text = credential.private_key
        if not text:
            return None
        kept = self._keys.get(reference)
        if kept is None or kept[0] != text:
            try:
                kept = (text, asyncssh.import_private_key(text))
            except ValueError as error:
                raise device_error(error, reference, logged_in=False) from error
            self._keys[reference] = kept
        return kept[1]
