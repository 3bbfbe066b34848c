"""The services over the real database, vault and engine; only time, identifiers and devices are made up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from backups.keyfile import KeyFile
from backups.vault import Vault
from cpe_manager.adapters.db.database import Database
from cpe_manager.adapters.engine.embedded import EmbeddedEngine
from cpe_manager.adapters.engine.handling import DEFAULT_SLOTS
from cpe_manager.adapters.git_export import GitExport
from cpe_manager.domain.backup.retention import Policy
from cpe_manager.domain.errors import StoreError
from cpe_manager.domain.fleet.inventory import Device, Group, LifeState
from cpe_manager.domain.jobs import DeviceWork, Job, JobKind, JobState, Priority
from cpe_manager.kit.log_redaction import Redactor
from cpe_manager.ports.driver import Drivers
from cpe_manager.ports.shell import Credential
from cpe_manager.ports.stores import DeviceFilter, DeviceView, InventoryChanges, JobStore, LineChange, SiteChange
from cpe_manager.runtime.metrics import Metrics
from cpe_manager.services.backup.attempt import Attempt, Outside, RetryPolicy
from cpe_manager.services.backup.history import History
from cpe_manager.services.backup.worker import ShardWorker, WorkerLimits
from cpe_manager.services.failover.line_history import LineHistory
from cpe_manager.services.jobs.jobs import SHARD_TICKET, SIMPLE_TICKET, Jobs, RunRequest
from cpe_manager.services.jobs.sweep import Rhythm, Sweep
from cpe_manager.services.jobs.upkeep import Export, Retention, Rewrap, Step, Upkeep, UpkeepStores, Verify
from cpe_manager.services.keys import Keys
from tests.fakes.clock import CountingIds, SimulatedClock
from tests.fakes.credentials import FixedCredentials
from tests.fakes.drivers import FAMILY, FixedDrivers
from tests.fakes.sessions import ScriptedSessions

LOGIN = Credential("backup", "login-secret-1", "enable-secret-2")
STEP = 0.1
"""Simulated seconds that pass at each look."""
PATIENCE = 20.0
"""Real seconds after which a test stops hoping."""


@dataclass(frozen=True)
class Options:
    """How a world differs from the usual one. ``lease_ttl`` in seconds."""

    sessions: int = 20
    per_access_node: int = 0
    lease_ttl: float = 60.0
    shard_size: int = 100
    owner: str = "w1"
    slots: Mapping[Priority, int] = field(default_factory=lambda: dict(DEFAULT_SLOTS))
    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(20, 900))
    policy: Policy = field(default_factory=Policy)
    export_to: Path | None = None


class RefusingJobs:
    """The real store of jobs, but for the methods that ``refuse`` names, which raise what it says."""

    def __init__(self, real: JobStore) -> None:
        self._real = real
        self.refuse: dict[str, Callable[[Any], Exception | None]] = {}
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)

        async def call(*args: Any, **more: Any) -> Any:
            self.calls.append(name)
            error = self.refuse[name](args) if name in self.refuse else None
            if error is not None:
                raise error
            return await method(*args, **more)

        return call

    def always(self, error: StoreError, *methods: str) -> None:
        self.refuse = dict.fromkeys(methods, lambda _args: error)

    def heal(self) -> None:
        self.refuse = {}


@dataclass
class Node:
    """One process that works: its worker, its engine and the tasks beside them."""

    worker: ShardWorker
    engine: EmbeddedEngine
    sweep: Sweep
    jobs: Jobs
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        await self.engine.start()
        beside = {"writer": self.worker.settler.run, "leases": self.worker.keeper.run, "sweep": self.sweep.run}
        self.tasks = [asyncio.create_task(_body(run), name=name) for name, run in beside.items()]

    async def stop(self, grace: float) -> None:
        """As the daemon stops: claims end, then sessions, then what has ended is written."""
        self.worker.stop()
        await asyncio.gather(self.engine.stop(grace), self.worker.close(grace))
        await self.worker.close(0)
        await self.worker.settler.drain()
        await self.die()

    async def die(self) -> None:
        """As a killed process: nothing is given back, nothing is written any more."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def _body(run: Callable[[], Awaitable[None]]) -> None:
    await run()


@dataclass
class World:
    home: Path
    database: Database
    store: RefusingJobs
    sessions: ScriptedSessions
    clock: SimulatedClock
    ids: CountingIds
    keys: KeyFile
    vault: Vault
    drivers: Drivers
    options: Options
    node: Node
    metrics: Metrics = field(default_factory=Metrics)

    @property
    def jobs(self) -> Jobs:
        return self.node.jobs

    @property
    def worker(self) -> ShardWorker:
        return self.node.worker

    @property
    def history(self) -> History:
        stores = self.database
        return History(stores.inventory, stores.backups, stores.events, self.vault, self.drivers, self.clock)

    @property
    def key_service(self) -> Keys:
        return Keys(self.keys, self.database.backups, self.jobs, self.database.events, self.clock)

    async def add(
        self, *names: str, nodes: Mapping[str, str] | None = None, groups: Sequence[Group] = (), **more: Any
    ) -> list[Device]:
        """Active devices on a site each; ``nodes`` puts some behind an access node."""
        at, made, nodes = self.clock.now(), [], nodes or {}
        for name in names:
            values: dict[str, Any] = {
                "id": self.ids.new(), "position_id": self.ids.new(), "site_id": "", "site": name, "name": name,
                "address": "192.0.2.1", "state": LifeState.ACTIVE, "installed_at": at, "family": FAMILY,
                "credential": "lab", "line": "L1" if name in nodes else None,
            }  # fmt: skip
            made.append(Device(**(values | more)))
        sites = tuple(SiteChange(name, self.ids.new()) for name in names)
        lines = tuple(LineChange(self.ids.new(), name, "L1", None, node) for name, node in nodes.items())
        changes = InventoryChanges(at=at, sites=sites, lines=lines, groups=tuple(groups), add=tuple(made))
        await self.database.inventory.apply(changes)
        return made

    async def start_run(self, *names: str, **more: Any) -> Job:
        where = DeviceFilter(names=names or None)
        job = await self.jobs.start_backup(RunRequest("manual", where, by="test", **more))
        assert job is not None
        return job

    async def run(self, *names: str, **more: Any) -> Job:
        """A whole run, to its end."""
        return await self.ended(await self.start_run(*names, **more))

    async def ended(self, job: Job) -> Job:
        async def over() -> Job | None:
            found = await self.database.jobs.job(job.id)
            return found if found.state is not JobState.OPEN else None

        return cast("Job", await self.until(f"the end of the {job.kind} job", over))

    async def until(self, what: str, probe: Callable[[], Awaitable[Any]] | Callable[[], Any]) -> Any:
        """The first truthy answer; simulated time passes meanwhile."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while loop.time() < deadline:
            answer = probe()
            if isinstance(answer, Awaitable):
                answer = await answer
            if answer:
                return answer
            await self.passing(STEP)
        raise AssertionError(f"never came: {what}")

    async def passing(self, seconds: float) -> None:
        """Simulated seconds go by in small steps, with a real moment in each for the database's threads."""
        for _ in range(max(1, round(seconds / STEP))):
            await asyncio.sleep(0.001)
            await self.clock.advance(STEP)

    async def row(self, job: Job, name: str) -> DeviceWork:
        rows = (await self.database.jobs.work(job.id)).items
        return next(row for row in rows if row.device == name)

    async def view(self, name: str) -> DeviceView:
        return await self.database.inventory.device(name)

    async def versions(self, name: str) -> list[tuple[int, str]]:
        """(number, state), newest first."""
        return [(one.number, one.state.value) for one in (await self.history.versions(name)).items]

    async def events(self, kind: str = "") -> list[str]:
        """Messages of the events of a kind, or all kinds in order."""
        found = await self.database.events.after(0, limit=10_000)
        return [one.message for one in found if one.kind == kind] if kind else [one.kind for one in found]

    async def do(self, kind: JobKind) -> Job:
        """A job without device rows, to its end."""
        job = await self.jobs.start(kind, {}, by="test")
        assert job is not None
        return await self.ended(job)

    async def stop(self, node: Node | None = None, grace: float = 0.0) -> None:
        """As ``Node.stop``, while time goes on."""
        stopping = asyncio.create_task((node or self.node).stop(grace))
        await self.until("the stop", stopping.done)
        await stopping

    def another_node(self, owner: str, **more: Any) -> Node:
        """A second process on the same database."""
        return make_node(self, Options(**(vars(self.options) | {"owner": owner} | more)))


def make_node(world: World, options: Options) -> Node:
    database, store = world.database, cast("JobStore", world.store)
    engine = EmbeddedEngine(clock=world.clock, slots=options.slots)
    jobs = Jobs(store, database.inventory, engine, world.clock, world.ids, shard_size=options.shard_size)
    credentials = FixedCredentials({"lab": LOGIN})
    outside = Outside(
        world.sessions, world.drivers, credentials, world.vault, world.clock, world.ids, redactor=Redactor()
    )
    limits = WorkerLimits(options.owner, options.sessions, options.per_access_node, options.lease_ttl)
    attempt = Attempt(outside, options.retry)
    worker = ShardWorker(store, database.inventory, {JobKind.BACKUP: attempt}, world.clock, limits, world.metrics)
    worker.way = attempt.way
    stores = UpkeepStores(store, database.backups, database.events)
    exporter = GitExport(options.export_to, world.clock) if options.export_to else None
    steps: dict[JobKind, Step] = {
        JobKind.VERIFY: Verify(stores, world.vault, world.drivers, world.clock),
        JobKind.ROTATE: Rewrap(stores, world.vault, world.keys),
        JobKind.RETENTION: Retention(
            stores, options.policy, "Europe/Brussels", LineHistory(world.database.lines, 400, world.clock)
        ),
        JobKind.EXPORT: Export(stores, world.vault, exporter, world.drivers),
    }
    engine.register(SHARD_TICKET, worker.handle)
    engine.register(SIMPLE_TICKET, Upkeep(stores, steps, world.clock, owner=options.owner).handle)
    sweep = Sweep(store, engine, world.clock, Rhythm(2.0), [])
    return Node(worker, engine, sweep, jobs)


@asynccontextmanager
async def opened(
    home: Path, url: str, *, drivers: Drivers | None = None, labels: Mapping[str, str] | None = None, **options: Any
) -> AsyncIterator[World]:
    """A world with an empty database; its node is made, not started."""
    clock, ids = SimulatedClock(), CountingIds()
    keys = KeyFile(home / "keyring.json", ids)
    keys.create(clock.now())
    async with await Database.open(url) as database:
        sessions = ScriptedSessions(LOGIN, labels=labels)
        store = RefusingJobs(database.jobs)
        family = drivers or FixedDrivers()
        chosen = Options(**options)
        world = World(
            home, database, store, sessions, clock, ids, keys, Vault(keys), family, chosen, cast("Node", None)
        )
        world.node = make_node(world, chosen)
        try:
            yield world
        finally:
            await world.node.die()


@asynccontextmanager
async def working(home: Path, url: str, **options: Any) -> AsyncIterator[World]:
    """A world whose node works, and is stopped at the end."""
    async with opened(home, url, **options) as world:
        await world.node.start()
        try:
            yield world
        finally:
            await world.stop()
