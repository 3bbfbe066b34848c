"""The audit log's tables: one chain whoever writes, and nothing but additions."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy.exc

from cpe_manager.adapters.db.database import Database
from cpe_manager.adapters.db.engine import migrator, target
from cpe_manager.domain.access.audit import GENESIS, Link, NewAuditEntry, Written
from cpe_manager.domain.access.audit_events import AUDITED, entry_of
from cpe_manager.domain.events import NewEvent
from cpe_manager.ports.audit import AuditFilter
from cpe_manager.services.access.audit import AuditBook, Verification
from tests.contract.stores.making import NOW, after
from tests.fakes.audit import KEY, FixedKeys
from tests.fakes.clock import SimulatedClock

ROOT = Path(__file__).parents[3]
LINK = Link(KEY, FixedKeys().secret, NOW)
ALL = AuditFilter()


def entry(number: int, **more: Any) -> NewAuditEntry:
    values: dict[str, Any] = {"at": after(number), "actor": "anna", "actor_id": "a1", "action": "change.approved"}
    return NewAuditEntry(**(values | {"data": {"n": number}} | more))


async def written(db: Database) -> list[Written]:
    return list(await db.audit.rows(1, 10_000))


async def verified(db: Database) -> Verification:
    return await AuditBook(db.audit, FixedKeys(), SimulatedClock()).verify()


async def test_entries_are_numbered_chained_and_read_back_as_they_were_written(db: Database) -> None:
    odd = entry(2, actor="\x00anna\ud800", target="device:é", data={"text": "\x00 ü \ud800", "n": [1, 2.5, None]})
    first, head = await db.audit.append([entry(1), odd], LINK)
    assert (first, head.number) == (1, 2)
    first, head = await db.audit.append([entry(3, site="gent")], LINK)
    assert (first, head.number) == (3, 3)
    rows = await written(db)
    assert [row.number for row in rows] == [1, 2, 3]
    assert [row.previous for row in rows] == [GENESIS, rows[0].digest, rows[1].digest]
    assert rows[1].actor == "\ufffdanna\ufffd"
    assert await db.audit.ends() == (head, type(await _last(db))(3, rows[2].digest))
    assert await db.audit.entry(2) == rows[1]
    assert await db.audit.entry(4) is None
    assert (await verified(db)).fault is None


async def _last(db: Database) -> Any:
    return (await db.audit.ends())[1]


async def test_an_empty_log_is_whole(db: Database) -> None:
    assert await db.audit.ends() == (None, None)
    found = await verified(db)
    assert (found.fault, found.last, found.next, found.head) == (None, 0, None, None)


async def test_a_list_goes_both_ways_and_by_each_filter(db: Database) -> None:
    await db.audit.append(
        [
            entry(1),
            entry(2, actor="bob", actor_id="b1", action="token.created"),
            entry(3, site="gent", target="device:gent-r1"),
            entry(4, action="change_approved", result="denied"),
        ],
        LINK,
    )

    async def found(**where: Any) -> list[int]:
        return [one.number for one in (await db.audit.entries(AuditFilter(**where))).items]

    assert await found() == [4, 3, 2, 1]
    assert await found(actor="bob") == await found(actor="b1") == await found(action="token.*") == [2]
    assert await found(action="change.*") == [3, 1]
    assert await found(action="change.approved", site="gent") == await found(target="device:gent-r1") == [3]
    assert await found(result="denied") == [4]
    assert await found(since=after(2), until=after(3)) == [3, 2]
    for oldest, pages in ((False, [[4, 3, 2], [1]]), (True, [[1, 2, 3], [4]])):
        first = await db.audit.entries(ALL, limit=3, oldest=oldest)
        second = await db.audit.entries(ALL, limit=3, after=first.next, oldest=oldest)
        assert [[one.number for one in page.items] for page in (first, second)] == pages
        assert second.next is None


async def test_writers_at_the_same_time_make_one_chain(db: Database, other: Database) -> None:
    work = [store.audit.append([entry(number), entry(number)], LINK) for number in range(30) for store in (db, other)]
    firsts = [first for first, _ in await asyncio.gather(*work)]
    assert sorted(firsts) == list(range(1, 121, 2))
    assert (await verified(db)).fault is None


@pytest.mark.postgres
async def test_processes_of_their_own_make_one_chain(postgres_url: str) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    made = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.audit_writer", postgres_url, f"p{number}", "60", cwd=ROOT, env=env
        )
        for number in range(3)
    ]
    assert [await process.wait() for process in made] == [0, 0, 0]
    async with await Database.open(postgres_url) as db:
        found = await verified(db)
        assert (found.fault, found.last) == (None, 180)
        rows = await written(db)
        for number in range(3):
            mine = [row.data for row in rows if row.actor == f"p{number}"]
            assert mine == [f'{{"n":{one}}}' for one in range(60)]
        assert len({row.actor for row in rows[:100]}) > 1


async def test_events_become_entries_exactly_once_whoever_looks(db: Database, other: Database) -> None:
    await db.events.add([NewEvent("token.created", NOW, message="before the log began")])
    await db.audit.append([entry(1)], LINK)
    told = [
        NewEvent("change.approved", NOW, data={"by": "carl", "by_id": "c1", "ticket": f"CHG-{number}", "site": "gent"})
        for number in range(40)
    ]
    await db.events.add([one for event in told for one in (NewEvent("backup.stored", NOW), event)])
    looks = [store.audit.follow(AUDITED, entry_of, LINK, limit=7) for _ in range(6) for store in (db, other)]
    counts = [taken for taken, _ in await asyncio.gather(*looks)]
    assert sum(counts) == 40
    assert await db.audit.follow(AUDITED, entry_of, LINK) == (0, None)
    rows = await written(db)
    assert [row.target for row in rows[1:]] == [f"change:CHG-{number}" for number in range(40)]
    assert {(row.actor, row.actor_id, row.site, row.action) for row in rows[1:]} == {
        ("carl", "c1", "gent", "change.approved")
    }
    assert (await verified(db)).fault is None


async def test_a_log_that_begins_by_looking_takes_what_comes_then(db: Database) -> None:
    await db.events.add([NewEvent("token.created", NOW)])
    assert (await db.audit.follow(AUDITED, entry_of, LINK))[0] == 0
    await db.events.add([NewEvent("token.revoked", NOW)])
    assert (await db.audit.follow(AUDITED, entry_of, LINK))[0] == 1
    assert [row.action for row in await written(db)] == ["token.revoked"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET actor = 'eve' WHERE number = 1",
        "DELETE FROM audit_entry WHERE number = 2",
        "DELETE FROM audit_entry",
        "UPDATE audit_head SET number = 1",
        "UPDATE audit_head SET event_id = -1",
        "DELETE FROM audit_head",
    ],
)
async def test_the_database_itself_refuses_every_change(db: Database, database_url: str, statement: str) -> None:
    await db.audit.append([entry(1), entry(2)], LINK)
    engine = migrator(target(database_url))
    try:
        with pytest.raises(sqlalchemy.exc.DBAPIError, match="append-only"), engine.begin() as connection:
            connection.exec_driver_sql(statement)
    finally:
        engine.dispose()
    assert (await verified(db)).fault is None


@pytest.mark.postgres
@pytest.mark.parametrize("table", ["audit_entry", "audit_head"])
async def test_a_table_is_not_emptied_at_once_either(postgres_url: str, table: str) -> None:
    async with await Database.open(postgres_url) as db:
        await db.audit.append([entry(1)], LINK)
        engine = migrator(target(postgres_url))
        with pytest.raises(sqlalchemy.exc.DBAPIError, match="append-only"), engine.begin() as connection:
            connection.exec_driver_sql(f"TRUNCATE {table}")
        engine.dispose()


async def test_a_log_goes_into_another_database_and_is_whole_there(db: Database, tmp_path: Path) -> None:
    await db.audit.append([entry(number) for number in range(5)], LINK)
    async with await Database.open(f"sqlite:///{tmp_path / 'copy.db'}") as copy:
        await copy.maintenance.migrate()
        await copy.maintenance.load(db.maintenance.dump())
        assert await written(copy) == await written(db)
        await copy.audit.append([entry(9)], LINK)
        assert (await verified(copy)).fault is None
