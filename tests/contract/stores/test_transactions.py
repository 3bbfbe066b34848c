from __future__ import annotations

import asyncio
import inspect
import sqlite3
import sys
import traceback
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy.exc
from sqlalchemy import create_engine

from cpe_manager.adapters.db.database import Database
from cpe_manager.adapters.db.failures import translate, translated
from cpe_manager.adapters.db.tables import meta
from cpe_manager.adapters.db.transactions import Transaction
from cpe_manager.domain.errors import (
    Conflict,
    CpeManagerError,
    NotFound,
    SettingsError,
    StoreBusy,
    StoreError,
    StoreFull,
)
from cpe_manager.domain.events import NewEvent
from tests.contract.stores.making import NOW, claim, ended, fleet, run_for
from tests.support.postgres import PostgresServer


async def test_callers_that_are_cancelled_at_any_moment_leave_nothing_behind(db: Database) -> None:
    """Cut at every await of a write: it happened or it did not, and the next write works at once."""
    devices = await fleet(db, 3)
    for steps in range(24):
        job = await run_for(db, devices)
        task = asyncio.create_task(db.jobs.cancel(job.id, at=NOW, by="anna"))
        for _ in range(steps):
            await asyncio.sleep(0 if steps % 2 else 0.0005)
        task.cancel()
        await asyncio.wait({task})
        state = (await db.jobs.job(job.id)).state
        cancelled = [event for event in await db.events.after(0, limit=9999) if event.job_id == job.id][1:]
        assert [event.kind for event in cancelled] == (["job.cancelled"] if state == "cancelled" else [])
    rows = await claim(db, await run_for(db, devices))
    assert await db.jobs.settle([ended(row) for row in rows]) == []


async def test_a_caller_cancelled_while_it_waits_for_its_turn_leaves_at_once(sqlite_url: str) -> None:
    async with await Database.open(sqlite_url, busy_timeout=30) as db:
        holder = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        first = asyncio.create_task(db.maintenance.meta_set("a", "1"))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(db.maintenance.meta_set("a", "2"))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait({second}, timeout=60)
        assert second.cancelled()
        assert not first.done()
        holder.rollback()
        await first
        assert await db.maintenance.meta_get("a") == "1"
        holder.close()


async def test_a_reader_does_not_wait_for_the_writer(db: Database) -> None:
    started, gate = asyncio.Event(), asyncio.Event()

    async def batches() -> AsyncIterator[tuple[str, Sequence[Mapping[str, Any]]]]:
        yield "site", [{"id": "a", "name": "b"}]
        started.set()
        await gate.wait()

    writer = asyncio.create_task(db.maintenance.load(batches()))
    await started.wait()
    assert (await db.inventory.counts())["active"] == 0
    gate.set()
    assert await writer == 1


async def test_many_callers_at_once_all_get_their_turn(db: Database, other: Database) -> None:
    await asyncio.gather(*(store.events.add([NewEvent("tick", NOW)]) for store in (db, other) * 30))
    assert await db.events.last_id() == 60
    assert len(await asyncio.gather(*(db.inventory.counts() for _ in range(60)))) == 60


async def test_a_file_that_someone_else_locks_is_busy_and_named(sqlite_url: str) -> None:
    path = sqlite_url.removeprefix("sqlite:///")
    async with await Database.open(sqlite_url, busy_timeout=0.05) as db:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match=f"database is locked by another process: {path}"):
            await db.maintenance.meta_set("a", "1")
        with pytest.raises(StoreBusy):
            await db.maintenance.migrate()
        assert await db.maintenance.meta_get("a") is None
        holder.close()
        await db.maintenance.meta_set("a", "1")


@pytest.mark.postgres
async def test_a_row_that_someone_else_locks_is_busy_after_the_timeout(postgres_url: str) -> None:
    async with await Database.open(postgres_url, busy_timeout=0.05) as db:
        await db.maintenance.meta_set("a", "1")
        with psycopg.connect(postgres_url) as holder:
            holder.execute("UPDATE meta SET value = '2'")
            with pytest.raises(StoreBusy):
                await db.maintenance.meta_set("a", "3")
            holder.rollback()
        await db.maintenance.meta_set("a", "4")


@pytest.mark.postgres
async def test_a_transaction_that_lost_a_deadlock_is_run_again(postgres_url: str) -> None:
    async with await Database.open(postgres_url, busy_timeout=30) as db:
        jobs = [await run_for(db, []) for _ in range(2)]
        async with await psycopg.AsyncConnection.connect(postgres_url) as holder:
            await holder.execute("SET deadlock_timeout = '60s'")  # so that ours is the one that is ended
            lock = b"SELECT 1 FROM job WHERE id = %s FOR UPDATE"
            await holder.execute(lock, [jobs[1].id])
            waiting = asyncio.create_task(_lock_both(db, [job.id for job in jobs]))
            await asyncio.sleep(0.2)
            await holder.execute(lock, [jobs[0].id])
            await holder.rollback()
        assert await waiting == 2


async def _lock_both(db: Database, ids: list[str]) -> int:
    runs = 0

    async def work(tx: Transaction) -> int:
        nonlocal runs
        runs += 1
        for one in ids:
            await tx.connection.exec_driver_sql("SELECT 1 FROM job WHERE id = %s FOR UPDATE", (one,))
        return runs

    return await db._connections.write(work)


@pytest.mark.postgres
async def test_the_server_ends_neither_a_slow_dump_nor_a_slow_load(postgres_url: str) -> None:
    show = "SHOW idle_in_transaction_session_timeout"

    async def limit(tx: Transaction) -> object:
        return (await tx.connection.exec_driver_sql(show)).scalar()

    async with await Database.open(postgres_url, pool=1) as db:
        assert await db._connections.write_once(limit) == "0"
        async with db._connections.snapshot() as connection:
            assert (await connection.exec_driver_sql(show)).scalar() == "0"
        assert await db._connections.write(limit) == "10s"


async def test_no_stored_value_is_printed_with_an_error(db: Database) -> None:
    rows = [{"key": "k", "value": "planted-s3cret"}] * 2

    async def work(tx: Transaction) -> None:
        await tx.run(meta.insert(), rows)

    with pytest.raises(Conflict) as refused:
        await db._connections.write(work)
    assert "s3cret" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.postgres
async def test_connections_that_the_server_closed_are_replaced(postgres: PostgresServer, postgres_url: str) -> None:
    async with await Database.open(postgres_url) as db:
        await asyncio.gather(*(db.maintenance.ping() for _ in range(4)))
        name = postgres_url.rpartition("/")[2]
        postgres.admin(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        await db.maintenance.meta_set("a", "1")
        assert await db.maintenance.meta_get("a") == "1"


async def test_a_database_that_is_not_there_is_a_store_error_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1/db") as refused:
        await Database.open("postgresql://someone:s3cret@127.0.0.1:1/db")
    assert "s3cret" not in str(refused.value)
    with pytest.raises(StoreError, match="cannot open"):
        await Database.open(f"sqlite:///{tmp_path / 'no' / 'such.db'}")
    text = tmp_path / "text.db"
    text.write_text("not a database " * 100)
    with pytest.raises(StoreError, match="not a database"):
        await Database.open(f"sqlite:///{text}")


@pytest.mark.parametrize("url", ["mysql://u:s3cret@h/d", "nonsense s3cret", "sqlite://", "sqlite:///:memory:"])
async def test_a_url_that_means_nothing_is_a_settings_error_without_the_password(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        await Database.open(url)
    assert "s3cret" not in str(refused.value)


def test_a_full_disk_is_store_full(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'small.db'}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 4")
        connection.exec_driver_sql("CREATE TABLE t (x BLOB)")
        with pytest.raises(StoreFull, match="small"), translated("small"):
            connection.exec_driver_sql("INSERT INTO t VALUES (zeroblob(100000))")
    engine.dispose()


def test_every_exception_of_the_libraries_becomes_one_of_ours() -> None:
    for module in (sqlalchemy.exc, sqlite3, psycopg.errors):
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if not issubclass(kind, Exception) or issubclass(kind, Warning):
                continue
            error = kind.__new__(kind, "the reason")
            if issubclass(kind, sqlalchemy.exc.DBAPIError):
                error = kind("statement", {}, ValueError("the cause"))
            elif issubclass(kind, sqlalchemy.exc.StatementError):
                error = kind("the reason", "statement", {}, ValueError("the cause"))
            wrapped = error if module is sqlalchemy.exc else sqlalchemy.exc.DBAPIError("statement", {}, error)
            assert isinstance(translate(wrapped, "label"), StoreError | Conflict), kind


def test_our_own_errors_pass_unchanged() -> None:
    with pytest.raises(NotFound) as seen, translated("label"):
        raise NotFound("x")
    assert isinstance(seen.value, CpeManagerError)


_WRITE_FOR_EVER = """
import asyncio, sys
from datetime import UTC, datetime
from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.events import NewEvent

async def main() -> None:
    async with await Database.open(sys.argv[1]) as db:
        while True:
            await db.events.add([NewEvent("tick", datetime.now(UTC))])
            print(end=".", flush=True)

asyncio.run(main())
"""


async def test_what_was_acknowledged_survives_the_kill_of_its_process(database_url: str) -> None:
    command = (sys.executable, "-c", _WRITE_FOR_EVER, database_url)
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    told = await child.stdout.readexactly(5)
    child.kill()
    told += await child.stdout.read()
    await child.wait()
    async with await Database.open(database_url) as db:
        assert len(told) <= await db.events.last_id() <= len(told) + 1
        await db.events.add([NewEvent("tick", NOW)])
