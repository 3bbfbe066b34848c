"""Rows of pushes and their journals as domain values, and back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cpe_manager.adapters.db.transactions import Values
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.events import NewEvent, Severity
from cpe_manager.domain.jobs import Priority
from cpe_manager.domain.push.commit_path import Entry, Note, Phase, Result, Step
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.domain.push.probes import Probe
from cpe_manager.domain.push.pushes import Hold, Offer, Push, PushKind, SettledAs, Settlement, Waiting


def push_event(
    kind: str, of: Push, at: datetime, message: str, *, severity: Severity = "info", **more: Any
) -> NewEvent:  # fmt: skip
    data = {"push_id": of.id, "kind": of.kind.value, "summary": of.summary, **more}
    return NewEvent(kind, at, severity, device_id=of.device_id, job_id=of.job_id, message=message, data=data)


def push_values(one: Push, order_id: str) -> Values:
    return {
        "id": one.id,
        "job_id": one.job_id,
        "device_id": one.device_id,
        "kind": one.kind.value,
        "summary": one.summary,
        "created_at": one.created_at,
        "requested_by": one.requested_by,
        "token": one.token,
        "guard_seconds": one.guard_seconds,
        "phase": one.phase.value,
        "basis": one.basis,
        "overrides": sorted(lockout.value for lockout in one.overrides),
        "key": one.key,
        "withdrawn_by": one.withdrawn_by,
        "snapshot_id": one.snapshot_id,
        "reason": one.reason,
        "ended_at": one.ended_at,
        "order_id": order_id,
        "priority": one.priority.value,
        "any_time": one.any_time,
        "accepted": sorted(one.accepted),
        "probes": [str(probe) for probe in one.probes],
        "code": one.code,
        "waiting": waiting_value(one.waiting),
        "begun_at": one.begun_at,
        "offer": offer_value(one.offer),
        "managed_at": one.managed_at,
    }


def to_push(row: AnyRow) -> Push:
    return Push(
        id=row.id,
        job_id=row.job_id,
        device_id=row.device_id,
        device=row.name,
        kind=PushKind(row.kind),
        summary=row.summary,
        created_at=row.created_at,
        requested_by=row.requested_by,
        token=row.token,
        guard_seconds=row.guard_seconds,
        phase=Phase(row.phase),
        basis=row.basis,
        overrides=frozenset(Lockout(value) for value in row.overrides),
        key=row.key,
        withdrawn_by=row.withdrawn_by,
        snapshot_id=row.snapshot_id,
        reason=row.reason,
        ended_at=row.ended_at,
        priority=Priority(row.priority),
        any_time=row.any_time,
        accepted=frozenset(row.accepted),
        probes=tuple(Probe.parse(text) for text in row.probes),
        code=row.code,
        waiting=_to_waiting(row.waiting),
        begun_at=row.begun_at,
        offer=_to_offer(row.offer),
        settled=_to_settlement(row),
        managed_at=row.managed_at,
    )


def waiting_value(one: Waiting | None) -> Values | None:
    if one is None:
        return None
    return {"hold": one.hold.value, "reason": one.reason, "until": one.until.isoformat() if one.until else None}


def _to_waiting(data: Any) -> Waiting | None:
    if data is None:
        return None
    until = data["until"]
    return Waiting(Hold(data["hold"]), data["reason"], datetime.fromisoformat(until) if until else None)


def offer_value(one: Offer | None) -> Values | None:
    if one is None:
        return None
    return {"basis": one.basis, "native": one.native, "neutral": [list(part) for part in one.neutral]}


def _to_offer(data: Any) -> Offer | None:
    if data is None:
        return None
    neutral = tuple((part, old, new) for part, old, new in data["neutral"])
    return Offer(data["basis"], data["native"], neutral)


def _to_settlement(row: AnyRow) -> Settlement | None:
    if row.settled_at is None:
        return None
    return Settlement(SettledAs(row.settled_as), row.settled_at, row.settled_by or "", row.settled_note or "")


def entry_values(entry: Entry) -> Values:
    result = None if entry.result is None else entry.result.value
    return {
        "step": entry.step.value,
        "at": entry.at,
        "result": result,
        "reason": entry.reason,
        "deadline": entry.deadline,
        "code": entry.code,
        "notes": [[note.what, note.ok, note.reason] for note in entry.notes],
    }


def to_entry(row: AnyRow) -> Entry:
    result = None if row.result is None else Result(row.result)
    notes = tuple(Note(what, ok, reason) for what, ok, reason in row.notes)
    return Entry(Step(row.step), row.at, result, row.reason, row.deadline, row.code, notes)
