"""Restore drills: backups that are brought back onto fresh boxes, and compared."""

from __future__ import annotations

from fastapi import APIRouter, Response

from cpe_manager.api.deps import Cursor, IdempotencyKey, Limit, Reader, ServicesDep, Writer, accepted
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.common import PageOf, paged
from cpe_manager.api.schemas.drills import DrillBody, DrillReportView, DrillView
from cpe_manager.api.schemas.jobs import JobView
from cpe_manager.domain.backup.drills import Verdict
from cpe_manager.services.backup.drills import DrillAsked

router = APIRouter(prefix="/drills", tags=["drills"], responses=documented("not_found"))


@router.post("", status_code=202, operation_id="runDrill", summary="Restore backups onto fresh boxes, and compare")
async def run(
    body: DrillBody, services: ServicesDep, caller: Writer, response: Response, key: IdempotencyKey = None
) -> JobView:  # fmt: skip
    asked = DrillAsked(tuple(body.devices or ()), body.family, body.sample, key)
    return accepted(services, response, await services.drills.start(asked, by=caller.name))


@router.get("", operation_id="listDrills", summary="What drills gave, newest first; one for each version")
async def listing(
    services: ServicesDep,
    _caller: Reader,
    device: str | None = None,
    verdict: Verdict | None = None,
    family: str | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> PageOf[DrillView]:
    page = await services.drills.results(device=device, verdict=verdict, family=family, after=cursor, limit=limit)
    return paged(page, DrillView.told)


@router.get("/report", operation_id="reportDrills", summary="Which share of the fleet is proven to restore")
async def report(services: ServicesDep, _caller: Reader) -> DrillReportView:
    return DrillReportView.of(await services.drills.report(services.clock.now()))
