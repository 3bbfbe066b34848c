from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.failover.coverage import CoverageGoals, CoverageReading, judged
from cpe_manager.domain.failover.line_setup import gaps, setup_of
from cpe_manager.domain.failover.lines import LineSetup

NEW = LineSetup("")


def test_text_of_a_table_and_values_of_json_mean_the_same() -> None:
    typed: dict[str, Any] = {"ordered": True, "fixed_ipv4": "203.0.113.7/32", "policy": {"misses": 5, "up_for": 60.5}}
    text = {"ordered": " Yes", "fixed_ipv4": "203.0.113.7", "policy.misses": "5", "policy.up_for": "60.5"}
    assert setup_of(text, NEW) == setup_of(typed, NEW)
    assert setup_of(text, NEW).fixed_ipv4 == IPv4Network("203.0.113.7/32")


def test_what_is_not_said_stays_and_what_is_empty_goes() -> None:
    base = setup_of({"line_address": "192.0.2.1", "fixed_port": "eth0", "policy.misses": 5, "policy.up_for": 60}, NEW)
    less = setup_of({"fixed_port": "", "policy.misses": ""}, base)
    assert (less.line_address, less.fixed_port, less.policy) == ("192.0.2.1", "", {"up_for": 60})
    assert setup_of({"policy": None}, base).policy == {}


def test_addresses_are_written_in_one_way() -> None:
    assert setup_of({"mobile_address": "2001:DB8::0001"}, NEW).mobile_address == "2001:db8::1"


@pytest.mark.parametrize(
    "values",
    [
        {"coverage": "passed"},
        {"line_id": "x"},
        {"watched": "perhaps"},
        {"ordered": 1},
        {"formula": 5},
        {"fixed_port": "e" * 300},
        {"fixed_port": "eth0\x1b[2J"},
        {"moves": "both"},
        {"line_address": "127.0.0.1"},
        {"line_address": "224.0.0.5"},
        {"mobile_address": "0.0.0.0"},
        {"fixed_ipv4": "0.0.0.0/0"},
        {"fixed_ipv6": "ff00::/16"},
        {"fixed_ipv6": "192.0.2.0/24"},
        {"policy": ["misses"]},
        {"policy": {5: 5}},
        {"platform": "edge"},
        {"line_address": "192.0.2.1", "mobile_address": "192.0.2.1"},
        {"mobile_address": "2001:db8:7::1", "fixed_ipv6": "2001:db8:7::/56"},
    ],
)
def test_what_cannot_be_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        setup_of(values, NEW)


def test_gaps_name_what_a_verified_move_lacks() -> None:
    assert len(gaps(NEW)) == 1  # nothing was ordered
    ordered = setup_of({"ordered": True, "fixed_ipv4": "203.0.113.7"}, NEW)
    assert [gap.partition(":")[0] for gap in gaps(ordered)] == ["no line_address", "no mobile_address", "no platform"]
    whole = {
        "line_address": "192.0.2.1", "mobile_address": "198.51.100.1", "platform": "edge",
        "fixed_gateway": "192.0.2.2", "mobile_gateway": "198.51.100.2",
    }  # fmt: skip
    assert gaps(setup_of(whole, ordered)) == ()
    assert gaps(setup_of({**whole, "mobile_gateway": ""}, ordered))[0].startswith("fixed_gateway or mobile_gateway")


GOALS = CoverageGoals(-100, 4, 1)


@pytest.mark.parametrize(
    ("reading", "verdict", "words"),
    [
        (CoverageReading(-71, True, 32.25, 9), "passed", "-71 dBm, 32.2 Mbps down, 9.0 Mbps up"),
        (CoverageReading(None, None, 4, 1, "not told"), "passed", "4.0 Mbps down, 1.0 Mbps up (not told)"),
        (CoverageReading(-100, True, 32, 9), "refused", "signal -100 dBm, more than -100 is needed"),
        (CoverageReading(-71, False, 32, 9), "refused", "not registered in the mobile network"),
        (CoverageReading(-71, True, 3.9, 9), "refused", "3.9 Mbps down, 4 is needed"),
        (CoverageReading(-71, True, 32, None, "up: no curl"), "refused", "up not measured; up: no curl"),
    ],
)
def test_coverage_is_judged_by_what_was_measured(reading: CoverageReading, verdict: str, words: str) -> None:
    assert judged(reading, GOALS) == (verdict, words)


def test_what_is_not_asked_for_is_not_missed() -> None:
    assert judged(CoverageReading(None, None, None, 5), CoverageGoals(-100, 0, 1))[0] == "passed"
