"""Change requests: submitted, shown, approved by somebody else, declined, withdrawn (§5.2.2)."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Response

from cpe_manager.api.deps import Approver, ChangeSeer, Cursor, IdempotencyKey, Limit, ServicesDep, Submitter
from cpe_manager.api.etags import TAG, IfMatch, revision_of, tagged
from cpe_manager.api.placing import placed
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.changes import (
    ApprovalBody,
    ApprovalView,
    ChangeBody,
    ChangeDetailView,
    ChangeImportBody,
    ChangeImportView,
    ChangeQuery,
    ChangeTypeView,
    ChangeView,
    DeclineBody,
    WithdrawalBody,
)
from cpe_manager.api.schemas.common import PageOf, paged
from cpe_manager.domain.changes.catalogue import CHANGE_TYPES, schema
from cpe_manager.domain.changes.requests import ChangeRequest
from cpe_manager.domain.errors import NotFound
from cpe_manager.services.changes.requests import NewChange

router = APIRouter(tags=["changes"], responses=documented("not_found"))

_TAGGED: Final[dict[int | str, dict[str, Any]]] = {200: {"headers": TAG}}
_ENDING = documented("not_found", "conflict", "precondition_failed") | _TAGGED


@router.post(
    "/changes",
    status_code=202,
    operation_id="submitChange",
    summary="Ask for a change; it is evaluated, and shown to whoever has to approve it",
    responses=documented("not_found", "conflict") | {202: {"headers": TAG}},
)
async def submit(
    body: ChangeBody, services: ServicesDep, caller: Submitter, response: Response, key: IdempotencyKey = None
) -> ChangeView:
    with placed(ChangeBody.model_fields, "parameters"):
        made = await services.changes.submit(NewChange(**body.model_dump(), key=key), by=caller)
    response.headers["Location"] = f"/api/v1/changes/{made.id}"
    return _told(response, made)


@router.get("/changes", operation_id="listChanges", summary="Change requests, newest first")
async def listing(
    query: Annotated[ChangeQuery, Query()], services: ServicesDep, caller: ChangeSeer
) -> PageOf[ChangeView]:
    found = await services.changes.list(query.where(), by=caller, after=query.cursor, limit=query.limit)
    return paged(found, ChangeView.of)


@router.get(
    "/changes/{change}",
    operation_id="getChange",
    summary="A change request by id or ticket: what is shown, the approval, every step",
    responses=_TAGGED,
)
async def show(change: str, services: ServicesDep, caller: ChangeSeer, response: Response) -> ChangeDetailView:
    found = await services.changes.show(change, by=caller)
    tagged(response, found.change.revision)
    return ChangeDetailView.record(found)


@router.post(
    "/changes/{change}/withdrawal",
    operation_id="withdrawChange",
    summary="Take it back before it executes",
    responses=_ENDING,
)
async def withdraw(
    change: str,
    services: ServicesDep,
    caller: Submitter,
    response: Response,
    body: WithdrawalBody | None = None,
    if_match: IfMatch = None,
) -> ChangeView:
    reason = "" if body is None else body.reason
    with placed(WithdrawalBody.model_fields):
        ended = await services.changes.withdraw(change, reason, by=caller, revision=revision_of(if_match))
    return _told(response, ended)


@router.post(
    "/change-imports",
    operation_id="importChanges",
    summary="Ask for many changes; each row has its own result",
    responses=documented("conflict"),
)
async def imports(
    body: ChangeImportBody, services: ServicesDep, caller: Submitter, key: IdempotencyKey = None
) -> ChangeImportView:
    bulk_id = uuid.uuid4().hex
    dry = body.dry_run
    with placed(ChangeImportBody.model_fields):
        if body.csv is not None:
            found = await services.bulk_changes.submit(body.csv, bulk_id, by=caller, key=key, dry_run=dry)
        else:
            rows = [(row.number, row.new()) for row in body.rows or ()]
            found = await services.bulk_changes.submit_rows(rows, bulk_id, by=caller, key=key, dry_run=dry)
    return ChangeImportView.of(found, dry_run=dry)


@router.get(
    "/catalogue/changes",
    operation_id="listChangeTypes",
    summary="What can be asked for: terms, and the JSON schema of the parameters",
)
async def types(services: ServicesDep, _caller: ChangeSeer) -> PageOf[ChangeTypeView]:
    catalogue = await services.catalogues.current()
    terms = await services.catalogues.entries()
    known = [one for name, one in sorted(terms.items()) if name in CHANGE_TYPES]
    return PageOf(items=[ChangeTypeView.of(one, schema(one.type, catalogue)) for one in known])


@router.get(
    "/catalogue/changes/{type}",
    operation_id="getChangeType",
    summary="One entry of the change catalogue",
)
async def one_type(
    kind: Annotated[str, Path(alias="type", max_length=64)], services: ServicesDep, _caller: ChangeSeer
) -> ChangeTypeView:
    terms = (await services.catalogues.entries()).get(kind)
    if terms is None or kind not in CHANGE_TYPES:
        raise NotFound(f"no change {kind} in the catalogue")
    return ChangeTypeView.of(terms, schema(kind, await services.catalogues.current()))


@router.get(
    "/approvals",
    operation_id="listApprovals",
    summary="Change requests that wait for an approval which the caller may give, newest first",
)
async def waiting(
    services: ServicesDep, caller: Approver, limit: Limit = 50, cursor: Cursor = None
) -> PageOf[ApprovalView]:  # fmt: skip
    return paged(await services.changes.approvals(by=caller, after=cursor, limit=limit), ApprovalView.of)


@router.post(
    "/changes/{change}/approval",
    operation_id="approveChange",
    summary="Approve exactly what was shown; not by whoever submitted it",
    responses=_ENDING,
)
async def approve(
    change: str,
    body: ApprovalBody,
    services: ServicesDep,
    caller: Approver,
    response: Response,
    if_match: IfMatch = None,
) -> ChangeView:
    with placed(ApprovalBody.model_fields):
        given = await services.changes.approve(
            change, body.digest, by=caller, words=body.words, revision=revision_of(if_match)
        )
    return _told(response, given)


@router.post(
    "/changes/{change}/decline",
    operation_id="declineChange",
    summary="Say no to what was shown, with the reason",
    responses=_ENDING,
)
async def decline(
    change: str,
    body: DeclineBody,
    services: ServicesDep,
    caller: Approver,
    response: Response,
    if_match: IfMatch = None,
) -> ChangeView:
    with placed(DeclineBody.model_fields):
        ended = await services.changes.decline(change, body.reason, by=caller, revision=revision_of(if_match))
    return _told(response, ended)


def _told(response: Response, change: ChangeRequest) -> ChangeView:
    tagged(response, change.revision)
    return ChangeView.of(change)
