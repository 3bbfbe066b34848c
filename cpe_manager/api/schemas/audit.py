"""The audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from cpe_manager.api.schemas.common import View
from cpe_manager.domain.access.audit import AuditEntry
from cpe_manager.domain.access.audit_watch import Watched
from cpe_manager.services.access.audit import Verification


class AuditEntryView(View):
    """``previous`` and ``digest``: hexadecimal HMAC-SHA256, chained from 64 zeros on."""

    number: int = Field(description="Counts up by one, from 1; a gap is a fault")
    at: datetime
    actor: str
    actor_id: str
    action: str = Field(description="Kind of event, or operation id of the request", examples=["change.approved"])
    target: str = Field(examples=["device:gent-r1"])
    site: str
    result: str = Field(examples=["done", "denied", "failed"])
    data: dict[str, Any]
    source: str = Field(description="Address that the request came from; empty where there was none")
    request_id: str
    previous: str
    digest: str
    key_id: str

    @classmethod
    def of(cls, one: AuditEntry) -> AuditEntryView:
        entry = one.entry
        return cls(
            number=one.number,
            at=entry.at,
            actor=entry.actor,
            actor_id=entry.actor_id,
            action=entry.action,
            target=entry.target,
            site=entry.site,
            result=entry.result,
            data=dict(entry.data),
            source=entry.source,
            request_id=entry.request_id,
            previous=one.previous,
            digest=one.digest,
            key_id=one.key_id,
        )


class AuditFaultView(View):
    """The first thing that is wrong, and the number of the entry where it shows."""

    number: int
    what: str = Field(examples=["edited", "missing", "reordered", "forked", "cut", "head"])
    detail: str


class AuditSeenView(View):
    number: int
    digest: str


class AuditWatchView(View):
    """What the daemon found when it last looked at the log by itself: each hour what is new, each week all."""

    verified_at: datetime
    verified_to: int = Field(description="Up to this entry it was whole")
    whole_at: datetime | None = Field(description="When that was last looked at from the first entry on")
    fault: AuditFaultView | None = Field(description="The first thing that was wrong the last time")

    @classmethod
    def of(cls, one: Watched) -> AuditWatchView:
        fault = None if one.fault is None else AuditFaultView.model_validate(one.fault)
        return cls(verified_at=one.at, verified_to=one.number, whole_at=one.whole_at, fault=fault)


class VerificationView(View):
    """Entries ``first`` to ``last`` are whole. Go on from ``next`` until it is null."""

    ok: bool = Field(description="Nothing wrong so far")
    first: int
    last: int
    next: int | None
    fault: AuditFaultView | None
    head: AuditSeenView | None = Field(
        description="The end of the log; noted elsewhere, it proves later that nothing was cut"
    )
    watched: AuditWatchView | None = Field(
        default=None, description="When the daemon last looked by itself; null: not yet, or no daemon was asked"
    )

    @classmethod
    def of(cls, one: Verification, watched: Watched | None = None) -> VerificationView:
        fault, head = one.fault, one.head
        return cls(
            ok=fault is None,
            first=one.first,
            last=one.last,
            next=one.next,
            fault=None if fault is None else AuditFaultView.model_validate(fault),
            head=None if head is None else AuditSeenView.model_validate(head),
            watched=None if watched is None else AuditWatchView.of(watched),
        )
