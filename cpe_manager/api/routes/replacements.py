"""Replacements: other hardware on a position, with the configuration that was there."""

from __future__ import annotations

from fastapi import APIRouter, Response

from cpe_manager.api.deps import Cursor, IdempotencyKey, Limit, Reader, ServicesDep, Writer
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.common import PageOf, paged
from cpe_manager.api.schemas.replacements import (
    ReplacementAnswerBody,
    ReplacementBody,
    ReplacementDetailView,
    ReplacementView,
)

router = APIRouter(prefix="/replacements", tags=["replacements"], responses=documented("not_found", "conflict"))


@router.post(
    "",
    status_code=202,
    operation_id="orderReplacement",
    summary="Other hardware for a position: once its key is accepted, the configuration comes back onto it",
)
async def order(
    body: ReplacementBody, services: ServicesDep, caller: Writer, response: Response, key: IdempotencyKey = None
) -> ReplacementView:
    made = await services.replacements.order(body.asked(key), by=caller.name)
    response.headers["Location"] = f"/api/v1/replacements/{made.id}"
    return ReplacementView.of(made)


@router.get("", operation_id="listReplacements", summary="Replacements, newest first")
async def listing(
    services: ServicesDep,
    _caller: Reader,
    device: str | None = None,
    open: bool = False,  # noqa: A002 - the parameter's name is part of the interface
    limit: Limit = 50,
    cursor: Cursor = None,
) -> PageOf[ReplacementView]:
    page = await services.replacements.list(device=device, open_only=open, after=cursor, limit=limit)
    return paged(page, ReplacementView.of)


@router.get("/{replacement_id}", operation_id="getReplacement", summary="A replacement with its plan and journal")
async def show(replacement_id: str, services: ServicesDep, _caller: Reader) -> ReplacementDetailView:
    return ReplacementDetailView.with_journal(await services.replacements.show(replacement_id))


@router.post(
    "/{replacement_id}/accept",
    status_code=202,
    operation_id="acceptReplacement",
    summary="Answer what is asked: the host key, the losses, another try, the customer's consent",
)
async def accept(
    replacement_id: str, body: ReplacementAnswerBody, services: ServicesDep, caller: Writer, response: Response
) -> ReplacementView:
    found = await services.replacements.accept(replacement_id, body.said(), by=caller.name)
    response.headers["Location"] = f"/api/v1/replacements/{found.id}"
    return ReplacementView.of(found)


@router.post(
    "/{replacement_id}/cancel",
    status_code=202,
    operation_id="cancelReplacement",
    summary="Call it off; what a restore on its way has done is taken back",
)
async def cancel(replacement_id: str, services: ServicesDep, caller: Writer, response: Response) -> ReplacementView:
    found = await services.replacements.cancel(replacement_id, by=caller.name)
    response.headers["Location"] = f"/api/v1/replacements/{found.id}"
    return ReplacementView.of(found)
