"""Roll-outs: one change over many devices, by single pushes, wave by wave."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from cpe_manager.api.deps import Cursor, IdempotencyKey, Limit, Reader, ServicesDep, Writer
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.common import PageOf, paged
from cpe_manager.api.schemas.rollouts import (
    CancelBody,
    RolloutBody,
    RolloutDetailView,
    RolloutDeviceView,
    RolloutPlanView,
    RolloutReportView,
    RolloutView,
)
from cpe_manager.domain.rollout.rollouts import DeviceEnd, RolloutState
from cpe_manager.services.bundle import Services

router = APIRouter(tags=["rollouts"], responses=documented("not_found", "conflict"))


COLUMNS = ("device", "wave", "access_node", "outcome", "phase", "reason", "push_id", "ended_at")


@router.post(
    "/rollout-plans",
    operation_id="planRollout",
    summary="What each device would get, and in which wave; asks no device, writes nothing",
)
async def plan(body: RolloutBody, services: ServicesDep, _caller: Writer) -> RolloutPlanView:
    return RolloutPlanView.of(await services.rollouts.plan(body.asked(None)))


@router.post("/rollouts", status_code=202, operation_id="startRollout", summary="Change many devices")
async def start(
    body: RolloutBody, services: ServicesDep, caller: Writer, response: Response, key: IdempotencyKey = None
) -> RolloutView:
    made = await services.rollouts.create(body.asked(key), by=caller.name)
    response.headers["Location"] = f"/api/v1/rollouts/{made.id}"
    return RolloutView.of(made)


@router.get("/rollouts", operation_id="listRollouts", summary="Roll-outs, newest first")
async def listing(
    services: ServicesDep, _caller: Reader, state: RolloutState | None = None, limit: Limit = 50, cursor: Cursor = None
) -> PageOf[RolloutView]:
    return paged(await services.rollouts.list(state=state, after=cursor, limit=limit), RolloutView.of)


@router.get("/rollouts/{rollout_id}", operation_id="getRollout", summary="A roll-out, wave by wave")
async def show(rollout_id: str, services: ServicesDep, _caller: Reader) -> RolloutDetailView:
    found = await services.rollouts.show(rollout_id)
    return RolloutDetailView.with_waves(found, await services.rollouts.standing(found))


@router.get(
    "/rollouts/{rollout_id}/devices", operation_id="listRolloutDevices", summary="Its devices, and what became of them"
)
async def devices(
    rollout_id: str,
    services: ServicesDep,
    _caller: Reader,
    outcome: DeviceEnd | None = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> PageOf[RolloutDeviceView]:
    page = await services.rollouts.devices(rollout_id, end=outcome, after=cursor, limit=limit)
    return paged(page, RolloutDeviceView.of)


@router.get("/rollouts/{rollout_id}/report", operation_id="getRolloutReport", summary="All of it in one document")
async def report(rollout_id: str, services: ServicesDep, _caller: Reader) -> RolloutReportView:
    found = await services.rollouts.show(rollout_id)
    rows = [row async for page in services.rollouts.every_device(rollout_id) for row in page]
    return RolloutReportView.whole(found, await services.rollouts.standing(found), rows)


@router.get(
    "/rollouts/{rollout_id}/report.csv",
    operation_id="getRolloutReportCsv",
    summary="A line for each device",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "CSV with a head line"}},
)
async def report_csv(rollout_id: str, services: ServicesDep, _caller: Reader) -> StreamingResponse:
    await services.rollouts.show(rollout_id)  # an unknown one is a 404, not an empty file
    name = {"Content-Disposition": f'attachment; filename="rollout-{rollout_id[:32]}.csv"'}
    return StreamingResponse(_csv(services, rollout_id), media_type="text/csv; charset=utf-8", headers=name)


async def _csv(services: Services, rollout_id: str) -> AsyncIterator[str]:
    yield _lines([COLUMNS])
    async for page in services.rollouts.every_device(rollout_id):
        views = [RolloutDeviceView.of(row).model_dump(mode="json") for row in page]
        yield _lines([[_cell(view[name]) for name in COLUMNS] for view in views])


def _lines(rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """A spreadsheet takes what begins so for a formula; a device's words are none."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


@router.post("/rollouts/{rollout_id}/pause", operation_id="pauseRollout", summary="Start nothing more for now")
async def pause(rollout_id: str, services: ServicesDep, caller: Writer) -> RolloutView:
    return RolloutView.of(await services.rollouts.pause(rollout_id, by=caller.name))


@router.post("/rollouts/{rollout_id}/resume", operation_id="resumeRollout", summary="Go on, or begin what was held")
async def resume(rollout_id: str, services: ServicesDep, caller: Writer) -> RolloutView:
    return RolloutView.of(await services.rollouts.resume(rollout_id, by=caller.name))


@router.post("/rollouts/{rollout_id}/cancel", operation_id="cancelRollout", summary="End it; what is confirmed stays")
async def cancel(rollout_id: str, services: ServicesDep, caller: Writer, body: CancelBody | None = None) -> RolloutView:
    give_up = body is not None and body.give_up
    return RolloutView.of(await services.rollouts.cancel(rollout_id, by=caller.name, give_up=give_up))
