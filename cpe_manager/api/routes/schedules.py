"""Schedules: when the fleet, or a group of it, is backed up."""

from __future__ import annotations

from fastapi import APIRouter, Response

from cpe_manager.api.deps import Reader, ServicesDep, Writer, accepted
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.common import PageOf
from cpe_manager.api.schemas.jobs import JobView
from cpe_manager.api.schemas.system import ScheduleBody, ScheduleView
from cpe_manager.services.scheduling import NewSchedule

router = APIRouter(prefix="/schedules", tags=["schedules"], responses=documented())


@router.get("", operation_id="listSchedules", summary="All schedules with their next time")
async def listing(services: ServicesDep, _caller: Reader) -> PageOf[ScheduleView]:
    found = await services.scheduling.list()
    return PageOf(items=[ScheduleView.of(one.schedule, one.next_at) for one in found])


@router.post(
    "", status_code=201, operation_id="addSchedule", summary="Add a schedule", responses=documented("conflict")
)
async def add(body: ScheduleBody, services: ServicesDep, _caller: Writer) -> ScheduleView:
    added = await services.scheduling.add(NewSchedule(**body.model_dump()))
    return ScheduleView.of(added.schedule, added.next_at)


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
async def run(name: str, services: ServicesDep, caller: Writer, response: Response) -> JobView:
    return accepted(services, response, await services.scheduling.run_now(name, by=caller.name))
