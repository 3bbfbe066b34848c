"""What drift needs from the database. Every method is one transaction; all raise ``StoreError``.

That a device is out of step is written where versions are: with the settling of backups and pushes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cpe_manager.domain.backup.drift import Standing, Verdict
from cpe_manager.domain.paging import Page


@dataclass(frozen=True, slots=True)
class DriftRow:
    """How a device stands; ``running`` is the number of its current version, ``confirmed`` that of the wanted one."""

    device_id: str
    device: str
    site: str
    family: str | None
    standing: Standing
    confirmed: int
    running_id: str | None
    running: int | None


class DriftStore(Protocol):
    async def drift(self, device_id: str) -> DriftRow:
        """Raises ``NotFound`` for a device without any backup."""
        ...

    async def drifts(
        self, *, verdicts: Collection[Verdict] = (), after: str | None = None, limit: int = 100
    ) -> Page[DriftRow]:
        """Of devices in service, by name; the cursor is opaque. Without ``verdicts`` those of any."""
        ...

    async def adopt(self, device_id: str, fingerprint: str, *, at: datetime, by: str) -> DriftRow:
        """Make the device's current version the confirmed one. Emits ``drift.adopted``.

        Raises ``NotFound``, and ``Conflict`` when the current version has another fingerprint by now, or is the
        confirmed one already."""
        ...

    async def startup(self, device_id: str, *, saved: bool, at: datetime) -> DriftRow:
        """Note whether the device would come up with what it runs. Raises ``NotFound``."""
        ...

    async def counts(self) -> Mapping[Verdict, int]:
        """Active devices by verdict, all verdicts named."""
        ...
