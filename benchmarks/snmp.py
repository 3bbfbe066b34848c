"""CPU of asking a fleet for three values over SNMP: ours against bare gufo-snmp and pysnmp, in the same run; and traps.

``python -m benchmarks.snmp [--devices N] [--polls N] [--rounds N] [--json FILE]``. As in ``benchmarks.backup`` the
clients take turns, ratios are formed in each round, and the median round counts. The fleet runs in a process of its own
and is not counted.
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

from benchmarks.backup import measure

POLLS = {version: (f"bare gufo v{version}", f"ours v{version}", f"pysnmp v{version}") for version in ("2c", "3")}
TRAPS = ("traps, pysnmp's types", "traps, ours")
MOST_TIMES_BARE = 2.0
LEAST_TRAPS_A_SECOND = 5000
Round = dict[str, dict[str, Any]]


def start_fleet(home: Path, devices: int) -> subprocess.Popen[bytes]:
    ready = home / "ready"
    argv = [
        str(Path(sys.executable).parent / "cpe-sim"), "fleet", "--count", str(devices), "--mix", "cisco_ios",
        "--port", "0", "--snmp-port", "0", "--inventory", str(home / "fleet.csv"),
        "--credentials", str(home / "credentials.toml"), "--control", "none", "--ready-file", str(ready),
    ]  # fmt: skip
    fleet = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        if ready.exists():
            return fleet
        if fleet.poll() is not None:
            break
        time.sleep(0.1)  # noqa: TID251  a script, not the daemon
    raise SystemExit("the simulated fleet did not start")


def play_round(home: Path, polls: int) -> Round:
    found: list[dict[str, Any]] = []
    places = (str(home / "fleet.csv"), str(home / "credentials.toml"), str(polls))
    for client in (*POLLS["2c"], *POLLS["3"], *TRAPS):
        found += measure("benchmarks.snmp_clients", client, *places, log=home / "log")
    return {one["client"]: one for one in found}


def microseconds(figures: dict[str, Any]) -> float:
    return 1_000_000 * float(figures["cpu"]) / max(1, int(figures["ok"]))


def show(rounds: list[Round], console: Console) -> dict[str, float]:
    table = Table(title="three values of each agent, and traps (median of the rounds)")
    for name in ("client", "whole", "CPU µs each", "x first", "a CPU second", "peak MiB"):
        table.add_column(name, justify="left" if name == "client" else "right", no_wrap=True)
    ratios: dict[str, float] = {}
    for clients in (POLLS["2c"], POLLS["3"], TRAPS):
        for client in clients:
            cost = statistics.median(microseconds(one[client]) for one in rounds)
            ratio = statistics.median(microseconds(one[client]) / microseconds(one[clients[0]]) for one in rounds)
            ratios[client] = ratio
            whole = f"{rounds[0][client]['ok']}/{rounds[0][client]['asked']}"
            peak = statistics.median(float(one[client]["peak_mb"]) for one in rounds)
            table.add_row(client, whole, f"{cost:.0f}", f"{ratio:.2f}", f"{1_000_000 / cost:.0f}", f"{peak:.0f}")
        table.add_section()
    console.print(table)
    return ratios


def judge(ratios: dict[str, float], rounds: list[Round], console: Console) -> None:
    """Says whether the targets were met; never an exit code, since machines are noisy."""
    for version in POLLS:
        figure = ratios[f"ours v{version}"]
        met = "met    " if figure <= MOST_TIMES_BARE else "NOT MET"
        console.print(f"{met}  ours v{version}: {figure:.2f} (at most {MOST_TIMES_BARE} x bare gufo)")
    rate = statistics.median(1_000_000 / microseconds(one[TRAPS[1]]) for one in rounds)
    lost = sum(one[TRAPS[1]]["asked"] - one[TRAPS[1]]["ok"] for one in rounds)
    met = "met    " if rate >= LEAST_TRAPS_A_SECOND and not lost else "NOT MET"
    console.print(f"{met}  traps: {rate:.0f} a CPU second, {lost} lost (at least {LEAST_TRAPS_A_SECOND}, none)")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--devices", type=int, default=40)
    parser.add_argument("--polls", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write every round's figures to this file")
    chosen = parser.parse_args()
    console = Console(width=110)
    with tempfile.TemporaryDirectory(prefix="cpe-bench-") as folder:
        home = Path(folder)
        fleet = start_fleet(home, chosen.devices)
        try:
            rounds = []
            for number in range(chosen.rounds):
                console.print(f"round {number + 1} of {chosen.rounds}")
                rounds.append(play_round(home, chosen.polls))
        finally:
            fleet.terminate()
            fleet.wait()
    judge(show(rounds, console), rounds, console)
    if chosen.json:
        chosen.json.write_text(json.dumps(rounds, indent=1))


if __name__ == "__main__":
    main()
