"""One way of polling lines, in a process of its own: ``python -m benchmarks.lines_clients CLIENT LINES SECONDS PORT
[EVERY]``.

Every client asks each of the agents of ``benchmarks.lines_agents`` once every ``EVERY`` seconds (5) for the same
objects: uptime, state, errors, frames and octets of both ports, synchronisation, registration, signal. What is learned
first is not counted. Prints one JSON line; CPU is this process's own (user and system).
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import uvloop

from benchmarks.lines_agents import COMMUNITY, DSL, WWAN, address_of, extend
from cpe_manager.adapters.clock import SystemClock
from cpe_manager.adapters.icmp import IcmpEchoes
from cpe_manager.adapters.reach import TcpReach
from cpe_manager.adapters.snmp.gets import SnmpGets
from cpe_manager.adapters.snmp.line_poller import SnmpLinePoller
from cpe_manager.adapters.snmp.poller import SnmpPoller
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.failover.lines import Evidence, FailoverPolicy, Line, LineRecord, LineSetup
from cpe_manager.ports.line_oids import NET_SNMP, LineTarget
from cpe_manager.ports.platform import Platform
from cpe_manager.ports.sensing import SensingFigures
from cpe_manager.ports.snmp import SnmpAccess, SnmpTarget
from cpe_manager.runtime.limits import open_files
from cpe_manager.services.failover.sensing import Senses, Sensing

POLL_EVERY = 5.0
OURS = ("ours", "ours and echoes")
PEER = "pysnmp"


@dataclass(frozen=True)
class Figures:
    """``share``: of one core. ``late``: seconds by which the latest look came later than planned. ``peak_mb``: MiB."""

    client: str
    lines: int
    polls: int
    lost: int
    echoes: int
    cpu: float
    wall: float
    share: float
    late: float
    peak_mb: float


class NoPlatforms:
    def get(self, name: str) -> Platform:
        raise InputError(f"no platform named {name}")

    def names(self) -> tuple[str, ...]:
        return ()


class Tally:
    """The observer and the sink of a sensing."""

    def __init__(self) -> None:
        self.polls: Counter[str] = Counter()
        self.echoes: Counter[str] = Counter()
        self.late = 0.0
        self.stretch = 1.0
        self.told = 0

    def sensed(self, figures: SensingFigures) -> None:
        self.polls += figures.polls
        self.echoes.update({outcome: number for (_, outcome), number in figures.echoes.items()})
        self.late = max(self.late, figures.lag)
        self.stretch = figures.stretch

    def tell(self, _evidence: Evidence) -> None:
        self.told += 1


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def records(lines: int, *, echoes: bool) -> list[LineRecord]:
    return [
        LineRecord(
            Line(f"line-{number}", str(number), "site", f"device-{number}", f"box-{number}", f"node-{number // 500}",
                 LineSetup(f"line-{number}", line_address=address_of(number) if echoes else ""))
        )
        for number in range(lines)
    ]  # fmt: skip


def targets(lines: int, port: int) -> dict[str, LineTarget]:
    access = SnmpAccess(COMMUNITY)
    return {
        f"line-{number}": LineTarget(SnmpTarget(f"box-{number}", address_of(number), access, port, 2.0, 1), NET_SNMP)
        for number in range(lines)
    }


async def ours(client: str, lines: int, seconds: float, port: int, every: float) -> Figures:
    open_files(10_000)
    clock, tally = SystemClock(), Tally()
    poller = SnmpLinePoller(SnmpGets(SnmpPoller(clock)), clock)
    poller.set_targets(targets(lines, port))
    senses = Senses(IcmpEchoes(), poller, TcpReach(), NoPlatforms())
    sensing = Sensing(senses, tally.tell, FailoverPolicy(poll_every=every), clock, tally)
    sensing.set_lines(records(lines, echoes=client == OURS[1]))
    running = asyncio.create_task(sensing.run())
    while tally.polls["answered"] < lines:
        await asyncio.sleep(1)
    await asyncio.sleep(every)
    before, began, tally.polls, tally.late = cpu(), time.perf_counter(), Counter(), 0.0
    tally.echoes.clear()
    await asyncio.sleep(seconds)
    used, wall = cpu() - before, time.perf_counter() - began
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    lost = tally.polls["silent"] + tally.polls["failed"] + tally.echoes["silent"]
    return Figures(
        client,
        lines,
        tally.polls["answered"],
        lost,
        tally.echoes["answered"],
        used,
        wall,
        used / wall,
        tally.late,
        peak(),
    )


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def pysnmp(lines: int, seconds: float, port: int) -> Figures:
    """The peer: its cheapest asynchronous way that needs no MIB files, one engine for all."""
    from pysnmp.hlapi.v1arch.asyncio import (
        CommunityData,
        ObjectIdentity,
        ObjectType,
        SnmpDispatcher,
        UdpTransportTarget,
        get_cmd,
    )

    names = ["1.3.6.1.2.1.1.3.0"]
    for index in (DSL, WWAN):
        names += [f"1.3.6.1.2.1.2.2.1.{column}.{index}" for column in (8, 11, 14)]
        names += [f"1.3.6.1.2.1.31.1.1.1.{column}.{index}" for column in (6, 10)]
    names += [f"1.3.6.1.2.1.10.251.1.1.1.1.18.{DSL}", extend("cellular-signal"), extend("cellular-registration")]
    wanted = [ObjectType(ObjectIdentity(name)) for name in names]
    dispatcher, access = SnmpDispatcher(), CommunityData(COMMUNITY)
    places: list[Any] = [
        await UdpTransportTarget.create((address_of(number), port), timeout=10, retries=0) for number in range(lines)
    ]
    ok = lost = 0

    async def ask(place: Any) -> None:
        nonlocal ok, lost
        error, _, _, found = await get_cmd(dispatcher, access, place, *wanted, lookupMib=False)
        ok += not error and len(found) == len(names)
        lost += bool(error)

    for place in places:
        await ask(place)  # the first question to each is much dearer
    ok = lost = 0
    before, began = cpu(), time.perf_counter()
    left = iter(range(10**9))

    async def worker() -> None:
        while time.perf_counter() - began < seconds:
            await ask(places[next(left) % lines])

    await asyncio.gather(*(worker() for _ in range(20)))
    used, wall = cpu() - before, time.perf_counter() - began
    return Figures(PEER, lines, ok, lost, 0, used, wall, used / wall, 0.0, peak())


def main() -> None:
    client, lines, seconds, port = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    every = float(sys.argv[5]) if len(sys.argv) > 5 else POLL_EVERY
    work = pysnmp(lines, seconds, port) if client == PEER else ours(client, lines, seconds, port, every)
    print(json.dumps(asdict(uvloop.run(work))))


if __name__ == "__main__":
    main()
