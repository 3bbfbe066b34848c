"""A real PostgreSQL of one's own: started for a test process, a fresh migrated database for each test."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from cpe_manager.adapters.db.engine import target
from cpe_manager.adapters.db.migrator import upgrade

_FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=32MB -c max_connections=100"
_TEMPLATE = "migrated"


@dataclass(frozen=True)
class PostgresServer:
    """A running server; superuser ``postgres`` without a password, on 127.0.0.1 and a socket in ``folder``."""

    folder: Path
    port: int
    programs: Path
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def fall(self) -> None:
        """Stop at once, as in a power cut."""
        _run(self.folder, self.programs / "pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop")

    def rise(self) -> None:
        """Start again at the same port, and recover."""
        _begin(self.folder, self.programs, self.folder / "data", self.port)

    def url(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    @contextmanager
    def empty(self) -> Iterator[str]:
        """The URL of a database without tables, dropped at the end."""
        with self._database("template0") as url:
            yield url

    @contextmanager
    def migrated(self) -> Iterator[str]:
        """The URL of a database with the newest schema and no rows, dropped at the end."""
        with self._database(_TEMPLATE) as url:
            yield url

    @contextmanager
    def _database(self, template: str) -> Iterator[str]:
        name = f"test_{next(self._numbers)}"
        self.admin(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            self.admin(f"DROP DATABASE {name} WITH (FORCE)")

    def admin(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


def binaries() -> Path | None:
    """Where the newest installed PostgreSQL has its programs, None when there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


@contextmanager
def running_server(programs: Path) -> Iterator[PostgresServer]:
    """Start a server in a folder of its own, make the migrated template, and stop it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="cpe-pg-"))
    data = folder / "data"
    try:
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(folder, account.pw_uid, account.pw_gid)
        # ICU sorts as people do: lists that must be in byte order are seen to ask for it.
        _run(folder, programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync",
             "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en")  # fmt: skip
        port = _start(folder, programs, data)
        try:
            server = PostgresServer(folder, port, programs)
            server.admin(f"CREATE DATABASE {_TEMPLATE} TEMPLATE template0")
            upgrade(target(server.url(_TEMPLATE)))
            yield server
        finally:
            _run(folder, programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


def _start(folder: Path, programs: Path, data: Path) -> int:
    for attempt in range(1, 4):
        port = _free_port()
        log = folder / "log"
        try:
            _begin(folder, programs, data, port)
        except RuntimeError as error:  # someone else may have taken the port meanwhile
            if attempt == 3:
                raise RuntimeError(log.read_text() if log.exists() else "no log") from error
        else:
            return port
    raise AssertionError("unreachable")


def _begin(folder: Path, programs: Path, data: Path, port: int) -> None:
    options = f"-h 127.0.0.1 -p {port} -k {folder} {_FAST}"
    _run(folder, programs / "pg_ctl", "-D", data, "-l", folder / "log", "-o", options, "-w", "-t", "60", "start")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _run(folder: Path, *command: str | Path) -> None:
    """Run a program; PostgreSQL refuses to run as root."""
    account: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    with (folder / "output").open("w+") as output:
        done = subprocess.run(
            [str(part) for part in command],
            stdout=output,
            stderr=output,
            cwd=folder,
            timeout=90,
            check=False,
            **account,
        )
        if done.returncode:
            output.seek(0)
            raise RuntimeError(f"{command[0]}: {output.read()}")
