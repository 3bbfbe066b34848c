"""Fleets that stop with the test, and a hand that types into a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import asyncssh
import pytest

from simulators.device import Device
from simulators.fleet import Fleet
from simulators.spec import DeviceSpec

StartBox = Callable[..., Awaitable[Device]]
Login = Callable[[Device], AbstractAsyncContextManager[asyncssh.SSHClientConnection]]


class Typist:
    """A terminal session read by text, every wait with a deadline."""

    def __init__(self, process: asyncssh.SSHClientProcess[str]) -> None:
        self._process = process
        self.seen = ""

    async def wait_for(self, *texts: str) -> str:
        """Read up to and including the first of `texts` that comes; return what came since the last call."""
        async with asyncio.timeout(60):
            while not any(text in self.seen for text in texts):
                chunk = await self._process.stdout.read(65536)
                assert chunk, f"closed before {texts!r}: {self.seen!r}"
                self.seen += chunk
        end = min(self.seen.index(text) + len(text) for text in texts if text in self.seen)
        before, self.seen = self.seen[:end], self.seen[end:]
        return before

    async def type(self, line: str, until: str) -> str:
        """Type a line with Enter and read up to `until`."""
        self._process.stdin.write(line + "\r")
        return await self.wait_for(until)

    def press(self, key: str) -> None:
        self._process.stdin.write(key)

    async def rest(self) -> str:
        """Read to the end of the session."""
        async with asyncio.timeout(60):
            return self.seen + await self._process.stdout.read()


@pytest.fixture
async def start_box() -> AsyncIterator[StartBox]:
    """Start one box: `await start_box("cisco_ios", name=..., options=...)`."""
    fleets: list[Fleet] = []

    async def start(family: str, **fields: object) -> Device:
        spec = DeviceSpec(**{"name": "GENT-01", "family": family, "seed": 5, **fields})  # type: ignore[arg-type]
        fleet = Fleet([spec], down_time=0.2)
        await fleet.start()
        fleets.append(fleet)
        return fleet.device(spec.name)

    yield start
    for fleet in fleets:
        await fleet.stop()


@pytest.fixture
def login() -> Login:
    """Connect to a box with its own password, and check its host key."""

    # Building options takes longer than a connection: once for all.
    options = asyncssh.SSHClientConnectionOptions(
        config=None, agent_path=None, client_keys=None, connect_timeout=10, encryption_algs=["aes128-gcm@openssh.com"]
    )

    def connect(device: Device) -> AbstractAsyncContextManager[asyncssh.SSHClientConnection]:
        known = asyncssh.import_known_hosts(f"[{device.address}]:{device.port} {device.host_key_public}\n")
        return asyncssh.connect(
            device.address,
            device.port,
            username=device.spec.username,
            password=device.spec.secrets.login,
            known_hosts=known,
            options=options,
        )

    return connect


@pytest.fixture
async def terminal(login: Login) -> AsyncIterator[Callable[[Device], Awaitable[Typist]]]:
    """Open a terminal on a box: `hand = await terminal(device)`."""
    open_connections: list[AbstractAsyncContextManager[asyncssh.SSHClientConnection]] = []

    async def start(device: Device) -> Typist:
        manager = login(device)
        connection = await manager.__aenter__()
        open_connections.append(manager)
        return Typist(await connection.create_process(term_type="vt100"))

    yield start
    for manager in open_connections:
        await manager.__aexit__(None, None, None)
