"""Mails: what customers and the operator were told, and what could not be told yet."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path

from cpe_manager.api.deps import Admin, Cursor, Limit, Reader, ServicesDep
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.common import PageOf, paged
from cpe_manager.api.schemas.mail import MailDetailView, MailRetryBody, MailRetryView, MailView

router = APIRouter(tags=["mail"], responses=documented())


@router.get("/mails", operation_id="listMails", summary="Mails, newest first")
async def listing(
    services: ServicesDep,
    _caller: Reader,
    state: Literal["queued", "sent", "failed"] | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> PageOf[MailView]:
    return paged(await services.notices.list(state=state, after=cursor, limit=limit), MailView.of)


@router.get("/mails/{mail}", operation_id="getMail", summary="One mail whole", responses=documented("not_found"))
async def show(mail: Annotated[str, Path(max_length=32)], services: ServicesDep, _caller: Reader) -> MailDetailView:
    return MailDetailView.of(await services.notices.show(mail))


@router.post(
    "/mail-retries",
    operation_id="retryMails",
    summary="Have one mail, or all that failed, tried again at once",
    responses=documented("not_found", "conflict"),
)
async def retry(body: MailRetryBody, services: ServicesDep, caller: Admin) -> MailRetryView:
    return MailRetryView(tried_again=await services.notices.retry(body.id, by=caller.name))
