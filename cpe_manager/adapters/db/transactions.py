"""Transactions: who may write when, how one ends, and what a cancelled caller leaves behind (nothing)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from enum import IntEnum
from itertools import chain
from typing import Any, Final, TypeVar

from sqlalchemy import CursorResult, Executable, Table, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cpe_manager.adapters.db import engine as engines
from cpe_manager.adapters.db.failures import may_succeed_again, translated
from cpe_manager.adapters.db.tables import event
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.events import NewEvent

T = TypeVar("T")
Values = dict[str, Any]

_DEADLINE_S: Final = 120.0
_TRIES: Final = 3
BATCH: Final = 500


class Lock(IntEnum):
    """PostgreSQL advisory locks, of a transaction. ``EVENTS`` is always taken last: see ``Transaction.flush``."""

    MIGRATE = 0x43504501
    CLAIM = 0x43504502
    EVENTS = 0x43504503


class Transaction:
    """One transaction. Events emitted in it are written at its very end."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.is_postgres = connection.dialect.name == "postgresql"
        self._events: list[NewEvent] = []

    async def run(self, statement: Executable, values: Sequence[Mapping[str, Any]] | None = None) -> CursorResult[Any]:
        """Execute once, or once per mapping in ``values`` in as few round trips as the driver can."""
        return await self.connection.execute(statement, values)

    async def rows(self, statement: Executable) -> Sequence[AnyRow]:
        return (await self.connection.execute(statement)).all()

    async def many(self, statement: Executable, values: Sequence[Mapping[str, Any]]) -> None:
        """As ``run``, and nothing at all for no values."""
        if values:
            await self.connection.execute(statement, values)

    def insert(self, table: Table) -> postgresql.Insert | sqlite.Insert:
        """An INSERT that knows ON CONFLICT, in the dialect at hand."""
        return postgresql.insert(table) if self.is_postgres else sqlite.insert(table)

    async def lock(self, lock: Lock) -> None:
        """Held to the end of the transaction. On SQLite the transaction itself is the lock."""
        if self.is_postgres:
            await self.connection.execute(select(func.pg_advisory_xact_lock(int(lock))))

    def emit(self, events: Sequence[NewEvent]) -> None:
        self._events.extend(events)

    async def flush(self) -> None:
        """Write the events. The lock makes their ids visible in order: a follower never misses a late small one."""
        if not self._events:
            return
        await self.lock(Lock.EVENTS)
        await self.connection.execute(insert(event), [_event_values(one) for one in self._events])


Work = Callable[[Transaction], Awaitable[T]]


class Connections:
    """The two ways into a database: any number of readers, and writers (on SQLite one at a time)."""

    def __init__(self, where: engines.Target) -> None:
        self.target = where
        self._writer: AsyncEngine = engines.writer(where)
        self._reader: AsyncEngine = engines.reader(where) if where.is_sqlite else self._writer
        self._turn = asyncio.Semaphore(1 if where.is_sqlite else max(1, where.pool - 1))

    async def read(self, work: Work[T]) -> T:
        """Run ``work`` in a read transaction."""
        return await to_its_end(self._once(self._reader, work, _DEADLINE_S), "db-read")

    async def write(self, work: Work[T]) -> T:
        """Run ``work`` in a transaction, again when PostgreSQL ended it in favour of another one.

        A caller that is cancelled while it waits for its turn leaves at once, later only when the transaction ended.
        """
        async with self._turn:
            return await to_its_end(self._again(work), "db-write")

    async def write_once(self, work: Work[T]) -> T:
        """As ``write``, for work of any length that cannot be repeated."""

        async def unhurried(transaction: Transaction) -> T:
            await self._may_idle(transaction.connection)
            return await work(transaction)

        async with self._turn:
            return await to_its_end(self._once(self._writer, unhurried, None), "db-write-once", patient=False)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """A connection that sees the database as it is now, however long it reads."""
        options = {} if self.target.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with translated(self.target.label):
            async with self._reader.connect() as connection:
                await connection.execution_options(**options)
                async with connection.begin():
                    await self._may_idle(connection)
                    yield connection

    async def _may_idle(self, connection: AsyncConnection) -> None:
        """PostgreSQL: this transaction may wait for its reader or its source, however slow a disk they are on."""
        if not self.target.is_sqlite:
            await connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")

    async def close(self) -> None:
        await self._writer.dispose()
        if self._reader is not self._writer:
            await self._reader.dispose()

    async def _again(self, work: Work[T]) -> T:
        with translated(self.target.label):
            for _ in range(_TRIES - 1):
                try:
                    return await self._attempt(self._writer, work, _DEADLINE_S)
                except DBAPIError as error:
                    if not may_succeed_again(error):
                        raise
            return await self._attempt(self._writer, work, _DEADLINE_S)

    async def _once(self, engine: AsyncEngine, work: Work[T], deadline: float | None) -> T:
        with translated(self.target.label):
            return await self._attempt(engine, work, deadline)

    async def _attempt(self, engine: AsyncEngine, work: Work[T], deadline: float | None) -> T:
        async with asyncio.timeout(deadline), engine.begin() as connection:
            transaction = Transaction(connection)
            result = await work(transaction)
            await transaction.flush()
            return result


async def to_its_end(body: Coroutine[Any, Any, T], name: str, *, patient: bool = True) -> T:
    """Await ``body`` so that a cancelled caller never cuts a driver call in half.

    The caller's cancellation waits for the short transaction to end (or, not ``patient``, passes it on and waits for
    the rollback), and is raised then.
    """
    task = asyncio.create_task(body, name=name)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not patient:
            task.cancel()
        while not task.done():
            with suppress(asyncio.CancelledError):  # remembered: it is raised below
                await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
        raise


def _event_values(one: NewEvent) -> Values:
    return {
        "kind": one.kind,
        "at": one.at,
        "severity": one.severity,
        "device_id": one.device_id,
        "job_id": one.job_id,
        "message": one.message,
        "data": dict(one.data),
        "site": site if isinstance(site := one.data.get("site"), str) else None,
    }


def chunks(items: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    """Slices of at most ``size``: keeps statements below the parameter limits of both databases."""
    return (items[start : start + size] for start in range(0, len(items), size))


async def in_chunks(tx: Transaction, keys: Sequence[str], query: Callable[[Sequence[str]], Executable]) -> list[AnyRow]:
    """All rows of ``query(some keys)``, over all keys."""
    return list(chain.from_iterable([await tx.rows(query(part)) for part in chunks(keys)]))
