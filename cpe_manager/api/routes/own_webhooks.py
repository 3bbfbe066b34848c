"""Webhooks of a customer's representative: told of changes, activations and subscriptions of the sites that the account
is bound to, as long as it is. Of all others it is told that they do not exist."""

from __future__ import annotations

from datetime import UTC

from fastapi import APIRouter, Response

from cpe_manager.api.deps import Cursor, Follower, Limit, ServicesDep
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.common import PageOf, paged
from cpe_manager.api.schemas.webhooks import (
    AttemptView,
    NewWebhookView,
    OwnWebhookBody,
    ReplayBody,
    WebhookDetailView,
    WebhookView,
)
from cpe_manager.domain.errors import Conflict
from cpe_manager.services.telling.webhooks import For

router = APIRouter(prefix="/own-webhooks", tags=["webhooks"], responses=documented())


@router.get("", operation_id="listOwnWebhooks", summary="A customer's own webhooks by name")
async def listing(
    services: ServicesDep, caller: Follower, limit: Limit = 50, cursor: Cursor = None
) -> PageOf[WebhookView]:
    return paged(await services.webhooks.list(after=cursor, limit=limit, account_id=caller.id), WebhookView.of)


@router.post(
    "",
    status_code=201,
    operation_id="createOwnWebhook",
    summary="Have a customer's server told of what happens at its sites, from the next event on",
    responses=documented("conflict"),
)
async def create(body: OwnWebhookBody, services: ServicesDep, caller: Follower, response: Response) -> NewWebhookView:
    if not caller.is_customer:
        raise Conflict("only an account that represents a customer has webhooks of its own; others: /webhooks")
    # Names of customers' stand apart: what others call theirs is nobody's to know.
    name, bound = f"{caller.name}.{body.name}", For(account_id=caller.id)
    made = await services.webhooks.add(name, body.url, body.kinds, by=caller.name, secret=body.secret, bound=bound)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Location"] = f"/api/v1/own-webhooks/{made.endpoint.id}"
    return NewWebhookView.of(made)


@router.get(
    "/{webhook}",
    operation_id="getOwnWebhook",
    summary="One of a customer's webhooks with its latest attempts",
    responses=documented("not_found"),
)
async def show(webhook: str, services: ServicesDep, caller: Follower) -> WebhookDetailView:
    return WebhookDetailView.shown(*await services.webhooks.show(webhook, caller.id))


@router.delete(
    "/{webhook}",
    status_code=204,
    operation_id="removeOwnWebhook",
    summary="Remove one of a customer's webhooks with its secret",
    responses=documented("not_found"),
)
async def remove(webhook: str, services: ServicesDep, caller: Follower) -> None:
    await services.webhooks.remove(webhook, by=caller.name, account_id=caller.id)


@router.post(
    "/{webhook}/test",
    operation_id="testOwnWebhook",
    summary="Send an event of kind `webhook.test` to a customer's server now; what came of it, within 15 seconds",
    responses=documented("not_found"),
)
async def test(webhook: str, services: ServicesDep, caller: Follower) -> AttemptView:
    return AttemptView.of(await services.webhooks.test(webhook, caller.id))


@router.post(
    "/{webhook}/replay",
    status_code=202,
    operation_id="replayOwnWebhook",
    summary="Tell a customer's server events once more, and try a disabled webhook again",
    responses=documented("not_found"),
)
async def replay(
    webhook: str, services: ServicesDep, caller: Follower, response: Response, body: ReplayBody | None = None
) -> WebhookView:
    since = body.since if body is not None else None
    if since is not None and since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    moved = await services.webhooks.replay(webhook, since, by=caller.name, account_id=caller.id)
    response.headers["Location"] = f"/api/v1/own-webhooks/{moved.id}"
    return WebhookView.of(moved)
