"""Subscriptions of sites, and what they entitle to. A customer sees those of the own sites."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from cpe_manager.api.deps import ChangeSeer, Cursor, Limit, Operator, ServicesDep
from cpe_manager.api.etags import TAG, IfMatch, IfNoneMatch, revision_of, tagged
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.common import PageOf, paged
from cpe_manager.api.schemas.subscriptions import (
    EntitlementsView,
    SubscriptionBody,
    SubscriptionImportBody,
    SubscriptionImportView,
    SubscriptionRowView,
    SubscriptionView,
)
from cpe_manager.domain.subscription.subscriptions import Subscription

router = APIRouter(tags=["subscriptions"], responses=documented("not_found", "conflict"))

OfFormula = Annotated[str | None, Query(max_length=64, description="Only those of this formula")]


@router.get("/subscriptions", operation_id="listSubscriptions", summary="Subscriptions by the names of their sites")
async def listing(
    services: ServicesDep, caller: ChangeSeer, formula: OfFormula = None, limit: Limit = 50, cursor: Cursor = None
) -> PageOf[SubscriptionView]:
    found = await services.subscriptions.list(caller, formula=formula, after=cursor, limit=limit)
    return paged(found, SubscriptionView.of)


@router.post(
    "/subscription-imports",
    operation_id="importSubscriptions",
    summary="Make or change many subscriptions; each row has its own result",
)
async def imports(body: SubscriptionImportBody, services: ServicesDep, caller: Operator) -> SubscriptionImportView:
    rows = [one.row() for one in body.rows]
    found = await services.subscriptions.import_rows(rows, caller, dry_run=body.dry_run)
    return SubscriptionImportView(dry_run=body.dry_run, results=[SubscriptionRowView.of(one) for one in found])


@router.get(
    "/subscriptions/{site}",
    operation_id="getSubscription",
    summary="The subscription of a site, by name or id",
    responses={200: {"headers": TAG}},
)
async def show(site: str, services: ServicesDep, caller: ChangeSeer, response: Response) -> SubscriptionView:
    return _tagged(response, await services.subscriptions.show(site, caller))


@router.put(
    "/subscriptions/{site}",
    operation_id="putSubscription",
    summary="Write down what a site has, as a whole",
    description="Checked against the catalogue in force. The site is one of the inventory.",
    responses=documented("not_found", "conflict", "precondition_failed") | {200: {"headers": TAG}},
)
async def put(
    site: str,
    body: SubscriptionBody,
    services: ServicesDep,
    caller: Operator,
    response: Response,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> SubscriptionView:
    revision = revision_of(if_match, if_none_match)
    made = await services.subscriptions.put(site, body.values(), caller, revision=revision, whole=True)
    return _tagged(response, made)


@router.get(
    "/subscriptions/{site}/entitlements",
    operation_id="getEntitlements",
    summary="What a site is entitled to under the catalogue in force, and why not to the rest",
)
async def entitlements(site: str, services: ServicesDep, caller: ChangeSeer) -> EntitlementsView:
    return EntitlementsView.of(await services.subscriptions.entitlements(site, caller))


def _tagged(response: Response, one: Subscription) -> SubscriptionView:
    tagged(response, one.revision)
    return SubscriptionView.of(one)
