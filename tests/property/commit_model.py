"""A device and a manager, as little of them as the commit path needs: what can go wrong, goes wrong between any two.

The manager takes the steps that `decide` asks for in the parts that `services.push.commit_path` takes them in, and
writes them down as it does; what dies keeps nothing but its journal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from cpe_manager.domain.push.commit_path import Entry, Phase, Result, Step, decide

BEFORE, AFTER, HALF = "before", "after", "half"
TIMER = timedelta(seconds=120)
START = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)

Style = Literal["on save", "at once", "with apply"]
"""How a family keeps and promises: what runs is kept by saving it; it is kept as soon as it is applied, and a script
at the next start takes back what is promised; or promise and change are one commit."""
STYLES: Final[tuple[Style, ...]] = ("on save", "at once", "with apply")

Mishap = Literal[
    "none", "slow", "refused", "lost", "killed", "restart", "restart, lost", "cut", "fires", "unwritten", "not begun"
]
"""What befalls a step before one of its parts: nothing; it takes 45 s; the device refuses the part; the session is
lost; the manager is killed; the device restarts, in time for the next part or not; the path is cut; the device's timer
runs out. `unwritten`: the database is gone when the step has ended; `not begun`: already when it begins."""
MISHAPS: Final[tuple[Mishap, ...]] = (
    "none", "slow", "refused", "lost", "killed", "restart", "restart, lost", "cut", "fires", "unwritten", "not begun",
)  # fmt: skip
MOST_PARTS: Final = 8


class Lost(Exception):
    """The manager sees this step as failed."""


class Died(Exception):
    """The manager sees nothing any more."""


@dataclass(slots=True)
class ModelDevice:
    """Running and startup configuration, and a promise of its own to take back what nobody confirms."""

    style: Style = "on save"
    running: str = BEFORE
    startup: str = BEFORE
    fires_at: datetime | None = None
    reachable: bool = True
    touched: bool = False

    def at(self, now: datetime) -> None:
        if self.fires_at is not None and now >= self.fires_at:
            self.go_back()

    def go_back(self) -> None:
        self.run(BEFORE)
        self.fires_at = None

    def run(self, what: str) -> None:
        self.running, self.touched = what, True
        if self.style == "at once":
            self.startup = what

    def reboot(self) -> None:
        if self.style == "at once" and self.fires_at is not None:
            self.startup = BEFORE
        self.running, self.fires_at = self.startup, None

    def promise(self, now: datetime) -> None:
        self.fires_at, self.touched = now + TIMER, True

    def save(self) -> None:
        self.startup = self.running


@dataclass(slots=True)
class Manager:
    """Takes the steps that `decide` asks for and writes them down as the product has to: begun, effect, ended."""

    device: ModelDevice = field(default_factory=ModelDevice)
    now: datetime = START
    journal: list[Entry] = field(default_factory=list)
    withdrawn: bool = False
    good: bool = True
    """Whether the change leaves the device reachable; a bad one is only found out by the probe."""
    ended: Phase | None = None
    resumed: bool = True
    planned: bool = False
    probed: bool = False
    """What only the living process knows: that it has a plan, and has seen what was wanted."""

    def tick(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.device.at(self.now)

    def step(self, mishap: Mishap = "none", part: int = 0) -> None:
        """One step, with a mishap before one of its parts; what follows a kill is the next call, on the same
        journal."""
        self.device.at(self.now)
        verdict = decide(self.journal, self.now, withdrawn=self.withdrawn, resumed=self.resumed)
        self.resumed = False
        if verdict.step is None:
            self.ended = verdict.end
            return
        if mishap == "not begun":
            self._dies()
            return
        step = verdict.step
        deadline = self.now + TIMER if step is Step.ARM else None
        self.journal.append(Entry(step, self.now, reason=verdict.reason, deadline=deadline))
        try:
            self._take(self._parts(step), mishap, part)
        except Died:
            self._dies()
            return
        except Lost as lost:
            self._end(step, Result.FAILED, str(lost), mishap)
            return
        self._end(step, Result.DONE, "", mishap)

    def _end(self, step: Step, result: Result, reason: str, mishap: Mishap) -> None:
        if mishap == "unwritten":
            self._dies()
        else:
            self.journal.append(Entry(step, self.now, result, reason))

    def _dies(self) -> None:
        self.resumed, self.planned, self.probed = True, False, False

    def _take(self, parts: Sequence[Callable[[], None]], mishap: Mishap, strikes: int) -> None:
        # Behind the last part is a place for mishaps, too.
        strikes %= len(parts) + 1
        for number, part in enumerate((*parts, None)):
            refused = number == strikes and self._strike(mishap)
            if part is not None and refused:
                raise Lost("the device refused")
            if part is not None:
                part()

    def _strike(self, mishap: Mishap) -> bool:
        """Whether the part that comes now is refused."""
        if mishap == "killed":
            raise Died
        if mishap.startswith("restart"):
            self.device.reboot()
        elif mishap == "cut":
            self.device.reachable = False
        elif mishap == "slow":
            self.tick(45)
        elif mishap == "fires" and self.device.fires_at is not None:
            self.now = max(self.now, self.device.fires_at)
            self.device.at(self.now)
        if mishap.endswith("lost"):
            raise Lost("the session was lost")
        return mishap == "refused"

    def _parts(self, step: Step) -> tuple[Callable[[], None], ...]:
        """As the service takes the step; every part needs the device, but for what is only thought."""
        if step is Step.CHECK or step is Step.SNAPSHOT:
            assert self.planned, "a step that needs a plan, without one"
            return ()
        if step is Step.PLAN:
            return (self._plan,)
        if step is Step.ARM:
            assert self.planned, "a step that needs a plan, without one"
            return (self._arm,)
        if step is Step.APPLY:
            assert self.planned, "a step that needs a plan, without one"
            return (self._apply,) if self.device.style == "with apply" else (self._half, self._apply)
        if step is Step.PROBE:
            return (self._probe,)
        if step is Step.CONFIRM:
            seen = () if self.probed else (self._probe,)
            return (*seen, self._disarm, self._save, self._probe)
        return (
            self._go_back,
            self._put_back_half,
            self._put_back,
            self._is_back,
            self._disarm,
            self._save,
            self._is_back,
        )

    def _reach(self) -> None:
        cut_off = not self.good and self.device.running in (AFTER, HALF)
        if not self.device.reachable or cut_off:
            raise Lost("the device is not reached")

    def _plan(self) -> None:
        self._reach()
        self.planned = True

    def _arm(self) -> None:
        self._reach()
        if self.device.style != "with apply":
            self.device.promise(self.now)

    def _half(self) -> None:
        self._reach()
        self.device.run(HALF)

    def _apply(self) -> None:
        if self.device.style == "with apply":
            self._reach()
            self.device.promise(self.now)
            self.device.run(AFTER)
        elif self.device.running == HALF:  # the session that began it goes on
            self.device.run(AFTER)
        else:
            raise Lost("the session was lost")

    def _probe(self) -> None:
        self._reach()
        if self.device.running != AFTER:
            raise Lost("it is not what was wanted")
        self.probed = True

    def _disarm(self) -> None:
        self._reach()
        self.device.fires_at = None

    def _save(self) -> None:
        self._reach()
        self.device.save()

    def _go_back(self) -> None:
        self._reach()
        if self.device.fires_at is not None:
            self.device.go_back()

    def _put_back_half(self) -> None:
        self._reach()
        if self.device.running != BEFORE and self.device.style != "with apply":
            self.device.run(HALF)

    def _put_back(self) -> None:
        self._reach()
        if self.device.running != BEFORE:
            self.device.run(BEFORE)

    def _is_back(self) -> None:
        self._reach()
        if self.device.running != BEFORE:
            raise Lost("the device did not go back")
