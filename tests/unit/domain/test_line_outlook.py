from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cpe_manager.domain.failover.line_outlook import clock, duration, outlook, with_due
from cpe_manager.domain.failover.lines import (
    Carrier,
    Condition,
    FailoverPolicy,
    FailoverState,
    Line,
    LineRecord,
    LineSetup,
    Verdict,
)

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC).timestamp()
SETUP = LineSetup("l1", formula="pro-plus", ordered=True, coverage="passed")
FIXED = LineRecord(Line("l1", "L1", "s1", "d1", "r1", "n1", SETUP), since=NOW)
MOBILE = replace(FIXED, state=FailoverState.MOBILE, carrier=Carrier.MOBILE, condition=Condition.UP, by="manager")


def told(record: LineRecord, freezes: str = "", **policy: Any) -> str:
    return "\n".join(outlook(record, FailoverPolicy(**policy), NOW, freezes))


def set_up(**more: Any) -> LineRecord:
    return replace(FIXED, line=replace(FIXED.line, setup=replace(SETUP, **more)))


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (set_up(watched=False), "not watched"),
        (set_up(coverage="refused", coverage_reason="cellar"), "is not moved when the line is lost: coverage check"),
        (FIXED, "when the line is lost: the manager moves it to mobile"),
        (FIXED, "the backup is tested at the next opening of Mon-Fri 05:00-06:00"),
        (replace(FIXED, tested_at=NOW), "the backup is tested from 2026-04-01 on, in Mon-Fri"),
        (set_up(moves="cpe"), "the box moves by itself, the manager steps in after 10 s"),
        (replace(FIXED, state=FailoverState.SWITCHING, since=NOW - 20), "rolled back in 0:40 unless it holds"),
        (replace(FIXED, state=FailoverState.RETURNING, since=NOW - 90), "being undone, which is being made and verif"),
        (replace(MOBILE, state=FailoverState.RETURNING), "the return is being made and verified; given up in 1:00"),
        (replace(FIXED, state=FailoverState.HELD, by="op"), "held by op: nothing is moved until it is released"),
        (replace(FIXED, wanted="hold", wanted_by="op", wanted_reason="cutover"), "op asked for hands off (cutover)"),
        (MOBILE, "returns once the line has been up for 5 min without a break"),
        (replace(MOBILE, condition=Condition.LINE_DOWN), "returns 5 min after the line is up again"),
        (replace(MOBILE, flaps=(NOW - 500, NOW - 60)), "up for 10 min without a break (2 losses in a row"),
        (replace(MOBILE, by="op"), "op moved it: returns when somebody asks for it"),
        (replace(MOBILE, by="test"), "a test of the backup: returns by itself"),
        (replace(MOBILE, due="returns", due_at=NOW + 252), "returns in 4:12"),
        (replace(FIXED, state=FailoverState.FAILED, attempts=2, since=NOW), "failed 2 times, tried again in 4:00"),
        (replace(FIXED, state=FailoverState.FAILED, condition=Condition.CPE_DEAD), "answers over neither way"),
        (replace(FIXED, state=FailoverState.FAILED), "as soon as nothing speaks against it"),
    ],
)
def test_what_happens_next_is_said(record: LineRecord, words: str) -> None:
    assert words in told(record)


def test_a_return_that_is_held_back_says_until_when() -> None:
    quiet = told(MOBILE, quiet_hours="daily 22:00-06:00 Europe/Brussels")
    assert "quiet hours: no return by itself until 2026-03-02 05:00 UTC" in quiet
    frozen = told(MOBILE, freezes="2026-03-01..2026-03-03 Europe/Brussels")
    assert "change freeze: no return by itself until 2026-03-03 23:00 UTC" in frozen
    assert "quiet" not in told(MOBILE, quiet_hours="daily 12:00-13:00 Europe/Brussels")


def test_times_are_written_short() -> None:
    assert [clock(seconds) for seconds in (-1, 9, 252, 3852)] == ["0:00", "0:09", "4:12", "1:04:12"]
    assert [duration(seconds) for seconds in (0.5, 45, 300, 14400, 90)] == ["0.5 s", "45 s", "5 min", "4 h", "90 s"]


def test_what_is_due_is_the_same_until_something_changes() -> None:
    policy = FailoverPolicy()
    up, down = Verdict(Condition.UP, NOW - 30), Verdict(Condition.LINE_DOWN, NOW - 30)
    due = with_due(MOBILE, up, NOW, policy)
    assert (due.due, due.due_at) == ("returns, if the line stays up,", NOW - 30 + 300)
    assert with_due(due, up, NOW + 200, policy) == due
    assert "returns, if the line stays up, in 4:30" in told(due)
    assert with_due(due, down, NOW, policy).due == ""
    assert with_due(replace(MOBILE, by="op"), up, NOW, policy).due_at is None
    failed = replace(FIXED, state=FailoverState.FAILED, attempts=1)
    assert with_due(failed, down, NOW, policy).due_at == NOW + 120
    assert with_due(failed, Verdict(Condition.CPE_DEAD, NOW), NOW, policy).due == ""
    assert with_due(FIXED, up, NOW, policy) == FIXED
