"""What may be ordered for a site, by the catalogue that comes along."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from cpe_manager.adapters.catalogue_file import CatalogueFiles
from cpe_manager.domain.activation.activation_rules import check, promise_of
from cpe_manager.domain.activation.activations import order_of
from cpe_manager.domain.changes.catalogue import CHANGE_TYPES
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.subscription.catalogue import ServiceCatalogue
from cpe_manager.domain.subscription.subscriptions import Subscription
from cpe_manager.domain.working_days import weekday

CONFIG = Path(__file__).parents[3] / "config"
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
STATIC = {"mode": "static", "address": "203.0.113.2/30", "gateway": "203.0.113.1"}
BRUSSELS = "Europe/Brussels"


@pytest.fixture(scope="module")
def catalogue() -> ServiceCatalogue:
    files = CatalogueFiles(CONFIG / "service-catalogue.toml", CONFIG / "change-catalogue.toml", CHANGE_TYPES)
    return files.read().service


def judge(catalogue: ServiceCatalogue, **order: Any) -> None:
    made = order_of({"technology": "copper", **order})
    options = frozenset(made.options)
    check(made, Subscription("s", "bakery", "Bakery", made.formula, made.technology, options), catalogue)


def test_what_a_formula_has_is_accepted(catalogue: ServiceCatalogue) -> None:
    judge(catalogue, formula="pro-plus", wan=STATIC, options=["mobile-backup"], mobile={"apn": "a"}, firewall={})
    judge(catalogue, formula="pro", options=["fixed-ipv4"], wan=STATIC)
    judge(catalogue, formula="pro-plus", rush=True, ready_for_service="2026-03-09")
    judge(catalogue, formula="pro-plus-essential", wan=STATIC)
    judge(catalogue, formula="pro", technology="fibre", options=["fullfiber-boost-pro"])


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ({"formula": "pro", "wan": STATIC}, r"wan\.address: .*not ordered.*§3\.3\.1"),
        ({"formula": "maxi", "wan": {"mode": "dhcp", "ipv6_prefix": "2001:db8::/56"}}, r"wan\.ipv6_prefix: .*§3\.3\.1"),
        ({"formula": "pro-plus", "wan": STATIC | {"ip_pack": "198.51.100.0/29"}}, r"wan\.ip_pack: .*§3\.3\.2"),
        ({"formula": "pro", "firewall": {}}, r"firewall: .*§3\.7"),
        ({"formula": "pro", "options": ["mobile-backup"]}, r"options: .*§3\.8"),
        ({"formula": "pro-plus", "options": ["fullfiber-boost-pro"]}, r"options: .*copper"),
        ({"formula": "pro-plus", "options": ["gold"]}, "no component 'gold'"),
        ({"formula": "pro-plus", "options": ["fixed-ipv4"]}, "part of pro-plus already"),
        ({"formula": "pro", "rush": True, "ready_for_service": "2026-03-09"}, r"rush: .*§4\.3"),
        ({"formula": "pro-plus", "technology": "fibre", "rush": True, "ready_for_service": "2026-03-09"}, "rush: "),
        ({"formula": "pro-plus-essential", "dns": ["192.0.2.53"]}, "dns: the router is the customer's"),
        ({"formula": "pro-plus-essential", "ports": [
            {"protocol": "tcp", "ports": 80, "inside": "192.168.1.9", "inside_port": 80}]}, "ports: the router"),
        ({"formula": "gold"}, "formula: there is no 'gold'; known: "),
    ],
)  # fmt: skip
def test_what_it_does_not_have_is_refused_with_field_and_section(
    catalogue: ServiceCatalogue, order: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        judge(catalogue, **order)


def test_a_rush_is_to_be_answered_within_two_working_days(catalogue: ServiceCatalogue) -> None:
    order = order_of(
        {"formula": "pro-plus", "technology": "copper", "rush": True, "ready_for_service": "2026-03-09"}
    )  # fmt: skip
    friday = datetime(2026, 3, 6, 9, tzinfo=UTC)
    promise = promise_of(order, catalogue, friday, weekday, BRUSSELS)
    assert promise.answer_by == datetime(2026, 3, 10, 17, tzinfo=UTC)
    assert promise.due_at.date() == date(2026, 4, 3)


@pytest.mark.parametrize("day", ["2026-03-01", "2027-06-01"])
def test_a_day_that_is_over_or_more_than_a_year_ahead_is_refused(catalogue: ServiceCatalogue, day: str) -> None:
    order = order_of({"formula": "pro-plus", "technology": "copper", "ready_for_service": day})
    with pytest.raises(InputError, match="ready_for_service"):
        promise_of(order, catalogue, NOW, weekday, BRUSSELS)
