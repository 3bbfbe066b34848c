"""Pushes: what is asked for, the plan, how far it has come."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from cpe_manager.api.schemas.common import Body, View
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.jobs import Priority
from cpe_manager.domain.push.checks import ACCEPTABLE, Check, Finding
from cpe_manager.domain.push.commit_path import Phase, Result, Step
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.domain.push.probes import MOST, probes_of
from cpe_manager.domain.push.pushes import Hold, Offer, Push, PushKind, PushRecord, SettledAs
from cpe_manager.services.push.push_plan import PlanShown
from cpe_manager.services.push.pushes import GUARD_SECONDS, LONGEST_GUARD, SHORTEST_GUARD, PushAsked


class PlanBody(Body):
    """Exactly one of ``change``, ``lines``, ``version`` and ``reboot``."""

    device: str
    change: dict[str, Any] | None = Field(
        default=None, description="Merge patch (RFC 7396) of the neutral model; see `GET .../neutral`"
    )
    lines: list[str] | None = Field(
        default=None, min_length=1, max_length=10_000, description="Commands in the device's own language"
    )
    version: int | None = Field(default=None, ge=0, description="A stored version to bring back; 0 is the current one")
    on_demand: str | None = Field(
        default=None, min_length=3, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$",
        description="Of a version: who ordered it back, when and how, where restoring is no part of the subscription "
        "(§5.1.2.4)",
    )  # fmt: skip
    reboot: bool = Field(default=False, description="Restart the device; what was not saved is lost")
    managed_at: str | None = Field(
        default=None,
        max_length=253,
        description="Address at which the device is managed once the change is in effect, where that is another one: "
        "it is proved and confirmed there, and the inventory changes with the confirmation",
    )
    probes: list[str] = Field(
        default=[],
        max_length=MOST,
        description="What has to hold after the change: `tcp:HOST:PORT` from here, `ping:ADDRESS` from the device, "
        "`config:PART=VALUE` of the neutral model",
    )

    @model_validator(mode="after")
    def _one_choice(self) -> PlanBody:
        given = (self.change is not None, self.lines is not None, self.version is not None, self.reboot)
        if sum(given) != 1:
            raise ValueError("give exactly one of change, lines, version and reboot")
        if self.on_demand is not None and self.version is None:
            raise ValueError("on_demand is of a version that is brought back")
        return self

    @field_validator("probes")
    @classmethod
    def _probes(cls, texts: list[str]) -> list[str]:
        try:
            probes_of(texts)
        except InputError as error:
            raise ValueError(str(error)) from error
        return texts

    def asked(self) -> PushAsked:
        """What is wanted, and nothing on how."""
        wanted = (self.change, tuple(self.lines or ()), self.version)
        asked = PushAsked(self.device, *wanted, probes=probes_of(self.probes))
        return replace(asked, managed_at=self.managed_at, reboot=self.reboot, on_demand=self.on_demand or "")


class PushBody(PlanBody):
    basis: str | None = Field(
        default=None, description="`basis` of the plan that was looked at; refused when the device changed since"
    )
    overrides: list[Lockout] = Field(default=[], description="Predicted lock-outs that are accepted")
    guard_seconds: int = Field(
        default=GUARD_SECONDS,
        ge=SHORTEST_GUARD,
        le=LONGEST_GUARD,
        description="When the device takes the change back by itself unless it was confirmed; of a restart: how long "
        "it may take to come back",
    )

    accepted: list[str] = Field(default=[], description="Findings of checks that are accepted, by `check`")
    now: bool = Field(default=False, description="Begin outside of windows and in freezes, too")
    urgent: bool = Field(
        default=False,
        description="Goes before what queues for the device, at any time, and is held by no limit; for failovers",
    )

    def asked_for(self, key: str | None) -> PushAsked:
        return replace(
            self.asked(),
            basis=self.basis,
            overrides=frozenset(self.overrides),
            guard_seconds=self.guard_seconds,
            key=key,
            accepted=frozenset(self.accepted),
            any_time=self.now,
            priority=Priority.URGENT if self.urgent else Priority.NORMAL,
        )


class AgainBody(Body):
    basis: str | None = Field(
        default=None, description="`basis` of the plan that is approved now; default: that of the push's `offer`"
    )
    now: bool = False


class SettleBody(Body):
    """What somebody who looked at the device says that it runs: what it ran before the push, or what was wanted."""

    settled_as: Literal["before", "after"]
    note: str = Field(min_length=1, max_length=1000, description="What was seen and done; kept with the push")


class LockoutView(View):
    kind: Lockout
    reason: str


class FindingView(View):
    """What a check found. One that refuses keeps the push from beginning unless its `check` is accepted."""

    check: Check
    reason: str
    refuses: bool
    acceptable: bool

    @classmethod
    def found(cls, one: Finding) -> FindingView:
        return cls(check=one.check, reason=one.reason, refuses=one.refuses, acceptable=one.check in ACCEPTABLE)


class WaitingView(View):
    """Why a push has not begun; `until` where it is known."""

    hold: Hold
    reason: str
    until: datetime | None


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
    checks: list[FindingView]
    warnings: list[str]
    waiting: WaitingView | None = Field(description="When it may begin, if not now")

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
            checks=[FindingView.found(one) for one in plan.findings],
            warnings=list(plan.warnings),
            waiting=None if plan.waiting is None else WaitingView.model_validate(plan.waiting),
        )


class OfferView(View):
    """The new plan of a push whose device was changed since it was approved; `again` with its basis approves it."""

    basis: str
    native: str
    neutral: list[NeutralChange]

    @classmethod
    def made(cls, one: Offer) -> OfferView:
        parts = [NeutralChange(part=part, before=old, after=new) for part, old, new in one.neutral]
        return cls(basis=one.basis, native=one.native, neutral=parts)


class SettlementView(View):
    how: SettledAs
    at: datetime
    by: str
    note: str


class NoteView(View):
    """What one check or probe said; ``ok`` None: it was told, or nobody could tell."""

    what: str
    ok: bool | None
    reason: str


class StepView(View):
    """A line of the journal; ``result`` None: the step has begun."""

    step: Step
    at: datetime
    result: Result | None
    reason: str
    deadline: datetime | None = Field(description="When the device takes the change back by itself")
    code: str = Field(description="Why it failed, for programs")
    notes: list[NoteView]


class PushView(View):
    id: str
    job_id: str
    device: str
    device_id: str
    kind: PushKind
    summary: str
    phase: Phase
    reason: str | None
    code: str | None = Field(description="Why it was not confirmed, for programs: a check, or the code of an error")
    priority: Priority
    waiting: WaitingView | None
    begun_at: datetime | None
    created_at: datetime
    ended_at: datetime | None
    requested_by: str
    withdrawn_by: str | None
    guard_seconds: int
    overrides: list[Lockout]
    accepted: list[str]
    probes: list[str]
    any_time: bool
    settled: SettlementView | None = Field(description="What ended the matter after a push that was stuck")
    snapshot_id: str | None = Field(description="The stored version that the device goes back to")
    managed_at: str | None = Field(description="The address at which the device is managed from the confirmation on")

    @classmethod
    def of(cls, push: Push) -> PushView:
        return cls.model_validate(_fields(push))


class PushDetailView(PushView):
    offer: OfferView | None = Field(description="The new plan, when the device was changed since the approved one")
    journal: list[StepView]

    @classmethod
    def with_journal(cls, record: PushRecord) -> PushDetailView:
        steps = [StepView.model_validate(entry) for entry in record.journal]
        offer = None if record.push.offer is None else OfferView.made(record.push.offer)
        return cls.model_validate({**_fields(record.push), "offer": offer, "journal": steps})


def _fields(push: Push) -> dict[str, Any]:
    values = {name: getattr(push, name) for name in PushView.model_fields}
    lists = {"overrides": sorted(push.overrides), "accepted": sorted(push.accepted), "probes": [*map(str, push.probes)]}
    return {**values, **lists}
