"""Jobs: anything long."""

from __future__ import annotations

from fastapi import APIRouter

from cpe_manager.api.deps import Cursor, Limit, Reader, ServicesDep, Writer, job_view
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.common import PageOf, paged
from cpe_manager.api.schemas.jobs import JobView, WorkView
from cpe_manager.domain.jobs import JobState, Outcome

router = APIRouter(prefix="/jobs", tags=["jobs"], responses=documented("not_found"))


@router.get("", operation_id="listJobs", summary="Jobs, newest first")
async def listing(
    services: ServicesDep, _caller: Reader, state: JobState | None = None, limit: Limit = 50, cursor: Cursor = None
) -> PageOf[JobView]:
    page = await services.jobs.list(after=cursor, limit=limit, state=state)
    return paged(page, lambda job: job_view(services, job))


@router.get("/{job_id}", operation_id="getJob", summary="A job with its counts")
async def show(job_id: str, services: ServicesDep, _caller: Reader) -> JobView:
    return job_view(services, await services.jobs.show(job_id))


@router.get("/{job_id}/devices", operation_id="listJobDevices", summary="The device rows of a backup job")
async def devices(
    job_id: str,
    services: ServicesDep,
    _caller: Reader,
    outcome: Outcome | None = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> PageOf[WorkView]:
    await services.jobs.show(job_id)  # an unknown job is a 404, not an empty page
    return paged(await services.jobs.work(job_id, after=cursor, limit=limit, outcome=outcome), WorkView.of)


@router.post(
    "/{job_id}/cancel",
    operation_id="cancelJob",
    summary="Cancel what is still due; what is in flight ends by itself",
    responses=documented("not_found", "conflict"),
)
async def cancel(job_id: str, services: ServicesDep, caller: Writer) -> JobView:
    return job_view(services, await services.jobs.cancel(job_id, by=caller.name))
