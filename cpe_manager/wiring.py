"""Names the implementations behind the ports, and nothing else does: a process, built from its settings."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

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
from cpe_manager.domain.backup.retention import Policy
from cpe_manager.domain.errors import SettingsError
from cpe_manager.domain.jobs import JobKind
from cpe_manager.domain.push.pushes import Limits
from cpe_manager.kit.log_redaction import Redactor
from cpe_manager.ports.clock import Clock, Ids
from cpe_manager.ports.engine import Engine
from cpe_manager.ports.timer import Timer
from cpe_manager.runtime.heap import Heap
from cpe_manager.runtime.limits import open_files
from cpe_manager.runtime.metrics import Metrics
from cpe_manager.services.access.tokens import Tokens
from cpe_manager.services.backup.attempt import Attempt, Outside, RetryPolicy
from cpe_manager.services.backup.drift import DriftBook, DriftStores
from cpe_manager.services.backup.drilling import DrillParts, DrillStores
from cpe_manager.services.backup.drills import DrillGoals, DrillRoom
from cpe_manager.services.backup.history import History
from cpe_manager.services.backup.worker import ShardWorker, WorkerLimits
from cpe_manager.services.bundle import Services
from cpe_manager.services.failover.line_history import LineHistory
from cpe_manager.services.fleet.detection import Detector
from cpe_manager.services.fleet.facts import Askable, DeviceFactsBook, SnmpFacing
from cpe_manager.services.fleet.importing import Importer
from cpe_manager.services.fleet.inventory import Inventory
from cpe_manager.services.jobs.chores import Alarms, Figures, FigureStores, FollowUps
from cpe_manager.services.jobs.jobs import SHARD_TICKET, SIMPLE_TICKET, Jobs
from cpe_manager.services.jobs.scheduling import ScheduleStores, Scheduling
from cpe_manager.services.jobs.sweep import Rhythm, Sweep
from cpe_manager.services.jobs.upkeep import Export, Retention, Rewrap, Step, Upkeep, UpkeepStores, Verify
from cpe_manager.services.keys import Keys
from cpe_manager.services.push.commit_path import CommitPath
from cpe_manager.services.push.push_admission import Admission, Rules
from cpe_manager.services.push.push_checks import Checks
from cpe_manager.services.push.push_trip import Care
from cpe_manager.services.push.push_upkeep import Books, FleetAddresses, PushUpkeep
from cpe_manager.services.push.pushes import Pushes, PushStores
from cpe_manager.services.replacement.replacement_ways import SwapStores
from cpe_manager.services.replacement.replacing import Swapping, swapping
from cpe_manager.services.request_keys import RequestKeys
from cpe_manager.services.rollout.rollout_keeper import RolloutKeeper
from cpe_manager.services.rollout.rollout_orders import RolloutOrders
from cpe_manager.services.rollout.rollouts import Rollouts
from cpe_manager.services.subscription.entitling import Entitling
from cpe_manager.services.traps.trap_senders import TrapStores
from cpe_manager.services.traps.traps import Traps
from cpe_manager.settings import Settings
from cpe_manager.wiring_accounts import accounts
from cpe_manager.wiring_activation import Acts, activating
from cpe_manager.wiring_audit import audit_book, audit_watch
from cpe_manager.wiring_changes import Executing, change_requests
from cpe_manager.wiring_failover import Failover, Hands, failover, line_service
from cpe_manager.wiring_mail import notices
from cpe_manager.wiring_subscriptions import catalogue_files, sold
from cpe_manager.wiring_webhooks import webhooks
from drivers.roster import DriverRoster


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
    failover: Failover
    """For the process that serves."""


MOST_SNMP_SESSIONS: Final = 12_000


async def _engine(settings: Settings, clock: Clock) -> Engine:
    if not settings.scaled:
        return EmbeddedEngine(clock=clock)
    if not settings.url.startswith("postgresql"):
        raise SettingsError("engine = procrastinate needs PostgreSQL (setting database_url)")
    from cpe_manager.adapters.engine.procrastinate import ProcrastinateEngine
    from cpe_manager.adapters.engine.tables import ensure_schema

    await ensure_schema(settings.url)
    return ProcrastinateEngine(settings.url)


async def build(
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
    # A session is a descriptor: as many as the machine grants, and others are opened when they are needed.
    poller = SnmpPoller(clock, most_sessions=min(MOST_SNMP_SESSIONS, open_files(2 * MOST_SNMP_SESSIONS) // 2))
    outside = Outside(sessions, drivers, credentials, vault, clock, ids, redactor)
    attempt = Attempt(outside, RetryPolicy(settings.retry_base_seconds, settings.retry_cap_seconds))
    what = sold(catalogue_files(settings), database, clock)
    care = _care(settings, database, what.entitling)
    pushing = CommitPath(outside, database.pushes, database.backups, care)
    limits = WorkerLimits(owner, settings.sessions, settings.sessions_per_access_node, settings.lease_seconds)
    worker = ShardWorker(
        database.jobs, database.inventory, {JobKind.BACKUP: attempt, JobKind.PUSH: pushing}, clock, limits, metrics
    )
    worker.way = attempt.way
    stores = UpkeepStores(database.jobs, database.backups, database.events)
    exporter = GitExport(settings.git_export_dir, clock) if settings.git_export_dir else None
    steps: dict[JobKind, Step] = {
        JobKind.VERIFY: Verify(stores, vault, drivers, clock),
        JobKind.ROTATE: Rewrap(stores, vault, keys),
        JobKind.RETENTION: Retention(
            stores,
            _kept(settings),
            settings.nightly_timezone,
            LineHistory(database.lines, settings.keep_line_days, clock),
        ),
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
    scheduling = Scheduling(
        ScheduleStores(database.schedules, database.inventory, database.events), jobs, timer, clock, ids
    )
    inventory = Inventory(database.inventory, clock, ids, drivers, credentials, jobs.first_backup)
    changing = _changing(
        settings, database, inventory, engine, Acting(outside, care, metrics, owner, what.entitling)
    )  # fmt: skip
    hands = Hands(pushing, changing.pushes, worker, outside, ssh, poller, metrics, what.lines)
    moving = failover(settings, database, hands)
    told = notices(settings, database, outside, owner, metrics.mail)
    requested = change_requests(
        settings, database, Executing(outside, changing.pushes, what.catalogues, metrics, (told,))
    )  # fmt: skip
    lines = line_service(settings, database, outside, moving)
    new_sites = activating(
        settings, database, Acts(outside, engine, changing.pushes, jobs, lines, what.catalogues, owner)
    )  # fmt: skip
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
        pushes=changing.pushes,
        rollouts=changing.rollouts,
        drift=changing.drift,
        replacements=changing.swaps.service,
        lines=lines,
        catalogues=what.catalogues,
        subscriptions=what.subscriptions,
        changes=requested.requests,
        bulk_changes=requested.bulk,
        activations=new_sites.service,
        scheduling=scheduling,
        tokens=Tokens(database.tokens, database.events, clock, ids),
        accounts=accounts(settings, database, clock, ids),
        keys=Keys(keys, database.backups, jobs, database.events, clock),
        webhooks=webhooks(settings, database, outside, owner),
        audit=audit_book(settings, database, keys, clock),
        audit_watch=audit_watch(settings, database, keys, clock, metrics.audit),
        notices=told,
        request_keys=RequestKeys(database.request_keys, vault, clock),
        worker=worker,
        events=database.events,
        maintenance=database.maintenance,
        drivers=drivers,
        credentials=credentials,
        clock=clock,
    )
    chores = [
        *changing.chores,
        ("changes", requested.keeper.figures),
        ("schedules", scheduling.reload),
        ("mail", services.notices.look),
        ("audit", services.audit_watch.look),
        ("alarms", Alarms(database.inventory, database.events, clock).look),
        (
            "follow-ups",
            FollowUps(
                jobs,
                clock,
                export=exporter is not None,
                drills=settings.nightly_timezone if settings.drill_sample else None,
            ).look,
        ),
        ("drills", drills.watch.look),
        ("activations", new_sites.look),
        ("figures", Figures(FigureStores(database.inventory, database.events, database.drift), jobs, metrics).look),
    ]
    traps = await _traps(settings, database, Snmp(poller, credentials, clock, metrics, redactor), moving)
    if traps is not None:
        chores.append(("traps", traps.look))
    sweep = Sweep(database.jobs, engine, clock, Rhythm(settings.sweep_seconds), chores)

    async def take_over() -> None:
        if not settings.scaled:
            await _release_all(database, clock)
            await moving.watcher.take_over()

    tasks: dict[str, Callable[[], Awaitable[None]]] = {
        "webhooks": services.webhooks.run,
        "audit": services.audit.run,
        "mail": services.notices.run,
        "writer": worker.settler.run,
        "leases": worker.keeper.run,
        "sweep": sweep.run,
        "rollouts": changing.keeper.run,
        "changes": requested.keeper.run,
        "heap": Heap(clock).run,
    }
    return Parts(services, worker, engine, timer, metrics, clock, ids, owner, tasks, traps, take_over, moving)


def _kept(settings: Settings) -> Policy:
    return Policy(settings.keep_last, settings.keep_daily, settings.keep_weekly, settings.keep_monthly)


async def _release_all(database: Database, clock: Clock) -> None:
    await database.jobs.release_all(clock.now())
    await database.replacements.release_all()
    await database.activations.release_all()
    await database.webhooks.release_all()
    await database.mail.release_all()
    await database.changes.release_all()


@dataclass(frozen=True, slots=True)
class Acting:
    """What changing devices takes besides the database."""

    outside: Outside
    care: Care
    metrics: Metrics
    owner: str
    entitling: Entitling


@dataclass(frozen=True, slots=True)
class Changing:
    """All that changes devices by the commit path."""

    pushes: Pushes
    rollouts: Rollouts
    keeper: RolloutKeeper
    drift: DriftBook
    swaps: Swapping
    chores: list[tuple[str, Callable[[], Awaitable[None]]]]


def _changing(settings: Settings, database: Database, inventory: Inventory, engine: Engine, acting: Acting) -> Changing:
    outside = acting.outside
    pushes = Pushes(PushStores(database.pushes, database.inventory, database.backups), engine, outside, acting.care)
    orders = RolloutOrders(database.inventory, outside.drivers, JinjaTemplates())
    keeper = RolloutKeeper(database.rollouts, database.pushes, engine, outside.clock, outside.ids, acting.metrics)
    drift_stores = DriftStores(database.drift, database.inventory, database.backups, database.pushes)
    swap_stores = SwapStores(database.replacements, database.backups, database.facts, acting.entitling)
    swaps = swapping(swap_stores, inventory, pushes, engine, outside, acting.owner)
    books = Books(database.pushes, database.backups, database.addresses, outside.vault, outside.drivers)
    return Changing(
        pushes,
        Rollouts(database.rollouts, orders, outside.vault, outside.clock, outside.ids),
        keeper,
        DriftBook(drift_stores, pushes, outside),
        swaps,
        [
            ("replacements", swaps.chore.look),
            ("pushes", PushUpkeep(books, outside.clock, settings.push_failures_per_hour).look),
            ("addresses", FleetAddresses(books).look),
            ("roll-outs", keeper.figures),
        ],
    )


def _care(settings: Settings, database: Database, entitling: Entitling) -> Care:
    failures = settings.push_failures_per_hour
    limits = Limits(settings.push_limit_in_flight, settings.push_limit_per_access_node, failures)
    rules = Rules(settings.push_windows, settings.push_freezes, limits)
    return Care(Admission(rules), Checks(database.addresses, entitling), TcpReach())


@dataclass(frozen=True, slots=True)
class Snmp:
    """What hearing traps takes besides the database."""

    poller: SnmpPoller
    credentials: CredentialFile
    clock: Clock
    metrics: Metrics
    redactor: Redactor


async def _traps(settings: Settings, database: Database, snmp: Snmp, moving: Failover) -> Traps | None:
    """None unless a port is set."""
    if not settings.snmp_trap_port:
        return None
    local = await _local_engine(database)
    intake = TrapPort(settings.snmp_trap_host, settings.snmp_trap_port, local, snmp.clock)
    stores = TrapStores(database.inventory, database.events, snmp.credentials)
    traps = Traps(intake, stores, snmp.poller, snmp.clock, snmp.metrics, snmp.redactor)
    traps.senders.engine_place = snmp.poller.engine_host
    if settings.failover_enabled:
        moving.hear(traps)
    return traps


async def _local_engine(database: Database) -> LocalEngine:
    """Senders of informs remember this engine, so it stays what it was, and each start counts (RFC 3414 §2.2)."""
    key = f"snmp_engine:{socket.gethostname()}"[:64]
    engine, _, boots = (await database.maintenance.meta_get(key) or "").partition(" ")
    local = LocalEngine(bytes.fromhex(engine) or new_engine(), int(boots or 0) + 1)
    await database.maintenance.meta_set(key, f"{local.engine.hex()} {local.boots}")
    return local
