"""Webhooks: other servers that are told of events. The secret of one is shown once, when it is made.

An administrator adds and removes: a webhook takes events out of the house. Those of customers: ``own_webhooks``.
"""

from __future__ import annotations

from datetime import UTC

from fastapi import APIRouter, Response

from cpe_manager.api.deps import Admin, Cursor, Limit, Reader, ServicesDep, Writer
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.common import PageOf, paged
from cpe_manager.api.schemas.webhooks import (
    AttemptView,
    NewWebhookView,
    ReplayBody,
    WebhookBody,
    WebhookDetailView,
    WebhookView,
)
from cpe_manager.services.telling.webhooks import For

router = APIRouter(prefix="/webhooks", tags=["webhooks"], responses=documented())


@router.get("", operation_id="listWebhooks", summary="All webhooks by name, without their secrets")
async def listing(
    services: ServicesDep, _caller: Reader, limit: Limit = 50, cursor: Cursor = None
) -> PageOf[WebhookView]:
    found = await services.webhooks.list(after=cursor, limit=limit)
    return paged(found, WebhookView.of)


@router.post(
    "",
    status_code=201,
    operation_id="createWebhook",
    summary="Have events told to another server, from the next one on",
    responses=documented("conflict"),
)
async def create(body: WebhookBody, services: ServicesDep, caller: Admin, response: Response) -> NewWebhookView:
    bound = For(tuple(dict.fromkeys(body.sites)) if body.sites is not None else None)
    made = await services.webhooks.add(body.name, body.url, body.kinds, by=caller.name, secret=body.secret, bound=bound)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Location"] = f"/api/v1/webhooks/{made.endpoint.id}"
    return NewWebhookView.of(made)


@router.get(
    "/{webhook}",
    operation_id="getWebhook",
    summary="A webhook with its latest attempts",
    responses=documented("not_found"),
)
async def show(webhook: str, services: ServicesDep, _caller: Reader) -> WebhookDetailView:
    return WebhookDetailView.shown(*await services.webhooks.show(webhook))


@router.delete(
    "/{webhook}",
    status_code=204,
    operation_id="removeWebhook",
    summary="Remove a webhook with its secret",
    responses=documented("not_found"),
)
async def remove(webhook: str, services: ServicesDep, caller: Admin) -> None:
    await services.webhooks.remove(webhook, by=caller.name)


@router.post(
    "/{webhook}/test",
    operation_id="testWebhook",
    summary="Send an event of kind `webhook.test` now; what came of it, within 15 seconds",
    responses=documented("not_found"),
)
async def test(webhook: str, services: ServicesDep, _caller: Writer) -> AttemptView:
    return AttemptView.of(await services.webhooks.test(webhook))


@router.post(
    "/{webhook}/replay",
    status_code=202,
    operation_id="replayWebhook",
    summary="Tell events once more, and try a disabled webhook again",
    responses=documented("not_found"),
)
async def replay(
    webhook: str, services: ServicesDep, caller: Writer, response: Response, body: ReplayBody | None = None
) -> WebhookView:
    since = body.since if body is not None else None
    if since is not None and since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    found = WebhookView.of(await services.webhooks.replay(webhook, since, by=caller.name))
    response.headers["Location"] = f"/api/v1/webhooks/{found.id}"
    return found
