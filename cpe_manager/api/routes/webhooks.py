"""Webhooks: other servers that are told of events. The secret of one is shown once, when it is made.

A customer's representative has webhooks of its own, which are told of what it may see; of all others it is told that
they do not exist. Of the operator's people an administrator adds and removes: a webhook takes events out of the house.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from cpe_manager.api.deps import Anyone, Cursor, Limit, ServicesDep
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


@dataclass(frozen=True, slots=True)
class Whose:
    """``account``: the one whose webhooks alone there are for the caller; None: all of them."""

    caller: Principal
    account: str | None


def _whose(needed: Permission) -> Callable[[Principal], Whose]:
    """A representative's are its own; others need a permission."""

    def whose(caller: Anyone) -> Whose:
        require(caller, Permission.FOLLOW if caller.is_customer else needed)
        return Whose(caller, caller.id if caller.is_customer else None)

    return whose


Looked = Annotated[Whose, Depends(_whose(Permission.SEE))]
Worked = Annotated[Whose, Depends(_whose(Permission.OPERATE))]
Kept = Annotated[Whose, Depends(_whose(Permission.ADMINISTER))]

router = APIRouter(prefix="/webhooks", tags=["webhooks"], responses=documented())


@router.get("", operation_id="listWebhooks", summary="All webhooks by name, without their secrets")
async def listing(
    services: ServicesDep, whose: Looked, limit: Limit = 50, cursor: Cursor = None
) -> PageOf[WebhookView]:
    found = await services.webhooks.list(after=cursor, limit=limit, account_id=whose.account)
    return paged(found, WebhookView.of)


@router.post(
    "",
    status_code=201,
    operation_id="createWebhook",
    summary="Have events told to another server, from the next one on",
    responses=documented("conflict"),
)
async def create(body: WebhookBody, services: ServicesDep, whose: Kept, response: Response) -> NewWebhookView:
    caller, account = whose.caller, whose.account
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
async def show(webhook: str, services: ServicesDep, whose: Looked) -> WebhookDetailView:
    return WebhookDetailView.shown(*await services.webhooks.show(webhook, whose.account))


@router.delete(
    "/{webhook}",
    status_code=204,
    operation_id="removeWebhook",
    summary="Remove a webhook with its secret",
    responses=documented("not_found"),
)
async def remove(webhook: str, services: ServicesDep, whose: Kept) -> None:
    await services.webhooks.remove(webhook, by=whose.caller.name, account_id=whose.account)


@router.post(
    "/{webhook}/test",
    operation_id="testWebhook",
    summary="Send an event of kind `webhook.test` now; what came of it, within 15 seconds",
    responses=documented("not_found"),
)
async def test(webhook: str, services: ServicesDep, whose: Worked) -> AttemptView:
    return AttemptView.of(await services.webhooks.test(webhook, whose.account))


@router.post(
    "/{webhook}/replay",
    status_code=202,
    operation_id="replayWebhook",
    summary="Tell events once more, and try a disabled webhook again",
    responses=documented("not_found"),
)
async def replay(
    webhook: str, services: ServicesDep, whose: Worked, response: Response, body: ReplayBody | None = None
) -> WebhookView:
    since = body.since if body is not None else None
    if since is not None and since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    found = WebhookView.of(
        await services.webhooks.replay(webhook, since, by=whose.caller.name, account_id=whose.account)
    )
    response.headers["Location"] = f"/api/v1/webhooks/{found.id}"
    return found
