"""The HTTP application over real stores, vault and services; only time, tickets and devices are not real."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
from fastapi import FastAPI

from backups.auditing import RingAuditKeys
from backups.keyfile import KeyFile
from backups.vault import Vault
from cpe_manager.adapters.clock import SystemIds
from cpe_manager.adapters.db.database import Database
from cpe_manager.adapters.drill_process import ProcessStand
from cpe_manager.adapters.holidays import PublicHolidays
from cpe_manager.adapters.http_posts import HttpPosts
from cpe_manager.adapters.inventory.formats import InventoryFormats
from cpe_manager.adapters.outside import TcpProber
from cpe_manager.adapters.passwords import Argon2Passwords, Cost
from cpe_manager.adapters.snmp.poller import SnmpPoller
from cpe_manager.adapters.ssh.sessions import SshSessions
from cpe_manager.adapters.templates.renderer import JinjaTemplates
from cpe_manager.api.app import ApiOptions, create_app
from cpe_manager.api.feed import FeedRhythm
from cpe_manager.domain.access.access import SYSTEM, Role
from cpe_manager.domain.access.accounts import AccountKind, SessionRules
from cpe_manager.domain.access.tokens import Scope
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.jobs import Outcome
from cpe_manager.domain.schedules import Schedule
from cpe_manager.ports.driver import Drivers
from cpe_manager.ports.engine import Ticket
from cpe_manager.ports.shell import Credential
from cpe_manager.ports.stores import DeviceFilter, Settled
from cpe_manager.runtime.metrics import Metrics
from cpe_manager.services.access.audit import AuditBook
from cpe_manager.services.access.audit_watch import AuditWatch
from cpe_manager.services.access.book import NewAccount, TokenWish
from cpe_manager.services.access.house import HouseStores, account_house
from cpe_manager.services.access.tokens import Tokens
from cpe_manager.services.activation.orders import Activations
from cpe_manager.services.activation.parts import ActivationStores, House
from cpe_manager.services.backup.attempt import Outside
from cpe_manager.services.backup.drift import DriftBook, DriftStores
from cpe_manager.services.backup.drilling import DrillStores
from cpe_manager.services.backup.drills import DrillGoals, Drills
from cpe_manager.services.backup.history import History
from cpe_manager.services.bundle import Services
from cpe_manager.services.changes.keeper import ChangeKeeper
from cpe_manager.services.failover.lines import LineHouse, Lines, LineStores
from cpe_manager.services.fleet.detection import Detector
from cpe_manager.services.fleet.facts import Askable, DeviceFactsBook
from cpe_manager.services.fleet.importing import Importer
from cpe_manager.services.fleet.inventory import Inventory
from cpe_manager.services.jobs.jobs import Jobs, RunRequest
from cpe_manager.services.jobs.scheduling import ScheduleStores, Scheduling
from cpe_manager.services.keys import Keys
from cpe_manager.services.push.pushes import Pushes, PushStores
from cpe_manager.services.replacement.replacements import Replacements
from cpe_manager.services.request_keys import RequestKeys
from cpe_manager.services.rollout.rollout_orders import RolloutOrders
from cpe_manager.services.rollout.rollouts import Rollouts
from cpe_manager.services.telling.notices import NoticeParts, NoticeRules, Notices
from cpe_manager.services.telling.webhooks import WebhookParts, WebhookRules, Webhooks, sites_of
from cpe_manager.settings import Settings
from cpe_manager.wiring_changes import Executing, change_requests
from cpe_manager.wiring_subscriptions import catalogue_files, sold
from drivers.roster import DriverRoster
from tests.fakes.clock import SimulatedClock
from tests.fakes.credentials import FixedCredentials

CONFIG = """\
frr version 10.2
frr defaults traditional
hostname {name}
password login-secret-1
!
interface eth0
 description {note}
 ip address 198.51.100.1/24
exit
!
router bgp 65001
 neighbor 198.51.100.2 password peer-secret-2
exit
!
end
"""
"""Holds a log-in password, which is never stored, and a peer's, which only the sealed original holds."""

CHEAP = Argon2Passwords(Cost(time=1, memory=8, parallelism=1))
"""What is dear on purpose, as cheap as it gets."""

CSV = "name,address,family,credential,site\n"


class Waiting:
    """An engine that only notes the tickets: what the API starts stays open until the test ends it."""

    def __init__(self) -> None:
        self.tickets: list[Ticket] = []

    async def enqueue(self, tickets: Sequence[Ticket]) -> None:
        self.tickets.extend(tickets)


class DailyTimer:
    """A timer for schedules that are only looked at."""

    def validate(self, cron: str, timezone: str) -> None:
        del timezone
        if len(cron.split()) != 5:
            raise InputError(f"cron {cron!r} has not five fields")

    def replace(self, schedules: Sequence[Schedule]) -> None: ...

    def next(self, schedule: Schedule, now: datetime) -> datetime | None:
        return now + timedelta(days=1) if schedule.enabled else None


@dataclass
class Hindrance:
    """What the API reads of the worker."""

    hindrance: str | None = None
    hindrance_code: str | None = None


@dataclass
class World:
    app: FastAPI
    services: Services
    database: Database
    vault: Vault
    clock: SimulatedClock
    engine: Waiting
    worker: Hindrance
    metrics: Metrics
    ids: SystemIds
    changes: ChangeKeeper
    tokens: dict[frozenset[Scope], str] = field(default_factory=dict)
    added: int = 0

    async def token(self, *scopes: Scope) -> str:
        wanted = frozenset(scopes) or frozenset(Scope)
        if wanted not in self.tokens:
            name = "+".join(sorted(wanted))
            self.tokens[wanted] = (await self.services.tokens.create(name, wanted, days=None, by="test")).text
        return self.tokens[wanted]

    async def account(self, name: str, *roles: Role, sites: Sequence[str] | None = None) -> str:
        """A program's account, with a token that may all that the account may; its text."""
        bound = None if sites is None else frozenset(sites)
        book = self.services.accounts.book
        await book.add(NewAccount(name, AccountKind.SERVICE, frozenset(roles), bound), by=SYSTEM)
        return (await book.make_token(name, TokenWish("all"), by=SYSTEM)).text

    async def client(self, *scopes: Scope, token: str | None = None) -> httpx.AsyncClient:
        """A client of the application with a token of these scopes (all of them by default)."""
        text = token if token is not None else await self.token(*scopes)
        headers = {"Authorization": f"Bearer {text}"} if text else {}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers)

    async def add_devices(self, *names: str, family: str = "frr_linux") -> None:
        """Devices on sites of the same name, without a first backup."""
        async with await self.client() as http:
            start = 10 + self.added
            rows = [f"{name},198.51.100.{start + index},{family},lab,{name}" for index, name in enumerate(names)]
            self.added += len(names)
            body = {"files": [{"name": "a.csv", "text": CSV + "\n".join(rows) + "\n"}], "backup": False}
            answer = await http.post("/api/v1/imports", json=body)
            assert answer.status_code == 200, answer.text

    async def back_up(self, name: str, note: str, *, text: str = CONFIG, **settled: Any) -> str:
        """Let a run end for one device as ``settled`` says; by default a version with ``note`` in it is stored."""
        where = DeviceFilter(names=(name,))
        job = await self.services.jobs.start_backup(RunRequest("manual", where, by="test"))
        assert job is not None
        claimed = await self.database.jobs.claim(
            job.id, 0, owner="test", now=self.clock.now(), ttl=60, limit=1, per_access_node=0
        )
        result: dict[str, Any] = {"outcome": Outcome.STORED}
        if settled.get("outcome") is not Outcome.FAILED:
            spec = self.services.drivers.get(claimed[0].device.family or "frr_linux").spec
            examined = self.vault.examine(text.format(name=name, note=note), spec, ["login-secret-1"])
            backup_id = self.ids.new()
            position = claimed[0].device.position_id
            draft = self.vault.draft(examined, spec, position_id=position, object_id=backup_id)
            result |= {"draft": draft, "backup_id": backup_id}
        result |= settled
        refused = await self.database.jobs.settle([Settled(job.id, claimed[0].lease, self.clock.now(), **result)])
        assert not refused
        await self.clock.advance(60)
        return job.id


@dataclass(frozen=True)
class Reach:
    """What is outside, where that is not the real world; None: it is."""

    sessions: Any = None
    snmp: Any = None
    posts: Any = None
    mail: Any = None


@asynccontextmanager
async def opened(home: Path, house: LineHouse | None = None, reach: Reach | None = None) -> AsyncIterator[World]:
    """A world with an empty database in ``home``."""
    clock = SimulatedClock()
    ids = SystemIds(clock)
    keys = KeyFile(home / "keyring.json", ids)
    keys.create(clock.now())
    async with await Database.open(f"sqlite:///{home / 'test.sqlite3'}") as database:
        await database.maintenance.migrate()
        world = _world(database, keys, (clock, ids), house, reach or Reach())
        yield world
        await world.services.webhooks.close()


def _world(
    database: Database, keys: KeyFile, time: tuple[SimulatedClock, SystemIds], house: LineHouse | None, reach: Reach
) -> World:
    clock, ids = time
    what = sold(catalogue_files(Settings(data_dir=Path(database.label).parent)), database, clock)
    engine, worker, vault, metrics = Waiting(), Hindrance(), Vault(keys), Metrics()
    drivers: Drivers = DriverRoster(("cisco_s300",))
    credentials = FixedCredentials({"lab": Credential("backup", "login-secret-1")})
    jobs = Jobs(database.jobs, database.inventory, cast("Any", engine), clock, ids, shard_size=250)
    inventory = Inventory(database.inventory, clock, ids, drivers, credentials, jobs.first_backup)
    sessions = reach.sessions or SshSessions(credentials, clock)
    outside = Outside(sessions, drivers, credentials, vault, clock, ids)
    schedule_stores = ScheduleStores(database.schedules, database.inventory, database.events)
    pushes = Pushes(PushStores(database.pushes, database.inventory, database.backups), cast("Any", engine), outside)
    requested = change_requests(
        Settings(data_dir=Path(database.label).parent), database, Executing(outside, pushes, what.catalogues, metrics)
    )
    drift_stores = DriftStores(database.drift, database.inventory, database.backups, database.pushes)
    tokens = Tokens(database.tokens, database.events, clock, ids)
    services = Services(
        inventory=inventory,
        detector=Detector(sessions, database.inventory, drivers, credentials),
        facts=DeviceFactsBook(
            database.facts,
            database.inventory,
            database.events,
            Askable(sessions, reach.snmp or SnmpPoller(clock), drivers, credentials),
            clock,
        ),
        importer=Importer(inventory, InventoryFormats()),
        history=History(database.inventory, database.backups, database.events, vault, drivers, clock),
        jobs=jobs,
        drills=Drills(
            DrillStores(database.drills, database.backups, database.inventory),
            ProcessStand("", lambda logins: SshSessions(logins, clock)),
            drivers,
            jobs,
            DrillGoals(20, 0.9),
        ),
        pushes=pushes,
        rollouts=Rollouts(
            database.rollouts,
            RolloutOrders(database.inventory, drivers, JinjaTemplates()),
            vault,
            clock,
            ids,
        ),
        drift=DriftBook(drift_stores, pushes, outside),
        replacements=Replacements(
            database.replacements, inventory, database.backups, cast("Any", engine), outside, what.entitling
        ),
        lines=Lines(LineStores(what.lines, database.inventory, database.events), clock, house or LineHouse()),
        catalogues=what.catalogues,
        subscriptions=what.subscriptions,
        activations=Activations(
            ActivationStores(
                database.activations, database.subscriptions, what.catalogues, database.inventory, database.backups
            ),
            cast("Any", engine),
            House(outside, PublicHolidays(), TcpProber()),
        ),
        scheduling=Scheduling(schedule_stores, jobs, cast("Any", DailyTimer()), clock, ids),
        tokens=tokens,
        accounts=account_house(
            HouseStores(database.accounts, database.events, tokens), CHEAP, clock, ids, SessionRules()
        ),
        keys=Keys(keys, database.backups, jobs, database.events, clock),
        webhooks=Webhooks(
            WebhookParts(
                database.webhooks,
                database.events,
                vault,
                reach.posts or HttpPosts(private=True),
                HttpPosts(private=False),
                sites_of(database.accounts),
            ),
            clock,
            ids,
            WebhookRules("test", plain=True),
        ),
        audit=AuditBook(database.audit, RingAuditKeys(keys), clock),
        audit_watch=AuditWatch(
            AuditBook(database.audit, RingAuditKeys(keys), clock), database.audit_watch, clock, metrics.audit
        ),
        notices=Notices(
            NoticeParts(database.mail, database.events, database.subscriptions, reach.mail, metrics.mail, {}),
            clock,
            ids,
            NoticeRules("test", operator=("noc@operator.example",)),
        ),
        changes=requested.requests,
        bulk_changes=requested.bulk,
        request_keys=RequestKeys(database.request_keys, vault, clock),
        worker=cast("Any", worker),
        events=database.events,
        maintenance=database.maintenance,
        drivers=drivers,
        credentials=credentials,
        clock=clock,
    )
    options = ApiOptions(engine="embedded", feed=FeedRhythm(poll=0.02, heartbeat=0.1))
    app = create_app(services, metrics=metrics, version="1.2.3", options=options)
    return World(app, services, database, vault, clock, engine, worker, metrics, ids, requested.keeper)
