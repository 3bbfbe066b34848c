"""Days in the life of a line: nothing is switched without a loss, no loss is missed, nothing goes to and fro.

More than 200 patterns (`tests.support.line_patterns`), a day each, run in the closed loop of `tests.support.line_world`
and are judged by the truth alone. One of each family runs in the fast tier, all others in the rest. What was decided
and why: ``python -m tests.support.line_world --pattern NAME``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from cpe_manager.domain.lines import FailoverPolicy, FailoverState
from tests.support.line_patterns import FAMILIES, patterns
from tests.support.line_world import (
    Moment,
    Pattern,
    World,
    early_returns,
    false_switches,
    faults,
    missed_losses,
    switches,
)

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
