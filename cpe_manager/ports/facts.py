"""What devices said of themselves, stored with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol

from cpe_manager.ports.driver import Facts

FactsSource = Literal["session", "snmp", "both"]
"""Asked in a session by the family's driver, over SNMP, or both, each for what the other did not know."""
TELLING: Final = ("model", "serial", "os_release")
"""Facts whose change is news: other hardware, or another release."""


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """``at``: when they were collected."""

    device_id: str
    facts: Facts
    source: FactsSource
    at: datetime

    @property
    def booted_at(self) -> datetime | None:
        return None if self.facts.uptime is None else self.at - timedelta(seconds=self.facts.uptime)

    def news(self, before: DeviceFacts | None) -> dict[str, list[str]]:
        """``name: [before, now]`` of what has changed; nothing for what was not known before or is not said now."""
        if before is None:
            return {}
        pairs = {name: [getattr(before.facts, name), getattr(self.facts, name)] for name in TELLING}
        return {name: pair for name, pair in pairs.items() if all(pair) and pair[0] != pair[1]}


class FactsStore(Protocol):
    async def get(self, device_id: str) -> DeviceFacts | None: ...

    async def put(self, found: Sequence[DeviceFacts]) -> None:
        """In place of what was known of these devices. Raises ``NotFound`` for a device that there is not."""
        ...
