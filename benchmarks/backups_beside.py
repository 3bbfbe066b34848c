"""A night of backups beside another measurement: the whole pipeline, in the same process and the same database."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from backups.keyfile import KeyFile
from backups.vault import Vault
from benchmarks.backup import start_fleet
from cpe_manager.adapters.clock import SystemClock, SystemIds
from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.jobs import JobState, Priority
from cpe_manager.kit.log_redaction import Redactor
from cpe_manager.ports.inventory_source import SourceFile
from cpe_manager.ports.stores import DeviceFilter
from cpe_manager.services.fleet.importing import ImportRequest
from cpe_manager.services.jobs.jobs import RunRequest
from cpe_manager.settings import load
from cpe_manager.wiring import Parts, build


class Backups:
    """How many boxes were backed up whole so far."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.done = 0

    async def run(self) -> None:
        """One run after the other."""
        jobs = self._parts.services.jobs
        while True:
            job = await jobs.start_backup(
                RunRequest("manual", DeviceFilter(families=("cisco_ios",)), priority=Priority.BULK)
            )
            before = self.done
            while job is not None and job.state is JobState.OPEN:
                await asyncio.sleep(0.2)
                job = await jobs.show(job.id)
                self.done = before + job.counts.get("stored", 0) + job.counts.get("unchanged", 0)


@asynccontextmanager
async def backing_up(
    home: Path, database: Database, boxes: int, pressed: Callable[[], str]
) -> AsyncIterator[Backups]:  # fmt: skip
    """A simulated fleet in a process of its own, and its backups here, which give way as ``pressed`` says."""
    place = home / "fleet"
    place.mkdir()
    fleet = await asyncio.to_thread(start_fleet, place, boxes)
    settings = load(home / "data", sessions=100, sessions_per_access_node=0)
    settings.data_dir.mkdir()
    shutil.copy(place / "credentials.toml", settings.credentials)
    clock = SystemClock()
    ids = SystemIds(clock)
    keys = KeyFile(settings.keyring, ids)
    settings.keyring.parent.mkdir(exist_ok=True)
    keys.create(clock.now())
    parts = await build(settings, database, Vault(keys), keys, ids, Redactor())
    parts.worker.way.pressed = pressed
    file = SourceFile("fleet.csv", (place / "fleet.csv").read_text())
    await parts.services.importer.run(ImportRequest((file,), by="benchmark", backup=False))
    backups = Backups(parts)
    bodies = [*parts.tasks.values(), backups.run]
    tasks = [asyncio.create_task(body()) for body in bodies]  # type: ignore[arg-type]
    await parts.engine.start()
    try:
        while backups.done < min(boxes, 100):
            await asyncio.sleep(0.2)
        yield backups
    finally:
        await parts.engine.stop(5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        fleet.terminate()
        fleet.wait()
