"""How long a customer's path is broken when a line is lost, and when it comes back, in the lab of network namespaces.

``python -m benchmarks.failover [--runs N] [--rows "NAME; NAME"] [--json FILE]``, as root with the lab's packages. An
outage is what a datagram each millisecond between the customer's host and the internet tells, from the first that got
no answer to the next one that did; the stall is that of a TCP stream. The fixed address and the open session have to be
kept in every run.

Rows without a manager say what boxes do by themselves; rows with it switch, verify and return by it. Rows of other
products' detectors are reproduced from the constants in their documentation, with a switch of box and edge that takes
no time beside that: their ``outage`` is a lower bound. Their runs are those of as many customers at once, each cut at
another moment of the detector's period.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from simulators.lab.control import Control
from simulators.lab.measure import Measuring, Result
from simulators.lab.netns import NetnsLab, Running, missing
from simulators.lab.plan import LabPlan, Routing
from tests.lab.managed import managed


@dataclass(frozen=True, slots=True)
class Detector:
    """A product's way of seeing a loss: an echo every ``interval`` seconds after the last one ended, each waited for
    ``timeout`` seconds at most; ``down`` failures in a row are a loss. ``fixed_rate``: the interval is between
    the beginnings of two echoes. ``source``: where the constants are told."""

    interval: float
    timeout: float
    down: int
    source: str
    fixed_rate: bool = False

    @property
    def worst(self) -> float:
        """Seconds from the loss to its being seen, at the worst moment."""
        step = self.interval if self.fixed_rate else self.interval + self.timeout
        return self.interval + self.timeout + (self.down - 1) * step


OTHERS = {
    "mwan3": Detector(10, 4, 5, "OpenWrt, mwan3: interval 10, timeout 4, count 1, down 5"),
    # RutOS' manual tells the interval; the rest is what its mwan3 is configured with.
    "RutOS": Detector(3, 4, 3, "Teltonika, Failover: interval 3; mwan3 with timeout 4, down 3"),
    "IP SLA": Detector(
        60, 5, 1, "Cisco, icmp-echo: frequency 60, timeout 5000 ms, track without delay", fixed_rate=True
    ),
}
CARRIER, SILENT = "carrier", "silent"
RUNS_AT_ONCE = 10
"""More customers at a time, and the machine would be what is measured."""


@dataclass(slots=True)
class Row:
    name: str
    outages: list[float] = field(default_factory=list)
    stalls: list[float] = field(default_factory=list)
    lost_on_return: list[int] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    kept: int = 0
    """Runs in which the fixed address and the open session were kept."""

    def add(self, away: Result, back: Result | None, fixed: str) -> None:
        assert away.udp is not None
        self.outages.append(away.udp.outage)
        self.late.append(away.udp.late_most)
        survived = True
        if away.tcp is not None:
            self.stalls.append(away.tcp.stall)
            survived = away.tcp.survived
        if back is not None and back.udp is not None:
            self.lost_on_return.append(back.udp.lost)
            survived = survived and (back.tcp is None or back.tcp.survived)
        self.kept += set(away.udp.sources) <= {fixed} and survived
        # A row takes minutes: whoever breaks it off has seen something.
        lost = f", {self.lost_on_return[-1]} lost on return" if back is not None else ""
        sys.stderr.write(f"{self.name}: {away.udp.outage * 1000:.0f} ms{lost}\n")


def cut(control: Control, kind: str, number: int) -> None:
    if kind == CARRIER:
        control.cut_carrier(number)
    else:
        control.cut_silent(number)


def alone(row: Row, plan: LabPlan, kind: str, runs: int, seconds: float) -> None:
    """What boxes do by themselves: cut and restore, one run after the other."""
    with NetnsLab(plan) as lab:
        lab.settle()
        control = Control(plan, lab)
        fixed = str(plan.cpe(1).fixed.network_address)
        for _ in range(runs):
            with Measuring(lab, plan, 1, seconds) as away:
                away.do(kind, lambda: cut(control, kind, 1))
            with Measuring(lab, plan, 1, 6.0) as back:
                back.do("restore", lambda: control.restore(1))
            row.add(away.result(), back.result(), fixed)
            lab.settle()


def managed_by(row: Row, plan: LabPlan, runs: int) -> None:
    """Cut and restored with the manager in the lab, whose probes are 200 ms apart. A run begins when the box is ready
    to be switched in one round trip and the line has been seen up; the return is the manager's, too."""
    fixed = str(plan.cpe(1).fixed.network_address)
    with tempfile.TemporaryDirectory() as home, NetnsLab(plan) as lab:
        lab.settle()
        with managed(lab, Path(home)) as made:
            for number in range(1, runs + 1):
                if plan.routing == "static":
                    made.ready_again(number)
                with made.measured(6.0) as away:
                    away.do("cut", lambda: made.control.cut_silent(1))
                    made.reaches("mobile")
                with made.measured(16.0) as back:
                    back.do("restore", lambda: made.control.restore(1))
                    made.reaches("fixed")
                row.add(away.result(), back.result(), fixed)


def detected(row: Row, detector: Detector, runs: int) -> None:
    """A detector's timing, with a switch that takes no time: ``runs`` customers, some at once."""
    while runs > 0:
        at_once = min(runs, RUNS_AT_ONCE)
        runs -= at_once
        plan = LabPlan(cpes=at_once, bfd=False)
        with NetnsLab(plan) as lab:
            lab.settle()
            customers = [
                threading.Thread(target=_customer, args=(row, detector, lab, number))
                for number in range(1, at_once + 1)
            ]
            for customer in customers:
                customer.start()
            for customer in customers:
                customer.join()


def _customer(row: Row, detector: Detector, lab: Running, number: int) -> None:
    control, cpe = Control(lab.plan, lab), lab.plan.cpe(number)
    sight = (*lab.within(cpe.name), "/usr/bin/python3", "-I", "-c", _WATCHING)
    told = (str(cpe.line_gateway), str(detector.interval), str(detector.timeout), str(detector.down))
    # Another process, as on a box; it ends when it has seen the loss.
    watching = subprocess.Popen([*sight, *told, str(int(detector.fixed_rate))], stdout=subprocess.PIPE, text=True)
    assert watching.stdout is not None
    watching.stdout.readline()
    seconds = detector.worst + 6.0
    with Measuring(lab, lab.plan, number, seconds, ("udp", "tcp"), every=0.02) as away:
        _pause(random.uniform(0, min(detector.interval, 3.0)))
        control.cut_silent(number)
        if watching.wait(timeout=seconds + 30) != 0:
            raise SystemExit(f"the detector of {cpe.name} ended with status {watching.returncode}")
        edge = threading.Thread(
            target=lab.vtysh,
            args=("edge", "configure terminal", f"ip route {cpe.fixed} {cpe.mobile_address}"),
        )
        edge.start()
        lab.vtysh(cpe.name, "configure terminal", f"ip route 0.0.0.0/0 {cpe.line_gateway} 210")
        edge.join()
    row.add(away.result(), None, str(cpe.fixed.network_address))


_WATCHING = """
import subprocess, sys, time, select, random
gateway, interval, timeout, down, fixed_rate = sys.argv[1], *map(float, sys.argv[2:6])
print("watching", flush=True)
select.select([], [], [], random.uniform(0, interval))
failed = 0
while failed < down:
    began = time.monotonic()
    ping = ["ping", "-n", "-q", "-c", "1", "-W", str(int(timeout)), "-I", "eth0", gateway]
    lost = subprocess.run(ping, stdout=subprocess.DEVNULL).returncode != 0
    failed = failed + 1 if lost else 0
    if failed < down:
        spent = time.monotonic() - began if fixed_rate else 0.0
        select.select([], [], [], max(0.0, interval - spent))
"""


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


Play = Callable[[Row, int], None]


def rows() -> dict[str, Play]:
    """Each row by its name."""

    def by_itself(kind: str, routing: Routing, seconds: float, *, bfd: bool = True) -> Play:
        return lambda row, runs: alone(row, LabPlan(routing=routing, bfd=bfd), kind, runs, seconds)

    own: dict[str, Play] = {
        "carrier, floating static": by_itself(CARRIER, "static", 2.0),
        "carrier, BGP": by_itself(CARRIER, "bgp", 3.0),
        "silent, BGP and BFD 100 ms x 3": by_itself(SILENT, "bgp", 3.0),
        "silent, BGP hold time 9 s": by_itself(SILENT, "bgp", 18.0, bfd=False),
    }
    ours: dict[str, Play] = {
        "silent, manager": lambda row, runs: managed_by(row, LabPlan(bfd=False), runs),
        "silent, manager and BFD at the edge": lambda row, runs: managed_by(row, LabPlan(bfd=True), runs),
        "silent, BGP and BFD, verified by the manager": lambda row, runs: managed_by(row, LabPlan(routing="bgp"), runs),
    }
    theirs: dict[str, Play] = {
        f"silent, as {name}": lambda row, runs, detector=detector: detected(row, detector, runs)  # type: ignore[misc]
        for name, detector in OTHERS.items()
    }
    return own | ours | theirs


def play(chosen: Sequence[str], runs: int) -> Iterator[Row]:
    for name in chosen:
        row = Row(name)
        began = time.monotonic()
        rows()[name](row, runs)
        sys.stderr.write(f"{name}: {len(row.outages)} runs in {time.monotonic() - began:.0f} s\n")
        yield row


def shown(found: Sequence[Row]) -> Table:
    table = Table("row", "runs", "outage median", "worst", "TCP stall median", "lost on return", "kept", "probe late")
    for row in found:
        median = f"{statistics.median(row.outages) * 1000:.0f} ms"
        stall = f"{statistics.median(row.stalls) * 1000:.0f} ms" if row.stalls else "-"
        back = str(sum(row.lost_on_return)) if row.lost_on_return else "-"
        cells = (median, f"{max(row.outages) * 1000:.0f} ms", stall, back, f"{row.kept}/{len(row.outages)}")
        table.add_row(row.name, str(len(row.outages)), *cells, f"{max(row.late) * 1000:.0f} ms")
    return table


def main() -> int:
    asked = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    asked.add_argument("--runs", type=int, default=20)
    asked.add_argument("--rows", default="", help="names, separated by semicolons; empty: all")
    asked.add_argument("--json", type=Path)
    options = asked.parse_args()
    if reason := missing():
        sys.stderr.write(f"no lab: {reason}\n")
        return 1
    chosen = [name.strip() for name in options.rows.split(";") if name.strip()] or list(rows())
    if unknown := [name for name in chosen if name not in rows()]:
        sys.stderr.write(f"no such row: {', '.join(unknown)}; there are: {'; '.join(rows())}\n")
        return 2
    found = list(play(chosen, options.runs))
    Console().print(shown(found))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in found], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
