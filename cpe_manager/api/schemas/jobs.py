"""Jobs and their rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from cpe_manager.api.schemas.common import View
from cpe_manager.domain.jobs import DeviceWork, Job, JobKind, JobState, Outcome, Priority, WorkState


class JobView(View):
    """``counts``: rows by state and outcome (total, due, done, failed, cancelled, stored, unchanged, quarantined)."""

    id: str
    kind: JobKind
    state: JobState
    trigger: str = Field(description="schedule:<name>, manual, added or after:<job>")
    created_at: datetime
    priority: Priority
    params: dict[str, Any]
    started_at: datetime | None
    finished_at: datetime | None
    occurrence: str | None
    requested_by: str | None
    result: dict[str, Any]
    error: str | None
    counts: dict[str, int]
    hindrance: str | None = Field(default=None, description="Why the daemon cannot get on with it now, when it cannot")
    hindrance_code: str | None = None

    @classmethod
    def of(cls, job: Job, *, hindrance: tuple[str | None, str | None] = (None, None)) -> JobView:
        view = cls.model_validate(job)
        text, code = hindrance
        if job.state is not JobState.OPEN or text is None:
            return view
        return view.model_copy(update={"hindrance": text, "hindrance_code": code})


class WorkView(View):
    """One device's row in a job."""

    job_id: str
    device_id: str
    device: str
    state: WorkState
    attempts: int
    not_before: datetime
    outcome: Outcome | None
    error_code: str | None
    error: str | None
    finished_at: datetime | None
    backup_id: str | None

    @classmethod
    def of(cls, work: DeviceWork) -> WorkView:
        return cls.model_validate(work)
