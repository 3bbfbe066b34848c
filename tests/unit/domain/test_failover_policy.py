"""What a policy may say, and what it comes to at a moment."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.failover.failover_policy import (
    checked,
    hold_down,
    may_return,
    may_switch,
    policy_of,
    retry_wait,
    return_wait,
    test_due,
)
from cpe_manager.domain.failover.lines import Carrier, Condition, FailoverPolicy, FailoverState, LineRecord
from tests.support.line_evidence import START, a_line, a_record

POLICY = FailoverPolicy()


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_the_defaults_are_within_their_own_limits() -> None:
    assert checked(POLICY) is POLICY
    assert policy_of({}) == POLICY


def test_a_lines_own_values_go_before_the_installations() -> None:
    installed = policy_of({"up_for": 60, "misses": 5})
    mine = policy_of({"up_for": 120}, installed)
    assert (mine.up_for, mine.misses, mine.probe_every) == (120.0, 5, POLICY.probe_every)


@pytest.mark.parametrize(("values", "says"), [
    ({"up_forever": 1}, "up_forever"),
    ({"misses": 2.5}, "misses is a whole number"),
    ({"misses": "3"}, "misses is a whole number"),
    ({"misses": True}, "misses is a whole number"),
    ({"probe_every": "often"}, "probe_every is a number"),
    ({"probe_every": float("nan")}, "probe_every is a number"),
    ({"probe_every": None}, "probe_every is a number"),
    ({"quiet_hours": 5}, "quiet_hours is a text"),
    ({"quiet_hours": "now and then"}, "quiet_hours"),
    ({"test_window": "Mon 25:00-26:00"}, "test_window"),
    ({"probe_every": 0}, "not within"),
    ({"node_share": 1.5}, "not within"),
    ({"flap_factor": 0.5}, "not within"),
    ({"up_for": 600, "up_for_most": 300}, "up_for_most"),
    ({"degraded_loss": 0.6, "down_loss": 0.5}, "down_loss"),
])  # fmt: skip
def test_a_policy_that_is_wrong_is_refused_with_what_is_wrong(values: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        policy_of(values)


def test_every_number_of_a_policy_has_limits() -> None:
    for each in fields(FailoverPolicy):
        if not isinstance(getattr(POLICY, each.name), str):
            with pytest.raises(InputError, match=each.name):
                policy_of({each.name: 10**9})


def test_whole_numbers_are_taken_for_numbers() -> None:
    assert policy_of({"up_for": 60}).up_for == 60.0
    assert policy_of({"misses": 4.0}).misses == 4


def losses(*times: float) -> LineRecord:
    return a_record(flaps=tuple(START + each for each in times))


@pytest.mark.parametrize(("times", "wait", "count"), [
    ((), 300.0, 0),
    ((0,), 300.0, 1),
    ((0, 600), 600.0, 2),
    ((0, 600, 1200), 1200.0, 3),
    ((0, 600, 1200, 9000), 300.0, 1),
    ((0, 600, 1200, 1800, 2400, 3000), 9600.0, 6),
    ((0, 600, 1200, 1800, 2400, 3000, 11000), 14400.0, 7),
])  # fmt: skip
def test_each_loss_soon_after_another_doubles_the_wait_up_to_the_most(
    times: tuple[float, ...], wait: float, count: int
) -> None:
    assert hold_down(losses(*times), POLICY) == (wait, count)


def test_losses_are_forgotten_after_long_enough_a_peace() -> None:
    record = losses(0, 600)
    assert return_wait(record, START + 700.0, POLICY) == 600.0
    assert return_wait(record, START + 600.0 + 4100.0, POLICY) == 600.0
    assert return_wait(record, START + 600.0 + 4201.0, POLICY) == 300.0


def test_a_hold_down_longer_than_the_memory_is_still_served_to_its_end() -> None:
    record = losses(*(600.0 * number for number in range(7)))
    assert return_wait(record, START + 3600.0 + 14_500.0, POLICY) == 14_400.0


def test_retries_grow_and_are_capped() -> None:
    assert [retry_wait(count, POLICY) for count in (1, 2, 3, 40)] == [120.0, 240.0, 480.0, 14_400.0]


def test_quiet_hours_and_freezes_hold_returns_back() -> None:
    policy = policy_of({"quiet_hours": "Mon-Fri 08:00-18:00 Europe/Brussels"})
    assert may_return(at("2026-11-27T06:59"), policy) == ""
    assert "quiet hours" in may_return(at("2026-11-27T07:00"), policy)
    assert may_return(at("2026-11-27T17:00"), policy) == ""
    assert may_return(at("2026-12-25T12:00"), POLICY, "2026-12-21..2027-01-03 Europe/Brussels").startswith(
        "change freeze until"
    )
    assert may_return(at("2027-01-04T12:00"), POLICY, "2026-12-21..2027-01-03 Europe/Brussels") == ""


def test_the_data_cap_of_a_month_holds_switches_back() -> None:
    policy = policy_of({"data_cap_mb": 500})
    assert may_switch(a_record(mobile_bytes=499_000_000), policy) == ""
    assert "500 of 500 MB" in may_switch(a_record(mobile_bytes=500_000_000), policy)
    assert may_switch(a_record(mobile_bytes=10**12), POLICY) == ""


WINDOW = at("2026-11-27T04:30")
"""A Friday, 05:30 in Brussels."""
TESTED = a_record(tested_at=WINDOW - 30 * 86_400.0, test_ok=True)


def test_a_planned_test_is_due_a_month_after_the_last_one_in_its_window() -> None:
    assert test_due(TESTED, WINDOW, POLICY)
    assert not test_due(TESTED, WINDOW - 3600.0, POLICY)
    assert not test_due(TESTED, WINDOW + 3600.0, POLICY)
    assert not test_due(replace(TESTED, tested_at=WINDOW - 20 * 86_400.0), WINDOW, POLICY)
    assert not test_due(TESTED, WINDOW, policy_of({"test_every_days": 0}))


def test_a_test_that_failed_is_due_again_the_next_day() -> None:
    assert test_due(replace(TESTED, tested_at=WINDOW - 86_400.0, test_ok=False), WINDOW, POLICY)


@pytest.mark.parametrize("other", [
    {"state": FailoverState.MOBILE}, {"carrier": Carrier.MOBILE}, {"condition": Condition.DEGRADED}, {"wanted": "hold"},
    {"line": a_line(coverage="refused")}, {"state": FailoverState.HELD},
])  # fmt: skip
def test_only_a_line_that_is_well_and_may_be_moved_is_tested(other: dict[str, object]) -> None:
    assert not test_due(replace(TESTED, **other), WINDOW, POLICY)  # type: ignore[arg-type]


def test_lines_that_were_never_tested_are_spread_over_the_days() -> None:
    due = 0
    policy = policy_of({"test_window": "daily 05:00-06:00 Europe/Brussels"})
    for number in range(300):
        line = replace(a_line(), id=f"line-{number}")
        days = [day for day in range(30) if test_due(a_record(line=line), WINDOW + day * 86_400.0, policy)]
        assert len(days) == 1
        due += days[0] == 0
    assert 0 < due < 30


def test_every_value_of_the_policy_is_explained_with_its_default() -> None:
    page = (Path(__file__).parents[3] / "docs" / "explanation" / "failover.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    for each in fields(FailoverPolicy):
        row = next(row for row in rows if f"`{each.name}`" in row)
        default = getattr(POLICY, each.name)
        assert (f"`{default}`" if default else '`""`') in row if isinstance(default, str) else f"{default:g}" in row, (
            row
        )
