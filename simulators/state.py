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


@dataclass(frozen=True, slots=True)
class Alarm:
    """What a box does by itself at a time of its own clock, and whether it restarts then."""

    due: datetime
    act: Callable[[DeviceState], None]
    restart: bool = False


def _nobody() -> None:
    """Nobody wants to be told."""


@dataclass(slots=True)
class DeviceState:
    """The mutable half of a box.

    running and startup are bodies in the family's own language, with LF line ends, without what a `show` command
    wraps around them. scratch holds what a restart loses (files below /tmp, staged changes), by path; flash what it
    does not. alarms are by name, and a restart loses them; alarm_changed is called when one is set.
    files: what flash is to families whose configuration is more than one text. operator: who is at the box right now,
    beside the sessions that log in; empty when nobody is.
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
    flash: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    alarms: dict[str, Alarm] = field(default_factory=dict)
    alarm_changed: Callable[[], None] = _nobody
    operator: str = ""
    line_up: bool = True
    """Whether the fixed line's link is up; the configuration may do away with it all the same."""
    line_silent: bool = False
    """The link stays up, and nothing comes through it."""
    mobile_up: bool = True
    """Whether the modem has a mobile network."""

    @property
    def line_carries(self) -> bool:
        return self.line_up and not self.line_silent

    def set_alarm(self, name: str, alarm: Alarm) -> None:
        """Set an alarm, in the place of one of that name."""
        self.alarms[name] = alarm
        self.alarm_changed()

    def next_alarm(self) -> float | None:
        """Seconds until the next alarm, 0 when one is due; None when there is none."""
        if not self.alarms:
            return None
        return max(0.0, (min(alarm.due for alarm in self.alarms.values()) - self.clock()).total_seconds())

    def take_due(self) -> Alarm | None:
        """The alarm that is longest due, taken out; None when none is."""
        due = [name for name, alarm in self.alarms.items() if alarm.due <= self.clock()]
        return self.alarms.pop(min(due, key=lambda name: self.alarms[name].due)) if due else None

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
        self.alarms.clear()
        self.boots += 1
        self.booted_at = self.clock()
        self.changed_at = self.booted_at
