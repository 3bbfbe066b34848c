"""Versions, differences, and what starts a run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field, model_validator

from cpe_manager.api.schemas.common import Body, View
from cpe_manager.api.schemas.drills import RestorableView
from cpe_manager.domain.backup.backups import Backup, BackupState
from cpe_manager.domain.backup.drills import DrillResult


class BackupView(View):
    """A stored version, without its contents. ``number`` counts within the position and is never used twice."""

    id: str
    device: str
    device_id: str
    position_id: str
    number: int
    state: BackupState
    captured_at: datetime
    family: str
    fingerprint: str = Field(description="Keyed hash; equal ones mean that nothing worth storing changed")
    size: int = Field(description="Bytes of the original")
    lines: int
    reason: str | None = Field(description="Why it is quarantined or refused")
    job_id: str | None
    restorable: RestorableView | None = Field(
        default=None, description="What its latest drill gave, in lists of versions; null: it was never drilled"
    )

    @classmethod
    def of(cls, backup: Backup, drill: DrillResult | None = None) -> BackupView:
        view = cls.model_validate(backup)
        return view if drill is None else view.model_copy(update={"restorable": RestorableView.of(drill)})


class TextView(View):
    """A version with its text. ``redacted`` false means the restore-grade original, secrets included."""

    backup: BackupView
    redacted: bool
    text: str


class FileView(View):
    """The backup file that a box made itself (``sysupgrade -b``), kept beside a version without the box's log-in."""

    backup: BackupView
    name: str
    media_type: str
    size: int
    """Bytes."""
    sha256: str
    content: str | None = None
    """Base64; only where it was asked for."""


class NeutralView(View):
    """A version in the words of the vendor-neutral model; secrets are masked, what is unset is left out."""

    backup: BackupView
    config: dict[str, Any]


class DiffView(View):
    """Unified diff between two redacted views; ``added`` and ``removed`` count lines."""

    older: BackupView
    newer: BackupView
    text: str
    added: int
    removed: int


class RunBody(Body):
    """Exactly one of the three: device names, a group (with the groups below it), or all active devices."""

    names: list[str] | None = Field(default=None, min_length=1, max_length=10_000)
    group: str | None = None
    all: bool = False

    @model_validator(mode="after")
    def _one_choice(self) -> RunBody:
        if (self.names is not None) + (self.group is not None) + self.all != 1:
            raise ValueError("give exactly one of names, group and all")
        return self
