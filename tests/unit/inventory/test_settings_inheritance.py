"""Inheritance: the device's own, then its group's, then the parents', then defaults."""

from __future__ import annotations

import pytest

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.inventory import DeviceSettings, Group
from cpe_manager.domain.fleet.settings_inheritance import Resolved, insecurities, resolve, with_descendants
from tests.unit.inventory.world import device

GROUPS = {
    "all": Group("all", credential="core", port=2222, settings={"connect_timeout": 5.0, "options.vtysh": "login"}),
    "ios": Group("ios", parent="all", family="cisco_ios", settings={"max_attempts": 5}),
    "slow": Group("slow", parent="ios", settings={"connect_timeout": 60.0, "options.paging": "off"}),
}


def test_a_device_without_a_group_has_the_defaults() -> None:
    assert resolve(device(), {}) == Resolved("openwrt", None, 22, DeviceSettings())


def test_the_nearest_group_that_says_something_wins() -> None:
    got = resolve(device(family=None, group="slow"), GROUPS)
    assert (got.family, got.credential, got.port) == ("cisco_ios", "core", 2222)
    assert got.settings == DeviceSettings(
        connect_timeout=60.0, max_attempts=5, options={"vtysh": "login", "paging": "off"}
    )


def test_the_device_goes_before_all_groups() -> None:
    own = device(group="slow", port=22, credential="edge", settings={"connect_timeout": 1.0, "options.vtysh": "no"})
    got = resolve(own, GROUPS)
    assert (got.family, got.credential, got.port) == ("openwrt", "edge", 22)
    assert got.settings.connect_timeout == 1.0
    assert got.settings.options["vtysh"] == "no"


def test_what_makes_a_session_insecure_counts_only_where_it_belongs() -> None:
    groups = {
        "dsl": Group("dsl", settings={"allow_telnet": True, "legacy_crypto": True, "transport": "telnet"}),
        "new": Group("new", parent="dsl", settings={"allow_telnet": False}),
    }
    plain = resolve(device(group="dsl"), groups)
    assert (plain.settings.transport, plain.settings.legacy_crypto, plain.port) == ("ssh", False, 22)
    own = {"transport": "telnet", "allow_telnet": True}
    assert resolve(device(group="dsl", settings=own), groups).settings.allow_telnet is True
    assert resolve(device(group="new", settings=own), groups).settings.allow_telnet is False
    assert resolve(device(settings=own), groups).settings.allow_telnet is False


def test_telnet_has_its_own_port_unless_the_device_has_one() -> None:
    telnet = {"transport": "telnet"}
    assert resolve(device(group="ios", settings=telnet), GROUPS).port == 23
    assert resolve(device(group="ios", port=2323, settings=telnet), GROUPS).port == 2323


def test_a_device_is_insecure_by_its_own_settings_alone() -> None:
    assert insecurities({"connect_timeout": 5.0, "transport": "ssh", "legacy_crypto": False}) == ()
    assert insecurities({"transport": "telnet", "legacy_crypto": True}) == ("telnet", "legacy_crypto")


def test_a_circle_of_groups_is_named_from_end_to_end() -> None:
    circle = {"a": Group("a", parent="b"), "b": Group("b", parent="a")}
    with pytest.raises(InputError, match="a -> b -> a"):
        resolve(device(group="a"), circle)


def test_an_unknown_group_or_parent_is_named() -> None:
    with pytest.raises(InputError, match="'gone' does not exist"):
        resolve(device(group="gone"), GROUPS)
    with pytest.raises(InputError, match="'gone', the parent of 'x', does not exist"):
        resolve(device(group="x"), {"x": Group("x", parent="gone")})


def test_a_group_stands_for_all_below_it_even_in_a_circle() -> None:
    circle = [Group("a", parent="c"), Group("b", parent="a"), Group("c", parent="b"), Group("d")]
    assert with_descendants(["all"], GROUPS.values()) == {"all", "ios", "slow"}
    assert with_descendants(["slow"], GROUPS.values()) == {"slow"}
    assert with_descendants(["a"], circle) == {"a", "b", "c"}
