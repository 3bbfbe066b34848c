"""Each state of a line and each thing that goes wrong in it: the watcher and the conductor, on simulated time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from cpe_manager.domain.errors import StoreBusy
from cpe_manager.domain.failover.lines import Carrier, FailoverState
from tests.integration.services.watching import POLICY, Bench, bench_of

S = FailoverState


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with bench_of() as made:
        yield made


async def well(bench: Bench, *names: str, **more: Any) -> list[Any]:
    """Lines that were seen up, and their sites."""
    sites = [(await bench.line(name, **more))[1] for name in names or ("r1",)]
    await bench.start()
    await bench.passing(6)
    assert {bench.state(site) for site in sites} == {S.FIXED}
    return sites


async def test_a_lost_line_is_switched_proven_and_returned_in_one_incident(bench: Bench) -> None:
    (site,) = await well(bench)
    site.fixed_up = False
    await bench.reach(site, S.MOBILE)
    assert (site.box, site.edge, site.served) == (Carrier.MOBILE, Carrier.MOBILE, True)
    (incident,) = bench.incidents()
    assert (incident.subject, incident.priority, incident.closed_at) == ("line", 2, None)
    site.fixed_up = True
    await bench.reach(site, S.RETURNING)
    await bench.reach(site, S.FIXED)
    assert bench.history(site) == [S.SUSPECT, S.SWITCHING, S.MOBILE, S.RETURNING, S.FIXED]
    assert site.log == ["box mobile", "edge mobile", "box fixed", "edge fixed"]
    (incident,) = bench.incidents()
    assert incident.closed_at is not None
    kinds = [event.kind for event in bench.store.events if event.kind.startswith("line.")]
    assert kinds[-5:] == ["line.suspect", "line.switching", "line.mobile", "line.returning", "line.fixed"]
    assert bench.counts.acts == [("switch", True), ("return", True)]
    record = bench.store.rows[site.line_id].record
    assert (record.switch_id, record.push_id, record.carrier) == ("", "", Carrier.FIXED)


async def test_the_history_names_push_switch_and_the_last_change_before_the_loss(bench: Bench) -> None:
    (site,) = await well(bench)
    device_id = next(iter(bench.store.devices))
    bench.store.changes[device_id] = "2026-01-14: change of wan, by op"
    site.fixed_up = False
    await bench.reach(site, S.MOBILE)
    steps = {one.after: one for _, one in bench.store.transitions}
    assert steps[S.SWITCHING].last_change == "2026-01-14: change of wan, by op"
    assert steps[S.MOBILE].switch_id == steps[S.SWITCHING].switch_id != ""
    assert steps[S.MOBILE].push_id == f"push-{steps[S.MOBILE].switch_id}"
    assert steps[S.MOBILE].by == "manager"


@pytest.mark.parametrize(
    ("mishap", "defective"),
    [("box-refuses", False), ("box-silent", False), ("box-reverts", False), ("edge-refuses", False),
     ("edge-lies", False), ("outside-dead", True)],
)  # fmt: skip
async def test_what_goes_wrong_is_taken_back_and_the_line_has_failed(
    bench: Bench, mishap: str, defective: bool
) -> None:
    (site,) = await well(bench)
    site.mishaps.add(mishap)
    site.fixed_up = False
    await bench.reach(site, S.FAILED)
    assert bench.history(site)[-3:] == [S.SWITCHING, S.RETURNING, S.FAILED]
    assert (site.box, site.edge) == (Carrier.FIXED, Carrier.FIXED)
    found = {one.subject: one.priority for one in bench.incidents(open_only=True)}
    assert found["line"] == 1
    assert ("backup" in found) is defective
    site.mishaps.clear()
    await bench.reach(site, S.MOBILE)
    assert site.served
    switches = {one.switch_id for _, one in bench.store.transitions if one.after is S.SWITCHING}
    assert len(switches) == 2


async def test_an_edge_that_does_not_say_whether_it_moved_is_asked(bench: Bench) -> None:
    (site,) = await well(bench, mishaps={"edge-unknown"})
    site.fixed_up = False
    await bench.reach(site, S.MOBILE)
    assert site.served


async def test_a_roll_back_that_fails_is_told_and_tried_again(bench: Bench) -> None:
    (site,) = await well(bench, mishaps={"outside-dead", "back-refused"})
    site.fixed_up = False
    await bench.reach(site, S.FAILED)
    record = bench.store.rows[site.line_id].record
    assert record.switch_id
    assert any("was not put back" in reason for reason in record.reasons)
    site.mishaps.clear()
    site.fixed_up = True
    await bench.until(lambda: site.box is Carrier.FIXED and bench.state(site) is S.FIXED)
    assert bench.store.rows[site.line_id].record.switch_id == ""


async def test_without_mobile_nothing_is_switched(bench: Bench) -> None:
    (site,) = await well(bench)
    site.mobile_up = False
    await bench.passing(30)
    site.fixed_up = False
    await bench.reach(site, S.FAILED)
    assert site.log == []
    assert 1 in {one.priority for one in bench.incidents(open_only=True)}


async def test_a_dead_box_is_not_switched(bench: Bench) -> None:
    (site,) = await well(bench)
    site.power = False
    await bench.reach(site, S.FAILED)
    assert site.log == []
    site.power = True
    await bench.reach(site, S.FIXED)
    assert bench.incidents(open_only=True) == []


async def test_a_line_that_is_not_entitled_stays_and_says_why(bench: Bench) -> None:
    (site,) = await well(bench, ordered=False)
    site.fixed_up = False
    await bench.reach(site, S.FAILED)
    assert site.log == []
    assert any("not ordered" in reason for reason in bench.store.rows[site.line_id].record.reasons)


async def test_a_box_that_moves_by_itself_is_only_verified(bench: Bench) -> None:
    (site,) = await well(bench, moves="cpe", follows=True)
    site.fixed_up = False
    await bench.reach(site, S.MOBILE)
    assert (site.log, site.pushes) == ([], {})
    assert bench.store.rows[site.line_id].record.by == "cpe"
    site.fixed_up = True
    await bench.reach(site, S.FIXED)
    assert (site.log, site.pushes) == ([], {})


async def test_a_box_that_should_move_and_does_not_is_moved(bench: Bench) -> None:
    (site,) = await well(bench, moves="cpe")
    site.fixed_up = False
    await bench.reach(site, S.MOBILE)
    assert sorted(site.log) == ["box mobile", "edge mobile"]
    assert bench.store.rows[site.line_id].record.by == "manager"
    site.fixed_up = True
    await bench.reach(site, S.FIXED)
    assert (site.box, site.edge) == (Carrier.FIXED, Carrier.FIXED)


async def test_a_switch_that_hangs_is_rolled_back_in_time(bench: Bench) -> None:
    (site,) = await well(bench, mishaps={"box-hangs"})
    site.fixed_up = False
    await bench.reach(site, S.SWITCHING)
    began = bench.clock.monotonic()
    site.mishaps.clear()
    await bench.reach(site, S.RETURNING)
    assert POLICY.switch_within - 1 <= bench.clock.monotonic() - began <= POLICY.switch_within + 5
    await bench.reach(site, S.MOBILE)
    assert site.served


async def test_a_return_that_fails_leaves_mobile_in_force(bench: Bench) -> None:
    (site,) = await well(bench)
    site.fixed_up = False
    await bench.reach(site, S.MOBILE)
    site.fixed_up = True
    site.mishaps.add("edge-refuses")
    await bench.reach(site, S.RETURNING)
    await bench.reach(site, S.MOBILE)
    assert (site.box, site.edge) == (Carrier.MOBILE, Carrier.MOBILE)
    site.mishaps.clear()
    await bench.reach(site, S.FIXED)
    assert site.served


async def test_operators_switch_return_hold_and_release(bench: Bench) -> None:
    (site,) = await well(bench)
    await bench.want(site, "switch")
    await bench.reach(site, S.MOBILE)
    assert site.log == ["box mobile", "edge mobile"]
    await bench.passing(60)
    assert bench.state(site) is S.MOBILE  # what an operator has moved an operator returns
    await bench.want(site, "return")
    await bench.reach(site, S.FIXED)
    await bench.want(site, "hold")
    await bench.reach(site, S.HELD)
    site.fixed_up = False
    await bench.passing(20)
    assert (bench.state(site), site.box) == (S.HELD, Carrier.FIXED)
    await bench.want(site, "release")
    await bench.reach(site, S.MOBILE)


async def test_a_test_switches_verifies_and_returns_without_an_incident(bench: Bench) -> None:
    (site,) = await well(bench)
    await bench.want(site, "test")
    await bench.until(lambda: bench.store.rows[site.line_id].record.tested_at is not None)
    await bench.reach(site, S.FIXED)
    record = bench.store.rows[site.line_id].record
    assert (record.test_ok, record.wanted) == (True, "")
    assert bench.incidents() == []
    assert site.log == ["box mobile", "edge mobile", "box fixed", "edge fixed"]
    assert "line.tested" in [event.kind for event in bench.store.events]


async def test_a_test_that_fails_says_that_the_backup_is_defective(bench: Bench) -> None:
    (site,) = await well(bench, mishaps={"outside-dead"})
    await bench.want(site, "test")
    await bench.until(lambda: bench.store.rows[site.line_id].record.test_ok is False)
    await bench.reach(site, S.FIXED)
    assert site.served
    assert [(one.subject, one.priority) for one in bench.incidents(open_only=True)] == [("backup", 3)]


async def test_an_access_node_that_fails_is_one_parent_and_its_lines_go_in_turns(bench: Bench) -> None:
    sites = [(await bench.line(f"r{number}", node="dslam-1"))[1] for number in range(12)]
    await bench.start(policy=replace(POLICY, node_switches_at_once=3))
    await bench.passing(6)
    for site in sites:
        site.fixed_up = False
    most = 0
    for _ in range(400):
        await bench.passing(0.25)
        most = max(most, sum(bench.state(site) is S.SWITCHING for site in sites))
        if all(bench.state(site) is S.MOBILE for site in sites):
            break
    assert all(site.served for site in sites)
    # Those that were lost before the node was known to be down have gone by themselves.
    assert most <= 3 + 12 // 2
    nodes = [one for one in bench.incidents() if one.subject == "node"]
    assert [(one.node, one.priority) for one in nodes] == [("dslam-1", 1)]
    for site in sites:
        site.fixed_up = True
    await bench.until(lambda: all(bench.state(site) is S.FIXED for site in sites))
    await bench.until(lambda: not bench.incidents(open_only=True))


async def test_nothing_is_done_that_could_not_be_written(bench: Bench) -> None:
    (site,) = await well(bench)
    real, refused = bench.store.move, []

    async def busy(moves: Any) -> Any:
        refused.append(moves)
        raise StoreBusy("locked")

    bench.store.move = busy  # type: ignore[method-assign]
    site.fixed_up = False
    await bench.passing(20)
    assert refused
    assert site.log == []
    bench.store.move = real  # type: ignore[method-assign]
    await bench.reach(site, S.MOBILE)


@pytest.mark.parametrize("state", [S.SUSPECT, S.SWITCHING, S.MOBILE, S.RETURNING, S.FAILED])
async def test_a_killed_process_is_followed_by_one_that_ends_it_under_the_same_name(
    bench: Bench, state: FailoverState
) -> None:
    (site,) = await well(bench, mishaps={"box-refuses"} if state is S.FAILED else set())
    site.fixed_up = False
    if state is S.RETURNING:
        await bench.reach(site, S.MOBILE)
        site.fixed_up = True
    await bench.reach(site, state)
    before = bench.store.rows[site.line_id].record
    await bench.die()
    site.mishaps.clear()
    await bench.clock.advance(3)
    watcher = await bench.start("w2")
    await watcher.take_over()
    await bench.reach(site, S.FIXED if state is S.RETURNING else S.MOBILE)
    assert site.served
    if state in {S.SWITCHING, S.MOBILE}:
        assert bench.store.rows[site.line_id].record.switch_id == before.switch_id
    line_incidents = [one for one in bench.incidents() if one.subject == "line"]
    assert len(line_incidents) == 1
    assert len(site.pushes) == len(set(site.pushes))


async def test_one_process_watches_and_another_takes_over_when_it_is_gone(bench: Bench) -> None:
    (site,) = await well(bench)
    first = bench.task
    second = await bench.start("w2")
    await bench.passing(10)
    assert (second.leading, second.records()) == (False, [])
    assert first is not None
    first.cancel()
    await bench.until(lambda: second.leading)
    await bench.passing(6)
    site.fixed_up = False
    await bench.reach(site, S.MOBILE)


async def test_a_line_that_is_set_up_later_is_seen_without_a_restart(bench: Bench) -> None:
    await well(bench)
    changes: list[int] = []
    assert bench.watcher is not None
    bench.watcher.changed = lambda: changes.append(1)
    _, site = await bench.line("r2")
    bench.watcher.nudge()
    await bench.passing(6)
    assert changes
    site.fixed_up = False
    await bench.reach(site, S.MOBILE)


async def test_planned_tests_come_in_their_window(bench: Bench) -> None:
    policy = replace(POLICY, test_every_days=1, test_window="daily 00:00-24:00 UTC")
    _, site = await bench.line("r1")
    await bench.start(policy=policy)
    await bench.until(lambda: bench.store.rows[site.line_id].record.test_ok is True)
    await bench.reach(site, S.FIXED)
    asked = [event for event in bench.store.events if event.kind == "line.asked"]
    assert len(asked) == 1
