"""What changes while a virtual CPE runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from simulators.spec import DeviceSpec

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock that boxes go by unless they are given another."""
    return datetime.now(UTC)


@dataclass(slots=True)
class DeviceState:
    """The mutable half of a box.

    running and startup are bodies in the family's own language, with LF line ends, without what a `show` command
    wraps around them. scratch holds what a restart loses (files below /tmp, staged changes), by path.
    """

    spec: DeviceSpec
    running: str
    startup: str
    clock: Clock = utc_now
    booted_at: datetime = field(default_factory=utc_now)
    changed_at: datetime = field(default_factory=utc_now)
    changed_by: str = "console"
    boots: int = 1
    displays: int = 0
    scratch: dict[str, str] = field(default_factory=dict)

    @property
    def uptime(self) -> float:
        """Seconds since the last boot."""
        return max(0.0, (self.clock() - self.booted_at).total_seconds())

    def replace_running(self, text: str, who: str) -> None:
        """Take over a new running configuration and remember when and by whom, as boxes print it."""
        self.running = text
        self.changed_at = self.clock()
        self.changed_by = who

    def save(self) -> None:
        """Make the running configuration survive a restart."""
        self.startup = self.running

    def restart(self) -> None:
        """Come back with the startup configuration; staged and temporary things are gone."""
        self.running = self.startup
        self.scratch.clear()
        self.boots += 1
        self.booted_at = self.clock()
        self.changed_at = self.booted_at
