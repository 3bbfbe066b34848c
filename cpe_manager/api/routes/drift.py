"""Drift: devices that run something other than what was confirmed, or than what they would come up with."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from cpe_manager.api.deps import Cursor, IdempotencyKey, Limit, Reader, ServicesDep, Writer
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.common import PageOf, paged
from cpe_manager.api.schemas.drift import AdoptBody, DriftDetailView, DriftView, LookBody, RemediateBody
from cpe_manager.api.schemas.pushes import PushView
from cpe_manager.domain.backup.drift import Verdict

router = APIRouter(prefix="/drift", tags=["drift"], responses=documented("not_found", "conflict"))


Verdicts = Annotated[list[Verdict] | None, Query(description="Only these; left out: all that are out of step")]
All = Annotated[bool, Query(alias="all", description="Devices in step as well")]
_OUT_OF_STEP = tuple(verdict for verdict in Verdict if verdict is not Verdict.IN_STEP)


@router.get("", operation_id="listDrift", summary="Devices out of step, by name")
async def listing(
    services: ServicesDep,
    _caller: Reader,
    verdict: Verdicts = None,
    everything: All = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> PageOf[DriftView]:
    wanted = tuple(verdict or ()) or (() if everything else _OUT_OF_STEP)
    return paged(await services.drift.list(verdicts=wanted, after=cursor, limit=limit), DriftView.of)


@router.get("/{name}", operation_id="getDrift", summary="How a device stands, by its last backup")
async def show(
    name: str, services: ServicesDep, _caller: Reader, context: Annotated[int, Query(ge=0, le=1000)] = 3
) -> DriftDetailView:
    return DriftDetailView.shown(await services.drift.show(name, context=context))


@router.post(
    "/{name}/look",
    operation_id="lookAtDrift",
    summary="How a device stands now; reads it and what it would come up with, changes nothing, takes seconds",
    responses=documented("not_found", "conflict", "device", "timeout"),
)
async def look(name: str, services: ServicesDep, _caller: Writer, body: LookBody | None = None) -> DriftDetailView:
    return DriftDetailView.shown(await services.drift.show(name, live=True, context=(body or LookBody()).context))


@router.post("/{name}/adopt", operation_id="adoptDrift", summary="What the device ran at its last backup is wanted")
async def adopt(name: str, body: AdoptBody, services: ServicesDep, caller: Writer) -> DriftView:
    return DriftView.of(await services.drift.adopt(name, body.basis, by=caller.name))


@router.post(
    "/{name}/remediate",
    status_code=202,
    operation_id="remediateDrift",
    summary="Bring the confirmed version back by a push, or save what runs where that is all",
)
async def remediate(
    name: str,
    services: ServicesDep,
    caller: Writer,
    response: Response,
    body: RemediateBody | None = None,
    key: IdempotencyKey = None,
) -> PushView:
    made = await services.drift.remediate((body or RemediateBody()).remedy(name, key), by=caller.name)
    response.headers["Location"] = f"/api/v1/pushes/{made.id}"
    return PushView.of(made)
