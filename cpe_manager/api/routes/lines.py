"""Lines: what is known of them, where they stand, what operators ask for; and the incidents that come of it (§3.8)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from cpe_manager.api.deps import Cursor, IdempotencyKey, Limit, Reader, ServicesDep, Writer
from cpe_manager.api.etags import TAG, IfMatch, IfNoneMatch, revision_of, tagged
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.common import PageOf, paged
from cpe_manager.api.schemas.lines import (
    CoverageBody,
    CoverageView,
    IncidentView,
    LineDetailView,
    LineImportBody,
    LineImportView,
    LineSetupBody,
    LineSummaryView,
    LineView,
    OrderBody,
    RowResultView,
    TransitionView,
)
from cpe_manager.domain.failover.lines import FailoverState

router = APIRouter(tags=["lines"], responses=documented("not_found", "conflict"))

Node = Annotated[str | None, Query(max_length=200, description="Only lines of this access node")]


@router.get("/lines", operation_id="listLines", summary="Lines that were set up, by their devices")
async def listing(
    services: ServicesDep,
    _caller: Reader,
    state: FailoverState | None = None,
    node: Node = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> PageOf[LineView]:  # fmt: skip
    return paged(await services.lines.list(state=state, node=node, after=cursor, limit=limit), LineView.of)


@router.get("/line-summary", operation_id="summariseLines", summary="Lines by state, open incidents, who watches")
async def summary(services: ServicesDep, _caller: Reader) -> LineSummaryView:
    return LineSummaryView.of(await services.lines.summary())


@router.get("/line-history", operation_id="listLineHistory", summary="Steps of all lines, newest first")
async def whole_history(
    services: ServicesDep, _caller: Reader, limit: Limit = 50, cursor: Cursor = None
) -> PageOf[TransitionView]:
    return paged(await services.lines.history(None, after=cursor, limit=limit), TransitionView.of)


@router.post("/line-imports", operation_id="importLines", summary="Set up many lines; each row has its own result")
async def imports(body: LineImportBody, services: ServicesDep, caller: Writer) -> LineImportView:
    rows = [one.row() for one in body.rows]
    found = await services.lines.import_rows(rows, by=caller.name, dry_run=body.dry_run)
    return LineImportView(dry_run=body.dry_run, results=[RowResultView.of(one) for one in found])


@router.get(
    "/lines/{line}",
    operation_id="getLine",
    summary="A line: state, reasons, incidents, what happens next",
    responses={200: {"headers": TAG}},
)
async def show(line: str, services: ServicesDep, _caller: Reader, response: Response) -> LineDetailView:
    found = await services.lines.show(line)
    tagged(response, found.record.revision)
    return LineDetailView.shown(found)


@router.put(
    "/lines/{line}",
    operation_id="setUpLine",
    summary="Say what is known of the line of a device, as a whole",
    description="`line` is a device that is in service, or a line that was set up. The verdict on coverage is kept.",
    responses=documented("not_found", "conflict", "precondition_failed") | {200: {"headers": TAG}},
)
async def set_up(
    line: str,
    body: LineSetupBody,
    services: ServicesDep,
    caller: Writer,
    response: Response,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> LineView:
    revision = revision_of(if_match, if_none_match)
    made = await services.lines.set_up(line, body.values(), by=caller.name, revision=revision, whole=True)
    tagged(response, made.revision)
    return LineView.of(made)


@router.post(
    "/lines/{line}/orders",
    status_code=202,
    operation_id="orderLine",
    summary="Ask for a switch, a return, a hold, its release, or a test of the backup",
)
async def order(
    line: str,
    body: OrderBody,
    services: ServicesDep,
    caller: Writer,
    response: Response,
    key: IdempotencyKey = None,
) -> LineView:
    asked = await services.lines.want(line, body.order(key), by=caller.name)
    response.headers["Location"] = f"/api/v1/lines/{asked.line.id}"
    return LineView.of(asked)


@router.get("/lines/{line}/history", operation_id="getLineHistory", summary="Steps of a line, newest first")
async def history(
    line: str, services: ServicesDep, _caller: Reader, limit: Limit = 50, cursor: Cursor = None
) -> PageOf[TransitionView]:
    return paged(await services.lines.history(line, after=cursor, limit=limit), TransitionView.of)


@router.post(
    "/lines/{line}/coverage",
    operation_id="checkCoverage",
    summary="Is the mobile coverage enough (§3.8)? Measures at the box, which takes up to a minute",
    responses=documented("not_found", "conflict", "device"),
)
async def coverage(
    line: str, services: ServicesDep, caller: Writer, body: CoverageBody | None = None
) -> CoverageView:  # fmt: skip
    if body is None or body.verdict is None:
        return CoverageView.of(await services.lines.check_coverage(line, by=caller.name))
    return CoverageView.of(await services.lines.record_coverage(line, body.verdict, body.reason, by=caller.name))


@router.get("/incidents", operation_id="listIncidents", summary="Incidents of lines and access nodes, newest first")
async def incidents(
    services: ServicesDep,
    _caller: Reader,
    line: str | None = None,
    open: bool = False,  # noqa: A002 - the parameter's name is part of the interface
    limit: Limit = 50,
    cursor: Cursor = None,
) -> PageOf[IncidentView]:
    found = await services.lines.incidents(name=line, open_only=open, after=cursor, limit=limit)
    return paged(found, IncidentView.of)
