"""The daemon itself; and the three paths that need no token: health, readiness, metrics."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from cpe_manager.api.deps import Anyone, Reader, ServicesDep
from cpe_manager.api.problem_texts import title
from cpe_manager.api.problems import documented, plain_problem, problem_of, request_id
from cpe_manager.api.schemas.audit import AuditWatchView
from cpe_manager.api.schemas.system import SystemView
from cpe_manager.domain.errors import CpeManagerError
from cpe_manager.runtime.metrics import CONTENT_TYPE, Metrics
from cpe_manager.services.bundle import Services

router = APIRouter(tags=["system"], responses=documented())
probes = APIRouter(tags=["probes"])


@router.get("/system", operation_id="getSystem", summary="Version, engine, schema and counts")
async def system(request: Request, services: ServicesDep, _caller: Reader) -> SystemView:
    credentials, unusable = _credentials(services)
    watched = await services.audit_watch.last()
    return SystemView(
        version=request.app.version,
        engine=request.app.state.engine,
        schema_version=await services.maintenance.schema_version(),
        devices={str(state): number for state, number in (await services.inventory.counts()).items()},
        families=list(services.drivers.families()),
        credentials=credentials,
        credentials_error=unusable,
        alarms=len(await services.events.alarms()),
        last_event_id=await services.events.last_id(),
        audit=None if watched is None else AuditWatchView.of(watched),
        hindrance=services.worker.hindrance,
    )


def _credentials(services: Services) -> tuple[list[str], str | None]:
    """Names, and what is wrong: this page is looked at when something is."""
    try:
        return list(services.credentials.names()), None
    except CpeManagerError as error:
        return [], str(error)


@router.get("/openapi.json", operation_id="getOpenapi", summary="This description, OpenAPI 3.1")
async def openapi(request: Request, _caller: Anyone) -> dict[str, Any]:
    document: dict[str, Any] = request.app.openapi()
    return document


@probes.get("/healthz", operation_id="getHealth", summary="The process is alive", response_class=PlainTextResponse)
async def healthz() -> str:
    return "ok\n"


@probes.get(
    "/readyz",
    operation_id="getReadiness",
    summary="The process can do its work",
    response_class=PlainTextResponse,
    responses={503: problem_of(f"`not_ready`: {title('not_ready')}")},
)
async def readyz(request: Request, services: ServicesDep) -> Response:
    reason = await services.ready()
    if reason is None:
        return PlainTextResponse("ready\n")
    refused: JSONResponse = plain_problem("not_ready", 503, reason, request_id(request), headers={"Retry-After": "5"})
    return refused


@probes.get("/metrics", operation_id="getMetrics", summary="Prometheus text format", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    found: Metrics = request.app.state.metrics
    return Response(found.render(), media_type=CONTENT_TYPE)
