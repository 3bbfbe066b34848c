"""API tokens. Their text is shown once, at creation."""

from __future__ import annotations

from fastapi import APIRouter, Response

from cpe_manager.api.deps import Admin, ServicesDep
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.common import PageOf
from cpe_manager.api.schemas.system import NewTokenView, TokenBody, TokenView

router = APIRouter(prefix="/tokens", tags=["tokens"], responses=documented())


@router.get("", operation_id="listTokens", summary="All tokens, revoked ones too, without their text")
async def listing(services: ServicesDep, _caller: Admin) -> PageOf[TokenView]:
    return PageOf(items=[TokenView.of(token) for token in await services.tokens.list()])


@router.post("", status_code=201, operation_id="createToken", summary="Make a token", responses=documented("conflict"))
async def create(body: TokenBody, services: ServicesDep, caller: Admin, response: Response) -> NewTokenView:
    new = await services.tokens.create(body.name, frozenset(body.scopes), days=body.days, by=caller.name)
    response.headers["Cache-Control"] = "no-store"
    return NewTokenView(token=TokenView.of(new.token), text=new.text)


@router.delete(
    "/{name_or_id}",
    operation_id="revokeToken",
    summary="Revoke a token at once and for ever",
    responses=documented("not_found"),
)
async def revoke(name_or_id: str, services: ServicesDep, caller: Admin) -> TokenView:
    return TokenView.of(await services.tokens.revoke(name_or_id, by=caller.name))
