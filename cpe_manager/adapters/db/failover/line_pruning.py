"""Taking away what became of lines long ago, and nothing that something else still points to."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, Table, and_, delete, exists, not_, select

from cpe_manager.adapters.db.failover.line_tables import incident, line_order, line_state, line_transition
from cpe_manager.adapters.db.transactions import Connections, Transaction, chunks


async def prune(connections: Connections, before: datetime, keep: int, limit: int) -> int:
    """As ``LineStore.prune`` says. What may go is looked for first, so that nobody who writes waits for the looking:
    what is old enough to go is not pointed to by anything that is made meanwhile."""
    found: list[tuple[Table, list[str]]] = []

    async def look(tx: Transaction) -> None:
        for table, query in ((line_transition, _steps(before, keep)), (incident, _incidents(before)),
                             (line_order, _orders(before))):  # fmt: skip
            found.append((table, [row.id for row in await tx.rows(query.limit(limit))]))

    async def work(tx: Transaction) -> int:
        for table, ids in found:
            for part in chunks(ids):
                await tx.run(delete(table).where(table.c.id.in_(part)))
        return sum(len(ids) for _, ids in found)

    await connections.read(look)
    return await connections.write(work) if any(ids for _, ids in found) else 0


def _steps(before: datetime, keep: int) -> Select[Any]:
    """Older ones than the line's last ``keep``, than any open incident of it, and of another switch than its last."""
    step, newer = line_transition.c, line_transition.alias()
    # The index that orders a line's history gives it in so many steps.
    last = select(newer.c.number).where(newer.c.line_id == step.line_id)
    last = last.order_by(newer.c.at.desc(), newer.c.number.desc()).offset(keep - 1).limit(1)
    opened = and_(incident.c.line_id == step.line_id, incident.c.closed_at.is_(None), incident.c.opened_at <= step.at)
    present = and_(line_state.c.line_id == step.line_id, line_state.c.switch_id == step.switch_id, step.switch_id != "")
    free = not_(exists().where(opened)), not_(exists().where(present))
    return select(step.id).where(step.at < before, step.number < last.scalar_subquery(), *free)


def _incidents(before: datetime) -> Select[Any]:
    """Closed long ago, and nobody's parent: that one's turn comes once its children are gone."""
    child = incident.alias()
    childless = not_(exists().where(child.c.parent_id == incident.c.id))
    return select(incident.c.id).where(incident.c.closed_at < before, childless)


def _orders(before: datetime) -> Select[Any]:
    """All but the last one of each line, which says who put it into the state that it may still be in."""
    order, newer = line_order.c, line_order.alias()
    later = exists().where(newer.c.line_id == order.line_id, newer.c.at > order.at)
    return select(order.id).where(order.at < before, later)
