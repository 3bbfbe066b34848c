"""The lists of Oxidized and RANCID: what is read, and what is refused with which line."""

from __future__ import annotations

import pytest

from cpe_manager.adapters.inventory.families import ALIASES
from cpe_manager.adapters.netmiko.platforms import platform_names
from cpe_manager.domain.fleet.inventory import LifeState
from drivers.roster import DriverRoster
from tests.unit.inventory.reading import problems, read


def test_oxidized_lines_are_name_model_group_and_the_name_is_the_address() -> None:
    document = read(
        "router_db",
        """\
        # the shops
        r1.example.net:ios:shops

        10.0.0.2:openwrt
        """,
    )
    assert [(d.name, d.address, d.family, d.group, d.line) for d in document.devices] == [
        ("r1.example.net", "r1.example.net", "cisco_ios", "shops", 2),
        ("10.0.0.2", "10.0.0.2", "openwrt", None, 4),
    ]


def test_an_oxidized_map_is_taken_as_it_stands_and_other_columns_are_not_looked_at() -> None:
    text = "r1:10.0.0.1:iosxe:s3cret:2222\n"
    (got,) = read("router_db", text, map="name:0,ip:1,model:2,port:4").devices
    assert (got.name, got.address, got.family, got.port) == ("r1", "10.0.0.1", "cisco_ios", 2222)
    assert "s3cret" not in repr(got)


def test_rancid_lines_of_either_form_tell_who_is_up() -> None:
    new = read("router_db", "r1;cisco;up;room: 4\nr2;ios;down\n2001:db8::1;linux;up\n")
    assert [(d.name, d.family, d.state) for d in new.devices] == [
        ("r1", "cisco_ios", LifeState.ACTIVE),
        ("r2", "cisco_ios", LifeState.SUSPENDED),
        ("2001:db8::1", "frr_linux", LifeState.ACTIVE),
    ]
    old = read("router_db", "r1:cisco:up:a; b\nr2:cisco:DOWN\n")
    assert [d.state for d in old.devices] == [LifeState.ACTIVE, LifeState.SUSPENDED]


def test_a_rancid_state_of_another_word_is_suspended_with_a_warning() -> None:
    document = read("router_db", "r1;ios;up\nr2;ios;ticketed\n", style="rancid")
    assert document.devices[1].state is LifeState.SUSPENDED
    assert document.warnings == ("in:2: state 'ticketed' is neither up nor down and is read as suspended",)


@pytest.mark.parametrize("address", ["2001:db8::1", "2001:db8:0:1:2:3:4:5", "::1"])
def test_an_ipv6_address_between_colons_is_pointed_out(address: str) -> None:
    found = problems("router_db", f"r0:10.0.0.1:ios\nr1:{address}:ios\n", map="name:0,address:1,family:2")
    assert found == ["2: an IPv6 address cannot stand between colons; separate all fields of the file with ';'"]
    (got,) = read("router_db", f"r1;{address};ios\n", map="name:0,address:1,family:2").devices
    assert got.address == address


def test_a_line_without_a_model_says_what_is_missing() -> None:
    assert "model or type is expected in field 2" in problems("router_db", "r1:ios\nr2,ios\n")[0]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"map": "name:0,password:1"}, "password is never read"),
        ({"map": "name:0,colour:1"}, "'colour:1'"),
        ({"map": "name"}, "FIELD:COLUMN"),
        ({"map": "address:0"}, "name is missing"),
        ({"map": "name:0,name:1"}, "twice"),
        ({"style": "cvs"}, "oxidized or rancid"),
        ({"delimiter": "|"}, "use : or ;"),
        ({"colour": "red"}, "no option 'colour'; known: default_group, delimiter, map, style"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: dict[str, str], word: str) -> None:
    assert word in problems("router_db", "r1:ios\n", **options)[0]


def test_every_alias_leads_to_a_family_that_exists() -> None:
    drivers = DriverRoster(platform_names())
    assert set(ALIASES.values()) <= {*drivers.families(), *drivers.platforms()}
    assert all(alias == alias.lower() for alias in ALIASES)


def test_models_without_a_family_of_their_own_go_to_the_long_tail() -> None:
    found = read("router_db", "sw1:ciscosmb\nfw1:fortios\nr1:ios\n").devices
    assert [device.family for device in found] == ["netmiko:cisco_s300", "netmiko:fortinet", "cisco_ios"]
    (named,) = read("csv", "name,address,family\nsw2,192.0.2.1,Netmiko:dell_os10_ssh\n").devices
    assert named.family == "netmiko:dell_os10"
