"""Backups of real drivers in a real database, a real stand of virtual boxes, and the drills between them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from backups.keyfile import KeyFile
from backups.vault import Vault
from cpe_manager.adapters.clock import SystemClock, SystemIds
from cpe_manager.adapters.db.database import Database
from cpe_manager.adapters.drill_process import ProcessStand
from cpe_manager.adapters.engine.embedded import EmbeddedEngine
from cpe_manager.adapters.ssh.limits import SshLimits
from cpe_manager.adapters.ssh.sessions import SshSessions
from cpe_manager.domain.backup.drills import DrillResult
from cpe_manager.domain.fleet.inventory import Device
from cpe_manager.domain.jobs import Job, JobKind, Outcome
from cpe_manager.kit.log_redaction import Redactor
from cpe_manager.ports.driver import Drivers, Replacing
from cpe_manager.ports.engine import Ticket
from cpe_manager.ports.shell import Credential
from cpe_manager.runtime.metrics import Metrics
from cpe_manager.services.backup.drilling import DrillParts, DrillStores
from cpe_manager.services.backup.drills import DrillGoals, DrillRoom
from cpe_manager.services.jobs.jobs import SIMPLE_TICKET, Jobs
from cpe_manager.services.jobs.upkeep import Upkeep, UpkeepStores
from drivers.roster import DriverRoster
from simulators.device import Device as Box
from simulators.spec import DeviceSpec, Secrets
from tests.contract.drivers.harness import shown as fetched
from tests.contract.stores.making import a_device, add, claim, ended, run_for
from tests.fakes.credentials import FixedCredentials

SIM = shlex.join([sys.executable, "-c", "from simulators.cli import main; main()"])
"""``cpe-sim`` of this tree."""
DRIVERS = DriverRoster()
FAMILIES = [name for name in DRIVERS.families() if isinstance(DRIVERS.get(name), Replacing)]
BOX = {"frr_linux": {"mode": "linux"}}
"""Options of the boxes that backups are of."""


def shown(family: str, name: str, seed: int) -> str:
    """What a device of the fleet runs, as its family's driver fetches it."""
    given = Secrets(login=LOGIN.password, enable=LOGIN.enable_password)
    return fetched(Box(DeviceSpec(name, family, seed, LOGIN.username, given, options=BOX.get(family, {}))))


@dataclass
class Bench:
    database: Database
    vault: Vault
    stand: ProcessStand
    room: DrillRoom
    jobs: Jobs
    upkeep: Upkeep
    metrics: Metrics
    clock: SystemClock
    ids: SystemIds
    devices: dict[str, Device] = field(default_factory=dict)

    async def device(self, name: str, family: str, **more: Any) -> Device:
        (made,) = await add(self.database, a_device(name, family=family, credential="lab", **more), at=self.clock.now())
        self.devices[name] = made
        return made

    async def backup(self, device: Device, text: str, *, sealed: str | None = None) -> str:
        """A version of this text; ``sealed``: what stands under its seal, if it is something else."""
        assert device.family is not None
        spec = DRIVERS.get(device.family).spec
        examined = self.vault.examine(text, spec, LOGIN.secrets())
        backup_id = self.ids.new()
        draft = self.vault.draft(examined, spec, position_id=device.position_id, object_id=backup_id)
        if sealed is not None:
            other = replace(examined, text=sealed)
            changed = self.vault.draft(other, spec, position_id=device.position_id, object_id=backup_id)
            draft = replace(draft, sealed=changed.sealed)
        (claimed,) = await claim(self.database, await run_for(self.database, [device]))
        settled = replace(ended(claimed, Outcome.STORED, backup_id=backup_id, draft=draft), at=self.clock.now())
        assert await self.database.jobs.settle([settled]) == []
        return backup_id

    async def drill(self, *devices: Device, **params: Any) -> Job:
        """A drill job, asked for by hand unless it says otherwise, to its end."""
        given = {"devices": [device.id for device in devices]} if devices else params
        job = await self.jobs.start(JobKind.DRILL, given, by="test")
        assert job is not None
        return await self.work(job)

    async def work(self, job: Job) -> Job:
        await self.upkeep.handle(Ticket(SIMPLE_TICKET, job.id))
        return await self.database.jobs.job(job.id)

    async def result(self, backup_id: str) -> DrillResult:
        return (await self.database.drills.of([backup_id]))[backup_id]

    async def alarms(self) -> dict[str, str]:
        return {one.kind: one.message for one in await self.database.events.alarms()}


LOGIN = Credential("backup", "login-secret-1", "enable-secret-2")


@asynccontextmanager
async def bench(
    home: Path,
    url: str,
    *,
    command: str = SIM,
    sample: int = 20,
    target: float = 0.9,
    boxes: int = 2,
    drivers: Drivers = DRIVERS,
) -> AsyncIterator[Bench]:
    clock = SystemClock()
    ids = SystemIds(clock)
    keys = KeyFile(home / "keyring.json", ids)
    keys.create(clock.now())
    vault, metrics = Vault(keys), Metrics()
    async with await Database.open(url) as database:
        stand = ProcessStand(command, lambda logins: SshSessions(logins, clock, SshLimits(handshakes_per_second=0)))
        jobs = Jobs(database.jobs, database.inventory, EmbeddedEngine(clock=clock), clock, ids, shard_size=10)
        credentials = FixedCredentials({"lab": LOGIN})
        room = DrillRoom(
            DrillStores(database.drills, database.backups, database.inventory),
            DrillParts(stand, drivers, credentials, vault, clock, metrics, Redactor()),
            jobs,
            metrics,
            DrillGoals(sample, target),
            boxes,
        )
        stores = UpkeepStores(database.jobs, database.backups, database.events)
        upkeep = Upkeep(stores, {JobKind.DRILL: room.step}, clock, owner="w1")
        yield Bench(database, vault, stand, room, jobs, upkeep, metrics, clock, ids)
