"""CPU for each device, and peak memory, of backing up one simulated fleet: ours against its peers, in the same run.

``make bench``, or ``python -m benchmarks.backup [--devices N] [--rounds N] [--json FILE]``. The rounds take the clients
in turn, so that a machine that is busy for a while is busy for all; ratios are formed in each round, and the median
round is what counts. The fleet runs in a process of its own and is not counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

CLIENTS = ("bare asyncssh", "scrapli asyncssh", "nornir + netmiko")
OURS = ("cpe-manager, all changed", "cpe-manager, none changed")
MOST_TIMES_BARE = 2.5
LEAST_TIMES_BETTER = 2.0
BARE, NORNIR = CLIENTS[0], CLIENTS[2]


def start_fleet(home: Path, devices: int) -> subprocess.Popen[bytes]:
    ready = home / "ready"
    argv = [
        str(Path(sys.executable).parent / "cpe-sim"), "fleet", "--count", str(devices), "--mix", "cisco_ios",
        "--port", "0", "--inventory", str(home / "fleet.csv"), "--credentials", str(home / "credentials.toml"),
        "--control", "none", "--ready-file", str(ready), "--option", "cisco_ios.banner=plain",
    ]  # fmt: skip
    fleet = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        if ready.exists():
            return fleet
        if fleet.poll() is not None:
            break
        time.sleep(0.1)  # noqa: TID251  a script, not the daemon
    raise SystemExit("the simulated fleet did not start")


def measure(module: str, *args: str, log: Path) -> list[dict[str, Any]]:
    with log.open("ab") as errors:
        done = subprocess.run([sys.executable, "-m", module, *args], stdout=subprocess.PIPE, stderr=errors, check=False)
    if done.returncode:
        raise SystemExit(f"{module} {args[0]} failed:\n" + log.read_text()[-2000:])
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]


def play_round(home: Path, number: int) -> dict[str, dict[str, Any]]:
    inventory, credentials = str(home / "fleet.csv"), str(home / "credentials.toml")
    found: list[dict[str, Any]] = []
    log = home / "log"
    for client in CLIENTS:
        found += measure("benchmarks.peers", client, inventory, credentials, log=log)
    found += measure("benchmarks.ours", inventory, credentials, str(home / f"data-{number}"), log=log)
    return {one["client"]: one for one in found}


def milliseconds(figures: dict[str, Any]) -> float:
    """CPU milliseconds for each device whose configuration came back whole."""
    return 1000 * float(figures["cpu"]) / max(1, int(figures["ok"]))


def median(rounds: list[dict[str, dict[str, Any]]], client: str, figure: str) -> float:
    return statistics.median(float(one[client][figure]) for one in rounds)


def show(rounds: list[dict[str, dict[str, Any]]], console: Console) -> dict[str, float]:
    table = Table(title="backing up one simulated fleet (median of the rounds)")
    for name in ("client", "whole", "CPU ms / device", "x bare", "devices / s", "peak MiB"):
        table.add_column(name, justify="left" if name == "client" else "right")
    ratios: dict[str, float] = {}
    for client in (*CLIENTS, *OURS):
        cost = statistics.median(milliseconds(one[client]) for one in rounds)
        ratio = statistics.median(milliseconds(one[client]) / milliseconds(one[BARE]) for one in rounds)
        ratios[client] = ratio
        devices, wall = median(rounds, client, "ok"), median(rounds, client, "wall")
        whole = f"{devices:.0f}/{median(rounds, client, 'devices'):.0f}"
        peak = median(rounds, client, "peak_mb")
        table.add_row(client, whole, f"{cost:.2f}", f"{ratio:.2f}", f"{devices / wall:.0f}", f"{peak:.0f}")
    console.print(table)
    return ratios


def judge(ratios: dict[str, float], rounds: list[dict[str, dict[str, Any]]], console: Console) -> None:
    """Says whether the targets were met; never an exit code, since machines are noisy."""
    for ours in OURS:
        better = statistics.median(milliseconds(one[NORNIR]) / milliseconds(one[ours]) for one in rounds)
        for words, figure, met in (
            (f"at most {MOST_TIMES_BARE} x bare asyncssh", ratios[ours], ratios[ours] <= MOST_TIMES_BARE),
            (f"at least {LEAST_TIMES_BETTER} x better than nornir + netmiko", better, better >= LEAST_TIMES_BETTER),
        ):
            console.print(f"{'met    ' if met else 'NOT MET'}  {ours}: {figure:.2f} ({words})")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write every round's figures to this file")
    chosen = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="cpe-bench-") as folder:
        home = Path(folder)
        fleet = start_fleet(home, chosen.devices)
        try:
            rounds = []
            for number in range(chosen.rounds):
                console.print(f"round {number + 1} of {chosen.rounds}")
                rounds.append(play_round(home, number))
        finally:
            fleet.terminate()
            fleet.wait()
    judge(show(rounds, console), rounds, console)
    if chosen.json:
        chosen.json.write_text(json.dumps(rounds, indent=1))


if __name__ == "__main__":
    main()
