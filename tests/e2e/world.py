"""A small world for end-to-end tests: a simulated fleet and the product, each in processes of their own.

Nothing here reaches into the product: it is started, talked to and killed as an operator's machine would do it.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from simulators.control import ControlClient

BIN = Path(sys.executable).parent
PATIENCE = 150.0
"""Seconds after which a test stops hoping; how long things really take is measured in benchmarks/."""


def eventually(what: str, probe: Any, *, within: float = PATIENCE, every: float | None = None) -> Any:
    """The first truthy answer of ``probe``; fails with ``what`` when none comes. It is asked ``every`` so many seconds,
    or less and less often: what takes long needs no close look, and each look takes from what is waited for."""
    deadline = time.monotonic() + within
    pause, last = every or 0.05, None
    while time.monotonic() < deadline:
        last = probe()
        if last:
            return last
        time.sleep(pause)  # noqa: TID251  a test process has no event loop to hold up
        if every is None:
            pause = min(0.5, pause * 1.25)
    raise AssertionError(f"never came: {what} (last answer: {last!r})")


@dataclass
class Process:
    """One started process with its log; ended by its own id, never by name."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    writer: subprocess.Popen[bytes] | None = None
    """Who writes the log, if not the process; ends with it."""

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait(timeout=30)
        if self.writer is not None:
            self.writer.wait(timeout=30)

    def stop(self, *, within: float = 40.0) -> int:
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGCONT)
            self.popen.terminate()
            try:
                self.popen.wait(timeout=within)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"{self.name} did not stop:\n{self.tail()}") from None
        return self.popen.returncode

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def spawn(name: str, argv: Sequence[str], log: Path, env: dict[str, str] | None = None) -> Process:
    with log.open("ab") as out:
        popen = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=env)
    return Process(name, popen, log)


def spawn_piped(name: str, argv: Sequence[str], log: Path, env: dict[str, str] | None = None) -> Process:
    """As ``spawn``, with somebody else writing the log: the process itself may be kept from writing files."""
    with log.open("ab") as out:
        writer = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=out, env=env)
    assert writer.stdin is not None
    popen = subprocess.Popen(argv, stdout=writer.stdin, stderr=writer.stdin, stdin=subprocess.DEVNULL, env=env)
    writer.stdin.close()
    return Process(name, popen, log, writer)


@dataclass
class World:
    """One data directory, one fleet, and the processes between them.

    ``within`` starts the product's commands elsewhere, in another network for example; ``network`` has ``get`` ask from
    there.
    """

    home: Path
    env: dict[str, str] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)
    url: str = ""
    token: str = ""
    starts: int = 0
    within: tuple[str, ...] = ()
    network: Callable[[], AbstractContextManager[None]] = nullcontext
    # Reading the certificates that are trusted would cost more than all that is asked. No connection is kept: daemons
    # are killed.
    _polls: httpx.Client = field(
        default_factory=lambda: httpx.Client(
            verify=False, timeout=PATIENCE, limits=httpx.Limits(max_keepalive_connections=0)
        )
    )

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def control(self) -> Path:
        return self.home / "sim.sock"

    @property
    def inventory(self) -> Path:
        return self.home / "fleet.csv"

    @property
    def credentials(self) -> Path:
        return self.data / "credentials.toml"

    def environment(self) -> dict[str, str]:
        keep = {name: value for name, value in os.environ.items() if not name.startswith("CPE_MANAGER_")}
        auth = {"CPE_MANAGER_URL": self.url, "CPE_MANAGER_TOKEN": self.token} if self.url else {}
        return {**keep, "HOME": str(self.home), "NO_COLOR": "1", "COLUMNS": "200", **auth, **self.env}

    def fleet(self, count: int, *, seed: int = 7, base: str = "127.1.0.1", extra: Sequence[str] = ()) -> Process:
        """Start the simulated fleet on ephemeral ports and wait until it is ready."""
        self.data.mkdir(parents=True, exist_ok=True)
        ready = self.home / "sim.ready"
        argv = [
            str(BIN / "cpe-sim"), "fleet", "--count", str(count), "--seed", str(seed), "--base", base, "--port", "0",
            "--inventory", str(self.inventory), "--credentials", str(self.credentials),
            "--control", str(self.control), "--ready-file", str(ready), *extra,
        ]  # fmt: skip
        process = spawn("cpe-sim", argv, self.home / "sim.log", self.environment())
        self.processes.append(process)
        eventually("the simulated fleet", lambda: ready.exists() or not process.alive)
        assert process.alive, process.tail()
        return process

    def init(self, *, own: bool = False) -> None:
        """What ``cpe-manager init`` makes. It takes seconds, and what it makes on SQLite will do for all: a process of
        tests has it done once. ``own``: with keys and a token that no other world has."""
        if own or "CPE_MANAGER_DATABASE_URL" in self.env:
            self.token = self._init(self.data)
            return
        made, self.token = _installation()
        self.data.mkdir(parents=True, exist_ok=True)
        for path in (path for path in made.rglob("*") if path.is_file()):
            place = self.data / path.relative_to(made)
            if not place.exists():
                place.parent.mkdir(mode=0o700, exist_ok=True)
                shutil.copy2(path, place)
        self.data.chmod(0o700)

    def _init(self, data: Path) -> str:
        """The first token."""
        done = self.cli("init", "--data-dir", str(data), "--json")
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["token"])

    def serve(self, *args: str, piped: bool = False) -> Process:
        """Start the daemon on an ephemeral port and wait until it answers. ``piped``: see ``spawn_piped``."""
        self.starts += 1
        ready = self.home / f"daemon-{self.starts}.url"
        argv = [*self.within, str(BIN / "cpe-manager"), "serve", "--data-dir", str(self.data), "--port", "0"]
        start = spawn_piped if piped else spawn
        process = start(
            "daemon", [*argv, "--ready-file", str(ready), *args], self.home / "daemon.log", self.environment()
        )
        self.processes.append(process)
        eventually("the daemon", lambda: ready.exists() or not process.alive)
        assert process.alive, process.tail()
        self.url = ready.read_text().strip()
        return process

    def worker(self, *args: str) -> Process:
        self.starts += 1
        argv = [*self.within, str(BIN / "cpe-manager"), "worker", "--data-dir", str(self.data), *args]
        process = spawn(f"worker-{self.starts}", argv, self.home / f"worker-{self.starts}.log", self.environment())
        self.processes.append(process)
        return process

    def cli(self, *args: str, stdin: str | None = None, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        argv = [*self.within, str(BIN / "cpe-manager"), *args]
        return subprocess.run(
            argv, input=stdin, capture_output=True, text=True, timeout=timeout, env=self.environment(), check=False
        )

    def ok(self, *args: str, timeout: float = 120) -> str:
        done = self.cli(*args, timeout=timeout)
        assert done.returncode == 0, f"{args}: exit {done.returncode}\n{done.stdout}\n{done.stderr}\n{self.logs()}"
        return done.stdout

    def json(self, *args: str) -> Any:
        return json.loads(self.ok(*args, "--json"))

    def get(self, path: str, **params: Any) -> Any:
        """An answer of the API as JSON: what polls, polls here, since a command costs half a second of CPU."""
        headers = {"Authorization": f"Bearer {self.token}"}
        with self.network():
            answer = self._polls.get(f"{self.url}/api/v1/{path}", headers=headers, params=params or None)
        answer.raise_for_status()
        return answer.json()

    def job(self, job_id: str) -> Any:
        return self.get(f"jobs/{job_id}")

    def ended(self, job_id: str) -> int:
        """How many devices of a job have ended."""
        counts = self.job(job_id)["counts"]
        return int(counts["done"]) + int(counts["failed"])

    def versions(self) -> dict[str, int]:
        """How many versions each device has."""
        names: list[str] = []
        cursor: str | None = None
        while True:
            page = self.get("devices", limit=200, **({"cursor": cursor} if cursor else {}))
            names += [device["name"] for device in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        with self.api() as api:
            return {name: len(api.get(f"/api/v1/devices/{name}/backups").json()["items"]) for name in names}

    def api(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE, verify=False)

    @contextmanager
    def sim(self) -> Iterator[ControlClient]:
        """The simulated fleet's control."""
        with ControlClient(self.control) as control:
            yield control

    def close(self) -> None:
        self._polls.close()

    def logs(self) -> str:
        return "\n".join(f"--- {process.name}\n{process.tail()}" for process in self.processes)


@cache
def _installation() -> tuple[Path, str]:
    """A data directory that nobody has used, and its first token."""
    home = Path(tempfile.mkdtemp(prefix="cpe-manager-world-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    made = World(home)
    return made.data, made._init(made.data)


@contextmanager
def world(home: Path, **env: str) -> Iterator[World]:
    """Ends every process it started, whatever happens."""
    made = World(home, env=dict(env))
    try:
        yield made
    finally:
        made.close()
        for process in reversed(made.processes):
            if process.alive:
                process.popen.send_signal(signal.SIGCONT)
                process.kill()
