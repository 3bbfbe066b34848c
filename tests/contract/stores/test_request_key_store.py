"""Idempotency keys: used once for one thing, on both databases."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from cpe_manager.adapters.db.database import Database

NOW = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=7)


async def test_the_first_use_is_written_down_and_told_to_the_next(db: Database, other: Database) -> None:
    assert await db.request_keys.claim("a", "one", NOW, LONG_AGO) is None
    assert await other.request_keys.claim("a", "one", NOW, LONG_AGO) == "one"
    assert await other.request_keys.claim("a", "two", NOW, LONG_AGO) == "one"
    assert await other.request_keys.claim("b", "two", NOW, LONG_AGO) is None


async def test_of_many_at_once_one_is_the_first(db: Database, other: Database) -> None:
    stores = [db.request_keys, other.request_keys] * 10
    found = await asyncio.gather(*(store.claim("a", str(number), NOW, LONG_AGO) for number, store in enumerate(stores)))
    first = [number for number, known in enumerate(found) if known is None]
    assert len(first) == 1
    assert {known for known in found if known is not None} == {str(first[0])}


async def test_what_is_forgotten_or_old_can_be_used_again(db: Database) -> None:
    assert await db.request_keys.claim("a", "one", NOW, LONG_AGO) is None
    await db.request_keys.forget("a", "two")
    assert await db.request_keys.claim("a", "two", NOW, LONG_AGO) == "one"
    await db.request_keys.forget("a", "one")
    assert await db.request_keys.claim("a", "two", NOW, LONG_AGO) is None
    later = NOW + timedelta(days=8)
    assert await db.request_keys.claim("a", "three", later, later - timedelta(days=7)) is None
