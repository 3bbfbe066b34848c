"""A restart as a push, on every family: the box goes away, comes back with what it had saved, and is read before
anybody calls it done. One that does not come back is an alarm."""

from __future__ import annotations

from pathlib import Path

import pytest

from cpe_manager.domain.jobs import Outcome
from cpe_manager.domain.push.checks import Check
from cpe_manager.domain.push.commit_path import Step
from cpe_manager.services.push.push_restart import has_restarted
from tests.contract.drivers.roster import DriverCase
from tests.integration.services.dying import Dying, Killed, When
from tests.integration.services.real_boxes import CASES, bench

FORGETS = tuple(case for case in CASES if case.family in ("cisco_ios", "frr_linux", "vyos"))
"""Families on which what runs may be another thing than what is saved."""


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_box_restarts_and_is_confirmed_when_it_is_back(
    case: DriverCase, tmp_path: Path, sqlite_url: str
) -> None:
    async with bench(case, tmp_path, sqlite_url) as b:
        before, boots = b.now(), b.box.state.boots
        shown = await b.pushes.plan(b.asked(reboot=True))
        assert (shown.native, shown.neutral, shown.lockouts, shown.findings) == ("restart\n", (), (), ())
        push = await b.ask(reboot=True)
        settled = await b.work(push)
        record = await b.database.pushes.push(push.id)
        assert settled.outcome is Outcome.CONFIRMED, [(e.step, e.reason, e.notes) for e in record.journal]
        assert (b.box.state.boots, b.now()) == (boots + 1, before)
        apply = next(entry for entry in record.journal if entry.step is Step.APPLY and entry.result is not None)
        assert [(note.what, note.ok) for note in apply.notes] == [("restarted", True)]
        assert await b.once(lambda driver, shell: driver.armed(shell)) is None
        up = (await b.once(lambda driver, shell: driver.facts(shell))).uptime
        assert up is not None
        assert up < 300


@pytest.mark.parametrize("case", FORGETS, ids=str)
async def test_what_was_not_saved_is_told_beforehand_and_lost_when_that_was_accepted(
    case: DriverCase, tmp_path: Path, sqlite_url: str
) -> None:
    async with bench(case, tmp_path, sqlite_url) as b:
        saved = b.now()
        route = {"cisco_ios": "ip route 10.77.0.0 255.255.0.0 192.168.77.9",
                 "frr_linux": "ip route 10.77.0.0/16 192.168.77.9",
                 "vyos": "set protocols static route 10.77.0.0/16 next-hop 192.168.77.9"}[case.family]  # fmt: skip
        b.box.change(route)
        assert b.now() != saved
        refused = await b.work(await b.ask(reboot=True))
        assert (refused.outcome, refused.error_code) == (Outcome.WITHDRAWN, Check.UNSAVED), refused.error
        assert "routes" in (refused.error or "")
        assert b.now() != saved
        settled = await b.work(await b.ask(reboot=True, accepted=frozenset({Check.UNSAVED})))
        assert settled.outcome is Outcome.CONFIRMED, settled.error
        assert b.now() == saved


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_box_that_does_not_come_back_in_time_is_stuck_with_the_reason(
    case: DriverCase, tmp_path: Path, sqlite_url: str
) -> None:
    async with bench(case, tmp_path, sqlite_url, down_time=100_000) as b:
        push = await b.ask(reboot=True)
        settled = await b.work(push)
        assert settled.outcome is Outcome.STUCK, settled.error
        assert (settled.error_code, "has not come back" in (settled.error or "")) == (Check.NOT_BACK, True)
        assert [alarm.kind for alarm in await b.database.events.alarms()] == ["push.stuck"]


@pytest.mark.slow
@pytest.mark.parametrize("when", ["begun", "unwritten"])
@pytest.mark.parametrize("step", [Step.ARM, Step.APPLY, Step.PROBE, Step.CONFIRM])
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_after_a_crash_it_goes_on_and_the_box_restarts_once(
    case: DriverCase, step: Step, when: When, tmp_path: Path, sqlite_url: str
) -> None:
    async with bench(case, tmp_path, sqlite_url) as b:
        before, boots = b.now(), b.box.state.boots
        push = await b.ask(reboot=True)
        with pytest.raises(Killed):
            await b.work(push, store=Dying(b.database.pushes, step, when))  # type: ignore[arg-type]
        await b.database.jobs.release_all(b.clock.now())
        settled = await b.work(push)
        record = await b.database.pushes.push(push.id)
        told = [(entry.step, entry.result, entry.reason) for entry in record.journal]
        assert settled.outcome is Outcome.CONFIRMED, told
        assert (b.box.state.boots, b.now()) == (boots + 1, before)


@pytest.mark.parametrize(
    ("before", "now", "since", "away", "expected"),
    [
        (5000, 20, 30.0, True, True),
        (5000, 5010, 10.0, False, False),
        (5000, 5100, 100.0, True, False),  # the path was cut, the box was not
        (0, 0, 4.0, False, False),  # it counts minutes, and had just started when it was told
        (0, 0, 40.0, True, True),
        (None, None, 40.0, True, True),
        (None, None, 40.0, False, False),
        (3, 8, 40.0, True, True),
    ],
)
def test_a_restart_is_believed_by_what_the_box_says_of_itself(
    before: int | None, now: int | None, since: float, away: bool, expected: bool
) -> None:
    assert has_restarted(before, now, since, away=away) is expected
