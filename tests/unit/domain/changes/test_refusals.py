"""Every refusal of every entry names the parameter that it is about and cites the section that it comes of."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Final

import pytest

from cpe_manager.domain.changes.catalogue import CHANGE_TYPES, read
from cpe_manager.domain.failover.lines import Barrier
from cpe_manager.domain.model.cpe_config import AccessRule, CpeConfig, Lan, StaticRoute, Wan
from cpe_manager.domain.model.cpe_features import Feature
from cpe_manager.domain.model.cpe_mobile import Mobile
from cpe_manager.domain.push.checks import Check
from tests.support.change_scenes import OFFICE, SETTING, SMALL

CATALOGUE: Final = Path(__file__).parents[4] / "config" / "change-catalogue.toml"
SECTIONS: Final = {
    name: entry["section"] for name, entry in tomllib.loads(CATALOGUE.read_text("utf-8"))["entries"].items()
}
HOST: Final = "192.168.77.20"
BARE: Final = replace(OFFICE, dhcp=None, wifi=(), port_mappings=())
WIDE: Final = replace(BARE, lan=Lan(IPv4Interface("192.168.0.1/16")))
PACKED: Final = replace(OFFICE, wan=replace(OFFICE.wan or Wan("dhcp"), ip_pack=IPv4Network("91.3.4.8/29")))
LOGGED_IN: Final = replace(OFFICE, wan=Wan("pppoe", username="fb1@isp.example", password="word"))
BLOCK: Final = replace(OFFICE, wan=replace(OFFICE.wan or Wan("dhcp"), ipv6_prefix=IPv6Network("2001:db8:0:100::/56")))
CARRIED: Final = replace(OFFICE, mobile=Mobile("isp.example", preferred=True))


def ports(port: Any, inside: str | None = HOST, **more: Any) -> dict[str, Any]:
    return {"ports": [{"port": port} | ({} if inside is None else {"inside": inside}) | more]}


def wifi(**more: Any) -> dict[str, Any]:
    return {"networks": [{"band": "5"} | more]}


P: Final = "ports[0].port"
ROWS: Final[list[tuple[str, dict[str, Any], CpeConfig, Check, str, str]]] = [
    # What is asked for, of what device; which check refuses, what it names, what it cites.
    ("open-port", ports(23), OFFICE, Check.RESERVED, P, "§5.2.2.1"),
    ("open-port", ports("20-25"), OFFICE, Check.RESERVED, P, "§5.2.2.1"),
    ("open-port", ports(23, protocol="udp"), OFFICE, Check.RESERVED, P, "§5.2.2.1"),
    ("open-port", ports(179), OFFICE, Check.RESERVED, P, "§5.2.2.1"),
    ("open-port", ports(22), OFFICE, Check.MANAGEMENT_PORT, P, "§5.2.2.1"),
    ("open-port", ports(8080), OFFICE, Check.MAPPED, P, "§5.2.2.1"),
    ("open-port", ports(5060, protocol="udp"), OFFICE, Check.VOICE, P, "§3.8"),
    ("open-port", ports(443, "203.0.113.9"), OFFICE, Check.OUTSIDE_LAN, "ports[0].inside", "§5.2.2.1"),
    ("open-port", ports(443, "192.168.77.1"), OFFICE, Check.OWN_ADDRESS, "ports[0].inside", "§5.2.2.1"),
    ("open-port", ports(443), OFFICE, Check.CARRY, "ports", "§5.2.2.1"),
    ("open-port", {"ports": [{"preset": "x", "inside": HOST}]}, OFFICE, Check.MODEL, "ports[0].preset", "§5.2.2.1"),
    ("close-port", ports(443, None), OFFICE, Check.ABSENT, P, "§5.2.2.1"),
    ("close-port", ports(8080, "192.168.77.9"), OFFICE, Check.ABSENT, P, "§5.2.2.1"),
    ("close-port", {"ports": [{"preset": "x"}]}, OFFICE, Check.MODEL, "ports[0].preset", "§5.2.2.1"),
    ("wan-address", {"address": "203.0.113.2/30"}, OFFICE, Check.MODEL, "gateway", "§5.2.2.1"),
    ("wan-address", {"address": "203.0.113.2/30"}, LOGGED_IN, Check.MODEL, "address", "§5.2.2.1"),
    ("wan-address", {"address": "198.51.100.2/24"}, OFFICE, Check.NOTHING, "address", "§5.2.2.1"),
    ("wan-address", {"address": "192.168.77.9/24", "gateway": "192.168.77.7"}, OFFICE, Check.OVERLAP, "address",
     "§5.2.2.1"),
    ("lan-address", {"address": "10.1.2.1/28"}, OFFICE, Check.MODEL, "address", "§5.2.2.1"),
    ("lan-address", {"address": "192.168.77.1/24"}, OFFICE, Check.NOTHING, "address", "§5.2.2.1"),
    ("lan-address", {"address": "10.1.2.1/24", "first": "10.1.2.5", "last": "10.1.2.9"}, BARE, Check.ABSENT, "first",
     "§5.2.2.1"),
    ("ip-pack", {"network": "91.3.4.16/29"}, PACKED, Check.IN_USE, "network", "§5.2.2.1"),
    ("ip-pack", {"network": "91.3.4.16/29", "action": "remove"}, OFFICE, Check.ABSENT, "network", "§5.2.2.1"),
    ("ip-pack", {"network": "91.3.4.8/29"}, replace(OFFICE, wan=None), Check.MODEL, "network", "§5.2.2.1"),
    ("ipv6", {"action": "remove"}, OFFICE, Check.ABSENT, "action", "§5.2.2.1"),
    ("ipv6", {"routed": True}, OFFICE, Check.MODEL, "prefix", "§5.2.2.1"),
    ("ipv6", {"router": "2001:db8:ffff::10"}, BLOCK, Check.MODEL, "router", "§5.2.2.1"),
    ("firewall", {"rules": [{"action": "drop", "protocol": "tcp", "ports": "20-25"}]}, OFFICE, Check.RESERVED,
     "rules[0].ports", "§5.2.2.1"),
    ("firewall", {"inbound": "drop"}, replace(OFFICE, firewall=replace(OFFICE.firewall, inbound="drop")),
     Check.NOTHING, "inbound", "§3.7"),
    ("wifi", wifi(channel=36), OFFICE, Check.MODEL, "networks[0].ssid", "§5.2.1.1"),
    ("wifi", wifi(ssid="x", key="long enough", channel=6), OFFICE, Check.MODEL, "networks[0].channel", "§5.2.1.1"),
    ("wifi-rights", wifi(channel=36), OFFICE, Check.ABSENT, "networks[0].band", "§5.2.1.1"),
    ("dhcp", {"enabled": False}, BARE, Check.ABSENT, "enabled", "§5.2.1.1"),
    ("dhcp", {"first": "10.0.0.2"}, OFFICE, Check.MODEL, "first", "§5.2.1.1"),
    ("dhcp", {"first": "192.168.1.1", "last": "192.168.4.1"}, WIDE, Check.MODEL, "first", "§3.5"),
    ("dhcp", {"first": "192.168.77.50"}, OFFICE, Check.END_USERS, "first", "§3.5"),
    ("ppp", {"username": "a", "password": "b"}, OFFICE, Check.ABSENT, "username", "§5.2.1.1"),
    ("mobile-backup", {"active": False}, OFFICE, Check.ABSENT, "active", "§3.8"),
    ("mobile-backup", {"active": True}, CARRIED, Check.IN_USE, "active", "§3.8"),
    ("mobile-backup", {"active": True}, OFFICE, Check.MODEL, "apn", "§3.8"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "asked", "now", "check", "field", "section"), ROWS, ids=[f"{row[0]}-{row[3]}" for row in ROWS]
)
def test_a_refusal_names_its_parameter_and_cites_its_section(
    name: str, asked: dict[str, Any], now: CpeConfig, check: Check, field: str, section: str
) -> None:
    setting = replace(
        SMALL if check is Check.END_USERS else SETTING, section=SECTIONS[name], barrier=Barrier(),
        catalogue=replace(SETTING.catalogue, reserved_ports=frozenset({23, 179})),
        features=frozenset(set(Feature) - {Feature.PORT_MAPPING}) if check is Check.CARRY else None,
    )  # fmt: skip
    now = replace(now, port_mappings=()) if check is Check.CARRY else now
    found = [one for one in CHANGE_TYPES[name].check(read(name, asked), now, setting) if one.refuses]
    assert check in [one.check for one in found]
    for one in found:
        assert one.field, one
        assert re.search(r"§\d", one.reason), one
        assert str(one) == f"{one.field}: {one.reason}"
    (first, *_) = [one for one in found if one.check is check]
    assert (first.field, re.findall(r"§[\d.]+\d", first.reason)) == (field, [section])


def test_every_entry_that_can_refuse_has_its_rows() -> None:
    """A restart asks for nothing, and so refuses nothing by itself."""
    assert {row[0] for row in ROWS} == set(CHANGE_TYPES) - {"reboot"}


def test_what_a_device_does_anyway_is_told_without_a_section() -> None:
    rule = AccessRule("drop", "ip", None, IPv4Network("198.51.100.2/32"))
    now = replace(
        OFFICE, firewall=replace(OFFICE.firewall, rules=(rule,)),
        routes=(StaticRoute(IPv4Network("10.0.0.0/8"), IPv4Address("172.16.0.1")),),
    )  # fmt: skip
    wanted = read("wan-address", {"address": "198.51.100.9/24"})
    notes = list(CHANGE_TYPES["wan-address"].check(wanted, now, replace(SETTING, section="§5.2.2.1")))
    assert [(one.check, one.refuses, one.field, "§" in one.reason) for one in notes] == [
        (Check.IN_USE, False, "", False), (Check.ROUTE, False, "", False),
    ]  # fmt: skip
