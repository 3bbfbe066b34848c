"""Engines by URL: how a connection to SQLite or PostgreSQL is opened and set up."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Engine, event, make_url
from sqlalchemy import create_engine as create_sync_engine
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from cpe_manager.domain.errors import SettingsError, StoreError

_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_TIMES_OUT_MS: Final = 60_000
# A process that froze inside a transaction holds up all claims: the server ends it well before a lease is missed.
_IDLE_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Target:
    """A database to connect to. ``label`` names it in messages: the file, or ``host:port/name``."""

    url: URL
    label: str
    busy_timeout: float
    """Seconds to wait for a lock that someone else holds."""
    pool: int
    """Connections: readers of SQLite (the writer has its own), or all of PostgreSQL."""

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"


def target(url: str, *, busy_timeout: float = 10.0, pool: int = 4) -> Target:
    """Read a database URL. Raises ``SettingsError`` without repeating the URL, which may hold a password."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SettingsError("the database URL is malformed") from error
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise SettingsError(f"no such kind of database: {parsed.drivername} (know sqlite and postgresql)")
    if driver.startswith("sqlite") and parsed.database in (None, "", ":memory:"):
        raise SettingsError("a SQLite database needs a file: sqlite:////path/to/file")
    if driver.startswith("sqlite"):
        label = parsed.database or ""
    else:
        label = f"{parsed.host or 'local socket'}:{parsed.port or 5432}/{parsed.database or ''}"
    return Target(parsed.set(drivername=driver), label, busy_timeout, pool)


def writer(where: Target) -> AsyncEngine:
    """The engine of write transactions: one connection for SQLite, the pool for PostgreSQL."""
    if not where.is_sqlite:
        return _postgres(where)
    _make_private_file(Path(where.label))
    engine = create_async_engine(where.url, **_sqlite(where), pool_size=1, max_overflow=0)
    _set_up_sqlite(engine.sync_engine, begin="BEGIN IMMEDIATE")
    return engine


def reader(where: Target) -> AsyncEngine:
    """A pool of SQLite connections that cannot write; PostgreSQL uses the writer's engine for both."""
    engine = create_async_engine(where.url, **_sqlite(where), pool_size=where.pool, max_overflow=0)
    _set_up_sqlite(engine.sync_engine, begin="BEGIN", more=("PRAGMA query_only=ON",))
    return engine


def migrator(where: Target) -> Engine:
    """A synchronous engine for one connection, in a thread; SQLite takes the write lock at the start."""
    if where.is_sqlite:
        _make_private_file(Path(where.label))
        url = where.url.set(drivername="sqlite+pysqlite")
        engine = create_sync_engine(url, **_sqlite(where), poolclass=NullPool)
        _set_up_sqlite(engine, begin="BEGIN IMMEDIATE")
        return engine
    arguments = _postgres_args(where, timeout_ms=0)
    return create_sync_engine(where.url, connect_args=arguments, poolclass=NullPool, hide_parameters=True)


def _postgres(where: Target) -> AsyncEngine:
    return create_async_engine(
        where.url,
        connect_args=_postgres_args(where, timeout_ms=_TIMES_OUT_MS),
        pool_size=where.pool,
        hide_parameters=True,
        max_overflow=0,
        pool_timeout=30,
        pool_pre_ping=True,  # a restarted server costs no failed transaction
    )


def _postgres_args(where: Target, *, timeout_ms: int) -> dict[str, Any]:
    lock_ms = int(where.busy_timeout * 1000)
    return {
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "tcp_user_timeout": 30_000,
        "application_name": "cpe-manager",
        "options": f"-c timezone=UTC -c statement_timeout={timeout_ms} -c lock_timeout={lock_ms if timeout_ms else 0}"
        f" -c idle_in_transaction_session_timeout={min(_IDLE_MS, timeout_ms)}",
    }


def _sqlite(where: Target) -> dict[str, Any]:
    # isolation_level=None: we say BEGIN ourselves, the module's own idea of transactions leaves reads outside of them.
    # hide_parameters, here and elsewhere: a traceback must not print digests, wrapped keys or configurations.
    return {"connect_args": {"timeout": where.busy_timeout, "isolation_level": None}, "hide_parameters": True}


def _set_up_sqlite(engine: Engine, *, begin: str, more: tuple[str, ...] = ()) -> None:
    pragmas = (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",  # a backup that was acknowledged survives a power cut; writes come in batches
        "PRAGMA foreign_keys=ON",
        *more,
    )

    def on_connect(connection: sqlite3.Connection, _: object) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    def on_begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)


def _make_private_file(path: Path) -> None:
    """Readable by the owner alone; SQLite gives the journal files the same mode.

    A file that exists is never opened here: closing it would drop every POSIX lock that this process has on it, and
    the next process to close the database would delete the journal under our feet.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise StoreError(f"cannot open the database {path}: {error.strerror}") from error
