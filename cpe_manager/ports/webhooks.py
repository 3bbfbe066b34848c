"""Where webhooks are kept. Every method is one transaction; all raise ``StoreError``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from cpe_manager.domain.backup.backups import SealedObject
from cpe_manager.domain.events import Alarm, NewEvent
from cpe_manager.domain.paging import Page
from cpe_manager.domain.telling.webhooks import Attempt, Endpoint


class WebhookStore(Protocol):
    async def add(self, endpoint: Endpoint, secret: SealedObject, events: Sequence[NewEvent] = ()) -> Endpoint:
        """From the next event on: ``cursor`` is set to the last one there is. Raises ``Conflict`` for a name in use."""
        ...

    async def endpoints(
        self, *, after: str | None = None, limit: int = 50, account_id: str | None = None
    ) -> Page[Endpoint]:
        """By name; of one account alone, or of all (None)."""
        ...

    async def endpoint(self, name_or_id: str) -> Endpoint:
        """Raises ``NotFound``."""
        ...

    async def secret(self, endpoint_id: str) -> SealedObject:
        """Raises ``NotFound``."""
        ...

    async def attempts(self, endpoint_id: str, limit: int = 20) -> Sequence[Attempt]:
        """The latest, newest first; some hundred are kept."""
        ...

    async def remove(self, endpoint_id: str, events: Sequence[NewEvent], at: datetime) -> None:
        """With its secret, its attempts and its alarm. Raises ``NotFound``."""
        ...

    async def take(self, owner: str, *, now: datetime, until: datetime, known: int) -> Sequence[Endpoint]:
        """Hold, up to ``until``, every active endpoint that is due, has events behind its cursor (``known``: the last
        event there is) and that no other owner holds. Each with a fence of its own."""
        ...

    async def settle(
        self,
        endpoint: Endpoint,
        attempts: Sequence[Attempt],
        *,
        until: datetime,
        events: Sequence[NewEvent] = (),
        alarm: Alarm | None = None,
        cleared: bool = False,
    ) -> bool:
        """Write cursor, failures and state as they are in ``endpoint``, and hold it up to ``until``. False, and nothing
        written, when its fence has passed: somebody else has it now, or it was moved or removed. ``cleared``: its alarm
        is over."""
        ...

    async def release_all(self) -> None:
        """Let go of every endpoint, whoever holds it: for a start as the only process."""
        ...

    async def replay(
        self, endpoint_id: str, since: datetime | None, events: Sequence[NewEvent], at: datetime
    ) -> Endpoint:
        """Begin again with the first event at or after ``since`` (None: go on where it stands), active, at once.
        Whoever holds it loses it. Raises ``NotFound``."""
        ...
