"""What another family cannot carry is taken out and listed; interface names find their places; releases compare."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import CpeConfig, Role, Wan
from cpe_manager.domain.model.cpe_config_data import changed, patch_between, to_data
from cpe_manager.domain.model.cpe_features import Feature, missing, needed
from cpe_manager.domain.replacement.carrying import carried, fingerprint
from cpe_manager.domain.replacement.interface_names import Interfaces, map_names
from cpe_manager.domain.replacement.releases import compare
from tests.contract.drivers.cpe_configs import cpe_configs
from tests.contract.drivers.rich_configs import rich

PRESENT = CpeConfig("NEW-1", wan=Wan("dhcp"))
ALWAYS = {Feature.WAN_DHCP, Feature.WAN_STATIC, Feature.WAN_PPPOE}
a_few = settings(max_examples=40, deadline=None, suppress_health_check=(HealthCheck.too_slow,))


@a_few
@given(cpe_configs(frozenset(Feature)), st.sets(st.sampled_from(sorted(set(Feature) - ALWAYS))))
def test_what_is_left_is_what_the_family_has_and_every_gap_is_named(wanted: CpeConfig, lacking: set[Feature]) -> None:
    features = frozenset(Feature) - lacking
    left, losses = carried(wanted, PRESENT, features)
    assert missing(left, features) == ()
    named = {loss.part for loss in losses}
    assert set(missing(wanted, features)) <= named
    assert (left == wanted) == (not losses)


@pytest.mark.parametrize("feature", sorted(Feature))
def test_each_part_can_be_the_one_that_is_lacking(feature: Feature) -> None:
    wanted, features = rich(frozenset(Feature), ""), frozenset(Feature) - {feature}
    left, losses = carried(wanted, PRESENT, features)
    assert missing(left, features) == ()
    assert (feature in needed(wanted)) == (feature in {loss.part for loss in losses})


def test_a_backup_that_cannot_go_first_stands_by() -> None:
    wanted = rich(frozenset(Feature), "")
    left, _ = carried(wanted, PRESENT, frozenset(Feature) - {Feature.MOBILE_PREFERRED, Feature.MOBILE_BARRED})
    assert wanted.mobile is not None
    assert left.mobile == replace(wanted.mobile, preferred=False, barred=())


@a_few
@given(cpe_configs(frozenset(Feature)), cpe_configs(frozenset(Feature)))
def test_a_patch_between_two_configurations_makes_the_one_of_the_other(old: CpeConfig, new: CpeConfig) -> None:
    assert changed(old, patch_between(to_data(old), to_data(new))) == new
    assert patch_between(to_data(old), to_data(old)) == {}


def test_a_list_of_nothing_needs_no_accepting_and_two_lists_have_two_marks() -> None:
    assert fingerprint({"losses": [], "unmapped": []}) == ""
    assert fingerprint({"losses": ["a"]}) != fingerprint({"losses": ["b"]})


OLD = Interfaces(("eth0", "eth1", "wlan0"), {Role.WAN: ("eth0",), Role.LAN: ("eth1", "wlan0")})
NEW = Interfaces(("wan", "lan1", "lan2"), {Role.WAN: ("wan",), Role.LAN: ("lan1", "lan2")})


def test_names_are_mapped_by_what_they_are_for() -> None:
    assert map_names(OLD, NEW, {}).renamed == {"eth0": "wan", "eth1": "lan1", "wlan0": "lan2"}
    assert map_names(OLD, OLD, {}).renamed == {}
    swapped = Interfaces(("eth0", "eth1"), {Role.WAN: ("eth1",), Role.LAN: ("eth0",)})
    assert map_names(OLD, swapped, {}).renamed == {"eth0": "eth1", "eth1": "eth0"}
    assert map_names(OLD, swapped, {}).unmapped == ("wlan0",)


def test_what_people_say_of_names_comes_first_and_has_to_be_possible() -> None:
    assert map_names(OLD, NEW, {"wlan0": "wan"}).renamed == {"wlan0": "wan", "eth1": "lan1"}
    assert map_names(OLD, NEW, {"wlan0": "wan"}).unmapped == ("eth0",)
    for wrong in ({"eth9": "wan"}, {"eth0": "sfp1"}, {"eth0": "wan", "eth1": "wan"}):
        with pytest.raises(InputError):
            map_names(OLD, NEW, wrong)


def test_a_release_is_compared_with_the_commonest_of_the_fleet() -> None:
    fleet = ["7.15.3", "7.15.3", "7.9", "7.16"]
    assert compare("7.15.3", fleet) == ("current", "7.15.3")
    assert compare("7.9.2", fleet) == ("behind", "7.15.3")
    assert compare("7.16", fleet) == ("current", "7.15.3")
    assert compare("", fleet) == ("unknown", "")
    assert compare("7.9", []) == ("unknown", "")
    assert compare("15.7(3)M4", ["15.7(3)M10"]) == ("behind", "15.7(3)M10")
