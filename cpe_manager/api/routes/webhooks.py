"""Webhooks: other servers that are told of events. The secret of one is shown once, when it is made.

A customer's representative has webhooks of its own, which are told of what it may see; of all others it is told that
they do not exist. Of the operator's people an administrator adds and removes: a webhook takes events out of the house.
"""

from __future__ import annotations

from datetime import UTC

from fastapi import APIRouter, Response

from cpe_manager.api.deps import ChangeSeer, Cursor, Follower, Limit, ServicesDep
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
from cpe_manager.domain.access import Permission, Principal, require
from cpe_manager.domain.errors import InputError
from cpe_manager.services.webhooks import For


def _account(caller: Principal, needed: Permission) -> str | None:
    """The account whose webhooks alone there are for the caller; None: all, for whoever may do what is needed."""
    if caller.is_customer:
        require(caller, Permission.FOLLOW)
        return caller.id
    require(caller, needed)
    return None


router = APIRouter(prefix="/webhooks", tags=["webhooks"], responses=documented())


@router.get("", operation_id="listWebhooks", summary="All webhooks by name, without their secrets")
async def listing(
    services: ServicesDep, caller: ChangeSeer, limit: Limit = 50, cursor: Cursor = None
) -> PageOf[WebhookView]:
    account = _account(caller, Permission.SEE)
    return paged(await services.webhooks.list(after=cursor, limit=limit, account_id=account), WebhookView.of)


@router.post(
    "",
    status_code=201,
    operation_id="createWebhook",
    summary="Have events told to another server, from the next one on",
    responses=documented("conflict"),
)
async def create(body: WebhookBody, services: ServicesDep, caller: Follower, response: Response) -> NewWebhookView:
    account = _account(caller, Permission.ADMINISTER)
    if account is not None and body.sites is not None:
        raise InputError("sites: those of a customer's webhook are the account's")
    # Names of customers' stand apart: what others call theirs is nobody's to know.
    name = body.name if account is None else f"{caller.name}.{body.name}"
    bound = For(tuple(dict.fromkeys(body.sites)) if body.sites is not None else None, account or "")
    made = await services.webhooks.add(name, body.url, body.kinds, by=caller.name, secret=body.secret, bound=bound)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Location"] = f"/api/v1/webhooks/{made.endpoint.id}"
    return NewWebhookView.of(made)


@router.get(
    "/{webhook}",
    operation_id="getWebhook",
    summary="A webhook with its latest attempts",
    responses=documented("not_found"),
)
async def show(webhook: str, services: ServicesDep, caller: ChangeSeer) -> WebhookDetailView:
    account = _account(caller, Permission.SEE)
    return WebhookDetailView.shown(*await services.webhooks.show(webhook, account))


@router.delete(
    "/{webhook}",
    status_code=204,
    operation_id="removeWebhook",
    summary="Remove a webhook with its secret",
    responses=documented("not_found"),
)
async def remove(webhook: str, services: ServicesDep, caller: Follower) -> None:
    account = _account(caller, Permission.ADMINISTER)
    await services.webhooks.remove(webhook, by=caller.name, account_id=account)


@router.post(
    "/{webhook}/test",
    operation_id="testWebhook",
    summary="Send an event of kind `webhook.test` now; what came of it, within 15 seconds",
    responses=documented("not_found"),
)
async def test(webhook: str, services: ServicesDep, caller: Follower) -> AttemptView:
    return AttemptView.of(await services.webhooks.test(webhook, _account(caller, Permission.OPERATE)))


@router.post(
    "/{webhook}/replay",
    status_code=202,
    operation_id="replayWebhook",
    summary="Tell events once more, and try a disabled webhook again",
    responses=documented("not_found"),
)
async def replay(
    webhook: str, services: ServicesDep, caller: Follower, response: Response, body: ReplayBody | None = None
) -> WebhookView:
    account = _account(caller, Permission.OPERATE)
    since = body.since if body is not None else None
    if since is not None and since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    found = WebhookView.of(await services.webhooks.replay(webhook, since, by=caller.name, account_id=account))
    response.headers["Location"] = f"/api/v1/webhooks/{found.id}"
    return found
