"""Whatever JSON comes as the parameters of a change: they are read, or one field of them is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cpe_manager.domain.changes.catalogue import CHANGE_TYPES, masked_parameters, read, schema, written
from cpe_manager.domain.model.cpe_config_data import Misfit
from tests.unit.domain.changes.test_reading import EVERY, GOOD

_CHECKS = (HealthCheck.too_slow, HealthCheck.data_too_large)
some = settings(max_examples=60, deadline=None, suppress_health_check=_CHECKS)
texts = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "1-65535",
            "65535-1",
            "0.0.0.0/0",
            "10.0.0.1/8",
            "::ffff:10.0.0.1",
            "::/0",
            "1e9",
            "\u0661",
            "\x00",
            "a" * 5000,
        ]
    ),
)
numbers = st.one_of(st.integers(), st.floats(), st.sampled_from([0, -1, 23, 65535, 65536, 10**400]))
leaves = st.one_of(st.none(), st.booleans(), numbers, texts)
anything = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=8,
)


def places(data: Any) -> list[tuple[Any, ...]]:
    """Where something stands in plain data: the way there."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [(), *((key, *way) for key, value in inner for way in places(value))]


def put(data: Any, way: tuple[Any, ...], value: Any) -> Any:
    """A copy with something else in that place."""
    if not way:
        return value
    copy = dict(data) if isinstance(data, dict) else list(data)
    copy[way[0]] = put(copy[way[0]], way[1:], value)
    return copy


def fits_or_names_a_field(name: str, data: Any) -> None:
    wanted, refusal = None, None
    try:
        wanted = read(name, data)
    except Misfit as error:
        refusal = error
    if refusal is not None:
        assert refusal.field or not isinstance(data, dict) or not data
        assert str(refusal).isprintable()
        assert len(str(refusal)) < 800
        return
    assert wanted is not None
    assert read(name, json.loads(json.dumps(written(wanted)))) == wanted
    assert CHANGE_TYPES[name].summary(wanted).isprintable()
    assert masked_parameters(wanted).keys() == written(wanted).keys()


@pytest.mark.parametrize("name", CHANGE_TYPES)
@some
@given(data=anything)
def test_anything_at_all(name: str, data: Any) -> None:
    fits_or_names_a_field(name, data)


@pytest.mark.parametrize(("name", "good"), EVERY, ids=lambda one: one if isinstance(one, str) else "")
@some
@given(data=st.data())
def test_something_good_with_one_place_made_into_something_else(name: str, good: Any, data: st.DataObject) -> None:
    way = data.draw(st.sampled_from(places(good)))
    fits_or_names_a_field(name, put(good, way, data.draw(anything)))


@pytest.mark.parametrize("name", CHANGE_TYPES)
def test_whatever_is_read_fits_the_schema(name: str) -> None:
    """What programs are told is no narrower than what is taken, but for null, which stands for what is left out."""
    validator = Draft202012Validator(schema(name))

    @some
    @given(data=st.data())
    def fits(data: st.DataObject) -> None:
        good = data.draw(st.sampled_from(GOOD[name]))
        way = data.draw(st.sampled_from(places(good)))
        changed = put(good, way, data.draw(leaves))
        try:
            wanted = read(name, changed)
        except Misfit:
            return
        assert [error.message for error in validator.iter_errors(written(wanted))] == []

    fits()
