"""Sealing keys: names and dates, never key material."""

from __future__ import annotations

from fastapi import APIRouter, Response

from cpe_manager.api.deps import Admin, IdempotencyKey, ServicesDep, accepted, occurrence_of
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.common import PageOf
from cpe_manager.api.schemas.jobs import JobView
from cpe_manager.api.schemas.system import KeyView

router = APIRouter(prefix="/keys", tags=["keys"], responses=documented("key"))


@router.get("", operation_id="listKeys", summary="The sealing keys and how much each wraps")
async def listing(services: ServicesDep, _caller: Admin) -> PageOf[KeyView]:
    return PageOf(items=[KeyView.model_validate(key) for key in await services.keys.list()])


@router.post(
    "/rotate",
    status_code=202,
    operation_id="rotateKey",
    summary="Activate a new key; the job re-wraps what older keys wrap",
)
async def rotate(services: ServicesDep, caller: Admin, response: Response, key: IdempotencyKey = None) -> JobView:
    occurrence = occurrence_of("rotate", caller.name, key)
    return accepted(services, response, await services.keys.rotate(by=caller.name, occurrence=occurrence))


@router.delete(
    "/{key_id}",
    status_code=204,
    operation_id="retireKey",
    summary="Take a key that wraps nothing any more out of the key file",
    responses=documented("not_found", "conflict", "key"),
)
async def retire(key_id: str, services: ServicesDep, caller: Admin) -> None:
    await services.keys.retire(key_id, by=caller.name)
