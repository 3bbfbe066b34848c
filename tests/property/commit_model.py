"""A device and a manager, as little of them as the commit path needs: what can go wrong, goes wrong between any two."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from cpe_manager.domain.commit_path import Entry, Phase, Result, Step, decide

BEFORE, AFTER, HALF = "before", "after", "half"
TIMER = timedelta(seconds=120)
START = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)

How = Literal["well", "slowly", "refused", "lost before", "lost between", "lost after", "killed before", "killed after"]
"""How a step goes: well; well, but taking its time; refused by the device (a change half-way); the session lost before,
in the middle of or after its effect, which the manager sees as a failure; the manager killed before or after the
effect, so that nothing is written down."""


@dataclass
class ModelDevice:
    """Running and startup configuration, and a timer of its own that takes back what nobody confirms."""

    running: str = BEFORE
    startup: str = BEFORE
    fires_at: datetime | None = None
    kept_for_revert: str = BEFORE
    reachable: bool = True
    touched: bool = False

    def at(self, now: datetime) -> None:
        if self.fires_at is not None and now >= self.fires_at:
            self.running, self.fires_at = self.kept_for_revert, None

    def reboot(self) -> None:
        self.running, self.fires_at = self.startup, None

    def arm(self, now: datetime) -> None:
        self.kept_for_revert, self.fires_at, self.touched = self.running, now + TIMER, True

    def apply(self, *, half: bool) -> None:
        self.running, self.touched = HALF if half else AFTER, True

    def confirm(self) -> None:
        self.startup, self.fires_at = self.running, None

    def revert(self) -> None:
        self.running = self.startup = BEFORE
        self.fires_at = None


@dataclass
class Manager:
    """Takes the steps that `decide` asks for and writes them down as the product has to: begun, effect, ended."""

    device: ModelDevice = field(default_factory=ModelDevice)
    now: datetime = START
    journal: list[Entry] = field(default_factory=list)
    withdrawn: bool = False
    good: bool = True
    """Whether the change leaves the device reachable; a bad one is only found out by the probe."""
    ended: Phase | None = None

    def tick(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.device.at(self.now)

    def step(self, how: How) -> None:
        """One step, going as told; what follows a kill is the next call, on the same journal."""
        self.device.at(self.now)
        verdict = decide(self.journal, self.now, withdrawn=self.withdrawn)
        if verdict.step is None:
            self.ended = verdict.end
            return
        step = verdict.step
        deadline = self.now + TIMER if step is Step.ARM else None
        self.journal.append(Entry(step, self.now, reason=verdict.reason, deadline=deadline))
        if how == "killed before":
            return
        if how == "slowly":
            self.tick(45)
        if how == "lost before" or not self._reaches(step):
            self._end(step, Result.FAILED, "the session was lost")
            return
        failed = self._effect(step, how)
        if how == "killed after":
            return
        if failed or how in ("lost between", "lost after", "refused"):
            self._end(step, Result.FAILED, failed or how)
            return
        self._end(step, Result.DONE, "")

    def _reaches(self, step: Step) -> bool:
        cut_off = not self.good and self.device.running in (AFTER, HALF)
        return step in (Step.PLAN, Step.CHECK) or (self.device.reachable and not cut_off)

    def _effect(self, step: Step, how: How) -> str:
        half = how in ("lost between", "refused")
        if step is Step.ARM and how != "refused":
            self.device.arm(self.now)
        elif step is Step.APPLY:
            if self.device.fires_at is None:
                return "not armed"
            self.device.apply(half=half)
        elif step is Step.PROBE:
            return "" if self.device.running == AFTER else "it is not what was wanted"
        elif step is Step.CONFIRM:
            if self.device.running != AFTER:
                return "it is not what was wanted"
            if not half:
                self.device.confirm()
        elif step is Step.REVERT and not half:
            self.device.revert()
        return ""

    def _end(self, step: Step, result: Result, reason: str) -> None:
        self.journal.append(Entry(step, self.now, result, reason))
