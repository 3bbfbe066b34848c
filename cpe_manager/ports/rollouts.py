"""What roll-outs need from the database. Every method is one transaction; all raise ``StoreError``.

How a device fares is read from its push, never written beside it: there is one truth, and nothing to be out of step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from cpe_manager.domain.backup.backups import SealedObject
from cpe_manager.domain.jobs import Job
from cpe_manager.domain.paging import Page
from cpe_manager.domain.push.pushes import Push
from cpe_manager.domain.rollout.rollouts import DeviceEnd, Rollout, RolloutDevice, RolloutState, Standing


@dataclass(frozen=True, slots=True)
class NewRolloutDevice:
    """A device with its sealed order, before the roll-out begins."""

    device_id: str
    wave: int
    position: int
    access_node: str | None
    order: SealedObject = field(repr=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """A change of a roll-out's state, with its event. ``by`` None: the service itself, by the pushes' ends."""

    to: RolloutState
    at: datetime
    reason: str = ""
    by: str | None = None
    give_up: bool = False
    expected: int | None = None
    """The revision that the change was decided on; any other one refuses it."""


class RolloutStore(Protocol):
    async def create(self, rollout: Rollout) -> Rollout:
        """Without devices, ``planned``. The one that has the same ``key`` already, if any."""
        ...

    async def add(self, rollout_id: str, devices: Sequence[NewRolloutDevice]) -> None:
        """Some hundreds at a time. Those that the roll-out has already are left as they are; raises ``Conflict``
        when it is not ``planned`` any more."""
        ...

    async def rollout(self, rollout_id: str) -> Rollout:
        """With counts. Raises ``NotFound``."""
        ...

    async def keyed(self, key: str) -> Rollout | None:
        """The one that was asked for with this key."""
        ...

    async def rollouts(
        self, *, state: RolloutState | None = None, after: str | None = None, limit: int = 50
    ) -> Page[Rollout]:
        """Newest first, with counts; the cursor is opaque."""
        ...

    async def devices(
        self, rollout_id: str, *, end: DeviceEnd | None = None, after: str | None = None, limit: int = 200
    ) -> Page[RolloutDevice]:
        """In the order of the roll-out; the cursor is opaque."""
        ...

    async def active(self) -> Sequence[Rollout]:
        """Those that run, and cancelled ones with pushes in flight that are to be given up. Without counts."""
        ...

    async def counts(self) -> Mapping[RolloutState, int]:
        """Roll-outs by state."""
        ...

    async def standing(self, rollout: Rollout) -> Standing:
        """How far it is: one wave standing for each wave of its strategy, also for empty ones."""
        ...

    async def start(
        self, rollout: Rollout, wave: int, job: Job, pushes: Mapping[str, Push]
    ) -> Mapping[str, Push] | None:
        """The pushes by device id, with their one job, and the note of them at the devices: all of it or nothing.

        None, and nothing written, when the roll-out has changed since ``rollout`` was read. A device that has a push
        already gets no second one; one that is no longer in service is marked as skipped. Returns what was made.
        Emits ``rollout.wave`` when the wave is a new one.
        """
        ...

    async def turn(self, rollout_id: str, turn: Turn) -> Rollout:
        """Change the state. Raises ``NotFound``, and ``Conflict`` where no way leads there, or for another revision."""
        ...

    async def in_flight(self, rollout_id: str) -> Sequence[str]:
        """Ids of pushes that have not ended and that nobody has withdrawn yet."""
        ...
