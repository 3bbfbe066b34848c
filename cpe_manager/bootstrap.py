"""Names the implementations behind the ports, and nothing else does. Also what must happen before a daemon runs."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from backups.keyfile import KeyFile
from backups.vault import Vault
from cpe_manager.adapters.clock import SystemClock, SystemIds
from cpe_manager.adapters.db.database import Database
from cpe_manager.adapters.drill_process import ProcessStand
from cpe_manager.adapters.engine.embedded import EmbeddedEngine
from cpe_manager.adapters.git_export import GitExport
from cpe_manager.adapters.inventory.formats import InventoryFormats
from cpe_manager.adapters.netmiko.platforms import platform_names
from cpe_manager.adapters.netmiko.sessions import NetmikoLimits, NetmikoSessions
from cpe_manager.adapters.reach import TcpReach
from cpe_manager.adapters.schedule import Timetable
from cpe_manager.adapters.secrets import CredentialFile
from cpe_manager.adapters.snmp.poller import SnmpPoller
from cpe_manager.adapters.snmp.receiver import LocalEngine, TrapPort, new_engine
from cpe_manager.adapters.ssh.limits import SshLimits
from cpe_manager.adapters.ssh.sessions import SshSessions
from cpe_manager.adapters.telnet.sessions import TelnetSessions
from cpe_manager.adapters.templates.renderer import JinjaTemplates
from cpe_manager.adapters.transports import Transports
from cpe_manager.domain.errors import Conflict, KeyringError, SettingsError
from cpe_manager.domain.jobs import JobKind
from cpe_manager.domain.pushes import Limits
from cpe_manager.domain.retention import Policy
from cpe_manager.domain.tokens import Scope
from cpe_manager.kit.log_redaction import Redactor
from cpe_manager.ports.clock import Clock, Ids
from cpe_manager.ports.engine import Engine
from cpe_manager.ports.timer import Timer
from cpe_manager.runtime.metrics import Metrics
from cpe_manager.services.archive import ArchiveReport
from cpe_manager.services.archive import read as read_archive
from cpe_manager.services.archive import write as write_archive
from cpe_manager.services.attempt import Attempt, Outside, RetryPolicy
from cpe_manager.services.bundle import Services
from cpe_manager.services.chores import Alarms, Figures, FigureStores, FollowUps
from cpe_manager.services.commit_path import CommitPath
from cpe_manager.services.detection import Detector
from cpe_manager.services.drift import DriftBook, DriftStores
from cpe_manager.services.drilling import DrillParts, DrillStores
from cpe_manager.services.drills import DrillGoals, DrillRoom
from cpe_manager.services.facts import Askable, DeviceFactsBook, SnmpFacing
from cpe_manager.services.history import History
from cpe_manager.services.importing import Importer
from cpe_manager.services.inventory import Inventory
from cpe_manager.services.jobs import SHARD_TICKET, SIMPLE_TICKET, Jobs
from cpe_manager.services.keys import Keys
from cpe_manager.services.push_admission import Admission, Rules
from cpe_manager.services.push_checks import Checks
from cpe_manager.services.push_trip import Care
from cpe_manager.services.push_upkeep import Books, FleetAddresses, PushUpkeep
from cpe_manager.services.pushes import Pushes, PushStores
from cpe_manager.services.replacement_steps import SwapStores
from cpe_manager.services.replacing import swapping
from cpe_manager.services.rollout_keeper import RolloutKeeper
from cpe_manager.services.rollout_orders import RolloutOrders
from cpe_manager.services.rollouts import Rollouts
from cpe_manager.services.scheduling import NewSchedule, ScheduleStores, Scheduling
from cpe_manager.services.sweep import Rhythm, Sweep
from cpe_manager.services.tokens import Tokens
from cpe_manager.services.traps import Traps, TrapStores
from cpe_manager.services.upkeep import Export, Retention, Rewrap, Step, Upkeep, UpkeepStores, Verify
from cpe_manager.services.worker import ShardWorker, Visit, WorkerLimits
from cpe_manager.settings import FIRST_CREDENTIALS, FIRST_SETTINGS, Settings
from drivers.roster import DriverRoster

RING_ID = "ring_id"
"""Under this name the database remembers which key ring its originals are sealed with."""

ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class InitResult:
    """``token`` is None when the installation had tokens already; its text exists only here."""

    data_dir: Path
    url: str
    token: str | None
    created: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """A built process. ``tasks`` run under supervision from start to stop."""

    services: Services
    worker: ShardWorker
    engine: Engine
    timer: Timer
    metrics: Metrics
    clock: Clock
    ids: Ids
    owner: str
    tasks: Mapping[str, Callable[[], Awaitable[None]]]
    traps: Traps | None
    """For the process that serves; None when no trap port is set."""
    take_over: Callable[[], Awaitable[None]]
    """To be called by the one process that works on a SQLite database: whoever held leases before it is gone."""


async def init(settings: Settings) -> InitResult:
    """Make what is missing of an installation: settings, keys, credentials file, database, schedule, first token.

    Safe to repeat: what exists is left as it is. Raises ``SettingsError``, ``KeyringError``, ``StoreError``.
    """
    created = []
    _make_private_dir(settings.data_dir)
    for path, text in (
        (settings.data_dir / "cpe-manager.toml", FIRST_SETTINGS),
        (settings.credentials, FIRST_CREDENTIALS),
    ):
        if _write_private(path, text):
            created.append(path)
    clock = SystemClock()
    ids = SystemIds(clock)
    keys = KeyFile(settings.keyring, ids)
    if not settings.keyring.exists():
        await _refuse_new_keys_for_old_backups(settings)
        _make_private_dir(settings.keyring.parent)
        keys.create(clock.now())
        created.append(settings.keyring)
    async with opened(settings) as parts:
        token = await _first_token(parts.services.tokens)
        if not await parts.services.scheduling.list():
            await parts.services.scheduling.add(_nightly(settings))
    url = f"http://{settings.host}:{settings.port}"
    return InitResult(settings.data_dir, url, token, tuple(created))


async def _refuse_new_keys_for_old_backups(settings: Settings) -> None:
    """A fresh key ring beside a database of sealed originals would only hide that the keys were lost."""
    async with _database(settings) as database:
        if await database.maintenance.schema_version() and await database.maintenance.meta_get(RING_ID):
            raise KeyringError(
                f"{settings.keyring} is missing, but the database holds originals sealed with its keys: "
                "put the key file back, or restore an archive with cpe-manager unarchive"
            )


async def _first_token(tokens: Tokens) -> str | None:
    if await tokens.list():
        return None
    return (await tokens.create("admin", ALL_SCOPES, days=None, by="init")).text


def _nightly(settings: Settings) -> NewSchedule:
    return NewSchedule("nightly", settings.nightly_cron, settings.nightly_timezone, settings.nightly_window_minutes)


def _make_private_dir(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"cannot make {path}: {error.strerror}") from error


def _write_private(path: Path, text: str) -> bool:
    """True when it was made; an existing file is left alone."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    except OSError as error:
        raise SettingsError(f"cannot write {path}: {error.strerror}") from error
    with os.fdopen(handle, "w") as file:
        file.write(text)
    return True


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    database = await Database.open(settings.url)
    try:
        yield database
    finally:
        await database.close()


@contextmanager
def only_daemon(settings: Settings) -> Iterator[None]:
    """On SQLite one process owns the database and its leases; a lock on a file says which. Raises ``Conflict``."""
    if settings.scaled:
        yield
        return
    _make_private_dir(settings.data_dir)
    path = settings.data_dir / "daemon.lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"another daemon runs on {settings.data_dir} (it holds {path})") from error
        yield


def require_setup(settings: Settings) -> None:
    """Raises ``SettingsError`` for a data directory that ``init`` has not been run on."""
    if not (settings.data_dir / "cpe-manager.toml").exists() and not settings.keyring.exists():
        raise SettingsError(f"{settings.data_dir} is not set up: run cpe-manager init --data-dir {settings.data_dir}")


@asynccontextmanager
async def opened(settings: Settings, redactor: Redactor | None = None) -> AsyncIterator[Parts]:
    """Database migrated, keys checked, everything built; nothing runs yet. Closed on the way out.

    ``redactor``: the one that the process's logs go through; sessions tell it the log-ins they use.
    """
    require_setup(settings)
    clock = SystemClock()
    ids = SystemIds(clock)
    keys = KeyFile(settings.keyring, ids)
    vault = Vault(keys)
    ring_id = vault.ring_id()
    async with _database(settings) as database:
        await database.maintenance.migrate()
        await _check_ring(database, ring_id, settings.keyring)
        yield await _build(settings, database, vault, keys, ids, redactor or Redactor())


async def _check_ring(database: Database, ring_id: str, path: Path) -> None:
    known = await database.maintenance.meta_get(RING_ID)
    if known is None:
        await database.maintenance.meta_set(RING_ID, ring_id)
    elif known != ring_id:
        raise KeyringError(f"{path} is the key file of another installation; what is stored was sealed with other keys")


async def _engine(settings: Settings, clock: Clock) -> Engine:
    if not settings.scaled:
        return EmbeddedEngine(clock=clock)
    if not settings.url.startswith("postgresql"):
        raise SettingsError("engine = procrastinate needs PostgreSQL (setting database_url)")
    from cpe_manager.adapters.engine.procrastinate import ProcrastinateEngine
    from cpe_manager.adapters.engine.tables import ensure_schema

    await ensure_schema(settings.url)
    return ProcrastinateEngine(settings.url)


async def _build(
    settings: Settings, database: Database, vault: Vault, keys: KeyFile, ids: SystemIds, redactor: Redactor
) -> Parts:
    clock = SystemClock()
    owner = f"{socket.gethostname()[:60]}:{os.getpid()}:{ids.new()[-8:]}"
    metrics = Metrics()
    drivers = DriverRoster(platform_names())
    credentials = CredentialFile(settings.credentials)
    engine = await _engine(settings, clock)
    timer = Timetable(clock)
    jobs = Jobs(database.jobs, database.inventory, engine, clock, ids, shard_size=settings.shard_size)
    ssh = SshSessions(credentials, clock, SshLimits(handshakes_per_second=settings.handshakes_per_second))
    long_tail = NetmikoSessions(credentials, NetmikoLimits(threads=settings.netmiko_threads))
    metrics.watch_threads(lambda: long_tail.counts.running, lambda: long_tail.counts.abandoned)
    sessions = Transports({"ssh": ssh, "telnet": TelnetSessions(credentials)}, long_tail)
    poller = SnmpPoller(clock)
    outside = Outside(sessions, drivers, credentials, vault, clock, ids, redactor)
    attempt = Attempt(outside, RetryPolicy(settings.retry_base_seconds, settings.retry_cap_seconds))
    limits = WorkerLimits(owner, settings.sessions, settings.sessions_per_access_node, settings.lease_seconds)
    care = _care(settings, database)
    pushing = CommitPath(outside, database.pushes, database.backups, care)
    visits: dict[JobKind, Visit] = {JobKind.BACKUP: attempt, JobKind.PUSH: pushing}
    worker = ShardWorker(database.jobs, database.inventory, visits, clock, limits, metrics)
    stores = UpkeepStores(database.jobs, database.backups, database.events)
    exporter = GitExport(settings.git_export_dir, clock) if settings.git_export_dir else None
    policy = Policy(settings.keep_last, settings.keep_daily, settings.keep_weekly, settings.keep_monthly)
    steps: dict[JobKind, Step] = {
        JobKind.VERIFY: Verify(stores, vault, drivers, clock),
        JobKind.ROTATE: Rewrap(stores, vault, keys),
        JobKind.RETENTION: Retention(stores, policy, settings.nightly_timezone, clock),
        JobKind.EXPORT: Export(stores, vault, exporter, drivers),
    }
    stand = ProcessStand(settings.drill_command, lambda logins: SshSessions(logins, clock))
    drills = DrillRoom(
        DrillStores(database.drills, database.backups, database.inventory),
        DrillParts(stand, drivers, credentials, vault, clock, metrics, redactor),
        jobs,
        metrics,
        DrillGoals(settings.drill_sample, settings.drill_target),
        settings.drill_boxes,
    )
    steps[JobKind.DRILL] = drills.step
    upkeep = Upkeep(stores, steps, clock, owner=owner)
    engine.register(SHARD_TICKET, worker.handle)
    engine.register(SIMPLE_TICKET, upkeep.handle)
    schedule_stores = ScheduleStores(database.schedules, database.inventory, database.events)
    scheduling = Scheduling(schedule_stores, jobs, timer, clock, ids)
    inventory = Inventory(database.inventory, clock, ids, drivers, credentials, jobs.first_backup)
    orders = RolloutOrders(database.inventory, drivers, JinjaTemplates())
    rollouts = RolloutKeeper(database.rollouts, database.pushes, engine, clock, ids, metrics)
    pushes = Pushes(PushStores(database.pushes, database.inventory, database.backups), engine, outside)
    drift_stores = DriftStores(database.drift, database.inventory, database.backups, database.pushes)
    swap_stores = SwapStores(database.replacements, database.backups, database.facts)
    swaps = swapping(swap_stores, inventory, pushes, engine, outside, owner)
    services = Services(
        inventory=inventory,
        detector=Detector(
            ssh, database.inventory, drivers, credentials, snmp=SnmpFacing(poller, credentials), redactor=redactor
        ),
        facts=DeviceFactsBook(
            database.facts,
            database.inventory,
            database.events,
            Askable(sessions, poller, drivers, credentials, redactor),
            clock,
        ),
        importer=Importer(inventory, InventoryFormats()),
        history=History(database.inventory, database.backups, database.events, vault, drivers, clock),
        jobs=jobs,
        drills=drills.service,
        pushes=pushes,
        rollouts=Rollouts(database.rollouts, orders, vault, clock, ids),
        drift=DriftBook(drift_stores, pushes, outside),
        replacements=swaps.service,
        scheduling=scheduling,
        tokens=Tokens(database.tokens, database.events, clock, ids),
        keys=Keys(keys, database.backups, jobs, database.events, clock),
        worker=worker,
        events=database.events,
        maintenance=database.maintenance,
        drivers=drivers,
        credentials=credentials,
        clock=clock,
    )
    books = Books(database.pushes, database.backups, database.addresses, vault, drivers)
    nightly_drills = settings.nightly_timezone if settings.drill_sample else None
    chores = [
        ("replacements", swaps.chore.look),
        ("schedules", scheduling.reload),
        ("alarms", Alarms(database.inventory, database.events, clock).look),
        ("follow-ups", FollowUps(jobs, clock, export=exporter is not None, drills=nightly_drills).look),
        ("drills", drills.watch.look),
        ("pushes", PushUpkeep(books, clock, settings.push_failures_per_hour).look),
        ("addresses", FleetAddresses(books).look),
        ("roll-outs", rollouts.figures),
        ("figures", Figures(FigureStores(database.inventory, database.events, database.drift), jobs, metrics).look),
    ]
    traps = await _traps(settings, database, Snmp(poller, credentials, clock, metrics, redactor))
    if traps is not None:
        chores.append(("traps", traps.look))
    sweep = Sweep(database.jobs, engine, clock, Rhythm(settings.sweep_seconds), chores)

    async def take_over() -> None:
        if not settings.scaled:
            await database.jobs.release_all(clock.now())
            await database.replacements.release_all()

    tasks = {"writer": worker.settler.run, "leases": worker.keeper.run, "sweep": sweep.run, "rollouts": rollouts.run}
    return Parts(services, worker, engine, timer, metrics, clock, ids, owner, tasks, traps, take_over)


def _care(settings: Settings, database: Database) -> Care:
    failures = settings.push_failures_per_hour
    limits = Limits(settings.push_limit_in_flight, settings.push_limit_per_access_node, failures)
    rules = Rules(settings.push_windows, settings.push_freezes, limits)
    return Care(Admission(rules), Checks(database.addresses), TcpReach())


@dataclass(frozen=True, slots=True)
class Snmp:
    """What hearing traps takes besides the database."""

    poller: SnmpPoller
    credentials: CredentialFile
    clock: Clock
    metrics: Metrics
    redactor: Redactor


async def _traps(settings: Settings, database: Database, snmp: Snmp) -> Traps | None:
    """None unless a port is set."""
    if not settings.snmp_trap_port:
        return None
    local = await _local_engine(database)
    intake = TrapPort(settings.snmp_trap_host, settings.snmp_trap_port, local, snmp.clock)
    stores = TrapStores(database.inventory, database.events, snmp.credentials)
    return Traps(intake, stores, snmp.poller, snmp.clock, snmp.metrics, snmp.redactor)


async def _local_engine(database: Database) -> LocalEngine:
    """Senders of informs remember this engine, so it stays what it was, and each start counts (RFC 3414 §2.2)."""
    key = f"snmp_engine:{socket.gethostname()}"[:64]
    engine, _, boots = (await database.maintenance.meta_get(key) or "").partition(" ")
    local = LocalEngine(bytes.fromhex(engine) or new_engine(), int(boots or 0) + 1)
    await database.maintenance.meta_set(key, f"{local.engine.hex()} {local.boots}")
    return local


async def archive(settings: Settings, path: Path, passphrase: str) -> ArchiveReport:
    """Database and keys into one file, sealed with the passphrase; a running daemon is not disturbed."""
    clock = SystemClock()
    keys = KeyFile(settings.keyring, SystemIds(clock))
    keys.ring()  # a missing key file is said before a database is made
    async with _database(settings) as database:
        await _check_ring(database, keys.ring().ring_id, settings.keyring)
        return await write_archive(path, passphrase, database.maintenance, keys, clock)


async def unarchive(settings: Settings, path: Path, passphrase: str, *, keys_only: bool = False) -> ArchiveReport:
    """An archive into an empty installation (or only its keys beside an existing database)."""
    clock = SystemClock()
    with only_daemon(settings):
        _make_private_dir(settings.data_dir)
        _write_private(settings.data_dir / "cpe-manager.toml", FIRST_SETTINGS)
        _write_private(settings.credentials, FIRST_CREDENTIALS)
        keys = KeyFile(settings.keyring, SystemIds(clock))
        async with _database(settings) as database:
            return await read_archive(path, passphrase, database.maintenance, keys, keys_only=keys_only)
