"""The nouns of a push: what was asked for, on which device, how far it has come."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.jobs import Priority
from cpe_manager.domain.push.commit_path import Entry, Phase
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.domain.push.probes import Probe

NOTHING_TO_CHANGE: Final = "there is nothing to change: the device is what was wanted already"
"""Why a push is withdrawn that found its work done: told apart from one that failed."""


class PushKind(StrEnum):
    """``change``: a merge patch of the neutral model. ``lines``: the device's own language. ``restore``: a stored
    version, whole. ``save``: what runs, kept over a restart. ``reboot``: a restart with what is kept."""

    CHANGE = "change"
    LINES = "lines"
    RESTORE = "restore"
    SAVE = "save"
    REBOOT = "reboot"


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted of a device. It may hold secrets: it is sealed wherever it is stored, and its ``repr`` is mute."""

    kind: PushKind
    patch: Mapping[str, Any] | None = field(default=None, repr=False)
    lines: tuple[str, ...] = field(default=(), repr=False)
    version: str | None = None
    """Id of the stored version."""
    names: Mapping[str, str] | None = None
    """For a stored version of other hardware: its interface names, and what they are called here. None: of this one."""
    as_change: bool = False
    """A stored version that is no restore to the customer (§5.1.2.4): it was ordered on demand, or the operator brings
    back what was confirmed. It is judged as any change of the configuration is."""

    def __post_init__(self) -> None:
        given = {
            PushKind.CHANGE: self.patch is not None,
            PushKind.LINES: bool(self.lines),
            PushKind.RESTORE: self.version is not None,
        }
        if any(there != (kind is self.kind) for kind, there in given.items()):
            raise InputError(f"a push of kind {self.kind} takes {_TAKES[self.kind]} and nothing else")
        if any(not line.strip() or "\n" in line or "\r" in line for line in self.lines):
            raise InputError("a line of a push is empty or holds a line end")

    def to_text(self) -> str:
        return json.dumps(
            {
                "kind": self.kind.value,
                "patch": self.patch,
                "lines": list(self.lines),
                "version": self.version,
                "names": None if self.names is None else dict(self.names),
                "as_change": self.as_change,
            }
        )

    @classmethod
    def from_text(cls, text: str) -> Order:
        data = json.loads(text)
        # Orders of before hardware was replaced have no names, and those of before restores were judged are changes.
        names, as_change = data.get("names"), data.get("as_change", True)
        return cls(PushKind(data["kind"]), data["patch"], tuple(data["lines"]), data["version"], names, as_change)


_TAKES = {
    PushKind.CHANGE: "a change of the neutral model",
    PushKind.LINES: "lines in the device's language",
    PushKind.RESTORE: "a stored version",
    PushKind.SAVE: "no content",
    PushKind.REBOOT: "no content",
}


class Hold(StrEnum):
    """Why a push does not begin yet."""

    WINDOW = "window"
    FLEET = "fleet-limit"
    ACCESS_NODE = "access-node-limit"
    FAILURES = "failures"
    STUCK = "device-stuck"


@dataclass(frozen=True, slots=True)
class Waiting:
    """``until``: when it may begin at the earliest, where that is known."""

    hold: Hold
    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may go wrong at a time; 0 is no limit. Urgent pushes are neither counted nor held."""

    in_flight: int = 0
    per_access_node: int = 0
    failures_per_hour: int = 0


class SettledAs(StrEnum):
    """What a device turned out to run after a push that was stuck."""

    BEFORE = "before"
    AFTER = "after"
    LATER = "later"
    """Neither: a later push was confirmed on it."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of the matter after a push that was stuck."""

    how: SettledAs
    at: datetime
    by: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """A new plan, made when the device turned out to run something else than the approved one was made for. It holds
    what people are shown, without any secret."""

    basis: str
    native: str
    neutral: tuple[tuple[str, Any, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Push:
    """One push of one device. All durable truth about it is here and in its journal."""

    id: str
    job_id: str
    device_id: str
    device: str
    kind: PushKind
    summary: str
    """What is wanted, in words without secrets."""
    created_at: datetime
    requested_by: str
    token: str
    """Names the promise on the device; see ``ports.driver.Guard``."""
    guard_seconds: int
    phase: Phase = Phase.PLANNED
    basis: str | None = None
    """Fingerprint of the running configuration that the plan was shown for; None: whatever it is."""
    overrides: frozenset[Lockout] = frozenset()
    """Predicted lock-outs that somebody accepted."""
    key: str | None = None
    """Idempotency key of whoever asked."""
    withdrawn_by: str | None = None
    snapshot_id: str | None = None
    """The stored version that the device goes back to."""
    reason: str | None = None
    ended_at: datetime | None = None
    priority: Priority = Priority.NORMAL
    any_time: bool = False
    """Begins outside of windows and in freezes, too."""
    accepted: frozenset[str] = frozenset()
    """Findings of checks that somebody accepted, by code."""
    probes: tuple[Probe, ...] = ()
    code: str | None = None
    """Why it was not confirmed, for programs; see ``domain.push.checks.Check`` and the codes of errors."""
    waiting: Waiting | None = None
    begun_at: datetime | None = None
    """When it was let begin: from then to its end it is in flight."""
    offer: Offer | None = None
    settled: Settlement | None = None
    managed_at: str | None = None
    """The address at which the device is managed from the confirmation on, where that is another than before."""


@dataclass(frozen=True, slots=True)
class PushRecord:
    """A push with its journal, oldest entry first."""

    push: Push
    journal: Sequence[Entry] = ()
