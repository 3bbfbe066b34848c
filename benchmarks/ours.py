"""Our whole pipeline, measured like the peers: ``python -m benchmarks.ours INVENTORY CREDENTIALS DATA_DIR``.

From the job to the last row: tickets, claims with leases, sessions, drivers, canonical text, redaction, sealing, and
batched writing into SQLite. Two runs: the first stores every device (the most a night can cost), the second finds
nothing changed (what nearly every night is). Prints one JSON line for each.
"""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path

import uvloop

from benchmarks.peers import Figures
from cpe_manager.bootstrap import Parts, init, opened
from cpe_manager.domain.jobs import JobState, Priority
from cpe_manager.ports.inventory_source import SourceFile
from cpe_manager.ports.stores import DeviceFilter
from cpe_manager.runtime.logs import configure
from cpe_manager.services.fleet.importing import ImportRequest
from cpe_manager.services.jobs.jobs import RunRequest
from cpe_manager.settings import Settings, load


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def run(parts: Parts, client: str) -> Figures:
    before, started = cpu(), time.perf_counter()
    job = await parts.services.jobs.start_backup(RunRequest("manual", DeviceFilter(), priority=Priority.BULK))
    if job is None:
        raise SystemExit("the run did not start")
    while job.state is JobState.OPEN:
        await asyncio.sleep(0.1)
        job = await parts.services.jobs.show(job.id)
    ok = job.counts.get("stored", 0) + job.counts.get("unchanged", 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Figures(client, job.counts["total"], ok, cpu() - before, time.perf_counter() - started, peak)


async def everything(settings: Settings, inventory: Path) -> list[Figures]:
    await init(settings)
    async with opened(settings) as parts:
        file = SourceFile(inventory.name, inventory.read_text())
        await parts.services.importer.run(ImportRequest((file,), by="benchmark", backup=False))
        tasks = [asyncio.create_task(task(), name=name) for name, task in parts.tasks.items()]  # type: ignore[arg-type]
        await parts.engine.start()
        try:
            return [await run(parts, "cpe-manager, all changed"), await run(parts, "cpe-manager, none changed")]
        finally:
            await parts.engine.stop(5)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    inventory, credentials, home = (Path(part) for part in sys.argv[1:4])
    home.mkdir(parents=True)
    settings = load(home, sessions=100, handshakes_per_second=100_000.0, sessions_per_access_node=0)
    shutil.copy(credentials, settings.credentials)
    configure("info")  # the log lines are part of the pipeline; the caller sends them to a file
    for figures in uvloop.run(everything(settings, inventory)):
        print(json.dumps(asdict(figures)))


if __name__ == "__main__":
    main()
