"""Pushes: changes of devices, always through the commit path."""

from __future__ import annotations

from fastapi import APIRouter, Response

from cpe_manager.api.deps import Cursor, IdempotencyKey, Limit, Reader, ServicesDep, Writer
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.common import PageOf, paged
from cpe_manager.api.schemas.pushes import AgainBody, PlanBody, PlanView, PushBody, PushDetailView, PushView, SettleBody
from cpe_manager.domain.push.pushes import SettledAs
from cpe_manager.services.push.pushes import Again

router = APIRouter(tags=["pushes"], responses=documented("not_found", "conflict"))


@router.post(
    "/push-plans",
    operation_id="planPush",
    summary="What a push would do; reads the device, changes nothing",
    responses=documented("not_found", "conflict", "device"),
)
async def plan(body: PlanBody, services: ServicesDep, _caller: Writer) -> PlanView:
    return PlanView.of(await services.pushes.plan(body.asked()))


@router.post("/pushes", status_code=202, operation_id="push", summary="Change a device")
async def push(
    body: PushBody, services: ServicesDep, caller: Writer, response: Response, key: IdempotencyKey = None
) -> PushView:  # fmt: skip
    made = await services.pushes.submit(body.asked_for(key), by=caller.name)
    response.headers["Location"] = f"/api/v1/pushes/{made.id}"
    return PushView.of(made)


@router.get("/pushes", operation_id="listPushes", summary="Pushes, newest first")
async def listing(
    services: ServicesDep,
    _caller: Reader,
    device: str | None = None,
    open: bool = False,  # noqa: A002 - the parameter's name is part of the interface
    limit: Limit = 50,
    cursor: Cursor = None,
) -> PageOf[PushView]:
    page = await services.pushes.list(device=device, open_only=open, after=cursor, limit=limit)
    return paged(page, PushView.of)


@router.get("/pushes/{push_id}", operation_id="getPush", summary="A push with its journal")
async def show(push_id: str, services: ServicesDep, _caller: Reader) -> PushDetailView:
    return PushDetailView.with_journal(await services.pushes.show(push_id))


@router.post("/pushes/{push_id}/withdraw", operation_id="withdrawPush", summary="Give it up; what it did is taken back")
async def withdraw(push_id: str, services: ServicesDep, caller: Writer) -> PushView:
    return PushView.of(await services.pushes.withdraw(push_id, by=caller.name))


@router.post(
    "/pushes/{push_id}/again",
    status_code=202,
    operation_id="pushAgain",
    summary="Ask once more for what came to nothing; approves the plan that it offers",
)
async def again(
    push_id: str, body: AgainBody, services: ServicesDep, caller: Writer, response: Response, key: IdempotencyKey = None
) -> PushView:  # fmt: skip
    made = await services.pushes.again(push_id, Again(body.basis, key, body.now), by=caller.name)
    response.headers["Location"] = f"/api/v1/pushes/{made.id}"
    return PushView.of(made)


@router.post("/pushes/{push_id}/settle", operation_id="settlePush", summary="Say what a stuck push's device runs")
async def settle(push_id: str, body: SettleBody, services: ServicesDep, caller: Writer) -> PushView:
    return PushView.of(await services.pushes.settle(push_id, SettledAs(body.settled_as), body.note, by=caller.name))
