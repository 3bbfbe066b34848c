"""What restore drills need from outside: boxes to restore onto, and a place for what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from cpe_manager.domain.backup.drills import Candidate, Count, DrillResult, Verdict
from cpe_manager.domain.paging import Page
from cpe_manager.ports.sessions import OpenedSession
from cpe_manager.ports.shell import Target


@dataclass(frozen=True, slots=True)
class FreshBox:
    """A box that nobody has seen before, reached as any device is. ``secrets`` are the passwords of its own log-in,
    which no restore brings along (§5.2.1.3)."""

    target: Target
    restart: Callable[[], Awaitable[None]]
    """Takes its power away for a moment. What was not saved is gone; sessions are lost. Raises ``DeviceError``."""
    secrets: tuple[str, ...] = field(default=(), repr=False)


class DrillStand(Protocol):
    """Gives boxes of a family, one for each drill, on this host alone."""

    def hindrance(self) -> str | None:
        """Why no box can be had, in one line; None when they can."""
        ...

    def box(self, family: str, *, username: str = "") -> AbstractAsyncContextManager[FreshBox]:
        """A box with a name, addresses and secrets of its own, which is gone when the context is left, cancelled or
        not. ``username``: who logs in; empty: the family's usual one. Raises a ``DeviceError`` when none comes up."""
        ...

    def open(self, target: Target) -> AbstractAsyncContextManager[OpenedSession]:
        """A session with a box of this stand, as ``ports.sessions.Sessions`` opens it. Raises a ``DeviceError``."""
        ...


@dataclass(frozen=True, slots=True)
class DrillView:
    """A result with the names that people know it by."""

    result: DrillResult
    device: str
    family: str
    number: int
    """Of the version."""
    current: bool
    """Whether it still is the device's current version."""


class DrillStore(Protocol):
    """Every method is one transaction unless it says otherwise; all raise ``StoreError``."""

    async def record(self, result: DrillResult) -> bool:
        """The latest result of a version takes the place of the one before; a failing one leaves ``drill.failed``.
        False, and nothing written, when the version is gone by now."""
        ...

    async def candidates(self) -> Sequence[Candidate]:
        """Every active device with a current version, ordered by device id; read in pages, not in one transaction."""
        ...

    async def drilled_in(self, job_id: str) -> frozenset[str]:
        """Ids of the versions that a job has drilled already: it may have been begun by another process."""
        ...

    async def of(self, backup_ids: Sequence[str]) -> Mapping[str, DrillResult]:
        """What is known of these versions."""
        ...

    async def results(
        self, *, device_id: str | None = None, verdict: Verdict | None = None, family: str | None = None,
        after: str | None = None, limit: int = 50,
    ) -> Page[DrillView]:  # fmt: skip
        """Newest first; the cursor is opaque."""
        ...

    async def counts(self, waiting_since: datetime) -> Sequence[Count]:
        """Active devices with a current version, by its family and verdict. ``waiting_since``: a version that was
        captured before, and was never drilled, waits."""
        ...

    async def alarm(self, key: str, message: str | None, *, at: datetime) -> bool:
        """Raise the alarm of this kind (its key is its kind), or with None clear it, with an event. False when it
        was so already."""
        ...
