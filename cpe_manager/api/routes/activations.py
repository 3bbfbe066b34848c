"""Activations (§4.2, §4.3): ordered, followed, answered, retried, called off, and read as a report."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import HTMLResponse

from cpe_manager.api.deps import ChangeSeer, Cursor, IdempotencyKey, Limit, Operator, ServicesDep
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.activations import (
    ActivationBody,
    ActivationDetailView,
    ActivationReportView,
    ActivationView,
    RushBody,
)
from cpe_manager.api.schemas.common import PageOf, paged
from cpe_manager.domain.access.access import bound
from cpe_manager.domain.activation.activation_flow import State
from cpe_manager.ports.activations import ActivationFilter

router = APIRouter(prefix="/activations", tags=["activations"], responses=documented("not_found", "conflict"))

Which = Annotated[str, Path(max_length=200, description="Its id; or a site or a device, for its latest")]
Number = Annotated[
    int | None, Query(alias="number", ge=1, le=2**31 - 1, description="Which report; the latest unless said")
]
_PAGE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


@router.post(
    "",
    status_code=202,
    operation_id="orderActivation",
    summary="Activate a site: subscription, configuration, addresses, wifi, first backup, tests, report",
)
async def order(
    body: ActivationBody, services: ServicesDep, caller: Operator, response: Response, key: IdempotencyKey = None
) -> ActivationView:
    made = await services.activations.order(body.asked(key), by=caller.name)
    response.headers["Location"] = f"/api/v1/activations/{made.id}"
    return ActivationView.of(made)


@router.get("", operation_id="listActivations", summary="Activations, newest first")
async def listing(
    services: ServicesDep,
    caller: ChangeSeer,
    device: Annotated[str | None, Query(max_length=200, description="Only those of this device")] = None,
    state: Annotated[State | None, Query(description="Only those in this state")] = None,
    open: Annotated[bool, Query(description="Only those that have not ended")] = False,  # noqa: A002 - interface
    limit: Limit = 50,
    cursor: Cursor = None,
) -> PageOf[ActivationView]:
    states = None if state is None else (state,)
    wanted = ActivationFilter(bound(caller), states=states, open_only=open)
    found = await services.activations.list(wanted, device=device, after=cursor, limit=limit)
    return paged(found, ActivationView.of)


@router.get(
    "/{activation}", operation_id="getActivation", summary="An activation with its order, journal and last tests"
)
async def show(activation: Which, services: ServicesDep, caller: ChangeSeer) -> ActivationDetailView:
    return ActivationDetailView.with_journal(await services.activations.show(activation, bound(caller)))


@router.post(
    "/{activation}/rush-answer",
    status_code=202,
    operation_id="answerRush",
    summary="Whether the ready-for-service date that was asked for can be kept (§4.3)",
)
async def answer_rush(activation: Which, body: RushBody, services: ServicesDep, caller: Operator) -> ActivationView:
    return ActivationView.of(await services.activations.answer_rush(activation, body.said(), by=caller.name))


@router.post(
    "/{activation}/retry", status_code=202, operation_id="retryActivation", summary="Try one that failed once more"
)
async def retry(activation: Which, services: ServicesDep, caller: Operator) -> ActivationView:
    return ActivationView.of(await services.activations.retry(activation, by=caller.name))


@router.post(
    "/{activation}/cancel",
    status_code=202,
    operation_id="cancelActivation",
    summary="Call it off; a push on its way is taken back, what was configured before stays",
)
async def cancel(activation: Which, services: ServicesDep, caller: Operator) -> ActivationView:
    return ActivationView.of(await services.activations.cancel(activation, by=caller.name))


@router.get(
    "/{activation}/report.json", operation_id="getActivationReport", summary="The report of an activation, as data"
)
async def report(
    activation: Which, services: ServicesDep, caller: ChangeSeer, number: Number = None
) -> ActivationReportView:  # fmt: skip
    return ActivationReportView.of(await services.activations.report(activation, number, bound(caller)))


@router.get(
    "/{activation}/report.html",
    operation_id="getActivationPage",
    summary="The report of an activation, as one page that loads nothing",
    response_class=HTMLResponse,
)
async def page(
    activation: Which, services: ServicesDep, caller: ChangeSeer, number: Number = None
) -> HTMLResponse:  # fmt: skip
    found = await services.activations.report(activation, number, bound(caller))
    return HTMLResponse(found.html, headers=_PAGE)
