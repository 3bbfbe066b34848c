"""Pushes: what is asked for, the plan, how far it has come."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field, model_validator

from cpe_manager.api.schemas.common import Body, View
from cpe_manager.domain.commit_path import Phase, Result, Step
from cpe_manager.domain.lockout import Lockout
from cpe_manager.domain.pushes import Push, PushKind, PushRecord
from cpe_manager.services.push_plan import PlanShown
from cpe_manager.services.pushes import GUARD_SECONDS, LONGEST_GUARD, SHORTEST_GUARD, PushAsked


class PlanBody(Body):
    """Exactly one of ``change``, ``lines`` and ``version``."""

    device: str
    change: dict[str, Any] | None = Field(
        default=None, description="Merge patch (RFC 7396) of the neutral model; see `GET .../neutral`"
    )
    lines: list[str] | None = Field(
        default=None, min_length=1, max_length=10_000, description="Commands in the device's own language"
    )
    version: int | None = Field(default=None, ge=0, description="A stored version to bring back; 0 is the current one")

    @model_validator(mode="after")
    def _one_choice(self) -> PlanBody:
        if (self.change is not None) + (self.lines is not None) + (self.version is not None) != 1:
            raise ValueError("give exactly one of change, lines and version")
        return self


class PushBody(PlanBody):
    basis: str | None = Field(
        default=None, description="`basis` of the plan that was looked at; refused when the device changed since"
    )
    overrides: list[Lockout] = Field(default=[], description="Predicted lock-outs that are accepted")
    guard_seconds: int = Field(
        default=GUARD_SECONDS,
        ge=SHORTEST_GUARD,
        le=LONGEST_GUARD,
        description="When the device takes the change back by itself unless it was confirmed",
    )

    def asked(self, key: str | None) -> PushAsked:
        return PushAsked(
            self.device,
            self.change,
            tuple(self.lines or ()),
            self.version,
            self.basis,
            frozenset(self.overrides),
            self.guard_seconds,
            key,
        )


class LockoutView(View):
    kind: Lockout
    reason: str


class NeutralChange(View):
    """A part of the neutral model before and after; secrets are masked, None is: not configured."""

    part: str
    before: Any
    after: Any


class PlanView(View):
    """What a push would do. ``native`` is what would be typed, or for a restore the unified diff; secrets masked."""

    device: str
    family: str
    basis: str = Field(description="Fingerprint of what the device runs now")
    empty: bool = Field(description="Nothing to do: the device is what is wanted")
    native: str
    neutral: list[NeutralChange]
    lockouts: list[LockoutView] = Field(description="What would keep us out; each needs an override")
    warnings: list[str]

    @classmethod
    def of(cls, plan: PlanShown) -> PlanView:
        return cls(
            device=plan.device,
            family=plan.family,
            basis=plan.basis,
            empty=not plan.native,
            native=plan.native,
            neutral=[NeutralChange(part=part, before=old, after=new) for part, old, new in plan.neutral],
            lockouts=[LockoutView(kind=one.kind, reason=one.reason) for one in plan.lockouts],
            warnings=list(plan.warnings),
        )


class StepView(View):
    """A line of the journal; ``result`` None: the step has begun."""

    step: Step
    at: datetime
    result: Result | None
    reason: str
    deadline: datetime | None = Field(description="When the device takes the change back by itself")


class PushView(View):
    id: str
    job_id: str
    device: str
    device_id: str
    kind: PushKind
    summary: str
    phase: Phase
    reason: str | None
    created_at: datetime
    ended_at: datetime | None
    requested_by: str
    withdrawn_by: str | None
    guard_seconds: int
    overrides: list[Lockout]
    snapshot_id: str | None = Field(description="The stored version that the device goes back to")

    @classmethod
    def of(cls, push: Push) -> PushView:
        return cls.model_validate({**_fields(push), "overrides": sorted(push.overrides)})


class PushDetailView(PushView):
    journal: list[StepView]

    @classmethod
    def with_journal(cls, record: PushRecord) -> PushDetailView:
        values = {**_fields(record.push), "overrides": sorted(record.push.overrides)}
        return cls.model_validate({**values, "journal": [StepView.model_validate(entry) for entry in record.journal]})


def _fields(push: Push) -> dict[str, Any]:
    return {name: getattr(push, name) for name in PushView.model_fields}
