from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from cpe_manager.domain.activation.activation_flow import Step
from cpe_manager.domain.activation.activations import (
    ActivationOrder,
    RushAnswer,
    TestResult,
    TestRound,
    Verdict,
    order_of,
)
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.inventory import LineKind

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WHOLE: dict[str, Any] = {
    "formula": "pro-plus",
    "technology": "copper",
    "options": ["mobile-backup", "ip-pack"],
    "wan": {
        "mode": "pppoe", "address": "203.0.113.7/32", "username": "ab@isp", "password": "s3cret-ppp",
        "ipv6_prefix": "2001:db8:7::/56", "ip_pack": "198.51.100.8/29",
    },
    "lan": {"address": "192.168.1.1/24"},
    "dhcp": {"first": "192.168.1.100", "last": "192.168.1.199"},
    "wifi": {"on": True, "networks": [{"band": "5", "ssid": "Bakery", "key": "s3cret-wifi"}]},
    "ports": [{"protocol": "tcp", "ports": "80-81", "inside": "192.168.1.10", "inside_port": 8080}],
    "firewall": {"inbound": "drop"},
    "dns": ["192.0.2.53"],
    "mobile": {"apn": "backup.isp", "username": "m", "password": "s3cret-apn"},
    "ready_for_service": "2026-12-24",
    "rush": True,
    "customer": "Bakery bv",
    "representatives": [{"name": "An", "email": "an@bakery.example"}],
    "language": "nl",
}  # fmt: skip


def test_an_order_is_read_and_written_without_loss_and_shown_without_secrets() -> None:
    order = order_of(WHOLE)
    assert order_of(json.loads(json.dumps(order.to_data()))) == order
    assert order.wished == date(2026, 12, 24)
    assert order.with_backup
    for told in (json.dumps(order.shown()), repr(order)):
        assert "s3cret" not in told
    assert order.shown()["wifi"]["networks"][0]["key"] == "***"


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"formula": ""}, "formula"),
        ({"technology": "radio"}, "technology"),
        ({"colour": "red"}, "colour"),
        ({"wan": {"mode": "static", "address": "203.0.113.7/29"}}, "gateway"),
        ({"wan": {"mode": "static", "address": "203.0.113.7/29", "gateway": "203.0.114.1"}}, "on-link"),
        ({"wan": {"mode": "dhcp", "ipv6_prefix": "2001:db8::1/56"}}, "wan.ipv6_prefix"),
        ({"wan": {"mode": "dhcp", "ipv6_prefix": "2001:db8::/48"}}, "/56"),
        ({"wan": {"mode": "dhcp", "ip_pack": "198.51.100.0/26"}}, "4 to 32"),
        ({"ports": [{"protocol": "tcp", "ports": "81-80", "inside": "192.168.1.10", "inside_port": 1}]}, "ports"),
        ({"wifi": {"on": False, "networks": WHOLE["wifi"]["networks"]}}, "off has no networks"),
        ({"wifi": {"networks": [{"band": "5", "ssid": "a\x00b", "key": "12345678"}]}}, "wifi.networks[0]"),
        ({"options": []}, "mobile-backup"),
        ({"options": ["ip-pack", "ip-pack"]}, "twice"),
        ({"mobile": {"apn": "x", "preferred": True}}, "fixed line goes first"),
        ({"ready_for_service": "24/12/2026"}, "ready_for_service"),
        ({"ready_for_service": ""}, "rush"),
        ({"rush": "yes"}, "rush"),
        ({"customer": "a\nb"}, "customer"),
        ({"representatives": [{"name": "An", "email": "nobody"}]}, "e-mail"),
        ({"language": "de"}, "language"),
        ({"dns": ["192.0.2.53", "192.0.2.53"]}, "name server"),
        ({"dns": "192.0.2.53"}, "dns"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_order_is_refused_by_name(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(InputError) as refused:
        order_of({**WHOLE, **changes})
    assert place in str(refused.value)


def test_a_rush_is_answered_with_a_date_or_with_a_reason() -> None:
    with pytest.raises(InputError, match="date"):
        RushAnswer(True, "op", NOW)
    with pytest.raises(InputError, match="reason"):
        RushAnswer(False, "op", NOW, reason=" ")


def result(name: str, verdict: Verdict, *redo: Step) -> TestResult:
    return TestResult(name, name, "§4.2", verdict, redo=redo)


def test_a_round_is_mended_only_when_all_that_failed_in_it_can_be() -> None:
    ports = result("ports", Verdict.FAILED, Step.CONFIGURE)
    address = result("address", Verdict.FAILED, Step.ADDRESS, Step.CONFIGURE)
    well = result("sync", Verdict.PASSED, Step.WIFI)
    assert TestRound(1, NOW, (address, ports, well)).redo == (Step.CONFIGURE, Step.ADDRESS)
    assert TestRound(1, NOW, (ports, result("sync", Verdict.FAILED))).redo == ()
    assert TestRound(1, NOW, (well, result("dns", Verdict.UNPROVEN))).failed == ()


def test_the_smallest_order_says_formula_and_technology() -> None:
    assert order_of({"formula": "pro", "technology": "fibre"}) == ActivationOrder("pro", LineKind.FIBRE)
