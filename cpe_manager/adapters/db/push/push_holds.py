"""Whether a push may begin now, counted from the rows themselves; and what ends the matter of one that is stuck.

Those who ask wait for one another (the lock of claims), so two pushes never take the same last place.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, select, update

from cpe_manager.adapters.db.backup.overdue import clear_alarms, raise_alarms
from cpe_manager.adapters.db.push.push_rows import push_event, to_push, waiting_value
from cpe_manager.adapters.db.rows import ACCESS_NODE
from cpe_manager.adapters.db.tables import alarm, device, device_status, line, push
from cpe_manager.adapters.db.transactions import Transaction
from cpe_manager.domain.events import Alarm
from cpe_manager.domain.jobs import Priority
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.domain.push.pushes import Hold, Limits, Push, PushKind, SettledAs, Settlement, Waiting

HELD: Final = "push.held"
RUNBOOK: Final = "docs/how-to/stuck-push.md"
_HOUR: Final = timedelta(hours=1)


def unsettled(device_id: str | None = None) -> ColumnElement[bool]:
    """Pushes that are stuck and about which nobody has said yet what the device runs."""
    stuck = and_(push.c.phase == Phase.STUCK.value, push.c.settled_at.is_(None))
    return stuck if device_id is None else and_(stuck, push.c.device_id == device_id)


async def hindered(tx: Transaction, of: Push, limits: Limits, at: datetime) -> Waiting | None:
    """Why it may not begin now; None when it may. Holds the lock of claims, so what is counted stays so."""
    if of.kind is not PushKind.RESTORE and await _count(tx, unsettled(of.device_id)):
        return Waiting(Hold.STUCK, f"an earlier push of this device is stuck; see {RUNBOOK}")
    if of.priority is Priority.URGENT:
        return None
    if limits.failures_per_hour and (failed := await _failures(tx, at)) >= limits.failures_per_hour:
        reason = f"{failed} pushes of the last hour failed; {limits.failures_per_hour} are the limit"
        await raise_alarms(tx, [Alarm(HELD, HELD, None, None, at, f"{reason}: others do not begin")], once=True)
        return Waiting(Hold.FAILURES, reason)
    running = and_(
        push.c.begun_at.is_not(None), push.c.ended_at.is_(None), push.c.id != of.id,
        push.c.priority != Priority.URGENT.value,
    )  # fmt: skip
    if limits.in_flight and (many := await _count(tx, running)) >= limits.in_flight:
        return Waiting(Hold.FLEET, f"{many} pushes are in flight")
    if limits.per_access_node and (node := await _node(tx, of.device_id)) is not None:
        tables = push.join(device, device.c.id == push.c.device_id).outerjoin(line, line.c.id == device.c.line_id)
        same_node: ColumnElement[bool] = ACCESS_NODE.op("=")(node)
        query = select(func.count()).select_from(tables).where(and_(running, same_node))
        if (many := (await tx.rows(query))[0][0]) >= limits.per_access_node:
            return Waiting(Hold.ACCESS_NODE, f"{many} pushes are in flight behind {node}")
    return None


async def _count(tx: Transaction, where: ColumnElement[bool]) -> int:
    return int((await tx.rows(select(func.count()).select_from(push).where(where)))[0][0])


async def _failures(tx: Transaction, at: datetime) -> int:
    bad = push.c.phase.in_([Phase.REVERTED.value, Phase.STUCK.value])
    # Given up by somebody is no sign that something is wrong with what is being rolled out.
    return await _count(tx, and_(push.c.ended_at > at - _HOUR, bad, push.c.withdrawn_by.is_(None)))


async def _node(tx: Transaction, device_id: str) -> str | None:
    tables = device.outerjoin(line, line.c.id == device.c.line_id)
    rows = await tx.rows(select(ACCESS_NODE).select_from(tables).where(device.c.id == device_id))
    return rows[0][0] if rows else None


async def note_waiting(tx: Transaction, of: Push, waiting: Waiting | None, at: datetime) -> None:
    """What it waits for; nothing: it begins now."""
    begun = {} if waiting is not None else {"begun_at": at}
    await tx.run(update(push).where(push.c.id == of.id).values(waiting=waiting_value(waiting), **begun))


async def release_held(tx: Transaction, limit: int, at: datetime) -> bool:
    """Clear the alarm when so few have failed of late that others may begin again."""
    raised = select(alarm.c.key).where(alarm.c.key == HELD)
    if not await tx.rows(raised) or (limit and await _failures(tx, at) >= limit):
        return False
    await clear_alarms(tx, [HELD], at)
    return True


async def settle(tx: Transaction, of: Push, end: Settlement) -> None:
    """Once; its alarm is over with it."""
    values = {
        "settled_as": end.how.value, "settled_at": end.at, "settled_by": end.by, "settled_note": end.note or None,
    }  # fmt: skip
    done = await tx.run(update(push).where(push.c.id == of.id, push.c.settled_at.is_(None)).values(values))
    if not done.rowcount:
        return
    await clear_alarms(tx, [stuck_key(of)], end.at)
    message = f"{of.device}: the stuck push is settled as {end.how.value} by {end.by}"
    said: dict[str, Any] = {"settled_as": end.how.value, "by": end.by, "note": end.note}
    tx.emit([push_event("push.settled", of, end.at, message, **said)])


async def settle_by_later(tx: Transaction, by: Push, at: datetime) -> None:
    """A push was confirmed on a device: what an earlier one left of it no longer matters."""
    for one in await stuck(tx, unsettled(by.device_id)):
        await settle(tx, one, Settlement(SettledAs.LATER, at, f"push {by.id}"))


async def stuck(tx: Transaction, where: ColumnElement[bool]) -> Sequence[Push]:
    query = select(push, device.c.name).join(device, device.c.id == push.c.device_id).where(where)
    return [to_push(row) for row in await tx.rows(query.order_by(push.c.id))]


async def read_since(tx: Transaction) -> Sequence[tuple[Push, str]]:
    """Stuck pushes whose devices were read whole since, with the version that they were found to run then."""
    query = (
        select(push, device.c.name, device_status.c.current_backup_id.label("version"))
        .join(device, device.c.id == push.c.device_id)
        .join(device_status, device_status.c.device_id == push.c.device_id)
        .where(
            unsettled(),
            device_status.c.last_success_at > push.c.ended_at,
            device_status.c.current_backup_id.is_not(None),
        )
        .order_by(push.c.id)
    )
    return [(to_push(row), row.version) for row in await tx.rows(query)]


def stuck_key(of: Push) -> str:
    return f"push.stuck:{of.id}"


async def stuck_facts(tx: Transaction, of: Push) -> dict[str, Any]:
    """What whoever opens an incident wants to know without asking further."""
    columns = (device.c.address, device.c.family, ACCESS_NODE.label("node"), device.c.position_id)
    tables = device.outerjoin(line, line.c.id == device.c.line_id)
    rows = await tx.rows(select(*columns).select_from(tables).where(device.c.id == of.device_id))
    row = rows[0]
    return {
        "device": of.device,
        "address": row.address,
        "family": row.family,
        "access_node": row.node,
        "snapshot_id": of.snapshot_id,
        "requested_by": of.requested_by,
        "priority": of.priority.value,
        "guard_seconds": of.guard_seconds,
        "runbook": RUNBOOK,
    }
