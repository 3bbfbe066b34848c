"""Opening and closing ports (§3.4): what is refused, and with which conflict named."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from cpe_manager.domain.changes.entries import Setting
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.failover.lines import Barrier
from cpe_manager.domain.model.cpe_config import CpeConfig, PortMapping
from cpe_manager.domain.model.cpe_config_data import Misfit
from cpe_manager.domain.model.cpe_features import Feature
from cpe_manager.domain.model.cpe_mobile import Ports
from cpe_manager.domain.push.checks import Check
from tests.support.change_scenes import CATALOGUE, GAMES, OFFICE, SETTING, WEB, after, effect, notes, refusals, told

HOST = "192.168.77.20"


def opening(port: Any = 443, inside: str = HOST, **more: Any) -> dict[str, Any]:
    return {"ports": [{"port": port, "inside": inside} | more]}


def test_a_port_is_opened_beside_what_is_open() -> None:
    found = after("open-port", opening(443, inside_port=8443, source="198.18.0.0/15"))
    new = PortMapping("tcp", Ports.one(443), IPv4Address(HOST), 8443, IPv4Network("198.18.0.0/15"))
    assert set(found.port_mappings) == {WEB, GAMES, new}
    assert replace(found, port_mappings=OFFICE.port_mappings) == OFFICE
    assert told("open-port", opening()) == []


def test_a_range_for_both_protocols_leads_to_as_many_ports_inside() -> None:
    found = after("open-port", opening("7000-7009", protocol="both", inside_port=9000))
    new = [one for one in found.port_mappings if one not in OFFICE.port_mappings]
    assert [(one.protocol, str(one.ports), one.inside_port) for one in new] == [
        ("tcp", "7000-7009", 9000), ("udp", "7000-7009", 9000),
    ]  # fmt: skip


def test_a_preset_opens_each_of_its_ports() -> None:
    found = after("open-port", {"ports": [{"preset": "mail", "inside": HOST}]})
    assert [one.ports.first for one in found.port_mappings if one.inside_port == one.ports.first][:4] == [
        25, 110, 143, 220,
    ]  # fmt: skip


def test_a_preset_that_the_catalogue_has_not_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(Misfit, match=r"ports\[0\].preset: games is none of ftp, mail, news, ssh, web"):
        effect("open-port", {"ports": [{"preset": "games", "inside": HOST}]})
    assert "games is none of" in refusals("open-port", {"ports": [{"preset": "games", "inside": HOST}]})
    none = replace(SETTING, catalogue=replace(CATALOGUE, port_presets={}))
    assert "there are none" in refusals("open-port", {"ports": [{"preset": "mail", "inside": HOST}]}, setting=none)


def test_a_preset_and_a_port_of_it_are_one_port_twice() -> None:
    both = {"ports": [{"preset": "web", "inside": HOST}, {"port": 443, "inside": HOST}]}
    with pytest.raises(Misfit, match="tcp 443 is asked for twice"):
        effect("open-port", both)


def test_there_is_no_limit_to_how_many_are_open() -> None:
    now = OFFICE
    for start in range(20000, 22000, 200):
        many = {"ports": [{"port": port, "inside": HOST} for port in range(start, start + 200, 2)]}
        assert refusals("open-port", many, now) == ""
        now = after("open-port", many, now)
    assert len(now.port_mappings) == 1002


@pytest.mark.parametrize("port", [23, "23", "20-25", "1-65535"])
@pytest.mark.parametrize("protocol", ["tcp", "udp", "both"])
def test_port_23_is_refused_always(port: Any, protocol: str) -> None:
    asked = opening(port, protocol=protocol)
    assert f"{Check.RESERVED}: " in refusals("open-port", asked, replace(OFFICE, port_mappings=()))
    with pytest.raises(Misfit, match=r"ports\[0\].port: port 23 is reserved for the operator \(§5.2.2.1\)") as caught:
        effect("open-port", asked, replace(OFFICE, port_mappings=()))
    assert caught.value.field == "ports[0].port"


def test_port_23_stays_reserved_where_a_catalogue_forgets_it_and_a_catalogue_may_reserve_more() -> None:
    forgetful = replace(SETTING, catalogue=replace(CATALOGUE, reserved_ports=frozenset()))
    assert "port-reserved" in refusals("open-port", opening(23), setting=forgetful)
    more = replace(SETTING, catalogue=replace(CATALOGUE, reserved_ports=frozenset({23, 7547})))
    assert "takes port 7547, which is reserved" in refusals("open-port", opening("7500-7600"), setting=more)
    assert refusals("open-port", opening(7547, protocol="udp"), setting=more) == ""


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (opening(8080), "tcp 8080 clashes with what is open: tcp 8080 to 192.168.77.20:80"),
        (opening("8000-9000"), "tcp 8000-9000 clashes with what is open: tcp 8080 to 192.168.77.20:80"),
        (
            opening(6005, protocol="udp"),
            "udp 6005 clashes with what is open: udp 6000-6010 to 192.168.77.21:6000 from 203.0.113.0/24",
        ),
        (opening(8080, inside_port=80), "tcp 8080 to 192.168.77.20:80 is open already"),
    ],
)
def test_the_mapping_that_it_clashes_with_is_named(asked: dict[str, Any], words: str) -> None:
    assert refusals("open-port", asked) == f"port-mapped: {words}"
    with pytest.raises(Misfit, match=r"ports\[0\].port: "):
        effect("open-port", asked)


def test_the_same_port_of_another_protocol_is_free() -> None:
    assert refusals("open-port", opening(8080, protocol="udp")) == ""


def test_the_port_at_which_the_box_is_managed_is_named() -> None:
    assert "tcp 22 is" in refusals("open-port", opening(22)) or "takes port 22" in refusals("open-port", opening(22))
    assert refusals("open-port", opening(22)).startswith("mapping-takes-management")
    elsewhere = replace(SETTING, management_port=2222)
    assert refusals("open-port", opening(22), setting=elsewhere) == ""
    assert "takes port 2222" in refusals("open-port", opening("2000-3000"), setting=elsewhere)
    assert refusals("open-port", opening(22, protocol="udp")) == ""


@pytest.mark.parametrize(
    ("port", "protocol", "range_"),
    [
        (5060, "udp", "udp 5060-5061"),
        (5061, "tcp", "tcp 5060-5061"),
        ("5000-5100", "udp", "udp 5060-5061"),
        (10000, "udp", "udp 10000-20000"),
        ("15000-15001", "udp", "udp 10000-20000"),
    ],
)
def test_the_ports_of_voice_are_named(port: Any, protocol: str, range_: str) -> None:
    told_ = refusals("open-port", opening(port, protocol=protocol))
    assert told_ == f"port-of-voice: {protocol} {port} takes ports of voice over IP: {range_} (§3.8)"


def test_where_there_is_no_voice_its_ports_are_free() -> None:
    silent = replace(SETTING, barrier=Barrier("", ""))
    assert refusals("open-port", opening("5060-5061", protocol="both"), setting=silent) == ""
    assert refusals("open-port", opening(12000)) == ""


def test_a_host_in_the_pool_without_a_reservation_is_told_of_and_goes_on() -> None:
    asked = opening(inside="192.168.77.150")
    assert refusals("open-port", asked) == ""
    assert "192.168.77.150 is in the DHCP pool 192.168.77.100-192.168.77.199 without a res" in notes("open-port", asked)
    assert notes("open-port", opening(inside="192.168.77.120")) == ""
    assert notes("open-port", opening(inside="192.168.77.50")) == ""


@pytest.mark.parametrize(
    ("inside", "check"),
    [("192.168.78.20", Check.OUTSIDE_LAN), ("8.8.8.8", Check.OUTSIDE_LAN), ("192.168.77.1", Check.OWN_ADDRESS)],
)
def test_a_host_that_is_not_inside_is_refused(inside: str, check: Check) -> None:
    assert refusals("open-port", opening(inside=inside)).startswith(f"{check}: ")


def test_everything_that_is_wrong_is_told_at_once_and_nothing_twice() -> None:
    asked = {"ports": [{"port": "20-25", "inside": "192.168.77.1"}, {"port": 8080, "inside": "8.8.8.8"}]}
    found = told("open-port", asked)
    assert [check for check, _, _ in found] == [
        Check.OWN_ADDRESS, Check.RESERVED, Check.OUTSIDE_LAN, Check.MAPPED,
    ]  # fmt: skip
    assert len(set(found)) == len(found)


def test_what_the_family_cannot_carry_is_named() -> None:
    poor = replace(SETTING, family="cisco_ios", features=frozenset(Feature) - {Feature.PORT_RANGE})
    now = replace(OFFICE, port_mappings=(WEB,))
    assert refusals("open-port", opening("7000-7009"), now, poor) == (
        "family-cannot-carry: cisco_ios cannot carry: port_mapping.range"
    )
    assert refusals("open-port", opening(), now, poor) == ""


def test_what_is_there_already_is_no_reason_to_refuse() -> None:
    poor = replace(SETTING, family="vyos", features=frozenset(Feature) - {Feature.PORT_RANGE})
    assert refusals("open-port", opening(), OFFICE, poor) == ""


def test_probes_say_that_the_port_is_there() -> None:
    (probe,) = effect("open-port", opening()).probes
    assert probe.told_by(after("open-port", opening())) == ""
    assert probe.told_by(OFFICE) != ""
    many = {"ports": [{"port": port, "inside": HOST} for port in range(30000, 30050)]}
    assert len(effect("open-port", many).probes) == 10


def closing(*ports: Any, **more: Any) -> dict[str, Any]:
    return {"ports": [{"port": port} | more for port in ports]}


def test_a_port_is_closed_and_all_else_stays() -> None:
    assert after("close-port", closing(8080)) == replace(OFFICE, port_mappings=(GAMES,))
    assert after("close-port", closing("6000-6010", protocol="udp")) == replace(OFFICE, port_mappings=(WEB,))
    assert told("close-port", closing(8080, inside="192.168.77.20")) == []
    both = {"ports": [{"port": 8080}, {"port": "6000-6010", "protocol": "udp"}]}
    assert after("close-port", both).port_mappings == ()
    (probe,) = effect("close-port", both).probes
    assert probe.told_by(after("close-port", both)) == ""
    assert probe.told_by(OFFICE) != ""


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (closing(81), "tcp 81 is not open"),
        (closing(8080, protocol="udp"), "udp 8080 is not open"),
        (closing(6005, protocol="udp"), "udp 6005 is not open as such; what is open is udp 6000-6010 to 192.168.77.21"),
        (closing("8000-9000"), "tcp 8000-9000 is not open as such; what is open is tcp 8080"),
        (closing(8080, inside="192.168.77.21"), "tcp 8080 leads to 192.168.77.20, and not to 192.168.77.21"),
        ({"ports": [{"preset": "news"}]}, "tcp 119 is not open"),
    ],
)
def test_only_what_is_open_is_closed(asked: dict[str, Any], words: str) -> None:
    assert refusals("close-port", asked).startswith(f"not-there: {words}")
    with pytest.raises(Misfit, match=r"ports\[0\]\.(port|preset): "):
        effect("close-port", asked)


def test_a_preset_that_was_opened_is_closed_by_its_name() -> None:
    opened = after("open-port", {"ports": [{"preset": "mail", "inside": HOST}]})
    assert after("close-port", {"ports": [{"preset": "mail"}]}, opened) == OFFICE
    twice = {"ports": [{"preset": "mail"}, {"port": 25}]}
    with pytest.raises(InputError, match="closed twice"):
        effect("close-port", twice, opened)


def test_on_a_box_of_which_nothing_is_known_a_port_can_be_opened() -> None:
    assert len(after("open-port", opening(), CpeConfig("S1")).port_mappings) == 1


def test_words_are_short() -> None:
    from cpe_manager.domain.changes.catalogue import CHANGE_TYPES, read

    def summary(name: str, data: Any) -> str:
        return CHANGE_TYPES[name].summary(read(name, data))

    assert summary("open-port", opening()) == "open tcp 443 to 192.168.77.20"
    many = {"ports": [{"port": port, "inside": HOST} for port in range(1, 6)]}
    assert summary("open-port", many).endswith("tcp 3 to 192.168.77.20 and 2 more")
    assert summary("close-port", {"ports": [{"preset": "mail"}]}) == "close mail ports"
    assert summary("open-port", opening("1-2", protocol="both")) == "open tcp/udp 1-2 to 192.168.77.20"


def test_a_setting_says_by_itself_that_voice_is_there() -> None:
    assert Setting(CATALOGUE, SETTING.subscription).barrier == Barrier()
