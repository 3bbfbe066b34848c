"""Drift: how a device stands, in what it differs, and what is to be done about it."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from cpe_manager.api.schemas.common import Body, View
from cpe_manager.api.schemas.pushes import NeutralChange
from cpe_manager.domain.backup.drift import Confirmation, LastChange, Standing, Verdict
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.ports.drift import DriftRow
from cpe_manager.services.backup.drift import Compared, DriftShown, Remedy
from cpe_manager.services.push.pushes import GUARD_SECONDS, LONGEST_GUARD, SHORTEST_GUARD


class LastChangeView(View):
    """In the words of the box, by its own clock; ``source`` says where it was read."""

    by: str
    when: str
    source: str

    @classmethod
    def of(cls, change: LastChange | None) -> LastChangeView | None:
        return None if change is None else cls.model_validate(change)


class StandingView(View):
    verdict: Verdict
    confirmed_at: datetime
    confirmed_by: str
    how: Confirmation = Field(description="What made it the confirmed version")
    changed_since: datetime | None = Field(description="When it was first seen to run something else")
    last_change: LastChangeView | None = Field(description="Who made that change; null when the box does not say")
    unsaved_since: datetime | None = Field(description="When it was first seen to run what it would not come up with")
    startup_at: datetime | None = Field(description="When it was last asked what it would come up with")

    @classmethod
    def of(cls, standing: Standing) -> StandingView:
        return cls(
            verdict=standing.verdict,
            confirmed_at=standing.confirmed_at,
            confirmed_by=standing.confirmed_by,
            how=standing.how,
            changed_since=standing.changed_since,
            last_change=LastChangeView.of(standing.change),
            unsaved_since=standing.unsaved_since,
            startup_at=standing.startup_at,
        )


class DriftView(View):
    device: str
    device_id: str
    site: str
    family: str | None
    confirmed: int = Field(description="Number of the confirmed version")
    running: int | None = Field(description="Number of the current version: what it ran at its last backup")
    standing: StandingView

    @classmethod
    def of(cls, row: DriftRow) -> DriftView:
        return cls(
            device=row.device,
            device_id=row.device_id,
            site=row.site,
            family=row.family,
            confirmed=row.confirmed,
            running=row.running,
            standing=StandingView.of(row.standing),
        )


class ComparedView(View):
    """``native`` is a unified diff. Secrets are masked in both."""

    neutral: list[NeutralChange] | None = Field(description="Null where a text is not read as the neutral model")
    native: str

    @classmethod
    def of(cls, found: Compared | None) -> ComparedView | None:
        if found is None:
            return None
        parts = found.neutral
        neutral = None if parts is None else [NeutralChange(part=p, before=old, after=new) for p, old, new in parts]
        return cls(neutral=neutral, native=found.native)


class DriftDetailView(View):
    drift: DriftView
    live: bool = Field(description="Whether the device was read for this answer")
    verdict: Verdict = Field(description="Of a live look: what was found now; else what is known")
    basis: str = Field(description="Fingerprint of what it runs; adopting and remediating are bound to it")
    tells_startup: bool = Field(description="Whether the device can tell what it would come up with")
    last_change: LastChangeView | None
    changed: ComparedView | None = Field(description="Confirmed against running; null: alike")
    unsaved: ComparedView | None = Field(description="Startup against running; null: alike, or not read live")

    @classmethod
    def shown(cls, found: DriftShown) -> DriftDetailView:
        return cls(
            drift=DriftView.of(found.row),
            live=found.live,
            verdict=found.verdict,
            basis=found.basis,
            tells_startup=found.tells_startup,
            last_change=LastChangeView.of(found.change),
            changed=ComparedView.of(found.changed),
            unsaved=ComparedView.of(found.unsaved),
        )


class LookBody(Body):
    context: int = Field(default=3, ge=0, le=1000, description="Lines of context in differences")


class AdoptBody(Body):
    basis: str = Field(max_length=200, description="`basis` of what was looked at; refused when it runs something else")


class RemediateBody(Body):
    basis: str | None = Field(
        default=None,
        max_length=200,
        description="`basis` of a live look or of a plan; the push is refused when the device runs something else",
    )
    overrides: list[Lockout] = Field(default=[], description="Predicted lock-outs that are accepted")
    guard_seconds: int = Field(
        default=GUARD_SECONDS,
        ge=SHORTEST_GUARD,
        le=LONGEST_GUARD,
        description="When the device takes the change back by itself unless it was confirmed",
    )

    def remedy(self, device: str, key: str | None) -> Remedy:
        return Remedy(device, self.basis, frozenset(self.overrides), self.guard_seconds, key)
