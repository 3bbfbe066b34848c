"""Whoever can write the database, and has no key, is found out: the triggers gone, whatever SQL does to the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, text

from cpe_manager.adapters.db.database import Database
from cpe_manager.adapters.db.engine import migrator, target
from cpe_manager.domain.access.audit import (
    AuditKey,
    Head,
    Link,
    NewAuditEntry,
    Seen,
    Written,
    digest_of,
    sealed,
    written,
)
from cpe_manager.services.access.audit import AuditBook, Verification
from tests.contract.stores.making import NOW, after
from tests.fakes.audit import KEY, FixedKeys, Remembering
from tests.fakes.clock import SimulatedClock

LINK = Link(KEY, FixedKeys().secret, NOW)
SIZE = 40
FORGED = AuditKey(KEY.id, b"guessed-key-of-the-same-length!!")
Run = Callable[..., Any]


@contextmanager
def intruder(url: str) -> Iterator[Run]:
    """Somebody with all rights on the database: the triggers are the first to go."""
    engine = migrator(target(url))
    try:
        with engine.begin() as connection:
            _disarm(connection)
            yield lambda statement, **values: connection.execute(text(statement), values)
    finally:
        engine.dispose()


def _disarm(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        for table in ("audit_entry", "audit_head"):
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        return
    for name in ("audit_entry_no_update", "audit_entry_no_delete", "audit_head_no_return", "audit_head_no_delete"):
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")


async def a_log(db: Database) -> None:
    entries = [
        NewAuditEntry(
            after(number), "anna", "a1", "change.approved", f"change:CHG-{number}", "gent", "done", {"n": number},
            "192.0.2.7", f"req{number}",
        )
        for number in range(1, SIZE + 1)
    ]  # fmt: skip
    await db.audit.append(entries, LINK)


async def verify(db: Database, witness: Seen | None = None, *seen: Seen, first: int = 1) -> Verification:
    book = AuditBook(db.audit, FixedKeys(), SimulatedClock(), Remembering(witness))
    return await book.verify(first, seen=seen)


async def found(db: Database, witness: Seen | None = None) -> tuple[int, str]:
    fault = (await verify(db, witness)).fault
    assert fault is not None
    return fault.number, fault.what


async def row(db: Database, number: int) -> Written:
    one = await db.audit.entry(number)
    assert one is not None
    return one


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("actor", "eve"),
        ("actor_id", "e1"),
        ("action", "change.declined"),
        ("target", "change:CHG-99"),
        ("site", ""),
        ("result", "denied"),
        ("data", '{"n": 17}'),
        ("data", "{}"),
        ("data", "no json"),
        ("source", "192.0.2.8"),
        ("request_id", "req18"),
        ("previous", "0" * 64),
        ("key_id", "key-2"),
        ("digest", "f" * 64),
    ],
)
async def test_an_edit_of_any_column_is_found(db: Database, database_url: str, column: str, value: str) -> None:
    await a_log(db)
    with intruder(database_url) as run:
        run(f"UPDATE audit_entry SET {column} = :value WHERE number = 17", value=value)
    assert await found(db) == (17, "edited")


async def test_an_edit_of_the_time_by_a_microsecond_is_found(db: Database, database_url: str) -> None:
    await a_log(db)
    later = "at + 1" if db.is_sqlite else "at + interval '1 microsecond'"
    with intruder(database_url) as run:
        run(f"UPDATE audit_entry SET at = {later} WHERE number = 1")
    assert await found(db) == (1, "edited")


@pytest.mark.parametrize(("number", "until"), [(1, 1), (17, 17), (17, 20), (SIZE - 1, SIZE - 1)])
async def test_a_deletion_in_the_middle_is_found(db: Database, database_url: str, number: int, until: int) -> None:
    await a_log(db)
    with intruder(database_url) as run:
        run("DELETE FROM audit_entry WHERE number BETWEEN :number AND :until", number=number, until=until)
    assert await found(db) == (number, "missing")


async def test_a_deletion_with_the_later_ones_renumbered_is_found(db: Database, database_url: str) -> None:
    await a_log(db)
    with intruder(database_url) as run:
        run("DELETE FROM audit_entry WHERE number = 17")
        for number in range(18, SIZE + 1):
            run("UPDATE audit_entry SET number = :to WHERE number = :number", to=number - 1, number=number)
        run(f"UPDATE audit_head SET number = {SIZE - 1}")
    assert await found(db) == (17, "reordered")


async def test_a_deletion_at_the_end_is_found(db: Database, database_url: str) -> None:
    await a_log(db)
    with intruder(database_url) as run:
        run("DELETE FROM audit_entry WHERE number > 30")
    assert await found(db) == (31, "cut")


async def test_a_deletion_at_the_end_with_the_head_moved_back_is_found(db: Database, database_url: str) -> None:
    await a_log(db)
    last = await row(db, 30)
    with intruder(database_url) as run:
        run("DELETE FROM audit_entry WHERE number > 30")
        run("UPDATE audit_head SET number = 30, digest = :digest", digest=last.digest)
    assert await found(db) == (30, "head")


async def test_a_deletion_of_everything_is_found_by_what_lies_outside(db: Database, database_url: str) -> None:
    await a_log(db)
    seen = Seen(SIZE, (await row(db, SIZE)).digest)
    with intruder(database_url) as run:
        run("DELETE FROM audit_entry")
    assert await found(db) == (1, "cut")
    with intruder(database_url) as run:
        run("DELETE FROM audit_head")
    assert (await verify(db)).fault is None
    assert await found(db, seen) == (1, "cut")


async def test_a_head_that_is_gone_is_found(db: Database, database_url: str) -> None:
    await a_log(db)
    with intruder(database_url) as run:
        run("DELETE FROM audit_head")
    assert await found(db) == (SIZE, "head")


async def test_two_entries_that_changed_places_are_found(db: Database, database_url: str) -> None:
    await a_log(db)
    with intruder(database_url) as run:
        run("UPDATE audit_entry SET number = 1000 WHERE number = 17")
        run("UPDATE audit_entry SET number = 17 WHERE number = 21")
        run("UPDATE audit_entry SET number = 21 WHERE number = 1000")
    verification = await verify(db)
    assert verification.fault is not None
    assert (verification.fault.number, verification.fault.what) == (17, "reordered")
    assert "number 21" in verification.fault.detail


async def test_an_entry_put_between_others_is_found(db: Database, database_url: str) -> None:
    await a_log(db)
    await _insert(db, database_url, 17)
    assert await found(db) == (17, "edited")


async def test_an_entry_put_at_the_end_is_found(db: Database, database_url: str) -> None:
    await a_log(db)
    await _insert(db, database_url, SIZE + 1)
    assert await found(db) == (SIZE + 1, "edited")


async def _insert(db: Database, url: str, number: int) -> None:
    """A row of somebody's own, chained as well as can be done without the key."""
    before = await row(db, number - 1)
    entry = NewAuditEntry(after(number), "anna", "a1", "change.approved", "change:CHG-77", "gent")
    forged = written(entry, number, before.digest, FORGED)
    with intruder(url) as run:
        for later in range(SIZE, number - 1, -1):
            run("UPDATE audit_entry SET number = :to WHERE number = :number", to=later + 1, number=later)
        _put(run, forged, at_of(db, forged))


def at_of(db: Database, one: Written) -> Any:
    return int(one.at.timestamp() * 1_000_000) if db.is_sqlite else one.at


def _put(run: Run, one: Written, at: Any) -> None:
    names = list(Written.__dataclass_fields__)
    columns, places = ", ".join(names), ", ".join(f":{name}" for name in names)
    run(f"INSERT INTO audit_entry ({columns}) VALUES ({places})",
        **{name: getattr(one, name) for name in names} | {"at": at})  # fmt: skip


async def test_a_chain_made_anew_without_the_key_is_found(db: Database, database_url: str) -> None:
    await a_log(db)
    rows = list(await db.audit.rows(1, 1000))
    previous = rows[15].digest
    with intruder(database_url) as run:
        for one in rows[16:]:
            new = replace(one, actor="eve", previous=previous)
            previous = digest_of(new, FORGED.secret)
            run(
                "UPDATE audit_entry SET actor = 'eve', previous = :previous, digest = :digest WHERE number = :number",
                previous=new.previous, digest=previous, number=one.number,
            )  # fmt: skip
        head = sealed(Head(SIZE, previous), FORGED)
        run("UPDATE audit_head SET digest = :digest, seal = :seal", digest=head.digest, seal=head.seal)
    assert await found(db) == (17, "edited")


async def test_a_chain_made_anew_under_a_key_of_another_name_is_found(db: Database, database_url: str) -> None:
    await a_log(db)
    other = AuditKey("key-2", b"x" * 32)
    forged = written(NewAuditEntry(after(1), "eve", "e1", "login"), SIZE, (await row(db, SIZE - 1)).digest, other)
    with intruder(database_url) as run:
        run("DELETE FROM audit_entry WHERE number = :number", number=SIZE)
        _put(run, forged, at_of(db, forged))
        head = sealed(Head(SIZE, forged.digest), other)
        run("UPDATE audit_head SET digest = :digest, seal = :seal, key_id = :key",
            digest=head.digest, seal=head.seal, key=other.id)  # fmt: skip
    assert await found(db) == (SIZE, "edited")


async def test_an_older_copy_of_the_database_that_went_on_is_found_by_what_lies_outside(
    db: Database, database_url: str
) -> None:
    await a_log(db)
    seen = Seen(SIZE, (await row(db, SIZE)).digest)
    old = list(await db.audit.rows(1, 20))
    head = sealed(Head(20, old[-1].digest), KEY)
    with intruder(database_url) as run:
        run("DELETE FROM audit_entry WHERE number > 20")
        run("UPDATE audit_head SET number = 20, digest = :digest, seal = :seal", digest=head.digest, seal=head.seal)
    # An older whole copy is whole in itself, and only who has seen more can tell.
    assert (await verify(db)).fault is None
    assert await found(db, seen) == (21, "cut")
    await db.audit.append([NewAuditEntry(NOW, "bob", "b1", "login")] * SIZE, LINK)
    assert await found(db, seen) == (SIZE, "forked")
    assert (await verify(db, None, Seen(20, old[-1].digest))).fault is None


async def test_entries_of_two_copies_put_together_are_found(db: Database, database_url: str) -> None:
    await a_log(db)
    other = written(NewAuditEntry(after(30), "anna", "a1", "login"), 30, (await row(db, 29)).digest, KEY)
    with intruder(database_url) as run:
        run("DELETE FROM audit_entry WHERE number = 30")
        _put(run, other, at_of(db, other))
    assert await found(db) == (31, "forked")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_head SET event_id = event_id + 100",
        "UPDATE audit_head SET number = number - 1",
        "UPDATE audit_head SET seal = digest",
        "DELETE FROM audit_head",
        "DELETE FROM audit_entry WHERE number > 30",
    ],
)
async def test_what_is_written_after_an_intrusion_does_not_hide_it(
    db: Database, database_url: str, statement: str
) -> None:
    await a_log(db)
    with intruder(database_url) as run:
        run(statement)
    before = await found(db)
    await db.audit.append([NewAuditEntry(NOW, "bob", "b1", "login")], LINK)
    await db.audit.append([NewAuditEntry(NOW, "bob", "b1", "logout")], LINK)
    assert (await verify(db)).fault is not None
    number, what = await found(db)
    assert (what == "missing" and number == before[0] == 31) or (what, number) == ("head", SIZE + 1)
    # And no more than what happened: what came after it is whole.
    last = (await db.audit.ends())[1]
    assert last is not None
    assert (await verify(db, first=last.number)).fault is None


async def test_a_part_is_looked_at_by_itself_and_tells_where_to_go_on(db: Database, database_url: str) -> None:
    await a_log(db)
    book = AuditBook(db.audit, FixedKeys(), SimulatedClock())
    parts = [await book.verify(first, 15) for first in (1, 16, 31)]
    assert [(part.first, part.last, part.next, part.fault) for part in parts] == [
        (1, 15, 16, None),
        (16, 30, 31, None),
        (31, 40, None, None),
    ]
    with intruder(database_url) as run:
        run("UPDATE audit_entry SET actor = 'eve' WHERE number = 30")
    assert (await book.verify(1, 15)).fault is None
    for first in (16, 31):
        fault = (await book.verify(first, 15)).fault
        assert fault is not None
        assert (fault.number, fault.what) == (30, "edited")
