"""The audit log: who did what, and whether it is whole. It is read here; nothing writes it but what happens."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from cpe_manager.api.deps import MOST_EVENTS, Auditor, Cursor, Limit, ServicesDep
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.audit import AuditEntryView, VerificationView
from cpe_manager.api.schemas.common import Moment, PageOf, paged
from cpe_manager.domain.access.audit import Seen
from cpe_manager.domain.errors import InputError
from cpe_manager.ports.audit import AuditFilter
from cpe_manager.services.access.audit import MOST_CHECKED

router = APIRouter(prefix="/audit", tags=["audit"], responses=documented())

Number = Annotated[int, Path(ge=1, le=MOST_EVENTS, description="An entry's number")]
Text = Annotated[str, Query(max_length=300)]


def _moment(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


@router.get("", operation_id="listAudit", summary="Entries of the audit log")
async def listing(  # noqa: PLR0913 - a filter for each column
    services: ServicesDep,
    _caller: Auditor,
    *,
    actor: Annotated[str, Query(max_length=300, description="Name or id of who did it")] = "",
    action: Annotated[str, Query(max_length=300, description="`change.approved`, or `change.*`")] = "",
    target: Text = "",
    site: Text = "",
    result: Literal["done", "denied", "failed"] | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
    order: Annotated[Literal["newest", "oldest"], Query(description="Which comes first")] = "newest",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> PageOf[AuditEntryView]:
    where = AuditFilter(actor, action, target, site, result, _moment(since), _moment(until))
    page = await services.audit.list(where, after=cursor, limit=limit, oldest=order == "oldest")
    return paged(page, AuditEntryView.of)


@router.get(
    "/verification",
    operation_id="verifyAudit",
    summary="Whether the log is whole, some thousand entries at a time; else the first thing that is wrong",
)
async def verification(
    services: ServicesDep,
    _caller: Auditor,
    *,
    first: Annotated[int, Query(alias="from", ge=1, le=MOST_EVENTS)] = 1,
    limit: Annotated[int, Query(ge=1, le=MOST_CHECKED, description="Entries of this answer at most")] = MOST_CHECKED,
    seen_number: Annotated[int | None, Query(ge=1, le=MOST_EVENTS, description="An entry that was seen before")] = None,
    seen_digest: Annotated[str | None, Query(pattern="^[0-9a-f]{64}$", description="Its digest then")] = None,
) -> VerificationView:
    if (seen_number is None) != (seen_digest is None):
        raise InputError("seen_number and seen_digest: both or none")
    seen = (Seen(seen_number, seen_digest),) if seen_number is not None and seen_digest is not None else ()
    found = await services.audit.verify(first, limit, seen=seen)
    return VerificationView.of(found, await services.audit_watch.last())


@router.get("/{number}", operation_id="getAudit", summary="One entry", responses=documented("not_found"))
async def show(number: Number, services: ServicesDep, _caller: Auditor) -> AuditEntryView:
    return AuditEntryView.of(await services.audit.show(number))
