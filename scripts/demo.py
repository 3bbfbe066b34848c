"""The demonstration: a fleet of virtual CPEs, the daemon, two backup runs and what changed between them.

``python scripts/demo.py`` stays up until Ctrl-C; with ``ONCE=1`` in the environment it ends, non-zero with the reason
when anything was not as promised.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.panel import Panel

BIN = Path(sys.executable).parent
COUNT = 30
FAMILIES = ("cisco_ios", "openwrt", "frr_linux", "teltonika", "routeros", "vyos")
PATIENCE = 120.0
console = Console(highlight=False)


class DemoFailed(Exception):
    """What was not as promised, in one line."""


class Stage:
    """The processes of the demonstration, ended by their own ids."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("CPE_MANAGER_")}
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *argv: str, ready: Path) -> None:
        log = self.home / f"{name}.log"
        with log.open("wb") as out:
            # A session of its own: Ctrl-C reaches this script alone, which then stops the others in order.
            process = subprocess.Popen(
                [str(BIN / argv[0]), *argv[1:]], stdout=out, stderr=out, env=self.env, start_new_session=True
            )
        self._processes.append(process)
        deadline = time.monotonic() + PATIENCE
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text(errors="replace").strip().splitlines()[-5:]
                raise DemoFailed(f"{name} did not start: " + " / ".join(tail))
            time.sleep(0.05)  # noqa: TID251  a script, not the daemon

    def run(self, *args: str, show: bool = True) -> str:
        """A ``cpe-manager`` command as one would type it."""
        if show:
            console.print(f"\n[bold]$ cpe-manager {' '.join(args)}[/bold]")
        out = None if show else subprocess.PIPE
        done = subprocess.run([str(BIN / "cpe-manager"), *args], env=self.env, stdout=out, text=True, check=False)
        if done.returncode:
            raise DemoFailed(f"cpe-manager {' '.join(args)} ended with exit code {done.returncode}")
        return done.stdout or ""

    def read(self, *args: str) -> Any:
        return json.loads(self.run(*args, "--json", show=False))

    def stop(self) -> None:
        for process in reversed(self._processes):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def wait_for(what: str, probe: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := probe():
            return found
        time.sleep(0.2)  # noqa: TID251  a script, not the daemon
    raise DemoFailed(f"never came: {what}")


def expect(promise: str, *, kept: bool) -> None:
    if not kept:
        raise DemoFailed(promise)
    console.print(f"[green]ok[/green] {promise}")


def play(stage: Stage) -> tuple[str, str]:
    """The whole demonstration; returns URL and token."""
    data, control = stage.home / "data", stage.home / "sim.sock"
    data.mkdir()
    inventory = stage.home / "fleet.csv"
    console.print(Panel(f"{COUNT} virtual CPEs of six families, the daemon on SQLite, two backup runs", title="demo"))
    stage.start(
        "cpe-sim", "cpe-sim", "fleet", "--count", str(COUNT), "--port", "0", "--mix", ",".join(FAMILIES),
        "--option", "frr_linux.mode=linux", "--inventory", str(inventory),
        "--credentials", str(data / "credentials.toml"), "--control", str(control),
        "--ready-file", str(stage.home / "sim.ready"), ready=stage.home / "sim.ready",
    )  # fmt: skip
    made = json.loads(stage.run("init", "--data-dir", str(data), "--json", show=False))
    url_file = stage.home / "daemon.url"
    stage.start(
        "daemon", "cpe-manager", "serve", "--data-dir", str(data), "--port", "0", "--ready-file", str(url_file),
        ready=url_file,
    )  # fmt: skip
    url, token = url_file.read_text().strip(), str(made["token"])
    stage.env |= {"CPE_MANAGER_URL": url, "CPE_MANAGER_TOKEN": token}

    stage.run("devices", "import", str(inventory))
    first = wait_for("the first backups", lambda: stage.read("jobs", "list")["items"])[0]
    stage.run("jobs", "wait", first["id"])
    counts = stage.read("jobs", "show", first["id"])["counts"]
    expect(f"{COUNT} of {COUNT} devices have a sealed first backup", kept=counts["stored"] == COUNT)

    changed = stage.read("devices", "list")["items"][0]["name"]
    console.print(f"\nSomebody changes [bold]{changed}[/bold] behind the manager's back.")
    subprocess.run(
        [str(BIN / "cpe-sim"), "ctl", "--control", str(control), "change", changed], check=True, stdout=subprocess.PIPE
    )
    stage.run("backup", "run", "--all")
    second = stage.read("jobs", "list")["items"][0]["counts"]
    expect("the second run stored the one device that changed", kept=second["stored"] == 1)
    expect("the others cost one timestamp each", kept=second["unchanged"] == COUNT - 1)
    stage.run("backup", "diff", changed)
    diff = stage.read("backup", "diff", changed)
    expect("the diff shows the change, secrets masked", kept=diff["added"] + diff["removed"] > 0)
    pushed = next(one["name"] for one in stage.read("devices", "list")["items"] if one["family"] == "openwrt")
    console.print(f"\n[bold]{pushed}[/bold] gets other name servers: planned, armed, made, looked at, confirmed.")
    stage.run("push", "apply", pushed, "--set", 'dns=["9.9.9.9"]', "--yes")
    meant = json.loads(stage.run("backup", "show", pushed, "--neutral", show=False))
    expect("the change is confirmed, and a new version says it in neutral words", kept=meant["dns"] == ["9.9.9.9"])
    stage.run("backup", "verify")
    return url, token


def stay(url: str, token: str) -> None:
    console.print(
        Panel(
            f"API      {url}/api/v1 (described at {url}/api/v1/openapi.json)\n"
            f"metrics  {url}/metrics\ntoken    {token}\n\n"
            f"export CPE_MANAGER_URL={url} CPE_MANAGER_TOKEN={token}\n{BIN / 'cpe-manager'} devices list",
            title="up until Ctrl-C",
        )
    )
    signal.pause()


def main() -> NoReturn:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="cpe-demo-") as home:
        stage = Stage(Path(home))
        try:
            url, token = play(stage)
            if os.environ.get("ONCE"):
                console.print(f"\nThe daemon answered at {url}; done.")
            else:
                stay(url, token)
        except DemoFailed as failure:
            console.print(f"[red]demo failed:[/red] {failure}")
            sys.exit(1)
        except KeyboardInterrupt:
            console.print("\nstopping")
        finally:
            stage.stop()
    sys.exit(0)


if __name__ == "__main__":
    main()
