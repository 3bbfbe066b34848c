"""Where schedules are kept. Every method is one transaction; all raise ``StoreError``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from cpe_manager.domain.schedules import Schedule


class ScheduleStore(Protocol):
    async def schedules(self) -> Sequence[Schedule]: ...

    async def add(self, schedule: Schedule) -> None:
        """Raises ``Conflict`` when the name exists."""
        ...

    async def remove(self, name: str) -> None:
        """Raises ``NotFound``."""
        ...

    async def fired(self, schedule_id: str, at: datetime) -> None: ...
