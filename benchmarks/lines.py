"""CPU and memory of looking at ten thousand lines: ``python -m benchmarks.lines [--lines N] [--seconds S]``.

The agents run in a process of their own and are not counted. First ours with polls alone, ours with an echo a second to
each line besides, and pysnmp asking for the same objects as fast as it can, in the same run; then how long it takes
until losses are decided on (``benchmarks.lines_deciding``).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.backup import measure
from benchmarks.lines_agents import free_port, start
from benchmarks.lines_clients import OURS, PEER, POLL_EVERY

MOST_SHARE = 0.5
MOST_MICROSECONDS = 250.0
MOST_SECONDS = {"trap": 5.0, "poll": 15.0}
PEER_LINES = 50
"""The first poll of each new target costs pysnmp many times a later one, and the more the more there are."""


def microseconds(one: dict[str, Any]) -> float:
    return 1_000_000 * float(one["cpu"]) / max(1, int(one["polls"]) + int(one["echoes"]))


def show(found: dict[str, dict[str, Any]], console: Console) -> None:
    table = Table(title=f"lines, each polled every {POLL_EVERY:g} s")
    for name in ("client", "lines", "polls", "echoes", "lost", "CPU share", "µs each", "latest, s", "peak MiB"):
        table.add_column(name, justify="left" if name == "client" else "right", no_wrap=True)
    for client, one in found.items():
        table.add_row(
            client, str(one["lines"]), str(one["polls"]), str(one["echoes"]), str(one["lost"]), f"{one['share']:.2f}",
            f"{microseconds(one):.0f}", f"{one['late']:.2f}", f"{one['peak_mb']:.0f}",
        )  # fmt: skip
    console.print(table)


def judge(found: dict[str, dict[str, Any]], lines: int, console: Console) -> None:
    """Says whether the targets were met; never an exit code, since machines are noisy."""
    one = found[OURS[0]]
    each, ten_thousand = microseconds(one), float(one["share"]) * 10_000 / lines
    met = "met    " if each <= MOST_MICROSECONDS and ten_thousand <= MOST_SHARE else "NOT MET"
    console.print(
        f"{met}  polls: {each:.0f} µs each, {ten_thousand:.2f} of a core for 10,000 lines every {POLL_EVERY:g} s "
        f"(at most {MOST_MICROSECONDS:.0f}, {MOST_SHARE}); pysnmp {microseconds(found[PEER]) / each:.1f} times that"
    )


def show_deciding(decided: list[dict[str, Any]], console: Console) -> None:
    for one in decided:
        most = MOST_SECONDS[one["by"]]
        met = "met    " if one["p95"] <= most and not one["missed"] else "NOT MET"
        console.print(
            f"{met}  {one['failing']} of {one['lines']} lines lost at once, told by {one['by']}: decided after "
            f"{one['median']:.1f} s, p95 {one['p95']:.1f} s (at most {most:g}), {one['missed']} missed; "
            f"{one['cpu'] / one['wall']:.2f} of a core, {one['peak_mb']:.0f} MiB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--failing", type=int, default=500, help="lines that lose their link at once")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    chosen = parser.parse_args()
    console = Console(width=110)
    port = free_port()
    agents = start(port)
    found: dict[str, dict[str, Any]] = {}
    try:
        with tempfile.TemporaryDirectory(prefix="cpe-bench-") as folder:
            for client, lines in ((OURS[0], chosen.lines), (OURS[1], chosen.lines), (PEER, PEER_LINES)):
                words = (client, str(lines), str(chosen.seconds), str(port))
                [found[client]] = measure("benchmarks.lines_clients", *words, log=Path(folder) / "log")
    finally:
        agents.terminate()
        agents.wait()
    show(found, console)
    judge(found, chosen.lines, console)
    with tempfile.TemporaryDirectory(prefix="cpe-bench-") as folder:
        words = (str(chosen.lines), str(chosen.failing))
        decided = measure("benchmarks.lines_deciding", *words, log=Path(folder) / "log")
    show_deciding(decided, console)
    if chosen.json:
        chosen.json.write_text(json.dumps({"sensing": found, "deciding": decided}, indent=1))


if __name__ == "__main__":
    main()
