"""A text of one model comes back onto another: its interfaces are found, and called as the new box calls them."""

from __future__ import annotations

import pytest

from cpe_manager.domain.model.cpe_config import Role
from cpe_manager.domain.replacement.interface_names import map_names
from cpe_manager.ports.driver import Wired
from simulators.device import Device
from tests.contract.drivers.harness import DRIVERS, shown, specs_of
from tests.contract.drivers.roster import MODELLED, DriverCase

WIRED = tuple(case for case in MODELLED if isinstance(DRIVERS.get(case.family), Wired))
every_case = pytest.mark.parametrize("case", WIRED, ids=str)
OTHER = {
    "cisco_ios": {"GigabitEthernet0/0": "GigabitEthernet0/0/0", "GigabitEthernet0/1": "GigabitEthernet0/0/1"},
    "openwrt": {"wan": "eth0", "lan1": "eth1"},
    "teltonika": {"eth0": "eth1", "eth1": "eth0"},
    "routeros": {"ether1": "sfp1", "ether2": "ether1"},
    "vyos": {"eth0": "eth4", "eth1": "eth0"},
    "frr_linux": {"eth0": "enp1s0", "eth1": "eth0"},
}


def text_and_driver(case: DriverCase, seed: int = 1) -> tuple[str, Wired]:
    driver = DRIVERS.get(case.family)
    assert isinstance(driver, Wired)
    return shown(Device(specs_of(case, ["SITE-1"], seed)[0])), driver


@every_case
def test_the_wan_and_the_lan_of_a_box_have_their_ports(case: DriverCase) -> None:
    text, driver = text_and_driver(case)
    found = driver.interfaces(text)
    assert found.roles[Role.WAN]
    assert found.roles[Role.LAN]
    assert not set(found.roles[Role.WAN]) & set(found.roles[Role.LAN])
    assert all(set(names) <= set(found.names) for names in found.roles.values())


@every_case
def test_a_renamed_text_means_the_same_on_other_ports(case: DriverCase) -> None:
    text, driver = text_and_driver(case)
    names = OTHER[case.family]
    before = driver.interfaces(text)
    assert set(names) <= set(before.names)
    renamed = driver.adopted(text, text, names)
    after = driver.interfaces(renamed)
    assert set(after.names) == {names.get(name, name) for name in before.names}
    wan = before.roles[Role.WAN][0]
    assert after.roles[Role.WAN][0] == names.get(wan, wan)
    parse = DRIVERS.get(case.family).parse  # type: ignore[attr-defined]
    assert parse(renamed) == parse(text)
    proposed = map_names(before, after, {})
    assert proposed.renamed[wan] == names[wan]
    assert proposed.unmapped == ()


@every_case
def test_what_is_adopted_onto_a_like_box_is_that_boxs_own_hardware_and_the_old_ones_meaning(case: DriverCase) -> None:
    (old, driver), (new, _) = text_and_driver(case, 1), text_and_driver(case, 9)
    parse = DRIVERS.get(case.family).parse  # type: ignore[attr-defined]
    adopted = driver.adopted(old, new, {})
    assert parse(adopted) == parse(old)
    for line in new.splitlines():
        if "hw-id" in line or "admin-mac=" in line:
            assert line in adopted.splitlines()
    assert driver.adopted(old, old, {}) == old
