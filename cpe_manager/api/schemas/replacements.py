"""Replacements of hardware: what is ordered, what is asked, what people say, how far it has come."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field, model_validator

from cpe_manager.api.schemas.common import Body, View
from cpe_manager.domain.fleet.host_keys import fingerprint
from cpe_manager.domain.replacement.replacements import Ask, Replacement, ReplacementRecord, Result, Stage, Step, Unit
from cpe_manager.services.replacement.replacements import ReplacementAsked, Said

_CONSENT = "The customer's consent to factory settings should the restore fail: who, when, how"


class ReplacementBody(Body):
    """The new unit. What is not given stays as it was with the old one."""

    device: str = Field(description="A device, or a site with one device in service")
    serial: str = Field(min_length=1, max_length=200)
    address: str | None = Field(default=None, max_length=255)
    port: int | None = Field(default=None, ge=1, le=65535)
    family: str | None = Field(default=None, max_length=64)
    model: str | None = Field(default=None, min_length=1, max_length=200)
    bootstrap_credential: str | None = Field(
        default=None, max_length=200, description="Name of the log-in that the new box answers to"
    )
    version: int | None = Field(default=None, ge=1, description="What is restored; null: the latest good version")
    host_key: str | None = Field(
        default=None, max_length=8192, description="Fingerprint (`SHA256:...`) read on the box itself, or its whole key"
    )
    names: dict[str, str] = Field(default={}, max_length=200, description="Interface names: old to new")
    factory_consent: str | None = Field(default=None, min_length=3, max_length=500, description=_CONSENT)
    on_demand: str | None = Field(
        default=None, min_length=3, max_length=500,
        description="Who ordered the restore, when and how, where it is no part of the subscription (§5.1.2.4)",
    )  # fmt: skip

    def asked(self, key: str | None) -> ReplacementAsked:
        unit = Unit(self.serial, self.address or "", self.port, self.family, self.model, self.bootstrap_credential)
        consent, on_demand = self.factory_consent, self.on_demand
        return ReplacementAsked(
            self.device, unit, self.version, self.host_key, self.names, consent, key, on_demand
        )  # fmt: skip


class ReplacementAnswerBody(Body):
    """An answer to what is asked; at least one of these."""

    host_key: str | None = Field(default=None, max_length=8192, description="The fingerprint that was shown")
    losses: str | None = Field(
        default=None, max_length=64, description="`fingerprint` of the plan: losses, interfaces, lock-outs, all of it"
    )
    names: dict[str, str] = Field(default={}, max_length=200, description="Interface names: old to new")
    factory_consent: str | None = Field(default=None, min_length=3, max_length=500, description=_CONSENT)
    retry: bool = Field(default=False, description="It may be tried again")

    @model_validator(mode="after")
    def _says_something(self) -> ReplacementAnswerBody:
        if not self.said():
            raise ValueError("give at least one of host_key, losses, names, factory_consent and retry")
        return self

    def said(self) -> Said:
        return Said(self.host_key, self.losses, self.names, self.factory_consent, self.retry)


class LossView(View):
    """What does not come over. ``lines`` are of the old text, secrets masked."""

    part: str
    reason: str
    lines: list[str]


class SwapLockoutView(View):
    kind: str
    reason: str


class RestorePlanView(View):
    """What comes back: the whole text, or what it means, or nothing because the box is that already."""

    way: Literal["whole", "model", "nothing"]
    version: int
    from_family: str
    to_family: str
    fingerprint: str = Field(description="Stands for all that has to be accepted; empty when nothing has")
    losses: list[LossView]
    renamed: dict[str, str] = Field(description="Interface names: old to new")
    unmapped: list[str] = Field(description="Interfaces of the old box that the new one does not have")
    lockouts: list[SwapLockoutView] = Field(description="In what ways the restore may cut our way to the box")


class ReplacementStepView(View):
    """A line of the journal; ``result`` None: the step has begun."""

    step: Step
    at: datetime
    result: Result | None
    reason: str


class ReplacementView(View):
    id: str
    device: str
    site: str
    device_id: str = Field(description="The hardware that leaves")
    new_device_id: str | None = Field(description="The hardware that comes, once it is in the inventory")
    serial: str
    address: str
    port: int | None
    family: str | None
    model: str | None
    stage: Stage
    asks: list[Ask] = Field(description="What waits for a person; empty when nothing does")
    note: str = Field(description="What it waits for, or what was found out last")
    host_key: str | None = Field(description="Fingerprint of the key that the new box shows")
    accepted_host_key: str | None
    requested_by: str
    created_at: datetime
    ended_at: datetime | None
    reason: str | None
    cancelled_by: str | None

    @classmethod
    def of(cls, one: Replacement) -> ReplacementView:
        return cls.model_validate(_values(one))


class ReplacementDetailView(ReplacementView):
    plan: RestorePlanView | None
    report: dict[str, Any] = Field(description="What the box said of itself, the function tests, what was tried")
    push_id: str | None
    names: dict[str, str]
    factory_consent: str | None
    consent_recorded_by: str | None
    consent_recorded_at: datetime | None
    journal: list[ReplacementStepView]

    @classmethod
    def with_journal(cls, record: ReplacementRecord) -> ReplacementDetailView:
        one = record.replacement
        answers, progress = one.answers, one.progress
        more = {
            "plan": progress.plan or None,
            "report": progress.report,
            "push_id": progress.push_id,
            "names": answers.names,
            "factory_consent": answers.consent,
            "consent_recorded_by": answers.consent_by,
            "consent_recorded_at": answers.consent_at,
            "journal": [ReplacementStepView.model_validate(entry) for entry in record.journal],
        }
        return cls.model_validate({**_values(one), **more})


def _values(one: Replacement) -> dict[str, Any]:
    unit, answers, progress = one.unit, one.answers, one.progress
    return {
        "id": one.id,
        "device": one.device,
        "site": one.site,
        "device_id": one.device_id,
        "new_device_id": progress.new_device_id,
        "serial": unit.serial,
        "address": unit.address,
        "port": unit.port,
        "family": unit.family or progress.report.get("family"),
        "model": unit.model,
        "stage": progress.stage,
        "asks": list(progress.asks),
        "note": progress.note,
        "host_key": fingerprint(progress.offered_key) if progress.offered_key else None,
        "accepted_host_key": answers.key,
        "requested_by": one.requested_by,
        "created_at": one.created_at,
        "ended_at": progress.ended_at,
        "reason": progress.reason,
        "cancelled_by": answers.cancelled_by,
    }
