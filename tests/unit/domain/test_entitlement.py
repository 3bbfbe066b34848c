"""Every operation for every formula on both technologies, against a table typed from the service description alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from cpe_manager.domain.fleet.inventory import LineKind
from cpe_manager.domain.subscription.catalogue import C, Speed, Terms
from cpe_manager.domain.subscription.entitlement import IDS, NEEDS, Component, all_entitled, entitled, part_of, speed_of
from cpe_manager.domain.subscription.subscriptions import Operation
from tests.support.catalogues import a_subscription, all_options, shipped_catalogue, shipped_entries
from tests.support.entitlement_table import FORMULAS, TABLE, expected, rows

CASES = list(product(FORMULAS, LineKind, Operation, (False, True)))


def words(case: tuple[str, LineKind, Operation, bool]) -> str:
    return "-".join((*case[:3], "all-options" if case[3] else "no-options"))


def test_the_table_and_the_program_know_the_same_operations_and_formulas() -> None:
    assert set(rows(TABLE)) == set(Operation) == set(NEEDS)
    assert set(FORMULAS) == set(shipped_catalogue().formulas)
    assert all(set(one.technologies) == set(LineKind) for one in shipped_catalogue().formulas.values())


@pytest.mark.parametrize("case", CASES, ids=words)
def test_an_operation_is_part_of_a_formula_or_refused_with_the_section_that_says_so(
    case: tuple[str, LineKind, Operation, bool],
) -> None:
    formula, technology, operation, with_all = case
    options = all_options(formula, technology) if with_all else frozenset()
    subscription = a_subscription(formula=formula, technology=technology, options=options)
    answer = entitled(shipped_catalogue(), subscription, operation)
    refusal = expected(operation, formula, fibre=technology is LineKind.FIBRE, all_options=with_all)
    assert ("" if answer.allowed else answer.section) == refusal
    assert answer.component in shipped_catalogue().components
    if not answer.allowed:
        assert refusal in answer.reason
        assert shipped_catalogue().formulas[formula].titles[technology] in answer.reason


@pytest.mark.parametrize("case", CASES, ids=words)
def test_the_shipped_entries_ask_for_nothing_beside_what_lies_in_their_nature(
    case: tuple[str, LineKind, Operation, bool],
) -> None:
    formula, technology, operation, with_all = case
    terms = shipped_entries().get(operation)
    if terms is None:
        assert operation in {"configure", "backup", "restore", "replace", "failover", "rush"}
        return
    options = all_options(formula, technology) if with_all else frozenset()
    subscription = a_subscription(formula=formula, technology=technology, options=options)
    catalogue = shipped_catalogue()
    assert entitled(catalogue, subscription, operation, components=terms.components) == entitled(
        catalogue, subscription, operation
    )


@pytest.mark.parametrize(("formula", "technology"), list(product(FORMULAS, LineKind)))
@pytest.mark.parametrize("component", list(Component))
def test_what_a_push_brings_into_use_has_to_have_been_ordered(
    formula: str, technology: LineKind, component: Component
) -> None:
    catalogue = shipped_catalogue()
    subscription = a_subscription(formula=formula, technology=technology)
    answer = entitled(catalogue, subscription, Operation.CONFIGURE, components=[IDS[component]])
    offered = catalogue.formulas[formula].terms[IDS[component]]
    own_router = formula == "pro-plus-essential"
    assert answer.allowed == (offered is Terms.STANDARD and not own_router)
    if not answer.allowed and not own_router:
        assert answer.section in component.value
        assert answer.component == IDS[component]
    ordered = replace(subscription, options=all_options(formula, technology))
    answer = entitled(catalogue, ordered, Operation.CONFIGURE, components=[IDS[component]])
    assert answer.allowed == (offered is not Terms.NONE and not own_router)


def test_a_refusal_says_whether_it_was_not_ordered_or_cannot_be() -> None:
    catalogue = shipped_catalogue()
    said = entitled(catalogue, a_subscription(), Operation.MOBILE_BACKUP).reason
    assert said == "mobile backup is an option of Internet Pro+ that was not ordered (§3.8)"
    said = entitled(catalogue, a_subscription(formula="pro"), Operation.MOBILE_BACKUP).reason
    assert said == "mobile backup is not part of Internet Pro (§3.8)"
    fibre = a_subscription(technology=LineKind.FIBRE, options=frozenset({C.RUSH}))
    said = entitled(catalogue, fibre, Operation.RUSH).reason
    assert said == "rush installation does not exist on fibre, so not with Internet Pro+ FullFiber (§4.3)"
    said = entitled(catalogue, a_subscription(formula="pro-plus-essential"), Operation.WIFI_RIGHTS).reason
    assert "the router is the customer's own" in said


def test_what_the_catalogue_no_longer_has_entitles_to_nothing() -> None:
    catalogue = shipped_catalogue()
    gone = a_subscription(formula="dial-up")
    assert not any(one.allowed for one in all_entitled(catalogue, gone).values())
    assert "no formula dial-up" in entitled(catalogue, gone, Operation.BACKUP).reason
    pro = catalogue.formulas["pro"]
    copper = replace(pro, titles={LineKind.COPPER: "Internet Pro"})
    smaller = replace(catalogue, formulas={**catalogue.formulas, "pro": copper})
    on_fibre = a_subscription(formula="pro", technology=LineKind.FIBRE)
    assert "no formula pro on fibre" in entitled(smaller, on_fibre, Operation.WIFI).reason
    assert "no component pigeons" in part_of(catalogue, a_subscription(), "pigeons").reason


def test_an_entry_that_came_later_needs_what_its_terms_say_and_configures_the_box() -> None:
    catalogue = shipped_catalogue()
    assert entitled(catalogue, a_subscription(), "dns-names", components=[C.FIXED_IPV4]).allowed
    refused = entitled(catalogue, a_subscription(formula="pro"), "dns-names", components=[C.FIXED_IPV4])
    assert (refused.allowed, refused.section) == (False, "§3.3.1")
    essential = a_subscription(formula="pro-plus-essential")
    assert entitled(catalogue, essential, "dns-names", components=[C.FIXED_IPV4]).section == "§3.2"


@pytest.mark.parametrize(
    ("formula", "technology", "options", "speed"),
    [
        ("office-go", "copper", (), (100, 6)),
        ("maxi", "copper", (), (100, 15)),
        ("pro", "copper", (), (100, 40)),
        ("pro-plus", "copper", (), (100, 40)),
        ("pro-plus-essential", "copper", (), (100, 40)),
        ("office-go", "fibre", (), (110, 10)),
        ("office-go", "fibre", (C.FIBER_BOOST,), (350, 50)),
        ("office-go", "fibre", (C.FIBER_BOOST_PLUS,), (500, 100)),
        ("maxi", "fibre", (), (220, 25)),
        ("maxi", "fibre", (C.FIBER_BOOST,), (350, 50)),
        ("maxi", "fibre", (C.FIBER_BOOST_PLUS,), (500, 100)),
        ("pro", "fibre", (), (350, 50)),
        ("pro-plus", "fibre", (C.MOBILE_BACKUP,), (350, 50)),
        ("pro-plus", "fibre", (C.BOOST_PRO,), (500, 100)),
        ("pro-plus-essential", "fibre", (C.BOOST_PRO,), (500, 100)),
    ],
)
def test_a_line_has_the_speed_of_its_formula_and_options(
    formula: str, technology: str, options: tuple[str, ...], speed: tuple[int, int]
) -> None:
    one = a_subscription(formula=formula, technology=LineKind(technology), options=frozenset(options))
    assert speed_of(shipped_catalogue(), one) == Speed(*speed)


def test_a_formula_that_is_unknown_has_no_speed() -> None:
    assert speed_of(shipped_catalogue(), a_subscription(formula="dial-up")) is None
