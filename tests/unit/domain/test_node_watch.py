"""Many lines behind one access node that go at once are the node's; a few, or one after the other, are not."""

from __future__ import annotations

from cpe_manager.domain.failover.failover_policy import may_switch, policy_of
from cpe_manager.domain.failover.lines import FailoverPolicy
from cpe_manager.domain.failover.node_watch import Nodes
from tests.support.line_evidence import START, a_record

POLICY = FailoverPolicy()


def of_node(count: int, down: int = 0, apart: float = 0.1) -> Nodes:
    nodes = Nodes()
    for number in range(count):
        nodes.note("n1", f"line-{number:02d}", START + number * apart if number < down else None)
    return nodes


def test_a_node_is_down_when_so_many_and_such_a_share_went_at_once() -> None:
    assert of_node(10, 5).down("n1", START + 5.0, POLICY) == tuple(f"line-{number:02d}" for number in range(5))


def test_too_few_lines_are_no_node_even_when_they_are_all_of_it() -> None:
    assert of_node(3, 3).down("n1", START + 5.0, POLICY) == ()


def test_too_small_a_share_is_no_node() -> None:
    assert of_node(20, 9).down("n1", START + 5.0, POLICY) == ()


def test_lines_that_go_one_after_the_other_are_no_node() -> None:
    assert of_node(10, 8, apart=60.0).down("n1", START + 500.0, POLICY) == ()


def test_lines_that_were_down_before_the_node_and_those_that_follow_belong_to_it() -> None:
    nodes = of_node(10, 5)
    nodes.note("n1", "line-08", START - 5000.0)
    nodes.note("n1", "line-09", START + 40.0)
    assert len(nodes.down("n1", START + 50.0, POLICY)) == 7


def test_a_node_stays_down_until_most_of_its_lines_are_up_again() -> None:
    nodes = of_node(10, 8)
    assert nodes.down("n1", START + 5.0, POLICY)
    for number in range(5):
        nodes.note("n1", f"line-{number:02d}", None)
    assert len(nodes.down("n1", START + 60.0, POLICY)) == 3
    nodes.note("n1", "line-05", None)
    assert nodes.down("n1", START + 61.0, POLICY) == ()


def test_a_node_that_nobody_has_named_is_none() -> None:
    nodes = Nodes()
    for number in range(9):
        nodes.note("", f"line-{number}", START)
    assert nodes.down("", START + 1.0, POLICY) == ()
    assert nodes.down("other", START + 1.0, POLICY) == ()


def test_one_node_says_nothing_of_another() -> None:
    nodes = of_node(10, 8)
    for number in range(10):
        nodes.note("n2", f"other-{number}", None)
    assert nodes.down("n2", START + 5.0, POLICY) == ()


def test_a_line_that_is_no_longer_watched_does_not_count() -> None:
    nodes = of_node(8, 4)
    nodes.forget("n1", "line-00")
    assert nodes.down("n1", START + 5.0, POLICY) == ()
    for number in range(1, 8):
        nodes.forget("n1", f"line-{number:02d}")
    assert nodes.down("n1", START + 5.0, POLICY) == ()


def test_noting_the_same_again_changes_nothing() -> None:
    nodes = of_node(10, 4)
    for _ in range(20):
        nodes.note("n1", "line-00", START)
    assert nodes.down("n1", START + 5.0, POLICY) == ()


def test_a_loss_in_the_future_is_not_counted_yet() -> None:
    nodes = of_node(10, 8)
    assert nodes.down("n1", START - 1.0, POLICY) == ()
    assert nodes.down("n1", START + 1.0, POLICY)


def test_so_many_lines_of_a_node_switch_at_a_time_and_no_more() -> None:
    policy = policy_of({"node_switches_at_once": 20})
    assert may_switch(a_record(), policy, 19) == ""
    assert "node-1" in may_switch(a_record(), policy, 20)


def test_a_large_node_is_judged_quickly() -> None:
    nodes = of_node(2000)
    for number in range(2000):
        nodes.note("n1", f"line-{number:02d}", START + number * 0.0001)
        nodes.down("n1", START + 1.0, POLICY)
    assert len(nodes.down("n1", START + 1.0, POLICY)) == 2000
