"""Dump and load: every row of every table as JSON-ready values, the same from SQLite and from PostgreSQL.

Binary columns are base64 text and times ISO 8601; the reader knows which from its own columns.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, LargeBinary, Table, exists, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from cpe_manager.adapters.db.tables import event, metadata
from cpe_manager.adapters.db.transactions import BATCH, Transaction
from cpe_manager.adapters.db.types import UtcTime
from cpe_manager.domain.errors import Conflict, InputError

Batch = tuple[str, Sequence[Mapping[str, Any]]]


async def dump(connection: AsyncConnection) -> AsyncGenerator[Batch]:
    for table in metadata.sorted_tables:
        writers = {column.name: _writer(column) for column in table.columns}
        key = list(table.primary_key.columns)
        # Page by page along the key, within one snapshot: no cursor is left open when the reader goes away.
        query = select(table).order_by(*key).limit(BATCH)
        rows = (await connection.execute(query)).mappings().all()
        while rows:
            yield table.name, [{name: write(row[name]) for name, write in writers.items()} for row in rows]
            last = tuple_(*(rows[-1][column.name] for column in key))
            rows = (await connection.execute(query.where(tuple_(*key) > last))).mappings().all()


async def load(tx: Transaction, batches: AsyncIterator[Batch]) -> int:
    """Into empty tables, else ``Conflict``. Raises ``InputError`` for what is not a dump of this schema."""
    for table in metadata.sorted_tables:
        if (await tx.rows(select(exists(select(literal(1)).select_from(table)))))[0][0]:
            raise Conflict(f"the database is not empty: it has rows in {table.name}")
    total = 0
    async for name, rows in batches:
        if name not in metadata.tables:
            raise InputError(f"the dump has a table that this version does not know: {name}")
        table = metadata.tables[name]
        await tx.many(table.insert(), [_read_row(table, row) for row in rows])
        total += len(rows)
    if tx.is_postgres:
        await tx.rows(_event_ids_go_on())
    return total


def _event_ids_go_on() -> Any:
    """PostgreSQL's counter does not look at the rows; SQLite's does."""
    last = func.max(event.c.id)
    sequence = func.pg_get_serial_sequence(event.name, event.c.id.name)
    return select(func.setval(sequence, func.coalesce(last, 1), last.is_not(None)))


def _read_row(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    if row.keys() != {column.name for column in table.columns}:
        raise InputError(f"the dump is of another version: the columns of {table.name} differ")
    try:
        return {column.name: _read(column, row[column.name]) for column in table.columns}
    except (binascii.Error, ValueError, TypeError) as error:
        raise InputError(f"the dump has a damaged row in {table.name}") from error


def _writer(column: Column[Any]) -> Callable[[Any], Any]:
    if isinstance(column.type, LargeBinary):
        return lambda value: None if value is None else base64.b64encode(value).decode()
    if isinstance(column.type, UtcTime):
        return lambda value: None if value is None else value.isoformat()
    return lambda value: value


def _read(column: Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, LargeBinary):
        return base64.b64decode(value, validate=True)
    if isinstance(column.type, UtcTime):
        return datetime.fromisoformat(value)
    return value
