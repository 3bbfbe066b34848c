"""Restore drills: what is asked for, what came of them, what they amount to."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from pydantic import Field

from cpe_manager.api.schemas.common import Body, View
from cpe_manager.domain.backup.drills import DrillResult, FamilyStanding, Standing, Verdict
from cpe_manager.ports.drills import DrillView as StoredDrill


class DrillBody(Body):
    """Device names, each one drilled; or a sample of a family or of the whole fleet, those first whose backup was never
    drilled, then those whose drill is longest ago."""

    devices: list[str] | None = Field(default=None, min_length=1, max_length=1000)
    family: str | None = Field(default=None, max_length=64)
    sample: int | None = Field(default=None, ge=1, le=10_000, description="Default: the nightly one")


class RestorableView(View):
    """What the latest drill of a version gave."""

    verdict: Verdict
    at: datetime
    seconds: float
    lines: int = Field(description="How many lines differ")
    reason: str = Field(description="Why it is not proven; empty when it is. Holds no secrets")

    @classmethod
    def of(cls, result: DrillResult | None) -> RestorableView | None:
        return None if result is None else cls.model_validate(result)


class DrillView(RestorableView):
    """A drill of one version of a device."""

    backup_id: str
    device_id: str
    device: str
    family: str
    number: int = Field(description="Of the version")
    current: bool = Field(description="Whether that version is the device's current one")
    job_id: str | None

    @classmethod
    def told(cls, stored: StoredDrill) -> DrillView:
        result = stored.result
        return cls(
            verdict=result.verdict,
            at=result.at,
            seconds=result.seconds,
            lines=result.lines,
            reason=result.reason,
            backup_id=result.backup_id,
            device_id=result.device_id,
            device=stored.device,
            family=stored.family,
            number=stored.number,
            current=stored.current,
            job_id=result.job_id,
        )


class FamilyDrillsView(View):
    """Active devices of one family with a backup, by what drills of the current version gave."""

    family: str
    possible: bool = Field(description="False: its backups cannot be drilled, and count in no share")
    devices: int
    proven: int
    differs: int
    failed: int
    unproven: int = Field(description="Never drilled")
    not_possible: int
    share: float | None = Field(description="Proven of those that can be drilled; null when there are none")
    oldest_proof: datetime | None

    @classmethod
    def of(cls, found: FamilyStanding) -> FamilyDrillsView:
        return cls.model_validate(found)


class Report(Protocol):
    """A drill report, as the service gives it; a client does not need the service."""

    @property
    def at(self) -> datetime: ...
    @property
    def standing(self) -> Standing: ...
    @property
    def target(self) -> float: ...
    @property
    def sample(self) -> int: ...
    @property
    def hindrance(self) -> str | None: ...
    @property
    def failures(self) -> tuple[StoredDrill, ...]: ...


class DrillReportView(View):
    """Which share of the fleet is proven to restore."""

    at: datetime
    share: float | None = Field(description="Of the devices whose backup can be drilled; null when there are none")
    proven: int
    countable: int = Field(description="Active devices with a backup that can be drilled")
    target: float
    sample: int = Field(description="Devices a night; 0: no nightly drills")
    hindrance: str | None = Field(description="Why no box can be had to restore onto; null when they can")
    families: list[FamilyDrillsView]
    failures: list[DrillView] = Field(description="Current versions that were not brought back, newest first")

    @classmethod
    def of(cls, report: Report) -> DrillReportView:
        return cls(
            at=report.at,
            share=report.standing.share,
            proven=report.standing.proven,
            countable=report.standing.countable,
            target=report.target,
            sample=report.sample,
            hindrance=report.hindrance,
            families=[FamilyDrillsView.of(one) for one in report.standing.families],
            failures=[DrillView.told(one) for one in report.failures],
        )
