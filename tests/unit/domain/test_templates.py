"""What is rendered becomes commands or a change, or is refused; never something in between."""

from __future__ import annotations

import pytest

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.rollout.templates import change_of, lines_of


def test_blank_lines_and_comments_are_left_out_and_indentation_is_kept() -> None:
    text = "! a comment\n\ninterface Vlan1\r\n description x # not a comment  \n  # one\n \nexit"
    assert lines_of(text) == ("interface Vlan1", " description x # not a comment", "exit")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("hostname {{ device.name }}", "marker {{"),
        ("hostname { name }}", "marker }}"),
        ("{% if x", "marker {%"),
        ("# {{ left in a comment }}", "marker {{"),
        ("hostname None", "None"),
        ("description =None", "None"),
        ("ip address <generator object x at 0x7f>", "text of an error"),
        ("jinja2.exceptions.UndefinedError: 'vlan' is undefined", "text of an error"),
        ("Traceback (most recent call last):", "text of an error"),
        ("UndefinedError: no", "text of an error"),
        ("KeyError: 'vlan'", "text of an error"),
        ("'dict object' has no attribute 'vlan'", "text of an error"),
        ("<bound method x>", "text of an error"),
        ("set x \x1b[A", "control character"),
        ("x" * 5000, "longer than"),
    ],
)
def test_what_a_template_left_behind_never_becomes_a_command(line: str, reason: str) -> None:
    with pytest.raises(InputError, match="rendered line 2") as refused:
        lines_of(f"hostname a\n{line}\n")
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    "line", ["exit", "interface Null0", "set service none", "description NoneSuch-1", "a = { { b } }"]
)
def test_what_only_looks_like_it_is_a_command(line: str) -> None:
    assert lines_of(line) == (line,)


@pytest.mark.parametrize("text", ["", "\n \n", "! nothing\n# at all\n"])
def test_nothing_to_do_is_an_error(text: str) -> None:
    with pytest.raises(InputError, match="nothing is left"):
        lines_of(text)


def test_more_lines_than_anybody_meant_are_refused() -> None:
    with pytest.raises(InputError, match="2001 lines"):
        lines_of("x\n" * 2001)


def test_a_change_is_one_json_object() -> None:
    assert change_of('{"dns": ["9.9.9.9"], "lan": {"dhcp": {"enabled": true}}}') == {
        "dns": ["9.9.9.9"],
        "lan": {"dhcp": {"enabled": True}},
    }
    for wrong in ("", "[]", "{}", '"x"', "{'a': 1}", '{"a": 1} x', '{"a": 1, "a": 2}', "[" * 100_000):
        with pytest.raises(InputError):
            change_of(wrong)


def test_left_overs_in_a_change_are_refused_with_their_place() -> None:
    with pytest.raises(InputError, match=r"wan\.username still holds"):
        change_of('{"wan": {"username": "{{ device.name }}"}}')
    with pytest.raises(InputError, match=r"dns\[0\] holds None"):
        change_of('{"dns": ["None"]}')
