"""Whatever happens between manager and device, a push ends as it was, as it was wanted, or loudly stuck."""

from __future__ import annotations

from typing import get_args

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from cpe_manager.domain.commit_path import END, MOST_REVERTS, Phase, Step, decide, phase_of
from tests.property.commit_model import AFTER, BEFORE, HALF, How, Manager

HOWS = get_args(How)


class Pushes(RuleBasedStateMachine):
    """A history: steps that go well or wrong, time that passes, reboots, cuts, somebody who gives the push up."""

    def __init__(self) -> None:
        super().__init__()
        self.manager = Manager()

    @initialize(good=st.booleans())
    def change(self, good: bool) -> None:
        self.manager.good = good

    @precondition(lambda self: self.manager.ended is None)
    @rule(how=st.sampled_from(HOWS))
    def step(self, how: How) -> None:
        self.manager.step(how)

    @precondition(lambda self: self.manager.ended is None)
    @rule(times=st.integers(1, 6))
    def steps_that_go_well(self, times: int) -> None:
        for _ in range(times):
            self.manager.step("well")

    @rule(seconds=st.sampled_from((1, 30, 60, 99, 100, 101, 119, 120, 121, 600)))
    def time_passes(self, seconds: int) -> None:
        self.manager.tick(seconds)

    @precondition(lambda self: self.manager.ended is None)
    @rule()
    def device_reboots(self) -> None:
        self.manager.device.reboot()

    @rule(reachable=st.booleans())
    def path(self, reachable: bool) -> None:
        self.manager.device.reachable = reachable

    @rule()
    def somebody_withdraws(self) -> None:
        self.manager.withdrawn = True

    def teardown(self) -> None:
        """From here on nothing goes wrong any more: the push has to come to an end, and to a true one."""
        manager, device = self.manager, self.manager.device
        device.reachable = True
        for _ in range(40):
            if manager.ended is not None:
                break
            manager.tick(30)
            manager.step("well")
        assert manager.ended in END
        touched = device.running, device.startup
        if manager.ended is Phase.CONFIRMED:
            assert touched == (AFTER, AFTER)
            assert manager.good
        elif manager.ended is Phase.REVERTED:
            assert touched == (BEFORE, BEFORE)
        elif manager.ended is Phase.WITHDRAWN:
            assert touched == (BEFORE, BEFORE)
            assert not device.touched
        else:
            refused = [e for e in manager.journal if e.step is Step.REVERT and e.result is not None]
            # Those before the device's own deadline do not count, and may be any number.
            assert len(refused) >= MOST_REVERTS
        assert phase_of(manager.journal) in (manager.ended, Phase.PLANNED, Phase.CHECKED, Phase.SNAPSHOTTED)
        # What has ended stays ended, and says so again.
        assert decide(manager.journal, manager.now, withdrawn=manager.withdrawn).end is manager.ended
        if device.fires_at is None and manager.ended is not Phase.STUCK:
            assert device.running != HALF


def histories(count: int) -> settings:
    checks = (HealthCheck.too_slow, HealthCheck.filter_too_much)
    return settings(max_examples=count, stateful_step_count=14, deadline=None, suppress_health_check=checks)


def test_every_history_ends_before_or_after() -> None:
    run_state_machine_as_test(Pushes, settings=histories(300))
