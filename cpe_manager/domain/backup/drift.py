"""Drift: what a device runs, against what was wanted of it, and against what it would run after a restart.

*Running* is what the device runs now: its last capture, or what was read of it a moment ago. *Confirmed* is the version
that was wanted last: the one that a confirmed push left behind, the one that a person adopted, or the first backup.
*Startup* is what the device would come up with. Texts are compared by their fingerprints, so what changes by itself
never counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

LONGEST_NAME: Final = 120
"""Characters kept of what a box says of a change."""


class Verdict(StrEnum):
    IN_STEP = "in_step"
    CHANGED = "changed"
    """Runs something other than what was confirmed."""
    UNSAVED = "unsaved"
    """Runs something other than what it would come up with."""
    CHANGED_UNSAVED = "changed_unsaved"


class Confirmation(StrEnum):
    """How a version came to be the confirmed one. ``upgrade``: it was current when drift began to be watched."""

    FIRST = "first_backup"
    PUSH = "push"
    ADOPTED = "adopted"
    UPGRADE = "upgrade"


@dataclass(frozen=True, slots=True)
class LastChange:
    """Who changed a device last, in the words of who says so.

    ``when`` is the box's own time as it prints it: its clock is not ours. ``source``: where it was read.
    """

    by: str
    when: str = ""
    source: str = ""

    def __str__(self) -> str:
        return f"{self.by} at {self.when}" if self.when else self.by


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one position: its confirmed version, and since when the device there is out of step with it."""

    confirmed_id: str
    fingerprint: str
    """Of the confirmed version."""
    confirmed_at: datetime
    confirmed_by: str
    how: Confirmation
    changed_since: datetime | None = None
    change: LastChange | None = None
    unsaved_since: datetime | None = None
    startup_at: datetime | None = None
    """When it was last asked what the device would come up with; None: never, or it cannot tell."""

    @property
    def verdict(self) -> Verdict:
        return verdict_of(changed=self.changed_since is not None, unsaved=self.unsaved_since is not None)


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen of a device. ``backup_id`` and ``fingerprint``: the version that was stored; None when what it runs
    is the version before, still. ``wanted``: a push made it, asked for by ``by``. ``saved``: whether it would come up
    with what it runs; None when it was not asked, or cannot tell."""

    at: datetime
    backup_id: str | None = None
    fingerprint: str | None = None
    wanted: bool = False
    by: str = ""
    saved: bool | None = None
    change: LastChange | None = None


def verdict_of(*, changed: bool, unsaved: bool) -> Verdict:
    if changed:
        return Verdict.CHANGED_UNSAVED if unsaved else Verdict.CHANGED
    return Verdict.UNSAVED if unsaved else Verdict.IN_STEP


def judged(before: Standing | None, sight: Sight) -> Standing | None:
    """How things stand after what was seen. None when nothing was ever confirmed and no version came to be."""
    after = _against_confirmed(before, sight)
    if after is None:
        return None
    if sight.wanted:
        # The last step of a push saves.
        return replace(after, unsaved_since=None, startup_at=sight.at)
    if sight.saved is None:
        return after
    since = None if sight.saved else after.unsaved_since or sight.at
    return replace(after, unsaved_since=since, startup_at=sight.at)


def adopted(before: Standing, backup_id: str, fingerprint: str, *, at: datetime, by: str) -> Standing:
    """The version became the confirmed one by a person's word. What is not saved stays so."""
    return replace(
        before,
        confirmed_id=backup_id,
        fingerprint=fingerprint,
        confirmed_at=at,
        confirmed_by=by,
        how=Confirmation.ADOPTED,
        changed_since=None,
        change=None,
    )


def _against_confirmed(before: Standing | None, sight: Sight) -> Standing | None:
    if sight.backup_id is None or sight.fingerprint is None:
        return before
    if sight.wanted or before is None:
        how = Confirmation.PUSH if sight.wanted else Confirmation.FIRST
        kept = None if before is None else before.unsaved_since
        asked = None if before is None else before.startup_at
        by = sight.by or "first backup"
        return Standing(
            sight.backup_id, sight.fingerprint, sight.at, by, how, unsaved_since=kept, startup_at=asked
        )  # fmt: skip
    if sight.fingerprint == before.fingerprint:
        return replace(before, changed_since=None, change=None)
    return replace(before, changed_since=before.changed_since or sight.at, change=sight.change)
