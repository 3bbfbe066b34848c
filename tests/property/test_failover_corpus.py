"""Days in the life of a line: nothing is switched without a loss, no loss is missed, nothing goes to and fro.

More than 200 patterns (`tests.support.line_patterns`), a day each, run in the closed loop of `tests.support.line_world`
and are judged by the truth alone. One of each family runs without the mark `slow`, all others with it. What was decided
and why: ``python -m tests.support.line_world --pattern NAME``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from cpe_manager.domain.failover.failover import Outcome, decide, record_after
from cpe_manager.domain.failover.failover_policy import may_switch, policy_of
from cpe_manager.domain.failover.lines import Act, Condition, FailoverPolicy, FailoverState, Source, Way
from cpe_manager.domain.failover.node_watch import Nodes
from tests.support.line_evidence import START, Seen, a_record
from tests.support.line_judge import early_returns, false_switches, faults, missed_losses, switches
from tests.support.line_patterns import FAMILIES, patterns
from tests.support.line_world import Moment, Pattern, World

ALL = list(patterns())
SAMPLE = [pattern for pattern in ALL if pattern.name.endswith("-01")]
OTHERS = [pattern for pattern in ALL if pattern not in SAMPLE]


def right(pattern: Pattern) -> None:
    world = World(pattern).run()
    assert list(faults(world)) == [], "\n".join(map(str, world.log))
    assert world.evidence > 5_000


@pytest.mark.parametrize("pattern", SAMPLE, ids=lambda pattern: pattern.name)
def test_a_day_of_each_family_is_decided_rightly(pattern: Pattern) -> None:
    right(pattern)


@pytest.mark.slow
@pytest.mark.parametrize("pattern", OTHERS, ids=lambda pattern: pattern.name)
def test_every_day_of_the_corpus_is_decided_rightly(pattern: Pattern) -> None:
    right(pattern)


def test_the_corpus_is_large_and_every_day_of_it_another() -> None:
    assert len(ALL) >= 200
    assert len({pattern.name for pattern in ALL}) == len({pattern.seed for pattern in ALL}) == len(ALL)
    assert set(Counter(pattern.name.rsplit("-", 1)[0] for pattern in ALL)) == set(FAMILIES)
    # Restarts and steps of the manager's clock are no changes of the line.
    assert len({(pattern.changes, pattern.restarts, pattern.steps) for pattern in ALL}) == len(ALL)


def test_a_day_runs_the_same_way_twice() -> None:
    pattern = next(pattern for pattern in ALL if pattern.name == "everything-01")
    assert World(pattern).run().log == World(pattern).run().log


def test_a_node_outage_is_one_outage_and_no_storm_of_switches() -> None:
    """Sixty lines of one node: all are moved, a few at a time, none a second time."""
    policy = policy_of({"node_switches_at_once": 8})
    nodes, random = Nodes(), Random(7)
    lines = {f"line-{number:02d}": (Seen(policy), a_record(since=START - 1e5)) for number in range(60)}
    under_way: dict[str, float] = {}
    switched: Counter[str] = Counter()
    most, now = 0, START
    for step in range(400):
        now += 0.5
        for name, (seen, record) in lines.items():
            seen.now = now
            if step % 2 == int(name[-2:]) % 2:
                seen.of(Source.ICMP, Way.FIXED, not 100 < step < 300).of(Source.ICMP, Way.MOBILE, True)
            said = seen.verdict
            nodes.note("node-1", name, said.since if said.condition is Condition.LINE_DOWN else None)
            down = bool(nodes.down("node-1", now, policy))
            turn = may_switch(record, policy, len(under_way))
            done = Outcome(True, "verified") if under_way.get(name, now + 1.0) <= now else None
            decision = decide(record, said, now, policy, node_down=down, done=done, may_switch=turn)
            if done is not None:
                del under_way[name]
            if decision.act is Act.SWITCH:
                under_way[name] = now + random.uniform(0.4, 3.0)
                switched[name] += 1
            most = max(most, len(under_way))
            lines[name] = seen, record_after(record, decision, said, now)
        if step == 120:
            assert len(nodes.down("node-1", now, policy)) == 60
    assert set(switched.values()) == {1}
    assert len(switched) == 60
    assert most == 8
    assert nodes.down("node-1", now, policy) == ()
    assert {record.state for _, record in lines.values()} == {FailoverState.MOBILE}


# The judge itself: each kind of wrong is called so.

DAY_WITH_A_LOSS = Pattern("judged", ((3600.0, "fixed", 1.0), (4200.0, "fixed", 0.0)), length=7200.0)


def test_a_switch_of_a_line_that_was_up_is_called_false() -> None:
    world = World(DAY_WITH_A_LOSS).run()
    assert list(false_switches(world)) == []
    world.truth = [Moment(0.0, 0.0, True, True, 0.0, False)]
    assert len(list(false_switches(world))) == len(switches(world)) == 1


def test_a_loss_that_nobody_acted_upon_is_called_missed() -> None:
    world = World(DAY_WITH_A_LOSS).run()
    assert list(missed_losses(world)) == []
    world.log = []
    assert len(list(missed_losses(world))) == 1


def test_a_return_before_its_time_is_called_early() -> None:
    world = World(DAY_WITH_A_LOSS).run()
    assert world.log[-1].decision.state is FailoverState.FIXED
    assert list(early_returns(world)) == []
    world.truth[2] = Moment(4400.0, 0.0, True, True, 0.0, False)
    assert len(list(early_returns(world))) == 1


def test_a_manager_that_believes_a_single_miss_is_found_out() -> None:
    blinks = next(pattern for pattern in ALL if pattern.name == "blinks-01")
    assert list(faults(World(replace(blinks, policy=FailoverPolicy(misses=1, recover=1))).run()))
