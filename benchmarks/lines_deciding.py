"""How long it takes until a loss is decided on: ``python -m benchmarks.lines_deciding LINES FAILING [BACKED_UP]``.

Sensing, traps and the watcher run as in the daemon, on SQLite, over agents in a process of their own; the mobile way of
each line is probed, its fixed one is not, so that nothing but traps or polls tells of the loss. So many lines, spread
over all access nodes, lose their link at once: first with linkDown traps, then as many others without. Decided is a
line when the conductor is told to switch it, which is after that was written down. Prints a JSON line for each way.

With ``BACKED_UP`` the same process, on the same loop and in the same database, backs up that many simulated boxes over
SSH meanwhile, over and over, as a night does: the second pair of lines is measured then.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.backups_beside import Backups, backing_up
from benchmarks.lines_agents import COMMUNITY, address_of, free_port, start
from benchmarks.lines_clients import NoPlatforms, Tally, cpu, peak, targets
from cpe_manager.adapters.clock import SystemClock, SystemIds
from cpe_manager.adapters.db.database import Database
from cpe_manager.adapters.icmp import IcmpEchoes
from cpe_manager.adapters.reach import TcpReach
from cpe_manager.adapters.snmp.gets import SnmpGets
from cpe_manager.adapters.snmp.line_poller import SnmpLinePoller
from cpe_manager.adapters.snmp.poller import SnmpPoller
from cpe_manager.adapters.snmp.receiver import LocalEngine, TrapPort, new_engine
from cpe_manager.domain.failover.failover import Outcome
from cpe_manager.domain.failover.lines import Condition, FailoverPolicy, LineRecord, LineSetup
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.kit.log_redaction import Redactor
from cpe_manager.ports.shell import Credential
from cpe_manager.ports.snmp import SnmpAccess
from cpe_manager.ports.stores import InventoryChanges, LineChange, SiteChange
from cpe_manager.runtime.heap import Heap
from cpe_manager.runtime.limits import open_files
from cpe_manager.runtime.logs import configure
from cpe_manager.runtime.metrics import Metrics
from cpe_manager.services.failover.conductor import Done
from cpe_manager.services.failover.pressure import Pressure
from cpe_manager.services.failover.rounds import WatcherParts
from cpe_manager.services.failover.sensing import Senses, Sensing
from cpe_manager.services.failover.trap_evidence import TrapEvidence
from cpe_manager.services.failover.watching import Watcher, WatcherRules
from cpe_manager.services.traps.trap_senders import TrapStores
from cpe_manager.services.traps.traps import Traps
from tests.fakes.credentials import FixedCredentials

PER_NODE = 100
PATIENCE = 60.0
CALM = 10.0
"""Seconds before each loss in which nothing else happens."""


@dataclass(frozen=True)
class Deciding:
    """Seconds from the loss to the decision, of those lines that were decided on; ``missed``: those that were not."""

    by: str
    lines: int
    failing: int
    missed: int
    median: float
    p95: float
    latest: float
    cpu: float
    wall: float
    peak_mb: float
    calm: float
    """Of a core, in the ten seconds before the loss."""
    stretch: float
    """By how much polls were rarer than they should be when all was decided."""
    backups: int = 0
    """Boxes that were backed up while this was measured, and ``backups_before`` in the ten seconds before the loss."""
    backups_before: int = 0


class Noting:
    """A conductor that notes when it was told; every switch succeeds at once."""

    def __init__(self) -> None:
        self.told: dict[str, float] = {}

    async def switch(self, record: LineRecord, _policy: FailoverPolicy) -> Done:
        self.told.setdefault(record.line.device, time.time())
        return Done(Outcome(True, "noted"))

    async def give_back(self, _record: LineRecord, _policy: FailoverPolicy) -> Done:
        return Done(Outcome(True, "noted"))

    async def roll_back(self, _record: LineRecord, _policy: FailoverPolicy) -> Done:
        return Done(Outcome(True, "noted"))


async def stock(database: Database, lines: int, clock: SystemClock) -> None:
    """An inventory of boxes with entitled lines."""
    await database.maintenance.migrate()
    sites = tuple(SiteChange(f"site-{number}", f"{number:032x}") for number in range(lines))
    at_sites = tuple(
        LineChange(f"{number + 10**6:032x}", f"site-{number}", "L1", None, f"node-{number // PER_NODE}")
        for number in range(lines)
    )
    devices = tuple(
        Device(
            f"{number:032x}", f"{number:032x}", f"{number:032x}", f"site-{number}", f"box-{number}", address_of(number),
            LifeState.ACTIVE, family="frr_linux", credential="c", line="L1", access_node=f"node-{number // PER_NODE}",
        )
        for number in range(lines)
    )  # fmt: skip
    await database.inventory.apply(InventoryChanges(at=clock.now(), sites=sites, lines=at_sites, add=devices))
    for number in range(lines):
        mobile = f"127.200.{number // 250}.{number % 250 + 1}"
        setup = LineSetup("", formula="pro-plus", ordered=True, coverage="passed", mobile_address=mobile)
        await database.lines.set_up(f"box-{number}", setup, clock.now(), "benchmark")


async def measured(home: Path, lines: int, failing: int, backed_up: int) -> list[Deciding]:
    open_files(10_000)
    configure("error")  # a line for each switch would be measured too
    clock, metrics, tally = SystemClock(), Metrics(), Tally()
    ids = SystemIds(clock)
    port = free_port()
    agents = start(port)
    credentials: Any = FixedCredentials({"c": Credential("x", "y", snmp=SnmpAccess(COMMUNITY))})
    async with await Database.open(f"sqlite:///{home / 'lines.sqlite3'}") as database:
        await stock(database, lines, clock)
        noting = Noting()
        watcher = Watcher(
            WatcherParts(database.lines, noting, clock, ids, metrics.lines), WatcherRules("benchmark", FailoverPolicy())
        )
        reader = SnmpGets(SnmpPoller(clock))
        poller = SnmpLinePoller(reader, clock)
        senses = Senses(IcmpEchoes(), poller, TcpReach(), NoPlatforms())
        sensing = Sensing(senses, watcher.observe, FailoverPolicy(), clock, tally)
        watcher.suspected, watcher.moved = sensing.hurry, sensing.moved
        intake = TrapPort("127.0.0.1", 0, LocalEngine(new_engine(), 1), clock)
        stores = TrapStores(database.inventory, database.events, credentials)
        traps = Traps(intake, stores, reader, clock, metrics, Redactor())
        evidence = TrapEvidence(poller, watcher.observe, sensing.hurry)
        traps.watching = evidence.note
        await intake.start()
        running = [asyncio.create_task(body()) for body in (watcher.run, sensing.run, traps.run, Heap(clock).run)]
        try:
            while len(watcher.records()) < lines:
                await asyncio.sleep(0.1)
            records = watcher.records()
            by_device = {record.line.device: record.line.id for record in records}
            known = targets(lines, port)
            poller.set_targets({by_device[target.target.name]: target for target in known.values()})
            sensing.set_lines(records)
            evidence.set_lines(records)
            # A line that nothing good was heard of yet is not moved.
            while any(record.condition is not Condition.UP for record in watcher.records()):
                await asyncio.sleep(1)
            await asyncio.sleep(5)
            step = max(1, lines // failing)
            ways = (("trap", intake.port), ("poll", 0))
            scene = Scene(agents, noting, tally, lines)
            found = [
                await scene.fail(by, (number * step // 4, failing, step, trap_port))
                for number, (by, trap_port) in enumerate(ways)
            ]
            if backed_up:
                async with backing_up(home, database, backed_up, Pressure(watcher, sensing).reason) as backups:
                    for number, (by, trap_port) in enumerate(ways, 2):
                        command = (number * step // 4, failing, step, trap_port)
                        found.append(await scene.fail(by, command, backups))
            return found
        finally:
            agents.terminate()
            agents.wait()
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await intake.stop()


@dataclass(frozen=True)
class Scene:
    agents: Any
    noting: Noting
    tally: Tally
    lines: int

    async def fail(self, by: str, command: tuple[int, int, int, int], backups: Backups | None = None) -> Deciding:
        noting = self.noting
        noting.told.clear()
        first, failing, step, _ = command
        wanted = {f"box-{number}" for number in range(first, first + failing * step, step)}
        calm, before = await self._calm(backups)
        stored = backups.done if backups else 0
        used, began = cpu(), time.time()
        self.agents.stdin.write(f"down {' '.join(str(word) for word in command)}\n")
        self.agents.stdin.flush()
        said = await asyncio.to_thread(self.agents.stdout.readline)
        lost_at = float(said.split()[1])
        while len(wanted & noting.told.keys()) < failing and time.time() - began < PATIENCE:
            await asyncio.sleep(0.2)
        took = sorted(noting.told[name] - lost_at for name in wanted & noting.told.keys())
        used, wall = cpu() - used, time.time() - began
        ends = (took[len(took) // 2], took[int(len(took) * 0.95)], took[-1]) if took else (float("nan"),) * 3
        beside = backups.done - stored if backups else 0
        found = Deciding(
            by, self.lines, failing, failing - len(took), *ends, used, wall, peak(), calm, self.tally.stretch, beside,
            before,
        )  # fmt: skip
        print(json.dumps(asdict(found)), flush=True)
        return found

    async def _calm(self, backups: Backups | None) -> tuple[float, int]:
        """Share of a core while nothing is lost, and the boxes backed up meanwhile."""
        stored = backups.done if backups else 0
        used, began = cpu(), time.time()
        await asyncio.sleep(CALM)
        return (cpu() - used) / (time.time() - began), backups.done - stored if backups else 0


def main() -> None:
    lines, failing, backed_up = (int(word) for word in (*sys.argv[1:], "0")[:3])
    with tempfile.TemporaryDirectory(prefix="cpe-bench-") as folder:
        uvloop.run(measured(Path(folder), lines, failing, backed_up))


if __name__ == "__main__":
    main()
