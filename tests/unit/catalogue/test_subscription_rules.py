"""What people may say of a subscription: each field strictly, each refusal with the field named."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.inventory import LineKind
from cpe_manager.domain.subscription.subscription_rules import SETTABLE, subscription_of
from cpe_manager.domain.subscription.subscriptions import Representative, Subscription
from tests.support.catalogues import a_subscription, shipped_catalogue

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
FIRST: dict[str, Any] = {"customer": "Bakkerij", "formula": "pro-plus", "technology": "copper"}


def read(values: dict[str, Any], base: Subscription | None = None) -> Subscription:
    return subscription_of(values, base, shipped_catalogue(), NOW)


def new(**more: Any) -> Subscription:
    return read({**FIRST, **more})


def test_a_new_one_needs_three_things_and_has_no_others() -> None:
    made = new()
    assert (made.customer, made.formula, made.technology) == ("Bakkerij", "pro-plus", LineKind.COPPER)
    assert (made.options, made.representatives, made.activated_at, made.language) == (frozenset(), (), None, "en")
    assert made.catalogue_version == 1
    for name in FIRST:
        with pytest.raises(InputError, match=f"{name} of a new subscription: missing"):
            read({key: value for key, value in FIRST.items() if key != name})


def test_what_is_not_said_stays() -> None:
    base = a_subscription(options=frozenset({"ip-pack"}), language="nl")
    assert read({}, base) == replace(base, catalogue_version=1)
    assert read({"language": "fr"}, base).options == {"ip-pack"}
    assert read({"options": ""}, base).options == frozenset()
    assert read({"representatives": None, "activated_at": ""}, base).activated_at is None


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("mobile-backup, ip-pack", {"mobile-backup", "ip-pack"}),
        ("mobile-backup;ip-pack", {"mobile-backup", "ip-pack"}),
        ("  ip-pack ", {"ip-pack"}),
        ("", set()),
        (["ip-pack", "ip-pack"], {"ip-pack"}),
        (None, set()),
    ],
)
def test_options_are_a_list_or_words(text: object, options: set[str]) -> None:
    assert new(options=text).options == options


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-02-01T09:00:00Z", datetime(2026, 2, 1, 9, tzinfo=UTC)),
        ("2026-02-01T09:00:00+01:00", datetime(2026, 2, 1, 8, tzinfo=UTC)),
        ("2026-02-01", datetime(2026, 1, 31, 23, tzinfo=UTC)),
        (datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)),
        ("", None),
    ],
)
def test_an_activation_date_has_a_time_zone_or_is_a_day_in_brussels(text: object, at: datetime | None) -> None:
    assert new(activated_at=text).activated_at == at


def test_representatives_are_a_list_or_written_as_in_a_mail() -> None:
    people = (Representative("An Peeters", "an@x.example"), Representative("Bo", "bo@y.example"))
    assert new(representatives="An Peeters <an@x.example>; Bo <bo@y.example>").representatives == people
    given = [{"name": one.name, "email": one.email} for one in people]
    assert new(representatives=given).representatives == people


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"formula": "dial-up"}, "formula: there is no 'dial-up'; the catalogue has office-go, maxi, pro, pro-plus"),
        ({"formula": 7}, "formula: is a text"),
        ({"technology": "cable"}, "technology: is copper or fibre, not 'cable'"),
        ({"technology": None}, "technology of a new subscription: missing"),
        ({"customer": "a\x00b"}, "customer: 'a.x00b' has control characters"),
        ({"customer": "x" * 300}, "customer: is longer than 200"),
        ({"options": ["pigeons"]}, "options: there is no 'pigeons'; Internet Pro. has options are ip-pack"),
        ({"options": ["managed-firewall"]}, "options: managed-firewall is part of Internet Pro. as it is .§3.7"),
        ({"options": ["fiber-boost"]}, "options: fiber-boost does not exist on copper .§2.2"),
        (
            {"formula": "pro", "options": ["mobile-backup"]},
            "options: mobile-backup cannot be had with Internet Pro .§3.8",
        ),
        ({"technology": "fibre", "options": ["rush-installation"]}, "rush-installation does not exist on fibre .§4.3"),
        ({"options": ["incident-schedule-24-7"]}, "is closed to new lines since 2018-01-15"),
        (
            {"formula": "maxi", "technology": "fibre", "options": ["fiber-boost", "fiber-boost-plus"]},
            "options: fiber-boost and fiber-boost-plus both set the speed",
        ),
        ({"options": 7}, "options: is a list of names, not 7"),
        ({"options": [7]}, "options: is a list of names"),
        ({"options": {"a": 1}}, "options: is a list of names"),
        ({"options": ["x"] * 101}, "options: has 101 names"),
        ({"activated_at": "2026-02-01T09:00:00"}, "activated_at: has no time zone"),
        ({"activated_at": "yesterday"}, "activated_at: is a date or a time"),
        ({"activated_at": "2026-02-30"}, "activated_at: is a date or a time"),
        ({"activated_at": 7}, "activated_at: is a date or a time"),
        ({"activated_at": "2026-06-04"}, "activated_at: 2026-06-03 22:00 UTC is yet to come"),
        ({"activated_at": "0001-01-01T00:00:00+14:00"}, "activated_at: is of no time"),
        ({"representatives": "an@x.example"}, "representatives: 'an@x.example' is not written as Name <mail@address>"),
        ({"representatives": "An <an@localhost>"}, "representatives: 'an@localhost' is no mail address"),
        ({"representatives": "An <an@x.example\r\nBcc: all@x.example>"}, "is no"),
        ({"representatives": [{"name": "An"}]}, "representatives: each has a name and an email"),
        ({"representatives": [{"name": "", "email": "an@x.example"}]}, "representatives: is empty"),
        ({"representatives": "An <an@x.example>; Bo <AN@x.example>"}, "representatives: an@x.example is there twice"),
        ({"representatives": [{"name": "A", "email": f"a{n}@x.example"} for n in range(21)]}, "has 21; 20 at most"),
        ({"representatives": 7}, "representatives: is a list, not 7"),
        ({"language": "de"}, "language: is one of en, nl, fr, not 'de'"),
        ({"language": ["en"]}, "language: is one of en, nl, fr"),
        ({"price": 40}, "a subscription has no price; it has customer, formula"),
    ],
)
def test_what_is_wrong_is_refused_with_its_field(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read({**FIRST, **values})


def test_an_option_that_was_closed_stays_with_lines_that_have_it() -> None:
    option = "incident-schedule-24-7"
    assert new(options=[option], activated_at="2017-05-01").options == {option}
    with pytest.raises(InputError, match="closed to new lines"):
        new(options=[option], activated_at="2018-01-15")
    base = a_subscription(options=frozenset({option}))
    assert read({"options": f"{option},ip-pack"}, base).options == {option, "ip-pack"}


def test_another_formula_takes_no_option_along_that_it_has_not() -> None:
    base = a_subscription(options=frozenset({"mobile-backup"}))
    with pytest.raises(InputError, match="mobile-backup cannot be had with Internet Pro"):
        read({"formula": "pro"}, base)
    assert read({"formula": "pro", "options": None}, base).formula == "pro"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*SETTABLE, "other"]), JSON, max_size=4))
def test_whatever_is_said_is_a_subscription_or_an_input_error(values: dict[str, Any]) -> None:
    with suppress(InputError):
        made = read({**FIRST, **values})
        assert made.formula in shipped_catalogue().formulas
