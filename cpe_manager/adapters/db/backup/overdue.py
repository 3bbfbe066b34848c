"""Which devices have had no good backup for longer than they may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, bindparam, delete, func, or_, select, update

from cpe_manager.adapters.db.rows import select_alarms, to_alarm
from cpe_manager.adapters.db.tables import alarm, device, device_status
from cpe_manager.adapters.db.transactions import Transaction, chunks
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.events import Alarm, NewEvent
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.ports.stores import OverdueChange

_KIND = "backup.overdue"


@dataclass(frozen=True, slots=True)
class Targets:
    """Target ages in hours by device id, ``default_h`` for the rest."""

    by_device: Mapping[str, float]
    default_h: float
    now: datetime

    def limit(self, device_id: str) -> datetime:
        """A device whose last success is older than this is overdue."""
        return self.now - timedelta(hours=self.by_device.get(device_id, self.default_h))

    @property
    def earliest(self) -> datetime:
        """No device whose last success is younger than this can be overdue."""
        return self.now - timedelta(hours=min([self.default_h, *self.by_device.values()]))


@dataclass(frozen=True, slots=True)
class _Change:
    device_id: str
    name: str
    since: datetime
    raised: bool


async def find(tx: Transaction, targets: Targets, *, lock: bool = False) -> Sequence[_Change]:
    """Devices whose alarm has to change. Suspended and decommissioned ones have none."""
    since = func.coalesce(device_status.c.last_success_at, device.c.installed_at, device.c.added_at)
    late = and_(device.c.state == LifeState.ACTIVE.value, since < targets.earliest)
    raised = device_status.c.overdue_since
    query = (
        select(device.c.id, device.c.name, device.c.state, raised, since.label("since"))
        .join(device_status, device_status.c.device_id == device.c.id)
        .where(or_(raised.is_not(None), late))
        .order_by(device.c.id)
    )
    if lock:
        query = query.with_for_update(of=device_status)
    changes: list[_Change] = []
    for row in await tx.rows(query):
        overdue = _is_overdue(row, targets)
        if overdue != (row.overdue_since is not None):
            changes.append(_Change(row.id, row.name, row.since, overdue))
    return changes


async def mark(tx: Transaction, targets: Targets) -> OverdueChange:
    changes = await find(tx, targets, lock=True)
    raised = [change for change in changes if change.raised]
    cleared = [change for change in changes if not change.raised]
    values = [{"of": one.device_id, "since": targets.now if one.raised else None} for one in changes]
    statement = update(device_status).where(device_status.c.device_id == bindparam("of"))
    await tx.many(statement.values(overdue_since=bindparam("since")), values)
    return OverdueChange(await _raise(tx, raised, targets), await _clear(tx, cleared, targets.now))


def _is_overdue(row: AnyRow, targets: Targets) -> bool:
    return bool(row.state == LifeState.ACTIVE and row.since < targets.limit(row.id))


async def _raise(tx: Transaction, changes: Sequence[_Change], targets: Targets) -> tuple[Alarm, ...]:
    alarms = [
        Alarm(
            key=f"{_KIND}:{one.device_id}",
            kind=_KIND,
            device_id=one.device_id,
            device=one.name,
            raised_at=targets.now,
            message=f"no good backup since {one.since:%Y-%m-%d %H:%M} UTC",
        )
        for one in changes
    ]
    await raise_alarms(tx, alarms)
    return tuple(alarms)


async def raise_alarms(tx: Transaction, alarms: Sequence[Alarm], *, once: bool = False) -> None:
    """With their events; one that is raised already stays as it is. ``once``: without another event then."""
    if once:
        keys = [one.key for one in alarms]
        raised = {row.key for row in await tx.rows(select(alarm.c.key).where(alarm.c.key.in_(keys)))}
        alarms = [one for one in alarms if one.key not in raised]
    values = [
        {"key": a.key, "kind": a.kind, "device_id": a.device_id, "raised_at": a.raised_at, "message": a.message}
        for a in alarms
    ]
    await tx.many(tx.insert(alarm).on_conflict_do_nothing(index_elements=["key"]), values)
    tx.emit([_event("alarm.raised", one, one.raised_at) for one in alarms])


async def _clear(tx: Transaction, changes: Sequence[_Change], now: datetime) -> tuple[Alarm, ...]:
    return await clear_alarms(tx, [f"{_KIND}:{one.device_id}" for one in changes], now)


async def clear_alarms(tx: Transaction, keys: Sequence[str], now: datetime) -> tuple[Alarm, ...]:
    """With their events; what is not raised is left out."""
    alarms: list[Alarm] = []
    for part in chunks(keys):
        alarms += [to_alarm(row) for row in await tx.rows(select_alarms().where(alarm.c.key.in_(part)))]
        await tx.run(delete(alarm).where(alarm.c.key.in_(part)))
    tx.emit([_event("alarm.cleared", one, now) for one in alarms])
    return tuple(alarms)


def _event(kind: str, one: Alarm, at: datetime) -> NewEvent:
    return NewEvent(
        kind=kind,
        at=at,
        severity="warning" if kind == "alarm.raised" else "info",
        device_id=one.device_id,
        message=f"{one.kind}: {one.message}" if kind == "alarm.raised" else f"{one.kind} is over",
        data={"key": one.key, "kind": one.kind},
    )
