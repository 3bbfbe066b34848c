"""Jobs: anything long. A backup job (a *run*) has a row per device; the rest have only their own row.

All durable truth about work is in these rows: a ticket on the engine only says "look at this".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class JobKind(StrEnum):
    """``backup`` and ``push`` have rows per device, the rest have only their own."""

    BACKUP = "backup"
    PUSH = "push"
    VERIFY = "verify"
    EXPORT = "export"
    ROTATE = "rotate"
    RETENTION = "retention"
    DRILL = "drill"


class JobState(StrEnum):
    """``failed`` of a backup job means that at least one device ended ``failed``."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class WorkState(StrEnum):
    """State of one device's row in a job; *leased* is not a state, it is a live row of ``device_lease``."""

    DUE = "due"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


WITH_ROWS = frozenset({JobKind.BACKUP, JobKind.PUSH})


class Outcome(StrEnum):
    """How a finished device row ended: a backup's, or (from ``confirmed`` on) a push's."""

    STORED = "stored"
    UNCHANGED = "unchanged"
    QUARANTINED = "quarantined"
    FAILED = "failed"
    CANCELLED = "cancelled"
    CONFIRMED = "confirmed"
    REVERTED = "reverted"
    STUCK = "stuck"
    WITHDRAWN = "withdrawn"


class Priority(StrEnum):
    """Classes with slots of their own, so that urgent work never queues behind bulk work."""

    URGENT = "urgent"
    NORMAL = "normal"
    BULK = "bulk"


@dataclass(frozen=True, slots=True)
class Job:
    id: str
    kind: JobKind
    state: JobState
    trigger: str
    """``schedule:<name>``, ``rollout:<name>``, ``manual`` or ``added``."""
    created_at: datetime
    priority: Priority = Priority.NORMAL
    params: dict[str, Any] = field(default_factory=dict)
    started_at: datetime | None = None
    finished_at: datetime | None = None
    occurrence: str | None = None
    requested_by: str | None = None
    result: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    """Rows by state and outcome: ``total due done failed cancelled stored unchanged quarantined``."""


@dataclass(frozen=True, slots=True)
class DeviceWork:
    """One device's row in a job, joined with what the CLI shows."""

    job_id: str
    device_id: str
    device: str
    state: WorkState
    attempts: int
    not_before: datetime
    outcome: Outcome | None = None
    error_code: str | None = None
    error: str | None = None
    finished_at: datetime | None = None
    backup_id: str | None = None
