"""What changes while a virtual CPE runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from simulators.spec import DeviceSpec

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock that boxes go by unless they are given another."""
    return datetime.now(UTC)


def new_state(spec: DeviceSpec, body: str, clock: Clock = utc_now) -> DeviceState:
    """The state of a box that has been up for a while, by its seed between a day and three months, unchanged since."""
    booted = clock() - timedelta(seconds=spec.rng("uptime").randrange(86_400, 90 * 86_400))
    return DeviceState(spec=spec, running=body, startup=body, clock=clock, booted_at=booted, changed_at=booted)


@dataclass(slots=True)
class DeviceState:
    """The mutable half of a box.

    running and startup are bodies in the family's own language, with LF line ends, without what a `show` command
    wraps around them. scratch holds what a restart loses (files below /tmp, staged changes), files what it does not,
    of families whose configuration is more than one text; both by path.
    """

    spec: DeviceSpec
    running: str
    startup: str
    clock: Clock
    booted_at: datetime
    changed_at: datetime
    changed_by: str = "console"
    boots: int = 1
    displays: int = 0
    scratch: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

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
