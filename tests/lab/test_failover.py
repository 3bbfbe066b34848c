"""Line loss is seen, traffic moves to mobile and back, the customer keeps the fixed address: the manager in the lab."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.lab.measure import Result
from simulators.lab.netns import NetnsLab
from simulators.lab.plan import LabPlan
from tests.lab.managed import Managed, managed

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

FIXED = "203.0.113.1"


@pytest.fixture
def static(network_possible: None, tmp_path: Path) -> Iterator[Managed]:
    """Nothing but the manager moves traffic at a silent loss."""
    with NetnsLab(LabPlan(bfd=False)) as lab:
        lab.settle()
        with managed(lab, tmp_path) as made:
            yield made


@pytest.fixture
def bgp(network_possible: None, tmp_path: Path) -> Iterator[Managed]:
    """Box and edge move by themselves."""
    with NetnsLab(LabPlan(routing="bgp")) as lab:
        lab.settle()
        with managed(lab, tmp_path) as made:
            yield made


def kept_its_address(result: Result) -> bool:
    assert result.udp is not None
    assert result.tcp is not None
    return set(result.udp.sources) == {FIXED} and result.tcp.survived


def test_a_silent_loss_is_switched_by_the_manager_and_the_return_loses_nothing(static: Managed) -> None:
    static.is_ready()
    with static.measured(8.0, "udp", "tcp", "voice") as away:
        away.do("cut", lambda: static.control.cut_silent(1))
        static.reaches("mobile")
    result = away.result()
    assert kept_its_address(result)
    assert result.udp is not None
    assert result.voice is not None
    assert result.voice.over_mobile == 0
    assert [row[0] for row in static.rows("select priority from incident where closed_at is null")] == [2]
    static.control.restore(1)
    static.reaches("mobile")
    with static.measured(20.0) as back:
        static.reaches("fixed")
    result = back.result()
    assert kept_its_address(result)
    assert result.udp is not None
    assert result.udp.lost == 0
    assert static.rows("select count(*) from incident where closed_at is null") == [(0,)]
    after = [row[0] for row in static.rows("select after from line_transition order by at, number")]
    assert after[-4:] == ["switching", "mobile", "returning", "fixed"]


def test_where_box_and_edge_move_by_themselves_the_manager_only_verifies(bgp: Managed) -> None:
    pushes = bgp.rows("select count(*) from push where key like 'failover:%'")
    with bgp.measured(8.0) as away:
        away.do("cut", lambda: bgp.control.cut_silent(1))
        bgp.reaches("mobile")
    result = away.result()
    assert kept_its_address(result)
    assert result.udp is not None
    assert bgp.rows("select moved_by from line_state") == [("cpe",)]
    assert "ip route 203.0.113.1/32" not in bgp.lab.vtysh("edge", "show running-config")
    bgp.control.restore(1)
    bgp.reaches("fixed")
    assert bgp.rows("select count(*) from push where key like 'failover:%'") == pushes
