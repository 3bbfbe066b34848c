"""Schedules: when the fleet, or a group of it, is backed up."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Response

from cpe_manager.api.deps import IdempotencyKey, Reader, ServicesDep, Writer, accepted, occurrence_of
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.common import PageOf
from cpe_manager.api.schemas.jobs import JobView
from cpe_manager.api.schemas.system import ScheduleBody, ScheduleView
from cpe_manager.domain.errors import NotFound
from cpe_manager.services.jobs.scheduling import NewSchedule

router = APIRouter(prefix="/schedules", tags=["schedules"], responses=documented())


@router.get("", operation_id="listSchedules", summary="All schedules with their next time")
async def listing(services: ServicesDep, _caller: Reader) -> PageOf[ScheduleView]:
    found = await services.scheduling.list()
    return PageOf(items=[ScheduleView.of(one.schedule, one.next_at) for one in found])


@router.post(
    "", status_code=201, operation_id="addSchedule", summary="Add a schedule", responses=documented("conflict")
)
async def add(body: ScheduleBody, services: ServicesDep, _caller: Writer, response: Response) -> ScheduleView:
    added = await services.scheduling.add(NewSchedule(**body.model_dump()))
    response.headers["Location"] = f"/api/v1/schedules/{quote(added.schedule.name, safe='')}"
    return ScheduleView.of(added.schedule, added.next_at)


@router.get(
    "/{name}",
    operation_id="getSchedule",
    summary="A schedule by name or id, with its next time",
    responses=documented("not_found"),
)
async def show(name: str, services: ServicesDep, _caller: Reader) -> ScheduleView:
    for one in await services.scheduling.list():
        if name in {one.schedule.name, one.schedule.id}:
            return ScheduleView.of(one.schedule, one.next_at)
    raise NotFound(f"no such schedule: {name}")


@router.delete(
    "/{name}",
    status_code=204,
    operation_id="removeSchedule",
    summary="Remove a schedule; its runs stay",
    responses=documented("not_found"),
)
async def remove(name: str, services: ServicesDep, _caller: Writer) -> None:
    await services.scheduling.remove(name)


@router.post(
    "/{name}/run",
    status_code=202,
    operation_id="runSchedule",
    summary="Back up the schedule's devices now, beside its occurrences",
    responses=documented("not_found", "conflict"),
)
async def run(
    name: str, services: ServicesDep, caller: Writer, response: Response, key: IdempotencyKey = None
) -> JobView:
    occurrence = occurrence_of(f"schedule:{name}", caller.name, key)
    return accepted(services, response, await services.scheduling.run_now(name, by=caller.name, occurrence=occurrence))
