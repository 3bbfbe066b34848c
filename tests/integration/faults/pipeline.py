"""The whole backup pipeline in one process over virtual CPEs: every part is the real one, as bootstrap joins them.

Sessions, drivers, vault, SQLite, engine, worker and writer run as in the daemon; only its HTTP surface and its timer
are left out.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from cpe_manager.bootstrap import init, opened
from cpe_manager.domain.backup.backups import Backup, BackupState
from cpe_manager.domain.fleet.inventory import Group
from cpe_manager.domain.jobs import DeviceWork, Job, JobKind, JobState, Outcome
from cpe_manager.ports.inventory_source import SourceFile
from cpe_manager.ports.stores import DeviceFilter, DeviceView
from cpe_manager.runtime.supervisor import Supervisor
from cpe_manager.services.fleet.importing import ImportRequest
from cpe_manager.services.jobs.jobs import RunRequest
from cpe_manager.settings import Settings
from cpe_manager.wiring import Parts
from simulators.device import Device
from simulators.fleet import Fleet
from simulators.inventory import write_credentials
from tests.contract.drivers.harness import significant, specs_of
from tests.contract.drivers.roster import DriverCase

PATIENT, IMPATIENT = "patient", "impatient"
PATIENCE = 20.0
"""Seconds that a device may take; long enough that a busy machine makes no error out of a delay."""
IMPATIENCE = 1.0
"""The same for boxes that are about to go quiet; the shortest that an inventory may ask for."""
RUN_SECONDS = 60.0
QUIET_SECONDS = 10.0


@dataclass(frozen=True)
class Standing:
    """What is kept of one device: every good version with its original, newest first, and what is not good."""

    view: DeviceView
    good: tuple[tuple[Backup, str], ...]
    other: tuple[Backup, ...]

    @property
    def current_id(self) -> str | None:
        return self.view.status.current_backup_id

    @property
    def current_text(self) -> str:
        """The original of the current version. Raises KeyError when none of the good versions is current."""
        return {backup.id: text for backup, text in self.good}[self.current_id or ""]


@dataclass
class Pipeline:
    """``truths``: by device, every configuration that its box has had, as it is compared. ``originals``: by version."""

    case: DriverCase
    fleet: Fleet
    settings: Settings
    parts: Parts
    truths: dict[str, set[str]] = field(default_factory=dict)
    originals: dict[str, str] = field(default_factory=dict)
    idle: frozenset[asyncio.Task[object]] = frozenset()

    def truth(self, device: Device) -> str:
        """What the box would show now, as it is compared; remembered as a truth of this device."""
        text = significant(device.running_text(), device)
        self.truths.setdefault(device.name, set()).add(text)
        return text

    def remember(self) -> None:
        for device in self.fleet.devices:
            self.truth(device)

    async def run(self, names: Sequence[str] | None = None) -> Mapping[str, DeviceWork]:
        """One backup run over these devices (all by default), to its end: their rows by name."""
        self.remember()
        where = DeviceFilter(names=tuple(names) if names is not None else None)
        jobs = self.parts.services.jobs
        job = await jobs.start_backup(RunRequest("manual", where, by="test"))
        assert job is not None
        await self._ended(job)
        self.remember()
        rows = {row.device: row for row in (await jobs.work(job.id, limit=1000)).items}
        assert {row.attempts for row in rows.values()} == {1}
        return rows

    async def _ended(self, job: Job) -> Job:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + RUN_SECONDS
        while job.state is JobState.OPEN:
            assert loop.time() < deadline, f"the {job.kind} job does not end: {job.counts}"
            await asyncio.sleep(0.1)
            job = await self.parts.services.jobs.show(job.id)
        return job

    async def standings(self) -> dict[str, Standing]:
        """Of every device. The originals that are current are opened afresh, the others when first seen."""
        page = await self.parts.services.inventory.list(DeviceFilter(), limit=1000)
        return {view.device.name: await self._standing(view) for view in page.items}

    async def _standing(self, view: DeviceView) -> Standing:
        history = self.parts.services.history
        versions = (await history.versions(view.device.name, limit=1000)).items
        good = [one for one in versions if one.state is BackupState.GOOD]
        for one in good:
            if one.id not in self.originals or one.id == view.status.current_backup_id:
                self.originals[one.id] = await history.original(one, by="test")
        return Standing(
            view,
            tuple((one, self.originals[one.id]) for one in good),
            tuple(one for one in versions if one.state is not BackupState.GOOD),
        )

    async def verified(self) -> dict[str, object]:
        """What the job says that opens every original there is, and hashes it again."""
        job = await self.parts.services.jobs.start(JobKind.VERIFY, {}, by="test")
        assert job is not None
        return dict((await self._ended(job)).result)

    async def heal(self) -> None:
        """Take all faults away, and wait until every box answers again."""
        for device in self.fleet.devices:
            device.clear_faults()
        await self.fleet.settled()
        async with asyncio.timeout(QUIET_SECONDS):
            while any(device.is_away for device in self.fleet.devices):
                await asyncio.sleep(0.05)

    async def patience(self, seconds: float) -> None:
        """How long the impatient devices are waited for from now on."""
        limits = {"connect_timeout": seconds, "command_timeout": seconds}
        await self.parts.services.inventory.put_group(Group(IMPATIENT, parent=PATIENT, settings=limits), by="test")

    async def nothing_left(self) -> None:
        """No session, socket, task or lease; the last resets may need a moment to be seen."""
        try:
            async with asyncio.timeout(QUIET_SECONDS):
                while self._left():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"left behind: {self._left()}") from None

    def _left(self) -> list[str]:
        devices = self.fleet.devices
        left = [f"{one.name}: {one.stats.open_sessions} sessions" for one in devices if one.stats.open_sessions]
        left += [f"{one.name}: connection" for one in devices if one.stats.open_connections or one.mute]
        left += _sockets_to({device.port for device in devices})
        left += [f"task {task.get_name()}" for task in asyncio.all_tasks() - self.idle]
        left += [f"lease of {owner}" for owner in self._lease_owners()]
        if held := len(self.parts.worker.keeper):
            left.append(f"{held} leases kept alive")
        return left

    def _lease_owners(self) -> list[str]:
        """Read past the product: no service tells who holds a device."""
        path = self.settings.url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=100)) as database:
            return [str(row[0]) for row in database.execute("SELECT owner FROM device_lease WHERE owner IS NOT NULL")]


def _sockets_to(ports: set[int]) -> list[str]:
    """Our ends of connections to these ports, in whatever state they are."""
    connections = psutil.Process().net_connections(kind="tcp")
    return [f"socket to port {one.raddr.port}" for one in connections if one.raddr and one.raddr.port in ports]


@asynccontextmanager
async def pipeline(
    home: Path, url: str, case: DriverCase, names: Sequence[str], *, seed: int = 1
) -> AsyncIterator[Pipeline]:
    """A pipeline at work over a fleet of one kind, none of it backed up yet. ``url``: an empty SQLite database.

    Devices named `Q-...` are in the group whose patience can be changed.
    """
    groups = {name: IMPATIENT if name.startswith("Q-") else PATIENT for name in names}
    specs = [replace(spec, address=_own_address(home)) for spec in specs_of(case, names, seed)]
    settings = Settings(
        data_dir=home / "data",
        database_url=url,
        engine="embedded",
        sessions=4 * len(names) + 32,  # a quarter of them are for jobs that a person starts
        sessions_per_access_node=0,
        handshakes_per_second=1000,
        sweep_seconds=0.2,
        stop_grace_seconds=1,
    )
    async with Fleet(specs, down_time=0.3, telnet=case.transport == "telnet") as fleet:
        await init(settings)
        write_credentials(settings.credentials, specs)
        async with opened(settings) as parts, _working(parts, settings.stop_grace_seconds):
            made = Pipeline(case, fleet, settings, parts)
            await _enter_fleet(made, groups)
            await asyncio.sleep(0)
            made.idle = frozenset(asyncio.all_tasks())
            yield made


def _own_address(home: Path) -> str:
    """A loopback address for each test: a port that a fault closes for a while is then no other socket's meanwhile."""
    first, second, third = hashlib.sha256(str(home).encode()).digest()[:3]
    return f"127.{1 + first % 254}.{second}.{1 + third % 254}"


async def _enter_fleet(made: Pipeline, groups: Mapping[str, str]) -> None:
    options = {f"options.{name}": value for name, value in made.case.device.items()}
    limits = {"connect_timeout": PATIENCE, "command_timeout": PATIENCE, "max_attempts": 1}
    inventory = made.parts.services.inventory
    telnet = made.case.transport == "telnet"
    settings = {**limits, **options, "allow_telnet": telnet}
    await inventory.put_group(Group(PATIENT, family=made.case.family, settings=settings), by="test")
    await made.patience(PATIENCE)
    rows = ["name,address,port,group,credential,transport"]
    rows += [
        f"{one.name},{one.address},{one.telnet_port if telnet else one.port},{groups[one.name]},{one.name},"
        f"{made.case.transport}"
        for one in made.fleet.devices
    ]
    file = SourceFile("fleet.csv", "\n".join(rows) + "\n")
    await made.parts.services.importer.run(ImportRequest((file,), by="test", backup=False))


@asynccontextmanager
async def _working(parts: Parts, grace: float) -> AsyncIterator[None]:
    """As the daemon works, with its order of stopping."""
    await parts.take_over()
    supervisor = Supervisor(parts.clock, parts.ids)
    for name, run in parts.tasks.items():
        supervisor.add(name, run)
    await parts.engine.start()
    try:
        supervisor.start()
        yield
    finally:
        parts.worker.stop()
        await asyncio.gather(parts.engine.stop(grace), parts.worker.close(grace))
        await parts.worker.close(0)
        await parts.worker.settler.drain()
        await supervisor.stop(0)


def end_of(row: DeviceWork) -> str:
    """An error code, `quarantined`, or `true`."""
    if row.outcome in {Outcome.STORED, Outcome.UNCHANGED}:
        return "true"
    return row.error_code or str(row.outcome)


def wrong_texts(made: Pipeline, found: Mapping[str, Standing]) -> dict[str, list[int]]:
    """By device, the numbers of good versions that hold what its box never had."""
    wrong: dict[str, list[int]] = {}
    for name, standing in found.items():
        device = made.fleet.device(name)
        numbers = [one.number for one, text in standing.good if significant(text, device) not in made.truths[name]]
        if numbers:
            wrong[name] = numbers
    return wrong


def not_backed_up(made: Pipeline, found: Mapping[str, Standing]) -> dict[str, str]:
    """Devices whose current version is not what their box has now, or that are not well."""
    bad: dict[str, str] = {}
    for name, standing in found.items():
        device, status = made.fleet.device(name), standing.view.status
        if status.last_error_code or status.failures:
            bad[name] = f"{status.last_error_code}: {status.last_error}"
        elif standing.current_id is None or significant(standing.current_text, device) != made.truth(device):
            bad[name] = "its current version is another configuration"
    return bad


def each(devices: Iterable[Device], what: Callable[[Device], int]) -> dict[str, int]:
    return {device.name: what(device) for device in devices}
