"""Change requests: what is asked for, what is shown to the customer, what became of it (§5.2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BeforeValidator, Field, model_validator

from cpe_manager.api.pointers import parts, pointer
from cpe_manager.api.schemas.common import Asked, Body, View, moment
from cpe_manager.domain.changes.entries import EntryTerms
from cpe_manager.domain.changes.outlook import outlook
from cpe_manager.domain.changes.requests import OPEN, ChangeRecord, ChangeRequest, ChangeState
from cpe_manager.ports.changes import ChangeFilter
from cpe_manager.services.changes.bulk import BulkResult, BulkRow
from cpe_manager.services.changes.requests import NewChange

Digest = Annotated[str, Field(min_length=1, max_length=200, description="`shown.digest` of what was looked at")]
Zoned = Annotated[AwareDatetime, BeforeValidator(moment)]
Result = Literal["submitted", "known", "valid", "refused"]
Words = Annotated[str, Field(max_length=2000)]


class ChangeBody(Body):
    """``site`` or ``device``: a site with one device in service needs no device."""

    type: str = Field(min_length=1, max_length=64, description="Entry of the change catalogue", examples=["open-port"])
    parameters: dict[str, Any] = Field(
        default={}, repr=False, description="As the entry's schema says: `GET /catalogue/changes/{type}`"
    )
    site: str | None = Field(default=None, min_length=1, max_length=255)
    device: str | None = Field(default=None, min_length=1, max_length=255)
    requested_for: Zoned | None = Field(default=None, description="Not before this; with its time zone")
    note: Words = Field(default="", description="For whoever reads the request")


class ChangeQuery(Asked):
    """Conditions are joined by AND; of those that are repeated any."""

    state: list[ChangeState] = Field(default=[], max_length=20, description="Any of these; repeatable")
    site: list[str] = Field(default=[], max_length=500, description="Any of these; repeatable")
    device: str | None = Field(default=None, max_length=255)
    type: str | None = Field(default=None, max_length=64)
    bulk: str | None = Field(default=None, max_length=64, description="`bulk_id` of an import")
    open: bool = Field(default=False, description="Something is still to happen")
    limit: int = Field(default=50, ge=1, le=1000)
    cursor: str | None = Field(default=None, max_length=1000, description="`next_cursor` of the page before")

    def where(self) -> ChangeFilter:
        states = tuple(self.state) or (tuple(OPEN) if self.open else None)
        return ChangeFilter(
            sites=self.site or None, device=self.device, states=states, type=self.type, bulk_id=self.bulk
        )


class ApprovalBody(Body):
    """Yes to exactly what was shown: another ``digest`` by now is refused."""

    digest: Digest
    words: Words = Field(default="", description="How the customer said so, where somebody else writes it down")


class DeclineBody(Body):
    reason: str = Field(min_length=1, max_length=2000)


class WithdrawalBody(Body):
    reason: Words = ""


class ShownPart(View):
    part: str = Field(examples=["forwardings"])
    before: Any
    after: Any


class ShownView(View):
    """What is approved. ``neutral`` is for people, ``native`` what is typed; without secrets."""

    basis: str = Field(description="Fingerprint of what the device ran")
    digest: str
    neutral: list[ShownPart]
    native: str
    notes: list[str]
    at: datetime | None


class GivenApproval(View):
    by: str
    at: datetime
    basis: str
    digest: str
    words: str


class FeeView(View):
    """Recorded, not invoiced (§5.2.2)."""

    billable: bool
    reason: str


class ChangeStepView(View):
    number: int
    state: ChangeState
    at: datetime
    by: str
    reason: str


class ChangeView(View):
    id: str
    ticket: str = Field(examples=["CHG-000123"], description="Its number, used from then on (§5.1.1)")
    site: str
    device: str
    type: str
    type_version: int
    catalogue_version: int = Field(description="Of the service catalogue that it is judged by; 0: not evaluated yet")
    parameters: dict[str, Any] = Field(description="Secrets are masked")
    summary: str = Field(examples=["open tcp 443 to 192.168.1.10"])
    note: str
    submitted_by: str
    submitted_at: datetime
    state: ChangeState
    outcome: ChangeState | None = Field(description="What it came to; stays when it is closed")
    reason: str = Field(description="Of the state: why it was refused, what it waits for")
    code: str = Field(description="The same for programs", examples=["not-entitled"])
    revision: int = Field(description="The `ETag`")
    by_right: bool = Field(description="One of the three settings that are the customer's: no approval (§5.2.1.1)")
    standard: bool = Field(description="Runs as soon as it is approved; others wait for the change window")
    needs_approval: bool = Field(description="Now, by somebody else than who submitted it")
    round: int = Field(description="How often an approval was asked for, from 0")
    requested_for: datetime | None
    not_before: datetime | None
    expires_at: datetime | None = Field(description="Until when an answer is awaited")
    push_id: str | None
    fee: FeeView | None
    bulk_id: str | None
    ended_at: datetime | None
    closed_at: datetime | None
    next: str = Field(description="What happens next, in words")
    next_at: datetime | None = Field(description="When, where that is known")

    @classmethod
    def of(cls, change: ChangeRequest) -> ChangeView:
        return cls.model_validate(_fields(change))


class ApprovalView(ChangeView):
    """A request that waits for an approval, with what would be approved."""

    shown: ShownView | None

    @classmethod
    def of(cls, change: ChangeRequest) -> ApprovalView:
        return cls.model_validate({**_fields(change), "shown": _shown(change)})


class ChangeDetailView(ApprovalView):
    approval: GivenApproval | None
    steps: list[ChangeStepView]

    @classmethod
    def record(cls, found: ChangeRecord) -> ChangeDetailView:
        change = found.change
        approval = None if change.approval is None else GivenApproval.model_validate(change.approval)
        steps = [ChangeStepView.model_validate(step) for step in found.steps]
        return cls.model_validate({**_fields(change), "shown": _shown(change), "approval": approval, "steps": steps})


def _fields(change: ChangeRequest) -> dict[str, Any]:
    names = ChangeView.model_fields.keys() - {"needs_approval", "expires_at", "next", "next_at", "fee"}
    values = {name: getattr(change, name) for name in names}
    expires_at: datetime | None = getattr(change, "expires_at", None)
    words, at = outlook(change, expires_at)
    waits = change.state is ChangeState.ACCEPTED and not change.by_right and change.shown is not None
    fee = None if change.fee is None else FeeView.model_validate(change.fee)
    more = {"needs_approval": waits, "expires_at": expires_at, "next": words, "next_at": at, "fee": fee}
    return {**values, **more, "parameters": dict(change.parameters)}


def _shown(change: ChangeRequest) -> ShownView | None:
    one = change.shown
    if one is None:
        return None
    parts = [ShownPart(part=part, before=before, after=after) for part, before, after in one.neutral]
    return ShownView(
        basis=one.basis, digest=one.digest, neutral=parts, native=one.native, notes=list(one.notes), at=one.at
    )


class ChangeRow(ChangeBody):
    number: int = Field(ge=1, description="Line of the file, for messages")
    key: str | None = Field(default=None, min_length=1, max_length=100, description="Of idempotency, of this row")

    def new(self) -> NewChange:
        return NewChange(**self.model_dump(exclude={"number"}))


class ChangeImportBody(Body):
    """``rows``, or ``csv``: a head line with ``type``, ``site`` or ``device``, and a column for each parameter."""

    rows: list[ChangeRow] | None = Field(default=None, min_length=1, max_length=5000)
    csv: str | None = Field(default=None, min_length=1, max_length=8_000_000)
    dry_run: bool = Field(default=False, description="Only say what would become of each row")

    @model_validator(mode="after")
    def _one_choice(self) -> ChangeImportBody:
        if (self.rows is None) == (self.csv is None):
            raise ValueError("give exactly one of rows and csv")
        return self


class ChangeRowView(View):
    number: int
    result: Result = Field(description="`known`: submitted before with the same key; `valid`: of a dry run")
    site: str
    device: str
    type: str
    summary: str
    ticket: str | None
    change_id: str | None
    code: str = Field(description="Of a refusal, for programs")
    reason: str
    pointer: str | None = Field(description="Place in the row, where one is at fault")

    @classmethod
    def of(cls, row: BulkRow, bulk_id: str, *, dry_run: bool) -> ChangeRowView:
        change = row.change
        kept = None if change is None or not change.ticket else change
        known = kept is not None and kept.bulk_id != bulk_id
        result: Result = "refused" if change is None else "known" if known else "valid" if dry_run else "submitted"
        return cls(
            number=row.line,
            result=result,
            site=row.site or (change.site if change else ""),
            device=row.device or (change.device if change else ""),
            type=row.type,
            summary=change.summary if change else "",
            ticket=kept.ticket if kept else None,
            change_id=kept.id if kept else None,
            code=row.code,
            reason=row.reason,
            pointer=None if row.field is None else pointer(["parameters", *parts(row.field)]),
        )


class ChangeImportView(View):
    """What is wrong with a row stops no other."""

    bulk_id: str | None = Field(description="Of those that were submitted: `GET /changes?bulk=`; null of a dry run")
    dry_run: bool
    results: list[ChangeRowView]

    @classmethod
    def of(cls, found: BulkResult, *, dry_run: bool) -> ChangeImportView:
        rows = [ChangeRowView.of(row, found.bulk_id, dry_run=dry_run) for row in found.rows]
        return cls(bulk_id=None if dry_run else found.bulk_id, dry_run=dry_run, results=rows)


class ChangeTypeView(View):
    """An entry of the change catalogue: its terms, and what it takes."""

    type: str = Field(examples=["open-port"])
    version: int
    title: str
    section: str = Field(examples=["§3.4"])
    components: list[str] = Field(description="All of them have to be part of the subscription")
    standard: bool
    fee: bool = Field(description="Whether it is billable at all")
    enabled: bool
    parameters: dict[str, Any] = Field(description="JSON schema (draft 2020-12) of its parameters")

    @classmethod
    def of(cls, terms: EntryTerms, schema: Mapping[str, Any]) -> ChangeTypeView:
        named = {name: getattr(terms, name) for name in cls.model_fields if name not in {"parameters", "components"}}
        return cls(**named, components=list(terms.components), parameters=dict(schema))
