"""Tests of the mobile backup (§3.8): its coverage, and a planned fail-over that takes the traffic there and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from cpe_manager.domain.activation_flow import Step
from cpe_manager.domain.activations import TestResult
from cpe_manager.domain.errors import Conflict, InputError, NotFound
from cpe_manager.domain.lines import FailoverState, LineRecord
from cpe_manager.ports.activations import PUSH_KEY
from cpe_manager.services.activation.bench import Bench, failed, not_ordered, passed, unproven
from cpe_manager.services.lines import Order

_PAUSE: Final = 1.0
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
        device, by = bench.activation.device, bench.activation.requested_by
        begun = bench.begun.timestamp()
        key = f"{PUSH_KEY}{bench.activation.id}:{Step.TEST}:{bench.number}"
        reason = f"activation of {bench.activation.site}"
        try:
            await bench.lines.want(device, Order("test", reason, key), by=by)
        except (Conflict, NotFound) as error:
            return failed(self, f"it was not begun: {error}", goal="over mobile and back")
        return self._judged(bench, await self._ended(bench, begun), begun)

    async def _ended(self, bench: Bench, begun: float) -> LineRecord:
        until = bench.clock.monotonic() + bench.terms.failover_seconds
        while True:
            record = await bench.lines.line(bench.activation.device)
            done = (record.tested_at or 0.0) >= begun and not record.wanted and record.state not in _STILL
            if done or bench.clock.monotonic() >= until:
                return record
            await bench.clock.sleep(_PAUSE)

    def _judged(self, bench: Bench, record: LineRecord, begun: float) -> TestResult:
        goal, why = "over mobile and back", "; ".join(record.reasons)
        if (record.tested_at or 0.0) >= begun and record.test_ok:
            if record.state in _STILL:
                return failed(self, "the traffic did not come back in time", measured=record.state.value, goal=goal)
            return passed(self, "over mobile and back", goal)
        if (record.tested_at or 0.0) >= begun:
            return failed(self, f"the backup did not carry it: {why}", measured=record.state.value, goal=goal)
        seconds = bench.terms.failover_seconds
        return failed(self, f"no end within {seconds:g} s: {why}", measured=record.state.value, goal=goal)
