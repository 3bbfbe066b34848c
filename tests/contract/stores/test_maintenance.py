from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from cpe_manager.adapters.db.database import Database
from cpe_manager.adapters.db.engine import migrator, target
from cpe_manager.adapters.db.tables import metadata
from cpe_manager.domain.access.access import Permission, Role
from cpe_manager.domain.access.accounts import BY_NAME, Account, AccountKind, Session
from cpe_manager.domain.access.audit import Fault, Link, NewAuditEntry
from cpe_manager.domain.access.audit_watch import Watched
from cpe_manager.domain.access.tokens import Scope, Token
from cpe_manager.domain.activation import activation_flow, activations
from cpe_manager.domain.backup.backups import SealedObject
from cpe_manager.domain.backup.drills import DrillResult, Verdict
from cpe_manager.domain.errors import Conflict, InputError, StoreError
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.failover.lines import LineSetup, Transition
from cpe_manager.domain.fleet.inventory import Group, LineKind
from cpe_manager.domain.jobs import JobKind
from cpe_manager.domain.push.checks import Held
from cpe_manager.domain.push.commit_path import Entry, Step
from cpe_manager.domain.replacement import replacements
from cpe_manager.domain.rollout.rollouts import Strategy
from cpe_manager.domain.schedules import Schedule
from cpe_manager.domain.telling.mail import Mail
from cpe_manager.domain.telling.webhooks import Attempt, Endpoint
from cpe_manager.ports.accounts import NewPassword
from cpe_manager.ports.addresses import Read
from cpe_manager.ports.catalogue import SHIPPED, CatalogueFound
from cpe_manager.ports.driver import Facts
from cpe_manager.ports.facts import DeviceFacts
from cpe_manager.ports.lines import IncidentChange, Move
from cpe_manager.ports.stores import InventoryChanges, LineChange, NewWork, SiteChange
from tests.contract.stores.making import (
    NOW,
    a_device,
    a_file,
    a_job,
    a_push,
    a_replacement,
    a_rollout,
    after,
    an_activation,
    an_order,
    back_up,
    claim,
    doubt,
    ended,
    fleet,
    new_id,
    rollout_rows,
    run_for,
)
from tests.contract.stores.test_change_store import a_change
from tests.fakes.audit import KEY, FixedKeys
from tests.support.catalogues import a_subscription, shipped_catalogue, shipped_entries

Batches = list[tuple[str, Sequence[Mapping[str, Any]]]]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
    else:
        with request.getfixturevalue("postgres").empty() as url:
            yield url


async def test_the_migrations_make_what_the_tables_say(database_url: str) -> None:
    engine = migrator(target(database_url))
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []
    finally:
        engine.dispose()


async def test_migrating_takes_an_empty_database_to_the_newest_schema_and_then_changes_nothing(empty_url: str) -> None:
    async with await Database.open(empty_url) as db:
        assert await db.maintenance.schema_version() is None
        await db.maintenance.migrate()
        version = await db.maintenance.schema_version()
        assert version is not None
        await db.maintenance.migrate()
        assert await db.maintenance.schema_version() == version
        await fleet(db, 1)


async def test_programs_that_migrate_at_the_same_time_take_turns(empty_url: str) -> None:
    async with await Database.open(empty_url) as one, await Database.open(empty_url) as two:
        await asyncio.gather(*(db.maintenance.migrate() for db in (one, two) * 2))
        assert await one.inventory.counts() == {"active": 0, "suspended": 0, "decommissioned": 0}


async def test_a_database_of_a_newer_program_is_refused_in_words(db: Database, database_url: str) -> None:
    engine = migrator(target(database_url))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(StoreError, match=r"9999.*newer version"):
        await db.maintenance.migrate()


async def test_ping_and_small_facts(db: Database) -> None:
    await db.maintenance.ping()
    assert await db.maintenance.meta_get("keyring") is None
    await db.maintenance.meta_set("keyring", "a")
    await db.maintenance.meta_set("keyring", "b")
    assert await db.maintenance.meta_get("keyring") == "b"


async def furnish(db: Database) -> None:
    """At least a row in every table."""
    groups = (Group("a", parent="z", settings={"x": 1}), Group("z"))
    sites = (SiteChange("s1", new_id()),)
    lines = (LineChange(new_id(), "s1", "L1", LineKind.FIBRE, "n1"),)
    device, other = a_device("cpe é", line="L1", group="a"), a_device("cpe2")
    await db.inventory.apply(InventoryChanges(at=NOW, sites=sites, lines=lines, groups=groups, add=(device, other)))
    version = await back_up(db, device, "hostname a", first_host_key="ssh-ed25519 AAAA")
    (claimed,) = await claim(db, await run_for(db, [device]))
    await db.jobs.settle([ended(claimed, file=a_file(version))])
    await db.drills.record(DrillResult(version, device.id, Verdict.DIFFERS, NOW, 2.25, 3, "3 lines differ"))
    await doubt(db, device, at=after(0.000001))
    await claim(db, await run_for(db, [other]))
    await db.jobs.create(a_job(kind=JobKind.VERIFY, params={"deep": [None, True, 1.5]}))
    await db.schedules.add(Schedule(new_id(), "nightly", "30 2 * * *", "UTC", 60))
    await db.tokens.add(Token(new_id(), "t", frozenset({Scope.READ}), NOW), "digest")
    await db.events.add([NewEvent("token.created", NOW, data={"a": {"b": []}})])
    await db.events.mark_overdue({other.id: 0.5}, 1e4, now=after(7200))
    await db.facts.put([DeviceFacts(device.id, Facts("cpe é", "M1", "S1", "1.0", 60), "session", NOW)])
    pushed = a_job(kind=JobKind.PUSH)
    push = await db.pushes.create(a_push(device, pushed), an_order(), pushed, NewWork(device.id, 0, NOW))
    (row,) = await claim(db, pushed)
    await db.pushes.record(push.id, Entry(Step.ARM, NOW, None, "", after(300)), push.phase, row.lease)
    rollout = await db.rollouts.create(a_rollout(strategy=Strategy((1,))))
    await db.rollouts.add(rollout.id, rollout_rows(rollout, [device]))
    swap = await db.replacements.create(a_replacement(device))
    hold = await db.replacements.hold(swap.id, owner="w1", now=NOW, ttl=30)
    assert hold is not None
    await db.replacements.advance(hold, swap.progress, replacements.Entry(replacements.Step.SWAP, NOW))
    await db.addresses.save([Read(device.id, new_id(), [Held(IPv4Network("198.51.100.8/29"))])])
    record = await db.lines.set_up(device.id, LineSetup("", policy={"misses": 2}), NOW, "op")
    record = await db.lines.want(record.line.id, "hold", by="op", at=NOW, reason="works", key="op:k")
    parent = await db.lines.node_incident("n1", [], "all of them", NOW)
    step = Transition(new_id(), record.line.id, NOW, record.state, record.state, record.condition, ("é",), "op")
    await db.lines.move([Move(record, step, (IncidentChange("line", 1, "down", parent),))])
    assert await db.lines.lead("w1", after(5), NOW)
    hook = Endpoint(new_id(), "désk", "https://desk.example/", ("line.*",), new_id(), NOW, "op")
    await db.webhooks.add(hook, SealedObject(hook.object_id, 1, "key-1", b"w", b"n", b"c"))
    await db.events.add([NewEvent("line.held", NOW)])
    (held,) = await db.webhooks.take("w1", now=NOW, until=after(5), known=await db.events.last_id())
    await db.webhooks.settle(held, [Attempt(1, NOW, False, None, 0.25, "é")], until=after(5))
    since = await db.mail.cursor()
    letter = Mail(new_id(), 1, "change.done", "é", "customer", "an@x.example", "nl", "é", "b", NOW)
    assert await db.mail.fill(since, since + 1, [letter])
    await people(db, sites[0].name)
    asked = (await db.inventory.device(device.id)).device
    await db.changes.create(a_change(asked), SealedObject(new_id(), 1, "key-1", b"w", b"n", b"c"))
    assert await db.request_keys.claim("a", "one", NOW, NOW) is None
    await db.audit_watch.note(None, Watched(NOW, 1, "ab" * 32, NOW, Fault(1, "edited", "é")))
    await db.audit.append([NewAuditEntry(NOW, "é", "a1", "login")], Link(KEY, FixedKeys().secret, NOW))
    found = CatalogueFound(shipped_catalogue(), shipped_entries(), SHIPPED, "/etc/é.toml")
    await db.catalogues.take(found, "digest", NOW)
    await db.subscriptions.put(a_subscription(site_id="", activated_at=NOW), at=NOW, by="op")
    activation = an_activation((await db.inventory.device(other.id)).device, progress=activations.Progress())
    await db.activations.create(activation, an_order())
    working = await db.activations.hold(activation.id, owner="w1", now=NOW, ttl=30)
    assert working is not None
    begun = activation_flow.Entry(activation_flow.Step.TEST, NOW, redo=(activation_flow.Step.WIFI,))
    await db.activations.advance(working, activation.progress, begun)
    report = activations.ActivationReport(activation.id, 1, NOW, False, {"é": [1, None]}, "<p>é</p>")
    await db.activations.add_report(working, report)
    await db.maintenance.meta_set("keyring", "check")


async def people(db: Database, site: str) -> None:
    made = Account(new_id(), "an", AccountKind.USER, frozenset({Role.CUSTOMER}), NOW, "op", frozenset({site}))
    await db.accounts.add(made, NewPassword("$argon2id$x", NOW, temporary=True), [NewEvent("account.added", NOW)])
    await db.accounts.begin(Session("d", made.id, "password", NOW, NOW, after(60), "192.0.2.1"), "b", [])
    await db.accounts.reserve({"k": BY_NAME}, NOW)
    limit = frozenset({Permission.SEE_CHANGES})
    await db.tokens.add(Token(new_id(), "t", frozenset(), NOW, account_id=made.id, limit=limit), "digest 2")
    await db.events.add([NewEvent("change.done", NOW, data={"site": site})])


async def dumped(db: Database) -> Batches:
    return [batch async for batch in db.maintenance.dump()]


async def replayed(batches: Batches) -> AsyncIterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    for batch in batches:
        yield batch


@pytest.mark.postgres
@pytest.mark.parametrize("way", ["sqlite to postgres", "postgres to sqlite"])
async def test_a_dump_of_one_kind_of_database_loads_into_the_other(
    way: str, sqlite_url: str, postgres_url: str
) -> None:
    urls = {"sqlite": sqlite_url, "postgres": postgres_url}
    source, destination = (urls[name] for name in way.split(" to "))
    async with await Database.open(source) as old, await Database.open(destination) as new:
        await furnish(old)
        batches: Batches = json.loads(json.dumps(await dumped(old)))
        assert {name for name, _ in batches} == set(metadata.tables)
        assert await new.maintenance.load(replayed(batches)) == sum(len(rows) for _, rows in batches)
        assert _sorted(await dumped(new)) == _sorted(batches)
        last = await new.events.last_id()
        await new.events.add([NewEvent("tick", NOW)])
        assert await new.events.last_id() == last + 1
        version = (await new.inventory.device("cpe é")).status.current_backup_id
        assert version is not None
        assert await new.backups.sealed(version) == await old.backups.sealed(version)
        assert await new.events.alarms() == await old.events.alarms()


def _sorted(batches: Batches) -> list[tuple[str, list[str]]]:
    return sorted((name, sorted(json.dumps(row, sort_keys=True) for row in rows)) for name, rows in batches)


async def test_a_loaded_empty_database_numbers_its_events_from_one(db: Database) -> None:
    assert await db.maintenance.load(replayed([])) == 0
    await db.events.add([NewEvent("tick", NOW)])
    assert await db.events.last_id() == 1


async def test_loading_into_a_database_with_rows_is_refused(db: Database) -> None:
    await furnish(db)
    before = await dumped(db)
    with pytest.raises(Conflict, match="not empty"):
        await db.maintenance.load(replayed(before))
    assert await dumped(db) == before


@pytest.mark.parametrize(
    "bad",
    [
        ("ghost", [{"id": "x"}]),
        ("site", [{"id": "x"}]),
        ("site", [{"id": "x", "name": "y", "more": 1}]),
        ("event", [{"id": 1, "kind": "k", "at": "soon", "severity": "info", "device_id": None, "job_id": None,
                    "message": "", "data": {}}]),
    ],
)  # fmt: skip
async def test_a_dump_of_another_shape_loads_nothing(db: Database, bad: tuple[str, Any]) -> None:
    good: Batches = [("site", [{"id": "a", "name": "b"}])]
    with pytest.raises(InputError):
        await db.maintenance.load(replayed([*good, bad]))
    assert await dumped(db) == []


async def test_a_load_that_is_cancelled_leaves_the_database_empty(db: Database) -> None:
    reading = asyncio.Event()

    async def endless() -> AsyncIterator[tuple[str, Sequence[Mapping[str, Any]]]]:
        yield "site", [{"id": "a", "name": "b"}]
        reading.set()
        await asyncio.Event().wait()

    load = asyncio.create_task(db.maintenance.load(endless()))
    await reading.wait()
    load.cancel()
    with pytest.raises(asyncio.CancelledError):
        await load
    assert await dumped(db) == []
    await fleet(db, 1)


async def test_a_load_from_a_dump_that_breaks_off_leaves_the_database_empty(db: Database) -> None:
    async def torn() -> AsyncIterator[tuple[str, Sequence[Mapping[str, Any]]]]:
        yield "meta", [{"key": "a", "value": "b"}]
        raise InputError("the file ends early")

    with pytest.raises(InputError, match="ends early"):
        await db.maintenance.load(torn())
    assert await dumped(db) == []


async def test_a_dump_is_one_snapshot_however_slowly_it_is_read(db: Database, other: Database) -> None:
    await fleet(db, 1200)
    rows: dict[str, int] = {}
    async for name, batch in db.maintenance.dump():
        rows[name] = rows.get(name, 0) + len(batch)
        assert len(batch) <= 500
        await other.events.add([NewEvent("tick", NOW)])
        await back_up(other, (await fleet_more(other)), at=NOW)
    assert (rows["device"], rows["device_status"], rows["position"]) == (1200, 1200, 1200)
    assert "event" not in rows
    assert "backup" not in rows


async def fleet_more(db: Database) -> Any:
    device = a_device(new_id())
    await db.inventory.apply(InventoryChanges(at=NOW, add=(device,)))
    return device


async def test_a_dump_that_is_left_early_gives_its_connection_back(db: Database) -> None:
    await fleet(db, 600)
    for _ in range(8):
        batches = db.maintenance.dump()
        assert isinstance(batches, AsyncGenerator)
        async for _ in batches:
            break
        await batches.aclose()
    await db.maintenance.ping()


async def test_the_file_of_a_new_database_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    async with await Database.open(f"sqlite:///{path}") as db:
        await db.maintenance.migrate()
        await db.maintenance.meta_set("a", "b")
        files = sorted(tmp_path.iterdir())
        assert {file.name for file in files} >= {"new.db", "new.db-wal"}
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
