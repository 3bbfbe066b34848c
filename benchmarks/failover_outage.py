"""Path outage of a customer at a silent loss, with the manager in the lab of network namespaces.

    python -m benchmarks.failover_outage --runs 20 --mode static   # 200 ms probes, switched by the manager
    python -m benchmarks.failover_outage --runs 20 --mode bfd      # box and edge move by themselves (BGP, BFD)

Each run cuts the line without a sign of it, waits until mobile is proven, restores the line and waits for the return,
with a datagram each millisecond and a TCP stream between customer and internet. Root and the packages of the lab
are needed; results go to standard output as JSON lines, a summary last.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from simulators.lab.netns import NetnsLab
from simulators.lab.plan import LabPlan
from tests.lab.managed import Managed, managed


def one(made: Managed, number: int) -> dict[str, Any]:
    """One loss and one return."""
    ready = number
    if made.lab.plan.routing == "static":
        made.ready_again(ready)
    with made.measured(6.0) as away:
        away.do("cut", lambda: made.control.cut_silent(1))
        made.reaches("mobile")
    lost = away.result()
    with made.measured(16.0) as back:
        back.do("restore", lambda: made.control.restore(1))
        made.reaches("fixed")
    came = back.result()
    assert lost.udp is not None
    assert lost.tcp is not None
    assert came.udp is not None
    assert came.tcp is not None
    return {
        "outage": round(lost.udp.outage, 3),
        "tcp_stall": round(lost.tcp.stall, 3),
        "late": round(lost.udp.late_most, 3),
        "sources": lost.udp.sources,
        "tcp_survived": lost.tcp.survived and came.tcp.survived,
        "return_lost": came.udp.lost,
    }


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--runs", type=int, default=20)
    asked.add_argument("--mode", choices=("static", "bfd"), default="static")
    args = asked.parse_args()
    plan = LabPlan(bfd=False) if args.mode == "static" else LabPlan(routing="bgp")
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as home, NetnsLab(plan) as lab:
        lab.settle()
        with managed(lab, Path(home)) as made:
            for number in range(1, args.runs + 1):
                results.append(one(made, number))
                print(json.dumps(results[-1]), flush=True)
            (Path(tempfile.gettempdir()) / f"failover-{args.mode}.log").write_text(made.log())
    outages = [result["outage"] for result in results]
    summary = {
        "mode": args.mode,
        "runs": len(results),
        "outage_median": statistics.median(outages),
        "outage_most": max(outages),
        "tcp_stall_median": statistics.median(result["tcp_stall"] for result in results),
        "tcp_survived": all(result["tcp_survived"] for result in results),
        "return_lost": sum(result["return_lost"] for result in results),
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
