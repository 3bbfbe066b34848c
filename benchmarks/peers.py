"""One client each, measured in a process of its own: ``python -m benchmarks.peers NAME INVENTORY CREDENTIALS``.

Every client does the same for each device of the inventory: connect, authenticate, privileged mode, pager off, read the
running configuration to its end, close. Prints one JSON line. CPU is this process's own (user and system), from
after its imports to the end.
"""

from __future__ import annotations

import asyncio
import csv
import json
import logging
import resource
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

AT_ONCE = 100
THREADS = 50


@dataclass(frozen=True)
class Box:
    name: str
    host: str
    port: int
    username: str
    password: str
    enable: str


@dataclass(frozen=True)
class Figures:
    """``ok``: devices whose whole configuration came back. Times in seconds, memory in MiB."""

    client: str
    devices: int
    ok: int
    cpu: float
    wall: float
    peak_mb: float


def boxes(inventory: Path, credentials: Path) -> list[Box]:
    known = tomllib.loads(credentials.read_text())["credentials"]
    rows = csv.DictReader(inventory.open(newline=""))
    return [
        Box(
            row["name"], row["address"], int(row["port"]), known[row["credential"]]["username"],
            known[row["credential"]]["password"], known[row["credential"]].get("enable_password", ""),
        )
        for row in rows
    ]  # fmt: skip


def measured(client: str, fleet: list[Box], run: Callable[[list[Box]], int]) -> Figures:
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    ok = run(fleet)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Figures(client, len(fleet), ok, cpu, time.perf_counter() - started, after.ru_maxrss / 1024)


def bare() -> Callable[[list[Box]], int]:
    """Tuned asyncssh and nothing else: fixed algorithms, options built once, a session class that collects bytes."""
    import asyncssh
    import uvloop

    logging.getLogger("asyncssh").setLevel(logging.CRITICAL)

    class Client(asyncssh.SSHClient):
        def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
            return True

    class Collect(asyncssh.SSHClientSession[bytes]):
        def __init__(self) -> None:
            self.chunks: list[bytes] = []
            self.closed = asyncio.get_running_loop().create_future()

        def data_received(self, data: bytes, datatype: int | None) -> None:
            self.chunks.append(data)

        def connection_lost(self, exc: Exception | None) -> None:
            if not self.closed.done():
                self.closed.set_result(None)

    base = asyncssh.SSHClientConnectionOptions(
        config=None, agent_path=None, gss_host=None, known_hosts=None, client_keys=None, compression_algs=["none"],
        kex_algs=["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"],
        encryption_algs=["aes128-gcm@openssh.com", "aes128-ctr"], mac_algs=["hmac-sha2-256"],
        server_host_key_algs=["ssh-ed25519", "rsa-sha2-256"], preferred_auth=["password"], keepalive_interval=0,
    )  # fmt: skip

    async def one(box: Box, gate: asyncio.Semaphore) -> bool:
        async with gate:
            options = asyncssh.SSHClientConnectionOptions(base, username=box.username, password=box.password)
            connection, _ = await asyncssh.create_connection(Client, box.host, box.port, options=options)
            channel, session = await connection.create_session(Collect, term_type="vt100", encoding=None)
            enable = f"enable\n{box.enable}\n" if box.enable else ""
            channel.write(f"{enable}terminal length 0\nshow running-config\nexit\n".encode())
            async with asyncio.timeout(30):
                await session.closed
            connection.abort()
            text = b"".join(session.chunks).decode().replace("\r", "")
            return "Current configuration" in text and "\nend\n" in text

    async def everything(fleet: list[Box]) -> int:
        gate = asyncio.Semaphore(AT_ONCE)
        results = await asyncio.gather(*(one(box, gate) for box in fleet), return_exceptions=True)
        return sum(result is True for result in results)

    return lambda fleet: uvloop.run(everything(fleet))


def scrapli() -> Callable[[list[Box]], int]:
    from scrapli.driver.core import AsyncIOSXEDriver

    logging.getLogger("scrapli").setLevel(logging.CRITICAL)

    async def one(box: Box, gate: asyncio.Semaphore) -> bool:
        async with gate:
            driver = AsyncIOSXEDriver(
                host=box.host, port=box.port, auth_username=box.username, auth_password=box.password,
                auth_secondary=box.enable, auth_strict_key=False, transport="asyncssh", ssh_config_file=False,
            )  # fmt: skip
            await driver.open()
            try:
                return "\nend" in (await driver.send_command("show running-config")).result
            finally:
                await driver.close()

    async def everything(fleet: list[Box]) -> int:
        gate = asyncio.Semaphore(AT_ONCE)
        results = await asyncio.gather(*(one(box, gate) for box in fleet), return_exceptions=True)
        return sum(result is True for result in results)

    return lambda fleet: asyncio.run(everything(fleet))


def nornir() -> Callable[[list[Box]], int]:
    from nornir.core import Nornir
    from nornir.core.configuration import Config
    from nornir.core.inventory import ConnectionOptions, Defaults, Groups, Host, Hosts, Inventory
    from nornir.core.plugins.connections import ConnectionPluginRegister
    from nornir.core.task import Result, Task
    from nornir.plugins.runners import ThreadedRunner
    from nornir_netmiko.tasks import netmiko_send_command

    ConnectionPluginRegister.auto_register()

    def task(task: Task) -> Result:
        task.host.get_connection("netmiko", task.nornir.config).enable()
        return task.run(netmiko_send_command, command_string="show running-config", read_timeout=60)[0]

    def run(fleet: list[Box]) -> int:
        options = {"netmiko": ConnectionOptions(extras={"fast_cli": True, "conn_timeout": 60, "auth_timeout": 60})}
        hosts = Hosts()
        for box in fleet:
            extras: dict[str, Any] = {**(options["netmiko"].extras or {}), "secret": box.enable}
            hosts[box.name] = Host(
                name=box.name, hostname=box.host, port=box.port, username=box.username, password=box.password,
                platform="cisco_ios", connection_options={"netmiko": ConnectionOptions(extras=extras)},
            )  # fmt: skip
        inventory = Inventory(hosts=hosts, groups=Groups(), defaults=Defaults())
        with Nornir(inventory=inventory, config=Config(), runner=ThreadedRunner(num_workers=THREADS)) as manager:
            done = manager.run(task=task)
        return sum(
            "\nend" in str(result[1].result) for result in done.values() if not result.failed and len(result) > 1
        )

    return run


CLIENTS = {"bare asyncssh": bare, "scrapli asyncssh": scrapli, "nornir + netmiko": nornir}


def main() -> None:
    client, inventory, credentials = sys.argv[1:4]
    run = CLIENTS[client]()
    print(json.dumps(asdict(measured(client, boxes(Path(inventory), Path(credentials)), run))))


if __name__ == "__main__":
    main()
