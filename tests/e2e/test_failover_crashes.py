"""A daemon that is killed in any state of a fail-over is followed by one that brings it to its end: the same switch,
one incident, nothing moved twice. Twenty lines in each state; see ``failover_scene`` for what happens to them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.failover_scene import EACH, GROUPS, Line, Scene, played

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

P1, P2 = ("line", 1), ("line", 2)
AT_THE_KILL = {
    "fixed": ("fixed", "fixed", ()),
    "suspect": ("suspect", "fixed", ()),
    "switching": ("switching", "fixed", (P2,)),
    "mobile": ("mobile", "mobile", (P2,)),
    "returning": ("returning", "mobile", (P2,)),
    "failed": ("failed", "fixed", (P1,)),
    "held a": ("held", "fixed", ()),
    "held b": ("held", "mobile", (P2,)),
}
"""State, carrier and open incidents, by group (and half)."""
TAKEN_UP = AT_THE_KILL | {"held a": ("held", "fixed", (P1,))}
"""That they were lost meanwhile is no reason to move those; it is one to say so."""
AT_REST = {
    "fixed": ("mobile", "mobile", (P2,)),
    "suspect a": ("fixed", "fixed", ()),
    "suspect b": ("mobile", "mobile", (P2,)),
    "switching": ("mobile", "mobile", (P2,)),
    "mobile": ("mobile", "mobile", (P2,)),
    "returning": ("fixed", "fixed", ()),
    "failed": ("failed", "fixed", (P1,)),
    "held a": ("held", "fixed", (P1,)),
    "held b": ("held", "mobile", (P2,)),
}
BACK = dict.fromkeys(GROUPS, ("fixed", "fixed", ())) | dict.fromkeys(
    ("suspect b", "switching", "mobile", "held b"), ("mobile", "mobile", (P2,))
)
STOPS = {"killed": AT_THE_KILL, "taken up": TAKEN_UP, "at rest": AT_REST, "back": BACK}
SWITCHES = Counter({
    "fixed": 1, "suspect b": 1, "switching": 1, "mobile": 1, "returning": 1, "failed a": 1, "held b": 1,
})  # fmt: skip
"""Begun in the whole scene, by group (and half); none otherwise. Those that failed never moved the edge."""


def lines(scene: Scene, group: str, stop: str) -> list[tuple[str, str, Line]]:
    """Twenty lines at a stop, each with its id and its half of the group."""
    found = [(line, scene.lines[line].half, scene.seen[stop][line]) for line in scene.of(group)]
    assert len(found) == EACH
    return found


def switched(group: str, half: str) -> bool:
    return bool(SWITCHES[group] or SWITCHES[f"{group} {half}"])


def twenty_lines_were_in_each_state_when_the_daemon_was_killed(scene: Scene) -> None:
    first, second, third = scene.caught
    assert first == {f"{group} {group}": EACH for group in GROUPS}
    # At whatever they were at there.
    assert second["fixed switching"] + second["suspect switching"] >= EACH // 2 + EACH // 4
    assert third["fixed returning"] >= EACH // 2
    assert scene.w.starts == 4


def it_is_where_it_should_be_with_one_incident_where_it_is_lost_and_none_where_it_carries(
    scene: Scene, group: str, stop: str
) -> None:
    for line, half, now in lines(scene, group, stop):
        table = STOPS[stop]
        state, carrier, incidents = table.get(f"{group} {half}") or table[group]
        assert (now.state, now.carrier) == (state, carrier), line
        # A line that is not lost may still be degraded, and has the incident of that: its box counts errors.
        assert now.incidents == (incidents or ((P2,) if now.condition == "degraded" else ())), line
        assert now.ever["line"] <= (2 if group == "suspect" else 1), line
        if stop in {"at rest", "back"}:
            assert now.under_way == 0, line
            assert (line in scene.preferred[stop]) is (carrier == "mobile"), line
            assert scene.edge_over(stop, line) == carrier, line


def who_takes_over_goes_on_under_the_same_name_and_begins_nothing(scene: Scene, group: str) -> None:
    for line, _, now in lines(scene, group, "taken up"):
        before = scene.seen["killed"][line]
        assert (now.switch_id, now.steps, now.attempts) == (before.switch_id, before.steps, before.attempts), line
        assert bool(now.switch_id) is (group in {"switching", "mobile", "returning"} or now.carrier == "mobile"), line
        # Box and edge of a lost line are moved side by side: the edge may have been asked while the box had yet to be.
        begun = {f"failover:{now.switch_id}"} if group == "switching" else set()
        assert _moves(before) <= _moves(now) <= _moves(before) | begun, line
        assert now.under_way <= 1, line
        # Asked once more is what was on its way; all else is left alone.
        again = {"switching": ("mobile",), "returning": ("fixed",)}.get(group, ())
        assert now.orders == (*before.orders, *again), line


def _moves(line: Line) -> set[str]:
    return {key.removesuffix(":again") for key in line.pushes}


def nothing_was_moved_twice_in_the_end(scene: Scene, group: str) -> None:
    for line, half, now in lines(scene, group, "back"):
        assert now.switches == len({switch_id for state, switch_id in now.steps if state == "switching"}), line
        assert now.switches == switched(group, half), line
        assert [state for state, _ in now.steps].count("mobile") <= (2 if group == "held" else 1), line
        moved = switched(group, half) and group != "failed"
        assert now.moves == ((("mobile",) if now.carrier == "mobile" else ("mobile", "fixed")) if moved else ()), line
        # Two of the kills found lines on their way there.
        most = {"switching": 3, "fixed": 2, "suspect": 2}.get(group, 1)
        assert now.orders.count("mobile") <= most * switched(group, half), line
        # On the box, a move has one push that stays, however many were interrupted before it.
        assert set(now.in_force.values()) <= {1}, line
        there = [key for key in now.in_force if key.count(":") == 1]
        assert len(there) <= 1, line
        assert len(now.in_force) <= (2 if now.carrier == "fixed" else 1) * switched(group, half), line
        if moved:
            assert there, line
        assert not {"stuck"} & set(now.pushes.values()), line


def only_lines_that_are_lost_have_an_incident_in_the_end(scene: Scene) -> None:
    assert Counter(scene.seen["back"][line].state for line in scene.away) == {"mobile": len(scene.away)}
    found = scene.rows("select line_id, count(*) from incident where subject = 'line' and closed_at is null group by 1")
    degraded = {line for line, now in scene.seen["back"].items() if now.condition == "degraded"}
    assert set(scene.away) <= {line for line, _ in found} <= set(scene.away) | degraded
    assert {number for _, number in found} == {1}


def test_a_daemon_killed_in_any_state_is_followed_by_one_that_ends_it(tmp_path: Path) -> None:
    """One test, as the scene costs much more than what is asked of it."""
    with played(tmp_path) as scene:
        twenty_lines_were_in_each_state_when_the_daemon_was_killed(scene)
        for group in GROUPS:
            for stop in STOPS:
                it_is_where_it_should_be_with_one_incident_where_it_is_lost_and_none_where_it_carries(
                    scene, group, stop
                )
            who_takes_over_goes_on_under_the_same_name_and_begins_nothing(scene, group)
            nothing_was_moved_twice_in_the_end(scene, group)
        only_lines_that_are_lost_have_an_incident_in_the_end(scene)
