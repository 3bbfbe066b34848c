"""Rows that somebody works on for a while: who holds one writes under its fence, or not at all.

Their tables have the columns ``id``, ``held_by``, ``held_until``, ``fence`` (which counts up with each holder),
``not_before`` and ``ended_at``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Select, Table, or_, select, update

from cpe_manager.adapters.db.transactions import Transaction
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.errors import FenceLost, NotFound


class Held(Protocol):
    @property
    def owner(self) -> str: ...

    @property
    def fence(self) -> int: ...


class RowHolds:
    """``what``: one row of it, in a word."""

    def __init__(self, table: Table, what: str) -> None:
        self._table, self._what = table, what

    def missing(self, ref: str) -> NotFound:
        return NotFound(f"no such {self._what}: {ref}")

    def due(self, now: datetime) -> Select[Any]:
        """Ids of rows that have not ended, are not held, and may be looked at."""
        c = self._table.c
        free = or_(c.held_by.is_(None), c.held_until <= now)
        return select(c.id).where(c.ended_at.is_(None), free, c.not_before <= now).order_by(c.not_before, c.id)

    async def locked(self, tx: Transaction, row_id: str) -> AnyRow:
        """Raises ``NotFound``."""
        rows = await tx.rows(select(self._table).where(self._table.c.id == row_id).with_for_update())
        if not rows:
            raise self.missing(row_id)
        return rows[0]

    async def set(self, tx: Transaction, row_id: str, **values: Any) -> None:
        await tx.run(update(self._table).where(self._table.c.id == row_id).values(values))

    async def take(self, tx: Transaction, row_id: str, owner: str, now: datetime, ttl: float) -> int | None:
        """The fence of the new holder; None while another one holds it, and for a row that has ended."""
        row = await self.locked(tx, row_id)
        alive = row.held_by not in {None, owner} and row.held_until > now
        if alive or row.ended_at is not None:
            return None
        fence: int = row.fence + 1
        await self.set(tx, row_id, held_by=owner, held_until=now + timedelta(seconds=ttl), fence=fence)
        return fence

    async def holds(self, tx: Transaction, row_id: str, hold: Held) -> bool:
        row = await self.locked(tx, row_id)
        return bool(row.held_by == hold.owner and row.fence == hold.fence)

    async def require(self, tx: Transaction, row_id: str, hold: Held) -> None:
        """Raises ``FenceLost``."""
        if not await self.holds(tx, row_id, hold):
            raise FenceLost(f"somebody else has taken over this {self._what}")

    async def renew(self, tx: Transaction, row_id: str, hold: Held, until: datetime) -> bool:
        found = await self.holds(tx, row_id, hold)
        if found:
            await self.set(tx, row_id, held_until=until)
        return found

    async def release(self, tx: Transaction, row_id: str, hold: Held) -> None:
        if await self.holds(tx, row_id, hold):
            await self.set(tx, row_id, held_by=None, held_until=None)

    async def release_all(self, tx: Transaction) -> None:
        held = self._table.c.held_by.is_not(None)
        await tx.run(update(self._table).where(held).values(held_by=None, held_until=None))
