"""Procrastinate's own tables, in a PostgreSQL schema of their own, apart from ours and from our dumps."""

from __future__ import annotations

import hashlib
from typing import Any

import psycopg
from procrastinate.schema import SchemaManager
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cpe_manager.domain.errors import SettingsError, StoreError

SCHEMA = "procrastinate"
_MARK = "cpe-manager tickets "
_LOCK = 0x6370655F6D677231  # any constant will do, as long as every node takes the same
_SETTINGS = f"-c search_path={SCHEMA} -c statement_timeout=30s"
_DEADLINES = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""For a server that vanished without a word: seconds, and for the last one milliseconds."""


def connection_string(url: str) -> str:
    """``url`` (libpq's, or SQLAlchemy's ``postgresql+psycopg://``) with search path and deadlines of the ticket tables.

    What the URL says of deadlines itself is kept. Raises ``SettingsError``.
    """
    scheme, separator, rest = url.partition("://")
    plain = scheme.partition("+")[0] + separator + rest if separator else url
    try:
        given = conninfo_to_dict(plain)
    except psycopg.ProgrammingError as error:
        raise SettingsError("the database URL is not one that PostgreSQL understands") from error
    merged: dict[str, Any] = {**_DEADLINES, "application_name": "cpe-manager tickets", **given}
    merged["options"] = f"{given.get('options') or ''} {_SETTINGS}".strip()
    return make_conninfo("", **merged)


async def ensure_schema(url: str) -> None:
    """Make the ticket tables when they are missing, under an advisory lock: any number of nodes may call it at once.

    Tables of another Procrastinate release are made anew. The tickets in them are lost, which costs nothing but the
    time until the next sweep, since they hold no truth. Raises ``SettingsError`` when the schema is not ours.
    """
    wanted = _MARK + hashlib.sha256(SchemaManager.get_schema().encode()).hexdigest()[:16]
    try:
        async with await psycopg.AsyncConnection.connect(connection_string(url)) as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            found = await _mark(connection)
            if found == wanted:
                return
            if found is not None and not found.startswith(_MARK):
                raise SettingsError(f"the database has a schema {SCHEMA!r} that is not ours")
            await _make(connection, wanted)
    except psycopg.Error as error:
        raise StoreError(f"the ticket tables could not be made: {type(error).__name__}") from error


async def _mark(connection: psycopg.AsyncConnection) -> str | None:
    """The schema's comment; None when there is no schema, or an empty one that an administrator prepared."""
    cursor = await connection.execute(
        "SELECT coalesce(obj_description(oid, 'pg_namespace'), ''),"
        " EXISTS (SELECT FROM pg_class WHERE relnamespace = pg_namespace.oid)"
        " FROM pg_namespace WHERE nspname = %s",
        [SCHEMA],
    )
    row = await cursor.fetchone()
    return row[0] if row is not None and (row[0] or row[1]) else None


async def _make(connection: psycopg.AsyncConnection, mark: str) -> None:
    name = sql.Identifier(SCHEMA)
    await connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))
    await connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
    await connection.execute(SchemaManager.get_schema())
    await connection.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(name, mark))
