"""Sealing keys: which are in use, a new one without downtime, and an old one out of service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.jobs import Job, JobKind
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.keys import KeyStore
from cpe_manager.ports.stores import BackupStore, EventStore
from cpe_manager.services.jobs.jobs import Jobs

UNDER_WAY = timedelta(minutes=2)
"""For how long after a rotation a result sealed with the key before may still wait to be written."""


@dataclass(frozen=True, slots=True)
class KeyView:
    """``objects``: how many sealed originals this key wraps."""

    key_id: str
    created_at: datetime
    active: bool
    objects: int


class Keys:
    """Rotation: a new active key first, then a job that re-wraps every data key; reading works all the while."""

    def __init__(self, keys: KeyStore, backups: BackupStore, jobs: Jobs, events: EventStore, clock: Clock) -> None:
        self._keys, self._backups, self._jobs = keys, backups, jobs
        self._events, self._clock = events, clock

    async def list(self) -> list[KeyView]:
        used = await self._backups.key_ids()
        return [KeyView(key.key_id, key.created_at, key.active, used.get(key.key_id, 0)) for key in self._keys.infos()]

    async def rotate(self, *, by: str, occurrence: str | None = None) -> Job:
        """Make and activate a new key; the job re-wraps what older keys wrap. ``occurrence`` names this one rotation:
        the job of the same one again."""

        async def start() -> Job | None:
            now = self._clock.now()
            key_id = self._keys.rotate(now)
            await self._events.add(
                [NewEvent("key.rotated", now, "warning", message=f"key {key_id} active, by {by}", data={"by": by})]
            )
            return await self._jobs.start(JobKind.ROTATE, {}, by=by, occurrence=occurrence)

        return await self._jobs.once(occurrence, start)

    async def retire(self, key_id: str, *, by: str) -> None:
        """Take an unused key out of the key file.

        Raises ``Conflict`` while it is active or still wraps anything, or may: for two minutes after a rotation.
        """
        views = await self.list()
        found = {view.key_id: view for view in views}.get(key_id)
        if found is None:
            raise NotFound(f"no key {key_id}")
        if found.active or found.objects:
            why = "is the active one" if found.active else f"still wraps {found.objects} originals"
            raise Conflict(f"key {key_id} {why}")
        rotated = max(view.created_at for view in views if view.active)
        if self._clock.now() - rotated < UNDER_WAY:
            raise Conflict(f"key {key_id} may be needed by backups under way: two minutes after a rotation it can go")
        self._keys.retire(key_id)
        message = f"key {key_id} retired by {by}"
        await self._events.add(
            [NewEvent("key.retired", self._clock.now(), "warning", message=message, data={"by": by})]
        )
