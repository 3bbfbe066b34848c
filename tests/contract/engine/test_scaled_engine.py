"""What the engine over PostgreSQL promises beyond the contract: several processes, deaths, and its own tables."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from cpe_manager.adapters.engine.procrastinate import EngineOptions, ProcrastinateEngine
from cpe_manager.adapters.engine.tables import connection_string, ensure_schema
from cpe_manager.domain.errors import SettingsError, StoreError
from cpe_manager.domain.jobs import Priority
from cpe_manager.ports.engine import Ticket
from tests.contract.engine.engines import Engines
from tests.contract.engine.handlers import DEADLINE, Held

pytestmark = pytest.mark.postgres

ROOT = Path(__file__).parents[3]
BULK = Priority.BULK
ONE = {BULK: 1}


def bulk(*names: str) -> list[Ticket]:
    return [Ticket("look", name, BULK) for name in names]


async def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(statement)
        return await cursor.fetchall() if cursor.description else []


@asynccontextmanager
async def process(url: str, manner: str) -> AsyncIterator[asyncio.subprocess.Process]:
    arguments = ("-m", "tests.contract.engine.worker", url, manner)
    worker = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        assert await line(worker) == "ready"
        yield worker
    finally:
        if worker.returncode is None:
            worker.kill()
        await worker.wait()


async def line(worker: asyncio.subprocess.Process) -> str:
    assert worker.stdout is not None
    async with asyncio.timeout(DEADLINE):
        return (await worker.stdout.readline()).decode().strip()


async def test_a_killed_workers_ticket_is_handled_by_another_process(scaled: Engines, ticket_database: str) -> None:
    await ensure_schema(ticket_database)
    async with process(ticket_database, "hang") as victim:
        enqueuer = await scaled.start({}, {})
        await enqueuer.enqueue(bulk("orphan"))
        assert await line(victim) == "orphan"
        victim.kill()
        await victim.wait()
    held = Held(released=True)
    heir = ProcrastinateEngine(ticket_database, EngineOptions(slots=ONE, poll=0.2, heartbeat=0.2, stalled_after=0.8))
    heir.register("look", held)
    await heir.start()
    scaled.made.append(heir)
    await held.end(1)
    assert held.ids() == ["orphan"]
    await heir.enqueue(bulk("orphan"))
    await held.end(2)


async def test_a_killed_workers_ticket_can_be_queued_again_at_once(scaled: Engines, ticket_database: str) -> None:
    await ensure_schema(ticket_database)
    async with process(ticket_database, "hang") as victim:
        enqueuer = await scaled.start({}, {})
        await enqueuer.enqueue(bulk("orphan"))
        assert await line(victim) == "orphan"
        victim.kill()
        await victim.wait()
    held = Held(released=True)
    heir = await scaled.start({"look": held}, ONE)
    await heir.enqueue(bulk("orphan"))
    await held.end(1)


async def test_a_worker_that_lives_keeps_its_long_running_ticket(scaled: Engines, ticket_database: str) -> None:
    await ensure_schema(ticket_database)
    watchful = EngineOptions(slots=ONE, poll=0.2, heartbeat=0.2, stalled_after=1.0)
    helds = [Held(), Held()]
    for held in helds:
        engine = ProcrastinateEngine(ticket_database, watchful)
        engine.register("look", held)
        await engine.start()
        scaled.made.append(engine)
    await scaled.made[0].enqueue(bulk("long"))
    await asyncio.sleep(2.5)
    assert [len(held.begun) for held in helds] in ([1, 0], [0, 1])


async def test_processes_share_tickets_and_handle_each_once(scaled: Engines, ticket_database: str) -> None:
    held = Held(released=True)
    engine = await scaled.start({"look": held}, ONE)
    names = [f"ticket-{number}" for number in range(150)]
    async with process(ticket_database, "end") as other:
        await engine.enqueue(bulk(*names))
        theirs = [await line(other)]
        async with asyncio.timeout(DEADLINE):
            while len(theirs) + len(held.ended) < len(names):
                ours = asyncio.create_task(held.end(len(held.ended) + 1), name="ours")
                told = asyncio.create_task(line(other), name="theirs")
                await asyncio.wait({ours, told}, return_when=asyncio.FIRST_COMPLETED)
                if told.done():
                    theirs.append(told.result())
                else:
                    told.cancel()
                ours.cancel()
                await asyncio.gather(ours, told, return_exceptions=True)
    assert sorted(theirs + held.ids()) == sorted(names)
    assert held.ids()


async def test_tickets_that_wait_outlive_the_process(scaled: Engines) -> None:
    first = Held()
    engine = await scaled.start({"look": first}, ONE)
    await engine.enqueue(bulk("a", "b"))
    await first.begin(1)
    await engine.stop(0)
    second = Held(released=True)
    await scaled.start({"look": second}, ONE)
    await second.end(2)
    assert sorted(second.ids()) == ["a", "b"]
    assert [ticket.id for ticket in first.cancelled] == ["a"]


async def test_a_process_may_enqueue_and_handle_nothing(scaled: Engines) -> None:
    enqueuer = await scaled.start({}, {})
    await enqueuer.enqueue(bulk("a"))
    held = Held(released=True)
    await scaled.start({"look": held}, ONE)
    await held.end(1)


async def test_new_tickets_are_announced_and_not_waited_for_by_polling(scaled: Engines, ticket_database: str) -> None:
    await ensure_schema(ticket_database)
    held = Held(released=True)
    engine = ProcrastinateEngine(ticket_database, EngineOptions(slots=ONE, poll=3600))
    engine.register("look", held)
    await engine.start()
    scaled.made.append(engine)
    async with asyncio.timeout(DEADLINE):
        while not await query(ticket_database, "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"):
            await asyncio.sleep(0.05)
    await engine.enqueue(bulk("a"))
    await held.end(1)


async def test_two_processes_that_enqueue_the_same_tickets_at_once_both_succeed(scaled: Engines) -> None:
    first, second = await scaled.start({}, {}), await scaled.start({}, {})
    names = [f"ticket-{number}" for number in range(300)]
    await asyncio.gather(*(engine.enqueue(bulk(*names)) for engine in (first, second, first, second)))
    held = Held(released=True)
    await scaled.start({"look": held}, {BULK: 4})
    await held.end(len(names))
    assert sorted(held.ids()) == sorted(names)


async def test_one_ticket_that_another_process_was_faster_with_does_not_lose_the_batch(
    scaled: Engines, ticket_database: str
) -> None:
    engine = await scaled.start({}, {})
    async with await psycopg.AsyncConnection.connect(connection_string(ticket_database)) as rival:
        await rival.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, args)"
            """ VALUES ('bulk', 'ticket', 'look:b', '{"kind": "look", "id": "b", "priority": "bulk"}')"""
        )
        enqueueing = asyncio.create_task(engine.enqueue(bulk("a", "b", "c")), name="enqueueing")
        async with asyncio.timeout(DEADLINE):
            while not await query(ticket_database, "SELECT 1 FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.02)
    async with asyncio.timeout(DEADLINE):
        await enqueueing
    keys = "SELECT queueing_lock FROM procrastinate.procrastinate_jobs ORDER BY 1"
    assert await query(ticket_database, keys) == [("look:a",), ("look:b",), ("look:c",)]


async def test_workers_come_back_after_the_database_dropped_them(scaled: Engines, ticket_database: str) -> None:
    held = Held(released=True)
    engine = await scaled.start({"look": held}, ONE)
    await engine.enqueue(bulk("before"))
    await held.end(1)
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    await query(ticket_database, f"{others} AND datname = current_database()")
    async with asyncio.timeout(DEADLINE):
        while "after" not in held.ids():
            try:
                await engine.enqueue(bulk("after"))
            except StoreError:
                await asyncio.sleep(0.1)
            else:
                await held.end(2)


async def test_a_worker_whose_heartbeat_failed_beats_again(scaled: Engines, ticket_database: str) -> None:
    await ensure_schema(ticket_database)
    engine = ProcrastinateEngine(ticket_database, EngineOptions(slots=ONE, poll=0.2, heartbeat=0.2, restart_after=0.1))
    await engine.start()
    scaled.made.append(engine)
    await query(ticket_database, "ALTER TABLE procrastinate.procrastinate_workers RENAME TO hidden")
    await asyncio.sleep(0.8)
    await query(ticket_database, "ALTER TABLE procrastinate.hidden RENAME TO procrastinate_workers")
    [(back,)] = await query(ticket_database, "SELECT clock_timestamp()::text")
    async with asyncio.timeout(DEADLINE):
        while not await query(
            ticket_database, f"SELECT 1 FROM procrastinate.procrastinate_workers WHERE last_heartbeat > '{back}'"
        ):
            await asyncio.sleep(0.05)


async def test_handled_tickets_leave_nothing_behind(scaled: Engines, ticket_database: str) -> None:
    held = Held(released=True)
    engine = await scaled.start({"look": held, "bad": _fails})
    await engine.enqueue([*bulk("a", "b"), Ticket("bad", "c"), Ticket("unknown", "d")])
    await held.end(2)
    left = "SELECT count(*) FROM procrastinate.procrastinate_jobs"
    async with asyncio.timeout(DEADLINE):
        while await query(ticket_database, left) != [(0,)]:
            await asyncio.sleep(0.05)
    await engine.stop(1)
    assert await query(ticket_database, "SELECT count(*) FROM procrastinate.procrastinate_workers") == [(0,)]


async def _fails(ticket: Ticket) -> None:
    raise RuntimeError(ticket.id)


async def test_the_tables_are_made_once_however_many_nodes_ask_and_stay_in_their_schema(ticket_database: str) -> None:
    await asyncio.gather(*(ensure_schema(ticket_database) for _ in range(5)))
    schemas = await query(
        ticket_database,
        "SELECT DISTINCT n.nspname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relname LIKE 'procrastinate%'",
    )
    assert schemas == [("procrastinate",)]
    assert await query(ticket_database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


async def test_making_the_tables_again_keeps_the_tickets_in_them(scaled: Engines, ticket_database: str) -> None:
    enqueuer = await scaled.start({}, {})
    await enqueuer.enqueue(bulk("a"))
    await ensure_schema(ticket_database)
    assert await query(ticket_database, "SELECT count(*) FROM procrastinate.procrastinate_jobs") == [(1,)]


async def test_tables_of_another_release_are_made_anew(scaled: Engines, ticket_database: str) -> None:
    await query(ticket_database, "CREATE SCHEMA procrastinate")
    await query(ticket_database, "CREATE TABLE procrastinate.procrastinate_jobs (old int)")
    await query(ticket_database, "COMMENT ON SCHEMA procrastinate IS 'cpe-manager tickets 0000000000000000'")
    held = Held(released=True)
    engine = await scaled.start({"look": held})
    await engine.enqueue(bulk("a"))
    await held.end(1)


async def test_a_schema_that_is_not_ours_is_left_alone(ticket_database: str) -> None:
    await query(ticket_database, "CREATE SCHEMA procrastinate")
    await query(ticket_database, "CREATE TABLE procrastinate.theirs (id int)")
    with pytest.raises(SettingsError, match="not ours"):
        await ensure_schema(ticket_database)
    assert await query(ticket_database, "SELECT count(*) FROM procrastinate.theirs") == [(0,)]


async def test_an_engine_does_not_start_without_its_tables(ticket_database: str) -> None:
    engine = ProcrastinateEngine(ticket_database)
    with pytest.raises(StoreError, match="migrated"):
        await engine.start()
    await engine.stop(0)


async def test_an_engine_does_not_start_without_a_database(tmp_path: Path) -> None:
    url = f"postgresql://postgres@/none?host={tmp_path}"
    with pytest.raises(StoreError):
        await ensure_schema(url)
    engine = ProcrastinateEngine(url, EngineOptions(connect=0.5))
    with pytest.raises(StoreError):
        await engine.start()
    await engine.stop(0)


def test_the_url_may_be_that_of_sqlalchemy_and_keeps_its_own_options() -> None:
    url = "postgresql+psycopg://u:p@db:5433/cpe?sslmode=require&connect_timeout=3&options=-c%20work_mem%3D8MB"
    given = conninfo_to_dict(connection_string(url))
    parts = {"user": "u", "password": "p", "host": "db", "port": "5433", "dbname": "cpe", "sslmode": "require"}
    assert given.items() >= {**parts, "connect_timeout": "3"}.items()
    assert str(given["options"]).startswith("-c work_mem=8MB -c search_path=procrastinate")


def test_a_url_that_is_none_is_a_settings_error_that_does_not_repeat_it() -> None:
    with pytest.raises(SettingsError) as caught:
        connection_string("postgresql://user:hunter2@host/db?sslmod=require")
    assert "hunter2" not in str(caught.value)
