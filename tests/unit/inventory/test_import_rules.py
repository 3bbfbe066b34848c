"""Values of inventory files: what passes, in which form, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpe_manager.domain.fleet import import_rules as rules
from cpe_manager.domain.fleet.import_rules import MAX_PROBLEMS, SETTING_RANGES, ImportErrors, Problem, Problems
from cpe_manager.domain.fleet.inventory import GROUP_SETTINGS, SETTING_NAMES, DeviceSettings


def test_every_setting_has_a_range_that_holds_its_default() -> None:
    assert {*SETTING_RANGES, *rules.FLAG_SETTINGS, *rules.CHOICE_SETTINGS, *rules.TEXT_SETTINGS} == SETTING_NAMES
    defaults = DeviceSettings()
    for name in SETTING_NAMES:
        of: rules.Bearer = "group" if name in GROUP_SETTINGS else "device"
        assert rules.setting(name, getattr(defaults, name), of) == getattr(defaults, name)


@pytest.mark.parametrize(
    ("text", "value"), [("yes", True), ("TRUE", True), (True, True), (1, True), ("off", False), (False, False)]
)
def test_a_switch_is_read_as_people_write_it(text: object, value: bool) -> None:
    assert rules.setting("legacy_crypto", text) is value


@pytest.mark.parametrize(
    ("name", "value", "of", "why"),
    [
        ("legacy_crypto", "maybe", "device", "neither yes nor no"),
        ("transport", "rlogin", "device", "ssh or telnet"),
        ("legacy_crypto", "yes", "group", "belongs to a device"),
        ("transport", "telnet", "group", "belongs to a device"),
        ("allow_telnet", "yes", "device", "belongs to a group"),
    ],
)
def test_what_makes_a_session_insecure_is_said_where_it_belongs(
    name: str, value: str, of: rules.Bearer, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        rules.setting(name, value, of)


@pytest.mark.parametrize("name", ["cpe-1", "büro_2", "2001:db8::1", "a" * 128, "x.y"])
def test_a_printable_name_without_spaces_passes_as_it_is(name: str) -> None:
    assert rules.device_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "a b", "a/b", "a\\b", "a\nb", "a\x1b[31m", "a\u202eb", "-rf", "..", "a" * 129, "0123456789abcdef" * 2],
)
def test_a_name_that_would_hurt_in_a_shell_a_path_or_a_terminal_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        rules.device_name(name)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("CPE-1.Example.NET.", "cpe-1.example.net"),
        ("router", "router"),
    ],
)
def test_an_address_is_kept_in_its_canonical_form(text: str, canonical: str) -> None:
    assert rules.address(text) == canonical
    assert rules.address(canonical) == canonical


@pytest.mark.parametrize(
    "text",
    ["", "10.0.0.256", "10.0.0", "0.0.0.0", "::", "224.0.0.1", "a..b", "-a.example", "a b", "10.0.0.1/24", "é.be"],
)
def test_what_is_no_address_of_one_device_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        rules.address(text)


@settings(deadline=None)
@given(st.ip_addresses().filter(lambda ip: not ip.is_multicast and not ip.is_unspecified))
def test_every_host_address_passes_and_stays_the_same_the_second_time(ip: Any) -> None:
    once = rules.address(str(ip))
    assert rules.address(once) == once


@pytest.mark.parametrize("value", [22, "22", " 22 "])
def test_a_port_may_be_a_number_or_its_text(value: object) -> None:
    assert rules.port(value) == 22


@pytest.mark.parametrize("value", [0, -1, 65536, "22x", "", True, 22.0, "٢٢", None])
def test_a_port_out_of_range_or_of_another_kind_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="port"):
        rules.port(value)


@pytest.mark.parametrize(
    ("name", "value", "checked"),
    [
        ("connect_timeout", "20", 20.0),
        ("max_attempts", "4", 4),
        ("shrink_ratio", 0, 0.0),
        ("options.vtysh", "login", "login"),
        ("options.flag", True, "true"),
    ],
)
def test_a_setting_gets_its_own_type(name: str, value: object, checked: object) -> None:
    got = rules.setting(name, value)
    assert (got, type(got)) == (checked, type(checked))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("connect_timeout", 0),
        ("connect_timeout", "nan"),
        ("connect_timeout", "inf"),
        ("connect_timeout", True),
        ("connect_timeout", [1]),
        ("connect_timeout", 10**400),
        ("max_attempts", 1.5),
        ("shrink_ratio", 1.1),
        ("shrinkratio", 0.5),
        ("options.", "x"),
        ("options.a b", "x"),
        ("options.a", "x\ny"),
        ("options.a", {"b": "c"}),
        ("options.a", "x" * 501),
    ],
)
def test_an_unknown_setting_or_a_value_out_of_range_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        rules.setting(name, value)


def test_import_errors_show_the_first_by_place_and_keep_all() -> None:
    problems = Problems()
    problems.add("second", file="b.csv", line=9)
    problems.add("first", file="b.csv", line=2)
    with pytest.raises(ImportErrors) as caught:
        problems.raise_if_any()
    assert str(caught.value) == "b.csv:2: first (and 1 more)"
    assert caught.value.problems == (Problem("first", "b.csv", 2), Problem("second", "b.csv", 9))
    assert caught.value.code == "input"


def test_a_hopeless_file_yields_a_bounded_list() -> None:
    problems = Problems()
    for line in range(MAX_PROBLEMS + 5):
        problems.add("bad", line=line)
    assert len(problems.found) == MAX_PROBLEMS
