"""A small SSH server whose manners a test chooses. Traffic stays on the loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncssh

from cpe_manager.adapters.ssh.limits import SshLimits
from cpe_manager.adapters.ssh.sessions import SshSessions
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.shell import Credential, Target
from tests.fakes.clock import SimulatedClock
from tests.fakes.credentials import FixedCredentials

Process = asyncssh.SSHServerProcess[bytes]


@dataclass
class Manners:
    """What the box accepts and how it answers.

    methods: which of password, keyboard-interactive and publickey it offers. key_types: host keys that it has.
    options: further options of asyncssh's server, such as its algorithms.
    """

    answer: Callable[[Process], object] = lambda process: process.exit(0)
    methods: frozenset[str] = frozenset({"password"})
    password: str = "right"
    questions: tuple[tuple[str, bool], ...] = (("Password: ", False),)
    authorized: str = ""
    key_types: tuple[str, ...] = ("ssh-ed25519",)
    options: Mapping[str, object] = field(default_factory=dict)


class Box(asyncssh.SSHServer):
    def __init__(self, running: RunningBox) -> None:
        self._running = running

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn
        self._running.connections.add(conn)
        self._running.accepted += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._running.connections.discard(self._conn)

    def begin_auth(self, username: str) -> bool:
        self._running.users.append(username)
        return True

    def password_auth_supported(self) -> bool:
        return "password" in self._running.manners.methods

    def validate_password(self, username: str, password: str) -> bool:
        self._running.secrets_seen.append(password)
        return password == self._running.manners.password

    def kbdint_auth_supported(self) -> bool:
        return "keyboard-interactive" in self._running.manners.methods

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> tuple[object, ...]:
        return "", "Answer, please", "", list(self._running.manners.questions)

    def validate_kbdint_response(self, username: str, responses: list[str]) -> bool:
        self._running.secrets_seen.extend(responses)
        return responses == [self._running.manners.password]

    def public_key_auth_supported(self) -> bool:
        return "publickey" in self._running.manners.methods

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key.export_public_key().decode().split()[:2] == self._running.manners.authorized.split()[:2]


@dataclass
class RunningBox:
    manners: Manners
    host_keys: list[asyncssh.SSHKey]
    port: int = 0
    accepted: int = 0
    connections: set[asyncssh.SSHServerConnection] = field(default_factory=set)
    users: list[str] = field(default_factory=list)
    secrets_seen: list[str] = field(default_factory=list)

    def public(self, index: int = 0) -> str:
        return " ".join(self.host_keys[index].export_public_key().decode().split()[:2])

    def target(self, **changes: object) -> Target:
        values: dict[str, object] = {
            "device_id": "d1", "name": "box", "host": "127.0.0.1", "port": self.port, "family": "any",
            "credential_ref": "box", "connect_timeout": 10.0, "command_timeout": 10.0, "session_timeout": 30.0,
        }  # fmt: skip
        return Target(**{**values, **changes})  # type: ignore[arg-type]

    async def all_gone(self) -> None:
        """Wait until the box has no connection left; the test's own time limit is the deadline."""
        while self.connections:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(manners: Manners | None = None) -> AsyncIterator[RunningBox]:
    manners = manners or Manners()
    box = RunningBox(manners, [asyncssh.generate_private_key(kind) for kind in manners.key_types])
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=lambda: Box(box),
        server_host_keys=box.host_keys,
        process_factory=manners.answer,
        encoding=None,
        line_editor=False,
        gss_host=None,
        **manners.options,  # type: ignore[arg-type]
    )
    box.port = server.get_port()
    try:
        yield box
    finally:
        server.close()
        for connection in tuple(box.connections):
            connection.abort()
        await server.wait_closed()


def sessions(
    credential: Credential | None = None, *, clock: Clock | None = None, limits: SshLimits | None = None
) -> SshSessions:
    known = FixedCredentials({"box": credential or Credential("noc", "right")})
    return SshSessions(known, clock or SimulatedClock(), limits or SshLimits(handshakes_per_second=0, settle=0.3))
