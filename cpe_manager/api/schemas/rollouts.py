"""Roll-outs: what is asked for, the plan, how far it has come, the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from cpe_manager.api.schemas.common import Body, Label, View
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.domain.push.pushes import PushKind
from cpe_manager.domain.rollout.rollouts import (
    Amount,
    DeviceEnd,
    Rollout,
    RolloutDevice,
    RolloutState,
    Standing,
    Strategy,
)
from cpe_manager.services.push.pushes import GUARD_SECONDS, LONGEST_GUARD, SHORTEST_GUARD
from cpe_manager.services.rollout.rollout_orders import Content, Selection, TemplateText
from cpe_manager.services.rollout.rollouts import Pace, RolloutAsked, RolloutPlan

Share = Annotated[int | str, Field(description='A number of devices, or a percentage of the roll-out\'s such as "10%"')]
LONGEST_TEMPLATE = 256 * 1024
"""Characters."""


class SelectionBody(Body):
    """Conditions are joined by AND. At least one, or ``all``, unless the names of a table are meant."""

    names: list[str] | None = Field(default=None, min_length=1, max_length=20_000)
    group: str | None = Field(default=None, description="With the groups below it")
    family: str | None = Field(default=None, description="Also where a group hands it down")
    site: str | None = None
    access_node: str | None = None
    all: bool = Field(default=False, description="All active devices")

    def selection(self) -> Selection:
        names = None if self.names is None else tuple(dict.fromkeys(self.names))
        return Selection(names, self.group, self.family, self.site, self.access_node, self.all)


class TemplateBody(Body):
    """A Jinja2 template. It sees ``device``, ``vars`` and ``row``; see the how-to."""

    text: str = Field(min_length=1, max_length=LONGEST_TEMPLATE)
    kind: Literal["lines", "change"] = Field(
        default="lines", description="Renders to commands of one family, or to the JSON of a neutral change"
    )


class RolloutBody(Body):
    """Exactly one of ``template`` and ``change``."""

    name: Label
    select: SelectionBody = SelectionBody()
    template: TemplateBody | None = None
    change: dict[str, Any] | None = Field(default=None, description="Merge patch (RFC 7396) of the neutral model")
    vars: dict[str, Any] = Field(default={}, description="The template's `vars`")
    table: dict[str, dict[str, Any]] = Field(
        default={}, description="The template's `row`, by device name; without a selection it also says which devices"
    )
    secrets: list[str] = Field(default=[], description="Variables and columns whose values are never shown")
    canary: int = Field(default=1, ge=0, le=1000, description="Devices tried first; if one fails, all ends")
    waves: list[Share] = Field(default=[], max_length=100, description="Devices in each wave; the rest is the last one")
    wave_size: Share | None = Field(default=None, description="Of the waves after those in `waves`")
    soak_seconds: int = Field(default=0, ge=0, le=604_800, description="Pause after each wave")
    budget: Share = Field(default=0, description="Devices that may go wrong; with one more it stops")
    max_in_flight: int = Field(default=32, ge=1, le=1000)
    per_access_node: int = Field(default=4, ge=0, le=1000, description="In flight behind one access node; 0: no limit")
    overrides: list[Lockout] = Field(default=[], description="Predicted lock-outs that are accepted")
    guard_seconds: int = Field(default=GUARD_SECONDS, ge=SHORTEST_GUARD, le=LONGEST_GUARD)
    hold: bool = Field(default=False, description="Only write it down; `resume` begins it")

    @model_validator(mode="after")
    def _one_choice(self) -> RolloutBody:
        if (self.template is None) == (self.change is None):
            raise ValueError("give exactly one of template and change")
        return self

    def asked(self, key: str | None) -> RolloutAsked:
        """Raises ``InputError`` for an amount that is none."""
        pace = Pace(
            self.canary,
            tuple(Amount.of(wave) for wave in self.waves),
            None if self.wave_size is None else Amount.of(self.wave_size),
            self.soak_seconds,
            Amount.of(self.budget),
            self.max_in_flight,
            self.per_access_node,
        )
        template = None if self.template is None else TemplateText(self.template.text, PushKind(self.template.kind))
        content = Content(template, self.change, self.vars, self.table, tuple(self.secrets))
        return RolloutAsked(
            self.name,
            self.select.selection(),
            content,
            pace,
            frozenset(self.overrides),
            self.guard_seconds,
            key,
            self.hold,
        )


class CancelBody(Body):
    give_up: bool = Field(default=False, description="Take back what is in flight and not confirmed yet")


class StrategyView(View):
    waves: list[int] = Field(description="Devices in each wave, the canaries' first")
    budget: int
    soak_seconds: int
    max_in_flight: int
    per_access_node: int

    @classmethod
    def of(cls, strategy: Strategy) -> StrategyView:
        return cls.model_validate({name: getattr(strategy, name) for name in cls.model_fields})


class PlannedDeviceView(View):
    device: str
    family: str
    wave: int
    access_node: str | None
    order: str = Field(description="Commands, or the neutral change as JSON; secrets masked")


class RolloutPlanView(View):
    name: str
    kind: PushKind
    strategy: StrategyView
    devices: list[PlannedDeviceView]
    warnings: list[str]

    @classmethod
    def of(cls, plan: RolloutPlan) -> RolloutPlanView:
        return cls(
            name=plan.name,
            kind=plan.kind,
            strategy=StrategyView.of(plan.strategy),
            devices=[PlannedDeviceView.model_validate(device) for device in plan.devices],
            warnings=list(plan.warnings),
        )


class RolloutView(View):
    id: str
    name: str
    kind: PushKind
    summary: str
    state: RolloutState
    reason: str | None
    strategy: StrategyView
    wave: int | None = Field(description="The last wave that has begun; 0 are the canaries")
    total: int
    counts: dict[DeviceEnd, int]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    requested_by: str
    guard_seconds: int
    overrides: list[Lockout]

    @classmethod
    def of(cls, rollout: Rollout) -> RolloutView:
        return cls.model_validate(_fields(rollout))


class WaveView(View):
    wave: int
    devices: int
    counts: dict[DeviceEnd, int]
    last_end: datetime | None


class RolloutDetailView(RolloutView):
    waves: list[WaveView]

    @classmethod
    def with_waves(cls, rollout: Rollout, standing: Standing) -> RolloutDetailView:
        return cls.model_validate({**_fields(rollout), "waves": _waves(rollout, standing)})


class RolloutDeviceView(View):
    device: str
    device_id: str
    wave: int
    access_node: str | None
    outcome: DeviceEnd
    push_id: str | None
    phase: str | None = Field(description="Of its push")
    reason: str | None
    ended_at: datetime | None

    @classmethod
    def of(cls, one: RolloutDevice) -> RolloutDeviceView:
        names = cls.model_fields.keys() - {"outcome"}
        return cls.model_validate({**{name: getattr(one, name) for name in names}, "outcome": one.end})


class RolloutReportView(RolloutDetailView):
    """Everything about a roll-out in one document."""

    devices: list[RolloutDeviceView]

    @classmethod
    def whole(cls, rollout: Rollout, standing: Standing, devices: Sequence[RolloutDevice]) -> RolloutReportView:
        rows = [RolloutDeviceView.of(one) for one in devices]
        return cls.model_validate({**_fields(rollout), "waves": _waves(rollout, standing), "devices": rows})


def _fields(rollout: Rollout) -> dict[str, Any]:
    values = {name: getattr(rollout, name) for name in RolloutView.model_fields}
    return {
        **values,
        "strategy": StrategyView.of(rollout.strategy),
        "overrides": sorted(rollout.overrides),
        "counts": _counts(rollout.counts),
    }


def _counts(counts: Mapping[DeviceEnd, int]) -> dict[DeviceEnd, int]:
    return {end: counts.get(end, 0) for end in DeviceEnd}


def _waves(rollout: Rollout, standing: Standing) -> list[WaveView]:
    sizes = rollout.strategy.waves
    return [
        WaveView(wave=number, devices=size, counts=_counts(wave.counts), last_end=wave.last_end)
        for number, (size, wave) in enumerate(zip(sizes, standing.waves, strict=True))
    ]
