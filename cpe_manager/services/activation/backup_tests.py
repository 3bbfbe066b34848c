"""Tests of the mobile backup (§3.8): its coverage, and a planned fail-over that takes the traffic there and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from cpe_manager.domain.activation.activation_flow import Step
from cpe_manager.domain.activation.activations import TestResult, Verdict
from cpe_manager.domain.errors import Conflict, InputError, NotFound
from cpe_manager.domain.failover.lines import FailoverState, LineRecord
from cpe_manager.ports.activations import PUSH_KEY
from cpe_manager.services.activation.bench import Bench, failed, not_ordered, passed, unproven
from cpe_manager.services.failover.lines import Order

_PAUSE: Final = 1.0
_TRIES: Final = 2
"""Exercises of a backup whose first fails: it may have met something else on its way."""
_GOAL: Final = "over mobile and back"
_STILL: Final = frozenset({FailoverState.SWITCHING, FailoverState.RETURNING, FailoverState.MOBILE})


@dataclass(frozen=True, slots=True)
class StandsBy:
    """The backup is configured as ordered, with voice barred from it (§7.6)."""

    name: ClassVar[str] = "mobile-backup"
    title: ClassVar[str] = "Mobile backup stands by, voice barred"
    section: ClassVar[str] = "§3.8, §7.6"

    async def run(self, bench: Bench) -> TestResult:
        now = bench.box.config
        if not bench.order.with_backup:
            return not_ordered(self)
        if now is None or "mobile" in bench.lacks(Step.CONFIGURE):
            return failed(self, "not as ordered", goal="standing by", redo=(Step.CONFIGURE,))
        barred = () if now.mobile is None else now.mobile.barred
        told = ", ".join(f"{one.protocol} {one.ports}" for one in barred)
        if not barred:
            return passed(
                self, "standing by", "standing by", "this family keeps nothing off mobile: voice goes over it"
            )
        return passed(self, f"standing by; barred: {told}", "standing by")


@dataclass(frozen=True, slots=True)
class CoverageEnough:
    """Activation of the backup may be refused where indoor coverage proves insufficient (§3.8)."""

    name: ClassVar[str] = "coverage"
    title: ClassVar[str] = "Mobile coverage"
    section: ClassVar[str] = "§3.8"

    async def run(self, bench: Bench) -> TestResult:
        if not bench.order.with_backup:
            return not_ordered(self)
        device, by = bench.activation.device, bench.activation.requested_by
        try:
            checked = await bench.lines.check_coverage(device, by=by)
            verdict, reason = checked.verdict, checked.reason
        except InputError as error:
            # It cannot be measured from here: what was found on site counts.
            setup = (await bench.lines.line(device)).line.setup
            verdict, reason = setup.coverage, setup.coverage_reason or str(error)
        if verdict == "passed":
            return passed(self, reason, "enough for a backup")
        if verdict == "refused":
            return failed(self, f"not enough for a backup: {reason}", measured=reason, goal="enough for a backup")
        return failed(self, f"not checked: {reason}", goal="enough for a backup")


@dataclass(frozen=True, slots=True)
class BackupCarries:
    """A planned test of the fail-over: traffic goes to mobile, is proved there, and comes back."""

    name: ClassVar[str] = "failover"
    title: ClassVar[str] = "Mobile backup carries the traffic"
    section: ClassVar[str] = "§3.8"

    async def run(self, bench: Bench) -> TestResult:
        if not bench.order.with_backup:
            return not_ordered(self)
        if not bench.terms.proves_backup:
            return unproven(self, "nobody watches lines here (failover_enabled)")
        since, made = bench.begun.timestamp(), unproven(self, "not begun")
        for attempt in range(_TRIES):
            try:
                await self._begin(bench, attempt)
            except (Conflict, NotFound) as error:
                return failed(self, f"it was not begun: {error}", goal=_GOAL)
            record = await self._ended(bench, since)
            made = self._judged(bench, record, since)
            if made.verdict is Verdict.PASSED or (record.tested_at or 0.0) <= since:
                break
            since = record.tested_at or since
        return made

    @staticmethod
    async def _begin(bench: Bench, attempt: int) -> None:
        """Asked for under a name of its own, so that a process that takes over asks for nothing twice. A line that is
        on its way is waited for."""
        one, until = bench.activation, bench.clock.monotonic() + bench.terms.failover_seconds
        key = f"{PUSH_KEY}{one.id}:{Step.TEST}:{bench.number}:{attempt}"
        while True:
            record = await bench.lines.line(one.device)
            if record.state is FailoverState.FIXED or bench.clock.monotonic() >= until:
                break
            await bench.clock.sleep(_PAUSE)
        await bench.lines.want(one.device, Order("test", f"activation of {one.site}", key), by=one.requested_by)

    @staticmethod
    async def _ended(bench: Bench, since: float) -> LineRecord:
        until = bench.clock.monotonic() + bench.terms.failover_seconds
        while True:
            record = await bench.lines.line(bench.activation.device)
            done = (record.tested_at or 0.0) > since and not record.wanted and record.state not in _STILL
            if done or bench.clock.monotonic() >= until:
                return record
            await bench.clock.sleep(_PAUSE)

    def _judged(self, bench: Bench, record: LineRecord, since: float) -> TestResult:
        why, state = "; ".join(record.reasons), record.state.value
        tested = (record.tested_at or 0.0) > since
        if tested and record.test_ok and record.state in _STILL:
            return failed(self, "the traffic did not come back in time", measured=state, goal=_GOAL)
        if tested and record.test_ok:
            return passed(self, _GOAL, _GOAL)
        if tested:
            return failed(self, f"the backup did not carry it: {why}", measured=state, goal=_GOAL)
        return failed(self, f"no end within {bench.terms.failover_seconds:g} s: {why}", measured=state, goal=_GOAL)
